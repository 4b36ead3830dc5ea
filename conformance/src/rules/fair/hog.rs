//! A greedy source, and how the others fare beside it.

use std::cell::Cell;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use super::kinds::{Kind, insert_kinds};
use crate::adapter::{Adapter, Capability};
use crate::ensure;
use crate::fixture::Fixture;
use crate::rule::Check;
use crate::rules::kit::has;

/// A source that always has something to do.
#[derive(Clone)]
pub(super) struct Hog {
    calls: Rc<Cell<usize>>,
    /// Its calls in the present dispatch.
    in_dispatch: Rc<Cell<usize>>,
}

impl Hog {
    /// A dispatch that calls it so often does not mean to return. The hog gives up then, so that
    /// there is an answer.
    pub(super) const CALLS_MAX: usize = 20_000;

    pub(super) fn new() -> Self {
        Hog { calls: Rc::default(), in_dispatch: Rc::default() }
    }

    /// Counts a call; whether to go on having something to do.
    pub(super) fn turn(&self) -> bool {
        self.calls.set(self.calls.get() + 1);
        self.in_dispatch.set(self.in_dispatch.get() + 1);
        self.in_dispatch.get() < Self::CALLS_MAX
    }

    /// Gives every other kind of source something to be called for, again and again, and fails
    /// unless each is called soon, and the hog as well.
    pub(super) fn leaves_turns<A: Adapter>(&self, t: &mut Fixture<'_, A>) -> Check {
        const ROUNDS: usize = 20;
        const DISPATCHES: usize = 8;
        const COARSE: Duration = Duration::from_millis(2);
        // Where a dispatch is a part of what a wait brought, every source may need one of its own.
        let sources =
            if has::<A>(Capability::OneWaitADispatch) { 1 } else { Rc::strong_count(&self.calls) };
        let few = DISPATCHES * sources;
        let mut kinds = insert_kinds::<A>(&t.handle)?;
        if !has::<A>(Capability::IdleEveryDispatch) {
            // They have their turn when there is nothing else to do, and there always is.
            kinds.retain(|kind| kind.name != "idle callback");
        }
        for round in 1..=ROUNDS {
            kinds.iter().try_for_each(|kind| (kind.make_due)())?;
            if !has::<A>(Capability::ImmediateTimers) {
                // A timer that is coarse is due when its millisecond is over.
                thread::sleep(COARSE);
            }
            let waits = |kind: &&Kind| kind.calls.get() < round;
            let mut dispatches = 0;
            while dispatches < few && kinds.iter().any(|kind| waits(&kind)) {
                self.in_dispatch.set(0);
                t.event_loop.dispatch(Some(Duration::ZERO))?;
                dispatches += 1;
                ensure!(
                    self.in_dispatch.get() < Self::CALLS_MAX,
                    format_args!(
                        "a dispatch that calls one source less than {} times",
                        Self::CALLS_MAX
                    ),
                    "it did, and would not have returned"
                );
            }
            let waiting: Vec<&str> = kinds.iter().filter(waits).map(|kind| kind.name).collect();
            ensure!(
                waiting.is_empty(),
                format_args!("every other source to be called within {few} dispatches"),
                "in round {round} not called: {}, while the greedy source was called {} times",
                waiting.join(", "),
                self.calls.get()
            );
        }
        if has::<A>(Capability::Idle) && !has::<A>(Capability::IdleEveryDispatch) {
            // Now there is nothing else to do, and an idle hog has its turns.
            (0..few).try_for_each(|_| t.event_loop.dispatch(Some(Duration::ZERO)))?;
        }
        let calls = self.calls.get();
        t.trial.trace.note(format_args!("{calls} calls of the greedy source in {ROUNDS} rounds"));
        ensure!(
            calls >= ROUNDS,
            "the greedy source to have its turns as well",
            "{calls} in {ROUNDS}"
        );
        Ok(())
    }
}
