//! What happened, in order and with times: what a rule compares, and what a failure shows.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A record of events that callbacks, threads and the test itself add to. Clones share it.
#[derive(Clone)]
pub struct Trace {
    start: Instant,
    events: Arc<Mutex<Vec<Event>>>,
    observer: Option<Arc<Observer>>,
}

type Observer = dyn Fn(&Event) + Send + Sync;

/// One entry of a [`Trace`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When, from the start of the trace.
    pub at: Duration,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Something that the rule is about; [`Trace::marks`] lists these.
    Mark(String),
    /// Something that helps to read the trace: a dispatch begins or ends, a thread starts.
    Note(String),
}

impl Trace {
    /// An empty record that starts now.
    #[allow(clippy::new_without_default, reason = "it starts a clock")]
    pub fn new() -> Self {
        Trace { start: Instant::now(), events: Arc::default(), observer: None }
    }

    /// An empty record that shows each event to the observer at once, so that it is known even if
    /// the process dies in the middle.
    pub fn observed(observer: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        Trace { observer: Some(Arc::new(observer)), ..Trace::new() }
    }

    /// Records something that the rule is about.
    pub fn mark(&self, what: impl fmt::Display) {
        self.add(What::Mark(what.to_string()));
    }

    /// Records something that helps to read the trace.
    pub fn note(&self, what: impl fmt::Display) {
        self.add(What::Note(what.to_string()));
    }

    /// The marks so far, in order.
    pub fn marks(&self) -> Vec<String> {
        let marks = self.events().into_iter().filter_map(|event| match event.what {
            What::Mark(mark) => Some(mark),
            What::Note(_) => None,
        });
        marks.collect()
    }

    /// How often something was marked so far.
    pub fn count(&self, mark: &str) -> usize {
        self.marks().iter().filter(|marked| *marked == mark).count()
    }

    /// Everything so far.
    pub fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, what: What) {
        let event = Event { at: self.start.elapsed(), what };
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(observer) = &self.observer {
            observer(&event);
        }
        events.push(event);
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Trace").field(&self.events()).finish()
    }
}
