//! A timer that is due at once, among many that are far from due.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use conformance::adapter::{Adapter, Capability, Failure, TimerNext};

use super::due::{self, Due};
use super::shuffle::shuffled;
use super::{Preparation, WRONG, drain};
use crate::baselines::Poller;
use crate::tally::Tally;
use crate::workload::{MadeOf, Repeats, Run, Spec, Workload};

/// How many fire in an operation.
const DUE: u64 = 10;

#[derive(Copy, Clone)]
pub(super) struct TimerDue {
    pub(super) live: u64,
}

impl TimerDue {
    fn delays(self) -> impl Iterator<Item = Duration> {
        shuffled(self.live).into_iter().map(|place| Duration::from_secs(3600 + place))
    }
}

impl Workload for TimerDue {
    fn spec(self) -> Spec {
        Spec {
            name: "timer-due",
            parameters: format!("live={}", self.live),
            about: "ten timers that are due inserted among others that are not, then dispatches \
                    until they have fired",
            per: "event",
            units: DUE,
            events: DUE,
            needs: &[Capability::Timers],
            needs_one_of: due::NEEDS_ONE_OF,
            floor: MadeOf::Std("std-binary-heap"),
            is_large: self.live > 10_000,
            is_extra: true,
            repeats: Repeats::of_timers(self.live),
            ..Spec::default()
        }
    }

    fn on<A: Adapter>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let mut event_loop = A::new()?;
        let handle = event_loop.handle();
        let seen = tally.clone();
        let saw = move |number| {
            let tally = seen.clone();
            move |_: &A::Handle, _| {
                tally.saw(number);
                TimerNext::Stop
            }
        };
        let preparation = Preparation::begin();
        for delay in self.delays() {
            preparation.is_in_time()?;
            A::insert_timer(&handle, delay, saw(WRONG))?;
        }
        let due = Due::on::<A>();
        Ok(Run::new(tally.clone(), move || {
            for number in 0..DUE {
                due.insert::<A, _>(&handle, saw(number))?;
            }
            drain(&mut event_loop, &tally)
        }))
    }

    fn floor<P: Poller>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let start = Instant::now();
        let mut heap: BinaryHeap<_> =
            self.delays().map(|delay| Reverse((start + delay, WRONG))).collect();
        Ok(Run::new(tally.clone(), move || {
            for number in 0..DUE {
                heap.push(Reverse((start, number)));
            }
            for _ in 0..DUE {
                if let Some(Reverse((_, number))) = heap.pop() {
                    tally.saw(number);
                }
            }
            Ok(())
        }))
    }
}
