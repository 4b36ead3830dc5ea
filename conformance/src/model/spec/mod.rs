//! The specification as a machine: it is told what is done with a loop and what the loop does, step
//! by step, and says when that is not permitted.
//!
//! It does not compute the trace that a loop has to show, because there are many: between kinds of
//! sources the order is free. It knows which calls are due, which are permitted, and which are not.

mod calls;
mod dispatch;
mod drops;
mod handing;
mod operations;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::program::{Id, Kind, Program, Signal, When, name};
use super::state::{Claim, State};
use crate::adapter::Capabilities;
use crate::rule::Deviation;

/// What came of an operation.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    Failed,
    Full,
    Closed,
}

/// How a dispatch ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Returned,
    Failed(String),
    Panicked,
}

/// Where a source is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Life {
    Absent,
    Enabled,
    Disabled,
    /// It was removed, or an idle callback that has run or was cancelled.
    Gone,
}

/// When what a callback captured has to be dropped.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Drop {
    /// Not while it is in the loop.
    Never,
    /// With the loop at the latest.
    Whenever,
    /// When the next dispatch is over.
    Soon,
    /// Now.
    Now,
    Done,
}

#[derive(Clone, Debug)]
struct Entry {
    life: Life,
    /// Whether it is known to be enabled or disabled.
    is_sure: bool,
    /// It panicked in a way that leaves open what it does from now on.
    is_wild: bool,
    claim: Claim,
    /// It lost a claim in this dispatch because it was disabled.
    is_silenced: bool,
    drop: Drop,
    state: State,
}

/// A dispatch.
#[derive(Clone, Debug)]
struct Dispatch {
    begin: Instant,
    limit: Option<Duration>,
    /// What must end the wait before its limit.
    is_sure_to_end: bool,
    /// What may end it before its limit, other than timers.
    may_end: bool,
    calls: usize,
    /// Who was called last: its turn may go on.
    last: Option<Id>,
    /// Who is being called.
    running: Option<Id>,
    /// It was disabled in its own callback, in this turn.
    is_deferred: bool,
    /// A callback failed or panicked.
    broken: Option<Ending>,
    /// How many idle callbacks are left to run, once they have begun to.
    idles_left: Option<usize>,
}

/// The specification, and what has been told of a loop so far.
#[derive(Clone, Debug)]
pub(super) struct Model {
    capabilities: Capabilities,
    kinds: Vec<Kind>,
    keeps_name: Vec<bool>,
    entries: Vec<Entry>,
    idles: VecDeque<Id>,
    dispatch: Option<Dispatch>,
    start: Instant,
    sequence: u64,
    /// Counts what becomes ready.
    changes: u64,
    /// What was armed last, while it is open when the delay began to count.
    arming: Option<(Id, When)>,
    is_wakeup_due: bool,
    /// Something was done that may end a wait although there is nothing to deliver.
    is_stirred: bool,
    /// Something was done that may show outside of the loop though it ends no wait.
    is_noted: bool,
    is_over: bool,
    deviation: Option<Deviation>,
    is_doubtful: bool,
}

/// No more bytes than this wait to be read.
const BYTES_MAX: u32 = 64;

/// A limit after which a loop counts as asleep for ever.
pub(super) const PATIENCE: Duration = Duration::from_millis(400);

impl Model {
    pub(super) fn new(program: &Program, capabilities: Capabilities, start: Instant) -> Self {
        let state = |kind: Kind| {
            let mut state = State::new(kind);
            if let (State::Signals(signals), true) = (&mut state, program.scene.is_blocking) {
                signals.keep();
            }
            state
        };
        let entry = |kind: Kind| Entry {
            life: Life::Absent,
            is_sure: true,
            is_wild: false,
            claim: Claim::No,
            is_silenced: false,
            drop: Drop::Never,
            state: state(kind),
        };
        Model {
            capabilities,
            kinds: program.sources.iter().map(|source| source.kind).collect(),
            keeps_name: program.sources.iter().map(|source| source.keeps_name()).collect(),
            entries: program.sources.iter().map(|source| entry(source.kind)).collect(),
            idles: VecDeque::new(),
            dispatch: None,
            start,
            sequence: 0,
            changes: 0,
            arming: None,
            is_wakeup_due: false,
            is_stirred: false,
            is_noted: false,
            is_over: false,
            deviation: None,
            is_doubtful: false,
        }
    }

    /// The first thing that was not permitted.
    pub(super) fn deviation(&self) -> Option<&Deviation> {
        self.deviation.as_ref()
    }

    /// Whether that is about lateness, for which the machine may be to blame, or about what
    /// belongs to the whole process.
    pub(super) fn is_doubtful(&self) -> bool {
        self.is_doubtful
    }

    /// Something was seen that is no deviation if it is seen only once.
    pub(super) fn doubt(&mut self, expected: impl Into<String>, actual: impl Into<String>) {
        self.is_doubtful |= self.deviation.is_none();
        self.deviate(expected, actual);
    }

    pub(super) fn deviate(&mut self, expected: impl Into<String>, actual: impl Into<String>) {
        if self.deviation.is_none() {
            self.deviation = Some(Deviation { expected: expected.into(), actual: actual.into() });
        }
    }

    /// Who is being called.
    pub(super) fn running(&self) -> Option<Id> {
        self.dispatch.as_ref()?.running
    }

    pub(super) fn is_dispatching(&self) -> bool {
        self.dispatch.is_some()
    }

    pub(super) fn is_absent(&self, id: Id) -> bool {
        self.entries[id].life == Life::Absent
    }

    /// Whether it is in the loop.
    pub(super) fn is_in(&self, id: Id) -> bool {
        matches!(self.entries[id].life, Life::Enabled | Life::Disabled)
    }

    /// Whether a source that is in the loop watches a signal.
    pub(super) fn is_watched(&self, signal: Signal) -> bool {
        self.entries.iter().any(|entry| match &entry.state {
            State::Signals(signals) => {
                matches!(entry.life, Life::Enabled | Life::Disabled) && signals.set.has(signal)
            }
            _ => false,
        })
    }

    /// Whether it is open which signals the loop watches, because a source is about to go.
    pub(super) fn is_watching_open(&self) -> bool {
        let is_open = |entry: &Entry| entry.life == Life::Gone && entry.drop != Drop::Done;
        self.entries.iter().any(|entry| matches!(entry.state, State::Signals(_)) && is_open(entry))
    }

    /// Whether more can be written to a descriptor without blocking.
    pub(super) fn has_room(&self, id: Id) -> bool {
        matches!(&self.entries[id].state, State::Fd(fd) if fd.bytes < BYTES_MAX)
    }

    fn text(&self, id: Id) -> String {
        format!("{} ({})", name(id), self.kinds[id])
    }
}
