//! Programs made at random, judged by an executable model of the specification.

use std::time::Duration;

use crate::adapter::{Adapter, Capability};
use crate::fixture::Fixture;
use crate::model::{self, Limits};
use crate::rule::{Case, Check, Level, Rule};

pub(super) fn cases<A: Adapter>() -> Vec<Case> {
    vec![Case::new::<A>(&PROGRAMS, programs)]
}

/// Few enough for a part of every run; `cargo suite model` goes on for as long as it is let.
const PROGRAMS_MAX: u64 = 1500;

/// Together less than a rule may take, however slow the machine is.
const LIMITS: Limits =
    Limits { programs: Duration::from_secs(11), shrinking: Duration::from_secs(6) };

const PROGRAMS: Rule = Rule {
    id: "MODEL-01",
    level: Level::Must,
    sentence: "A loop MUST do what an executable model of this specification permits, whatever a \
               program does with it.",
    why: "The other rules ask about one thing at a time. Programs change sources of all kinds from \
          inside each other's callbacks, in orders that nobody thought of.",
    source: "model-based testing, as in QuickCheck's state machines; the model is of the rules here",
    check: "the program, which is as small as could be found: it stands under `printed`, in Rust",
    needs: &[Capability::OneWaitADispatch],
    alone: false,
};

fn programs<A: Adapter>(t: &mut Fixture<'_, A>) -> Check {
    let trace = t.trace();
    let observe = |seed: u64, program: &model::Program| {
        trace.note(format_args!("seed {seed:#x}: {program}"));
    };
    let limits = Limits {
        programs: t.trial.limit(LIMITS.programs),
        shrinking: t.trial.limit(LIMITS.shrinking),
    };
    match model::check_observed::<A>(t.trial.settings.seed, PROGRAMS_MAX, limits, observe) {
        Ok(stats) => {
            trace.note(format_args!("{stats:?}"));
            Ok(())
        }
        Err(counterexample) => {
            trace.mark(format_args!("this one deviates, here as small as could be found:"));
            counterexample.log.iter().for_each(|line| trace.mark(line));
            anstream::eprintln!("{}", counterexample.in_rust::<A>());
            Err(counterexample.deviation)
        }
    }
}
