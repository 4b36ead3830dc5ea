//! A timer cancelled or set anew at one place among many that are far from due.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use conformance::adapter::{Adapter, Capability, Failure, TimerNext};

use super::due::{self, Due};
use super::shuffle::shuffled;
use super::{Preparation, WRONG, drain};
use crate::baselines::Poller;
use crate::tally::Tally;
use crate::workload::{MadeOf, Repeats, Run, Spec, Workload};

/// How many changes there are before a dispatch shows that they were made.
const CHANGES: u64 = 100;

#[derive(Copy, Clone)]
pub(super) struct TimerChange {
    pub(super) change: Change,
    pub(super) at: Place,
    pub(super) live: u64,
}

#[derive(Copy, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// One is inserted and cancelled.
    Cancel,
    /// One is set to a later time.
    Rearm,
}

/// Before all others, in their midst, behind them.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Head,
    Middle,
    Tail,
}

impl Place {
    pub(super) const ALL: [Place; 3] = [Place::Head, Place::Middle, Place::Tail];

    fn name(self) -> &'static str {
        match self {
            Place::Head => "head",
            Place::Middle => "middle",
            Place::Tail => "tail",
        }
    }
}

const FAR: Duration = Duration::from_secs(7200);

impl TimerChange {
    /// The delays of those that stay, in no order; so far apart that one at a place stays there,
    /// however slow the machine.
    fn delays(self) -> impl Iterator<Item = Duration> {
        shuffled(self.live).into_iter().map(|place| FAR + Duration::from_secs(place))
    }

    /// The delay of the one that changes.
    fn delay(self) -> Duration {
        match self.at {
            Place::Head => FAR / 2,
            Place::Middle => FAR + Duration::from_secs(self.live / 2),
            Place::Tail => 2 * FAR + Duration::from_secs(self.live),
        }
    }

    fn cancel<A: Adapter>(self, mut event_loop: A, tally: Rc<Tally>) -> Run {
        let (handle, due) = (event_loop.handle(), Due::on::<A>());
        Run::new(tally.clone(), move || {
            let saw = |number| {
                let tally = tally.clone();
                move |_: &A::Handle, _| {
                    tally.saw(number);
                    TimerNext::Stop
                }
            };
            for _ in 1..CHANGES {
                let timer = A::insert_timer(&handle, self.delay(), saw(WRONG))?;
                A::remove(&handle, timer);
            }
            let cancelled = due.insert::<A, _>(&handle, saw(WRONG))?;
            due.insert::<A, _>(&handle, saw(0))?;
            A::remove(&handle, cancelled);
            drain(&mut event_loop, &tally)
        })
    }

    fn rearm<A: Adapter>(self, mut event_loop: A, tally: Rc<Tally>) -> Result<Run, Failure> {
        let handle = event_loop.handle();
        let seen = tally.clone();
        let timer = A::insert_timer(&handle, self.delay(), move |_, _| {
            seen.saw(0);
            TimerNext::After(self.delay())
        })?;
        Ok(Run::new(tally.clone(), move || {
            for _ in 1..CHANGES {
                A::reset_timer(&handle, &timer, self.delay())?;
            }
            A::reset_timer(&handle, &timer, Duration::ZERO)?;
            drain(&mut event_loop, &tally)
        }))
    }
}

impl Workload for TimerChange {
    fn spec(self) -> Spec {
        let TimerChange { change, at, live } = self;
        let spec = Spec {
            parameters: format!("at={},live={live}", at.name()),
            units: CHANGES,
            events: 1,
            floor: MadeOf::Std("std-btreemap"),
            is_large: live > 10_000,
            is_extra: true,
            repeats: Repeats::of_timers(live),
            ..Spec::default()
        };
        match change {
            Change::Cancel => Spec {
                name: "timer-cancel",
                about: "a timer inserted at a place among others and cancelled, 100 times, then a \
                        dispatch that finds another due and not the last that was cancelled",
                per: "pair",
                needs: &[Capability::Timers],
                needs_one_of: due::NEEDS_ONE_OF,
                ..spec
            },
            Change::Rearm => Spec {
                name: "timer-rearm",
                about: "a timer at a place among others set anew, 100 times, the last time so that \
                        it is due, then a dispatch that finds it",
                per: "change",
                needs: &[
                    Capability::TimerReset,
                    Capability::TimerRepeat,
                    Capability::ImmediateTimers,
                ],
                ..spec
            },
        }
    }

    fn on<A: Adapter>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let event_loop = A::new()?;
        let handle = event_loop.handle();
        let preparation = Preparation::begin();
        for delay in self.delays() {
            preparation.is_in_time()?;
            let tally = tally.clone();
            A::insert_timer(&handle, delay, move |_, _| {
                tally.saw(WRONG);
                TimerNext::Stop
            })?;
        }
        match self.change {
            Change::Cancel => Ok(self.cancel(event_loop, tally)),
            Change::Rearm => self.rearm(event_loop, tally),
        }
    }

    /// A heap of std cannot cancel, but a tree can.
    fn floor<P: Poller>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let start = Instant::now();
        let mut timers: BTreeMap<_, _> =
            self.delays().zip(0u64..).map(|(delay, id)| ((start + delay, id), WRONG)).collect();
        let (mut changed, mut id) = ((start + self.delay(), self.live), self.live);
        if self.change == Change::Rearm {
            timers.insert(changed, 0);
        }
        Ok(Run::new(tally.clone(), move || {
            for _ in 0..CHANGES {
                if self.change == Change::Rearm {
                    timers.remove(&changed);
                    changed.0 += Duration::from_nanos(1);
                    timers.insert(changed, 0);
                } else {
                    id += 1;
                    timers.insert((changed.0, id), WRONG);
                    timers.remove(&(changed.0, id));
                }
            }
            tally.saw(0);
            Ok(())
        }))
    }
}
