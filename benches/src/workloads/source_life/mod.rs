//! Sources made, called for the first time and removed: what each stage of a life costs, in time, in
//! memory, in system calls and in descriptors.

mod by_hand;
mod on_loop;

use std::rc::Rc;
use std::time::Duration;

use conformance::adapter::{Adapter, Capability, Failure};

use super::{Preparation, due};
use crate::baselines::Poller;
use crate::tally::{Fault, Tally};
use crate::workload::{MadeOf, Measure, Repeats, Run, Spec, Workload};

#[derive(Copy, Clone)]
pub(super) struct SourceLife {
    pub(super) kind: Kind,
    pub(super) stage: Stage,
    /// How many of them.
    pub(super) count: u64,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Fd,
    Timer,
    Ping,
    Channel,
    Idle,
    Executor,
    Signal,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Create,
    Invoke,
    Destroy,
}

/// Until the second call of a timer, which never comes.
const FAR: Duration = Duration::from_secs(3600);

impl SourceLife {
    /// Every kind in every stage and number.
    pub(super) fn all() -> impl Iterator<Item = SourceLife> {
        use Kind::{Channel, Executor, Fd, Idle, Ping, Signal, Timer};

        let kinds = [Fd, Timer, Ping, Channel, Idle, Executor, Signal];
        let counts = [1, 1_000, 100_000];
        let stages = [Stage::Create, Stage::Invoke, Stage::Destroy];
        let lives = kinds.into_iter().flat_map(move |kind| {
            let of = move |stage, count| SourceLife { kind, stage, count };
            counts.into_iter().flat_map(move |count| stages.map(|stage| of(stage, count)))
        });
        // Which of several sources of one signal is called, loops may choose.
        lives.filter(|life| life.kind != Signal || life.count == 1)
    }

    /// The whole life of the sources, one stage of which is measured; `look` gives events that must
    /// not come an opportunity.
    fn live<T>(
        self,
        measure: Measure<'_>,
        mut create: impl FnMut(u64) -> Result<T, Failure>,
        mut invoke: impl FnMut(&mut Vec<T>) -> Result<(), Failure>,
        mut destroy: impl FnMut(T) -> Result<(), Failure>,
        look: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<(), Fault> {
        // What holds them is not measured.
        let mut living = Vec::with_capacity(self.count as usize);
        let mut go_through = |stage| match stage {
            Stage::Create => (0..self.count).try_for_each(|number| {
                living.push(create(number)?);
                Ok(())
            }),
            Stage::Invoke => invoke(&mut living),
            Stage::Destroy => living.drain(..).try_for_each(&mut destroy),
        };
        let preparation = Preparation::begin();
        for stage in [Stage::Create, Stage::Invoke, Stage::Destroy] {
            match (stage, self.stage) {
                (stage, measured) if stage == measured => {
                    measure(&mut || Ok(go_through(stage)?))?;
                }
                // What was not called yet would be noticed if it was not gone.
                (Stage::Invoke, Stage::Destroy) => {}
                _ => go_through(stage)?,
            }
            // Where each is searched for among all, a hundred thousand take too long.
            preparation.is_in_time()?;
        }
        Ok(look()?)
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Fd => "fd",
            Kind::Timer => "timer",
            Kind::Ping => "ping",
            Kind::Channel => "channel",
            Kind::Idle => "idle",
            Kind::Executor => "executor",
            Kind::Signal => "signal",
        }
    }

    fn needs(self) -> &'static [Capability] {
        match self {
            Kind::Fd => &[Capability::Descriptors],
            Kind::Timer => &[Capability::TimerRepeat],
            Kind::Ping => &[Capability::Ping],
            Kind::Channel => &[Capability::Channel],
            Kind::Idle => &[Capability::Idle, Capability::IdleCancel],
            Kind::Executor => &[Capability::Executor],
            Kind::Signal => &[Capability::Signals],
        }
    }

    fn needs_one_of(self) -> &'static [Capability] {
        if let Kind::Timer = self { due::NEEDS_ONE_OF } else { &[] }
    }

    fn floor(self) -> MadeOf {
        match self {
            Kind::Fd | Kind::Ping | Kind::Signal => MadeOf::SystemCalls,
            Kind::Timer => MadeOf::Std("std-btreemap"),
            Kind::Channel => MadeOf::Std("std-mpsc"),
            Kind::Idle => MadeOf::Std("boxed-callbacks"),
            Kind::Executor => MadeOf::Std("boxed-futures"),
        }
    }

    fn repeats(self, count: u64) -> Repeats {
        match self {
            Kind::Timer => Repeats::of_timers(count),
            _ if count < 100_000 => Repeats::Wholly,
            _ => Repeats::ButForInstructions,
        }
    }
}

impl Workload for SourceLife {
    fn spec(self) -> Spec {
        let SourceLife { kind, stage, count } = self;
        let is_signalled = (kind, stage) == (Kind::Signal, Stage::Invoke);
        let (name, about) = match stage {
            Stage::Create => ("source-create", "sources made and inserted"),
            Stage::Invoke => ("source-invoke", "sources called for the first time"),
            Stage::Destroy => {
                ("source-destroy", "sources removed before they are called, and dropped")
            }
        };
        Spec {
            name,
            parameters: format!("kind={},sources={count}", kind.name()),
            about,
            per: "source",
            units: count,
            // What is removed before it is called brings none.
            events: if stage == Stage::Destroy { 0 } else { count },
            needs: kind.needs(),
            needs_one_of: kind.needs_one_of(),
            floor: kind.floor(),
            is_large: count > 10_000,
            is_extra: true,
            repeats: kind.repeats(count),
            uncounted: match is_signalled {
                true => vec![("getpid", 1), ("gettid", 1), ("tgkill", 1)],
                false => Vec::new(),
            },
            ..Spec::default()
        }
    }

    fn on<A: Adapter>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        on_loop::prepare::<A>(self, tally)
    }

    fn floor<P: Poller>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        by_hand::prepare::<P>(self, tally)
    }
}

fn refused(what: &str) -> Failure {
    Failure::Other(format!("the source refused {what}"))
}
