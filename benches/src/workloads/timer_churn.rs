//! Timeouts that are cancelled and set anew, as of connections that stay busy: most timers of most
//! programs never fire.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use conformance::adapter::{Adapter, Capability, Failure, TimerNext};

use super::due::{self, Due};
use super::shuffle::shuffled;
use super::{WRONG, drain};
use crate::baselines::Poller;
use crate::tally::Tally;
use crate::workload::{MadeOf, Repeats, Run, Spec, Workload};

/// How many are cancelled and set anew before a dispatch shows that they are gone.
const PAIRS: u64 = 100;

#[derive(Copy, Clone)]
pub(super) struct TimerChurn {
    pub(super) live: u64,
}

impl TimerChurn {
    /// Delays far from over, in no order, and so far apart that one that is set anew keeps its place
    /// among the others, however slow the machine.
    fn delays(self) -> Vec<Duration> {
        let delay = |place| Duration::from_secs(3600 + place);
        shuffled(self.live).into_iter().map(delay).collect()
    }
}

impl Workload for TimerChurn {
    fn spec(self) -> Spec {
        Spec {
            name: "timer-churn",
            parameters: format!("live={}", self.live),
            about: "a timer cancelled and another inserted, 100 times, then a dispatch that finds \
                    one due and not the one that was cancelled",
            per: "pair",
            units: PAIRS,
            events: 1,
            needs: &[Capability::Timers],
            needs_one_of: due::NEEDS_ONE_OF,
            floor: MadeOf::Std("std-binary-heap"),
            is_large: self.live > 10_000,
            is_extra: ![1_000, 20_000].contains(&self.live),
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
        let delays = self.delays();
        let mut live = Vec::new();
        for delay in &delays {
            live.push(A::insert_timer(&handle, *delay, saw(WRONG))?);
        }
        let (due, mut oldest) = (Due::on::<A>(), 0);
        Ok(Run::new(tally.clone(), move || {
            for _ in 1..PAIRS {
                let timer = A::insert_timer(&handle, delays[oldest], saw(WRONG))?;
                A::remove(&handle, std::mem::replace(&mut live[oldest], timer));
                oldest = (oldest + 1) % live.len();
            }
            let cancelled = due.insert::<A, _>(&handle, saw(WRONG))?;
            due.insert::<A, _>(&handle, saw(0))?;
            A::remove(&handle, cancelled);
            drain(&mut event_loop, &tally)
        }))
    }

    /// A binary heap cannot cancel: the first is taken out and set anew.
    fn floor<P: Poller>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let delays = self.delays();
        let now = Instant::now();
        let mut heap: BinaryHeap<_> =
            delays.iter().zip(0u64..).map(|(delay, id)| Reverse((now + *delay, id))).collect();
        let mut next = 0;
        Ok(Run::new(tally.clone(), move || {
            for _ in 0..PAIRS {
                if let Some(Reverse((first, id))) = heap.pop() {
                    heap.push(Reverse((first + delays[next], id)));
                }
                next = (next + 1) % delays.len();
            }
            tally.saw(0);
            Ok(())
        }))
    }
}
