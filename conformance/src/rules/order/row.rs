//! Sources in a row, to see how a batch is walked.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::kit::{has, insert_once, insert_reader, let_time_pass};
use crate::adapter::{Adapter, Capability, Failure, Ping};
use crate::fixture::Fixture;

/// A kind of source of which a row is inserted, all due.
#[derive(Copy, Clone, Debug)]
pub(super) enum Kind {
    Descriptors,
    Timers,
    Pings,
}

impl Kind {
    pub(super) fn all<A: Adapter>() -> Vec<Kind> {
        let mut kinds = Vec::new();
        if has::<A>(Capability::Timers) {
            kinds.push(Kind::Timers);
        }
        if has::<A>(Capability::Descriptors) {
            kinds.push(Kind::Descriptors);
        }
        if has::<A>(Capability::Ping) {
            kinds.push(Kind::Pings);
        }
        kinds
    }
}

/// Sources in a row, all due, each of which marks its number and then acts.
pub(super) struct Row<A: Adapter> {
    sources: Rc<RefCell<Vec<A::Source>>>,
    /// What has to be kept for them.
    kept: Vec<Box<dyn Any>>,
}

impl<A: Adapter> Row<A> {
    pub(super) fn insert(
        t: &Fixture<'_, A>,
        kind: Kind,
        count: usize,
        act: impl Fn(&A::Handle, &[A::Source], usize) + 'static,
    ) -> Result<Self, Failure> {
        let mut row = Row { sources: Rc::default(), kept: Vec::new() };
        let act = Rc::new(act);
        for number in 0..count {
            let (trace, act, sources) = (t.trace(), act.clone(), row.sources.clone());
            let call = move |handle: &A::Handle| {
                trace.mark(number);
                let sources = sources.borrow().clone();
                act(handle, &sources, number);
            };
            let source = match kind {
                Kind::Descriptors => {
                    let (wire, source) = insert_reader::<A>(&t.handle, call)?;
                    wire.send();
                    row.kept.push(Box::new(wire));
                    source
                }
                Kind::Timers => insert_once::<A>(&t.handle, Duration::ZERO, call)?,
                Kind::Pings => {
                    let (ping, source) = A::insert_ping(&t.handle, call)?;
                    ping.ping();
                    row.kept.push(Box::new(ping));
                    source
                }
            };
            row.sources.borrow_mut().push(source);
            let_time_pass();
        }
        Ok(row)
    }

    /// Removes all.
    pub(super) fn clear(self, handle: &A::Handle) {
        let sources = self.sources.take();
        sources.into_iter().for_each(|source| A::remove(handle, source));
        drop(self.kept);
    }
}
