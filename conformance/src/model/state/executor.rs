//! An executor and its futures.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{Claim, after, claim_of_turn};
use crate::model::program::{Future, SLEEP};

/// An executor.
#[derive(Clone, Debug, Default)]
pub(in crate::model) struct Executor {
    tasks: Vec<Task>,
    /// Those to be polled, in order.
    queue: VecDeque<u32>,
    /// Those that have resolved and were not reported yet.
    outputs: VecDeque<u32>,
    left: usize,
    pub(in crate::model) is_stirred: bool,
}

#[derive(Clone, Debug)]
struct Task {
    future: Future,
    is_open: bool,
    is_waiting: bool,
    /// Of one that sleeps.
    sleep: Option<Sleep>,
}

/// The time of a future that sleeps.
#[derive(Copy, Clone, Debug)]
struct Sleep {
    /// Not before this.
    from: Instant,
    /// By this the delay is over; known when it was polled.
    to: Option<Instant>,
    /// How many waits have begun since then. One finds that the delay is over, the next has the
    /// future polled.
    waits: usize,
}

/// How many waits it may take until a future goes on whose delay is over.
const WAITS_MAX: usize = 3;

impl Sleep {
    fn is_overdue(&self) -> bool {
        self.waits >= WAITS_MAX
    }
}

impl Executor {
    /// A future was spawned, not before this instant.
    pub(in crate::model) fn spawn(&mut self, future: Future, begun: Instant) {
        self.queue.push_back(self.tasks.len() as u32);
        let sleep = Sleep { from: begun + SLEEP, to: None, waits: 0 };
        self.tasks.push(Task {
            future,
            is_open: future == Future::Ready,
            is_waiting: false,
            sleep: (future == Future::Sleeps).then_some(sleep),
        });
    }

    pub(in crate::model) fn open(&mut self, task: u32) {
        let opened = &mut self.tasks[task as usize];
        opened.is_open = true;
        if std::mem::take(&mut opened.is_waiting) {
            self.queue.push_back(task);
        }
    }

    fn sleeps(&self) -> impl Iterator<Item = &Sleep> {
        self.tasks.iter().filter_map(|task| task.sleep.as_ref())
    }

    /// Whether a delay may end a wait.
    pub(in crate::model) fn is_sleeping(&self) -> bool {
        self.sleeps().next().is_some()
    }

    pub(super) fn gather(&mut self, now: Instant) -> Claim {
        self.left = self.queue.len() + self.outputs.len();
        for sleep in self.tasks.iter_mut().filter_map(|task| task.sleep.as_mut()) {
            sleep.waits += usize::from(sleep.to.is_some_and(|to| to <= now));
        }
        let overdue = self.sleeps().filter(|sleep| sleep.is_overdue()).count();
        let is_stirred = std::mem::take(&mut self.is_stirred);
        claim_of_turn(self.left + overdue, is_stirred || self.is_sleeping())
    }

    fn claim(&mut self) -> Claim {
        let is_overdue = self.sleeps().any(Sleep::is_overdue);
        let is_due = self.left > 0 || !self.outputs.is_empty() || is_overdue;
        if is_due { Claim::Must } else { Claim::May }
    }

    pub(super) fn polled(&mut self, number: u32, now: Instant) -> Result<Claim, String> {
        let task = &mut self.tasks[number as usize];
        if let Some(Sleep { to: Some(_), .. }) = task.sleep {
            // It may be woken before its time.
            return Ok(self.claim());
        }
        let next = self.queue.pop_front();
        if next != Some(number) {
            return Err(next.map_or("no future".into(), |next| format!("future {next} first")));
        }
        self.left = self.left.saturating_sub(1);
        match (&mut task.sleep, task.future) {
            (Some(sleep), _) => sleep.to = Some(after(now, SLEEP)),
            (None, Future::Panics) => {}
            _ if task.is_open => self.outputs.push_back(number),
            _ => task.is_waiting = true,
        }
        Ok(self.claim())
    }

    pub(super) fn output(&mut self, number: u32, now: Instant) -> Result<Claim, String> {
        let task = &mut self.tasks[number as usize];
        if let Some(sleep) = task.sleep {
            let early = sleep.from.saturating_duration_since(now);
            if early > Duration::ZERO {
                return Err(format!("no output before its delay is over, in {early:.1?}"));
            }
            task.sleep = None;
            return Ok(self.claim());
        }
        let next = self.outputs.pop_front();
        if next != Some(number) {
            return Err(next.map_or("no output".into(), |next| format!("output {next} first")));
        }
        Ok(self.claim())
    }
}
