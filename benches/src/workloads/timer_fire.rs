//! Timers inserted in no order that are all due, and fire in the order of their deadlines.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use conformance::adapter::{Adapter, Capability, Failure, TimerNext};

use super::drain;
use super::shuffle::shuffled;
use crate::baselines::Poller;
use crate::tally::Tally;
use crate::workload::{MadeOf, Repeats, Run, Spec, Workload};

#[derive(Copy, Clone)]
pub(super) struct TimerFire {
    pub(super) timers: u64,
}

impl TimerFire {
    /// Deadlines in the past, in no order, each with its place in the order.
    fn deadlines(self) -> Vec<(Instant, u64)> {
        // Further apart than the coarsest of clocks counts.
        let start = Instant::now() - Duration::from_micros(self.timers);
        let deadline = |place| start + Duration::from_micros(place);
        shuffled(self.timers).into_iter().map(|place| (deadline(place), place)).collect()
    }
}

impl Workload for TimerFire {
    fn spec(self) -> Spec {
        Spec {
            name: "timer-fire",
            parameters: format!("timers={}", self.timers),
            about: "timers that are due inserted in no order, then dispatches until all have fired",
            per: "event",
            units: self.timers,
            events: self.timers,
            needs: &[
                Capability::Deadlines,
                Capability::SubMillisecondTimers,
                Capability::DeadlineOrder,
            ],
            floor: MadeOf::Std("std-binary-heap"),
            is_large: self.timers > 10_000,
            is_extra: ![1_000, 20_000].contains(&self.timers),
            repeats: Repeats::of_timers(self.timers),
            ..Spec::default()
        }
    }

    fn on<A: Adapter>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let mut event_loop = A::new()?;
        let handle = event_loop.handle();
        let deadlines = self.deadlines();
        Ok(Run::new(tally.clone(), move || {
            for &(deadline, place) in &deadlines {
                let tally = tally.clone();
                A::insert_deadline(&handle, deadline, move |_, _| {
                    tally.saw_next(place);
                    TimerNext::Stop
                })?;
            }
            drain(&mut event_loop, &tally)
        }))
    }

    fn floor<P: Poller>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let mut heap = BinaryHeap::new();
        let deadlines = self.deadlines();
        Ok(Run::new(tally.clone(), move || {
            for deadline in &deadlines {
                heap.push(Reverse(*deadline));
            }
            while let Some(Reverse((_, place))) = heap.pop() {
                tally.saw_next(place);
            }
            Ok(())
        }))
    }
}
