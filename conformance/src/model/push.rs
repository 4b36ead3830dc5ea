//! Messages that another thread sends, which waits for room.

use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::program::{Id, name};
use super::spec::{Outcome, PATIENCE};
use super::stage::Stage;
use crate::adapter::Adapter;

/// A thread that sends a message.
pub(super) struct Pushing(JoinHandle<Outcome>);

/// How long a send that has to wait is watched.
const WATCH: Duration = Duration::from_micros(500);

impl Pushing {
    /// What came of it, unless that takes too long.
    fn outcome(self) -> Option<Outcome> {
        let begin = Instant::now();
        while !self.0.is_finished() {
            if begin.elapsed() > PATIENCE {
                // The thread is left to itself.
                return None;
            }
            thread::sleep(Duration::from_micros(50));
        }
        self.0.join().ok()
    }
}

impl<A: Adapter> Stage<A> {
    /// Has another thread send the next message.
    pub(super) fn push(&self, id: Id) -> Outcome {
        let Some(sender) = self.slots.borrow()[id].sender.as_ref().map(|it| it.copy()) else {
            return Outcome::Failed;
        };
        let message = self.message();
        self.model.borrow_mut().pushing(id, message.number);
        let thread = thread::spawn(move || sender.send(message));
        if self.model.borrow().push_is_over(id).is_none() {
            thread::sleep(WATCH);
            if thread.is_finished() {
                let expected = format!("the send to {} to wait for the loop", name(id));
                self.model.borrow_mut().deviate(expected, "it has returned");
            }
        }
        self.slots.borrow_mut()[id].push = Some(Pushing(thread));
        Outcome::Done
    }

    /// Sees to it that each thread whose message has found room, or nobody, is done.
    pub(super) fn settle(&self) {
        for id in 0..self.program.sources.len() {
            let Some(expected) = self.model.borrow().push_is_over(id) else { continue };
            let Some(pushing) = self.slots.borrow_mut()[id].push.take() else { continue };
            let outcome = pushing.outcome();
            let mut model = self.model.borrow_mut();
            if outcome == Some(expected) {
                model.pushed(id, expected);
            } else {
                let expected = format!("the send to {} to come to this: {expected:?}", name(id));
                model.doubt(expected, format!("{outcome:?}"));
            }
        }
    }

    /// The loop is gone: no thread may wait for it any more.
    pub(super) fn join(&self, threads: Vec<Pushing>) {
        for thread in threads {
            if thread.outcome().is_none() {
                let mut model = self.model.borrow_mut();
                model.doubt("a send to return when the loop is gone", "it does not");
            }
        }
    }
}
