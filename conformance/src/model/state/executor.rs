//! An executor and its futures.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::{Claim, TURN_MIN, after, claim_of_turn};
use crate::model::program::{Future, SLEEP};

/// An executor.
#[derive(Clone, Debug, Default)]
pub(in crate::model) struct Executor {
    tasks: Vec<Task>,
    /// What those await that await something of the loop, by their numbers.
    waits: BTreeMap<u32, Wait>,
    /// Those to be polled, in order.
    queue: VecDeque<u32>,
    /// Those that have resolved and were not reported yet.
    outputs: VecDeque<u32>,
    left: usize,
    /// How much was done in this turn.
    pub(super) taken: usize,
    pub(in crate::model) is_stirred: bool,
}

#[derive(Clone, Debug)]
struct Task {
    future: Future,
    is_open: bool,
    is_waiting: bool,
}

/// A delay, or the readiness of a descriptor.
#[derive(Copy, Clone, Debug)]
struct Wait {
    is_polled: bool,
    /// It comes to its end not before this, if it is known that it does.
    from: Option<Instant>,
    /// Nor after this.
    to: Option<Instant>,
    /// How many waits of the loop have begun since then, in dispatches that came to their end. One
    /// finds that there is something, the next has the future polled.
    waits: usize,
}

/// How many waits it may take until a future goes on.
const WAITS_MAX: usize = 3;

impl Wait {
    fn is_overdue(&self) -> bool {
        self.waits >= WAITS_MAX
    }
}

impl Executor {
    /// A future was spawned, not before this instant.
    pub(in crate::model) fn spawn(&mut self, future: Future, begun: Instant) {
        let number = self.tasks.len() as u32;
        self.queue.push_back(number);
        if matches!(future, Future::Sleeps | Future::Reads | Future::Writes) {
            let from = (future == Future::Sleeps).then(|| begun + SLEEP);
            self.waits.insert(number, Wait { is_polled: false, from, to: None, waits: 0 });
        }
        let is_open = future == Future::Ready;
        self.tasks.push(Task { future, is_open, is_waiting: false });
    }

    pub(in crate::model) fn open(&mut self, task: u32) {
        let opened = &mut self.tasks[task as usize];
        opened.is_open = true;
        if std::mem::take(&mut opened.is_waiting) {
            self.queue.push_back(task);
        }
    }

    /// What the oldest future awaits that waits for a descriptor comes to pass.
    pub(in crate::model) fn feed(&mut self, now: Instant) {
        if let Some(wait) = self.waits.values_mut().find(|wait| wait.from.is_none()) {
            wait.from = Some(now);
            wait.to = wait.is_polled.then_some(now);
        }
    }

    /// Whether what a future awaits may end a wait; and whether it is sure to.
    pub(in crate::model) fn may_wake(&self) -> (bool, bool) {
        (!self.waits.is_empty(), self.waits.values().any(|wait| wait.from.is_some()))
    }

    pub(super) fn gather(&mut self, now: Instant) -> Claim {
        (self.left, self.taken) = (self.queue.len() + self.outputs.len(), 0);
        for wait in self.waits.values_mut() {
            wait.waits += usize::from(wait.to.is_some_and(|to| to <= now));
        }
        let overdue = self.waits.values().filter(|wait| wait.is_overdue()).count();
        let is_stirred = std::mem::take(&mut self.is_stirred);
        claim_of_turn(self.left + overdue, is_stirred || self.may_wake().0)
    }

    /// The dispatch that began then was cut short, and what its wait found is left to the next.
    pub(in crate::model) fn cut(&mut self, begin: Instant) {
        for wait in self.waits.values_mut() {
            wait.waits -= usize::from(wait.waits > 0 && wait.to.is_some_and(|to| to <= begin));
        }
    }

    fn claim(&mut self) -> Claim {
        self.taken += 1;
        let is_overdue = self.waits.values().any(Wait::is_overdue);
        let is_due = (self.left > 0 || is_overdue) && self.taken < TURN_MIN;
        if is_due || !self.outputs.is_empty() { Claim::Must } else { Claim::May }
    }

    pub(super) fn polled(&mut self, number: u32, now: Instant) -> Result<Claim, String> {
        let task = &mut self.tasks[number as usize];
        let wait = self.waits.get_mut(&number);
        if wait.as_ref().is_some_and(|wait| wait.is_polled) {
            // It may be woken before its time.
            return Ok(self.claim());
        }
        let next = self.queue.pop_front();
        if next != Some(number) {
            return Err(next.map_or("no future".into(), |next| format!("future {next} first")));
        }
        self.left = self.left.saturating_sub(1);
        match (wait, task.future) {
            (Some(wait), future) => {
                let delay = if future == Future::Sleeps { SLEEP } else { Duration::ZERO };
                (wait.is_polled, wait.to) = (true, wait.from.map(|_| after(now, delay)));
            }
            (None, Future::Panics) => {}
            _ if task.is_open => self.outputs.push_back(number),
            _ => task.is_waiting = true,
        }
        Ok(self.claim())
    }

    pub(super) fn output(&mut self, number: u32, now: Instant) -> Result<Claim, String> {
        if let Some(wait) = self.waits.remove(&number) {
            if wait.from.is_none_or(|from| now < from) {
                return Err("no output before what it awaits has come to pass".into());
            }
            return Ok(self.claim());
        }
        let next = self.outputs.pop_front();
        if next != Some(number) {
            return Err(next.map_or("no output".into(), |next| format!("output {next} first")));
        }
        Ok(self.claim())
    }
}
