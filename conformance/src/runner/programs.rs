//! Programs of the model-based part, in processes of their own: one that hangs a loop, or kills the
//! process, is a result like any other.

use std::fmt::Write;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::child::{Entry, Job};
use super::process::{self, Ended, Status};
use super::{Error, Suite, watchdog};
use crate::adapter::Adapter;
use crate::erased::{self, Erased};
use crate::model::{self, Counterexample, Limits, Program, Stats};
use crate::rule::{Check, Deviation, Settings};

/// How long a process may take for its programs, before it is scaled.
const LIMIT: Duration = Duration::from_secs(30);

/// How long it may take for a single one.
const LIMIT_OF_ONE: Duration = Duration::from_secs(3);

/// How long is spent on making such a program smaller.
const SHRINKING_MAX: Duration = Duration::from_secs(300);

/// What a process is to perform.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Programs {
    /// Those of so many seeds, from this one.
    Seeds(u64, u64),
    /// This one.
    Only(Program),
}

/// What there is to do with programs, for one loop.
#[derive(Copy, Clone, Debug)]
pub(super) struct Modelled {
    check: CheckPrograms,
    in_rust: fn(&Counterexample) -> String,
}

/// Performs programs, and tells of the seed of each before.
type CheckPrograms = fn(&Programs, &mut dyn FnMut(u64)) -> Result<Stats, Box<Counterexample>>;

impl Modelled {
    pub(super) fn of<A: Adapter>() -> Self {
        let check: CheckPrograms = |programs, begins| {
            erased::choose::<A>();
            check(programs, begins)
        };
        Modelled { check, in_rust: Counterexample::in_rust::<A> }
    }

    /// Inside of the process: performs programs, and prints the counterexample.
    pub(super) fn perform(&self, programs: &Programs, begins: &mut dyn FnMut(u64)) -> Check {
        (self.check)(programs, begins).map_err(|found| {
            // It goes to the runner as what this process printed.
            anstream::println!("{found}\n\n{}", (self.in_rust)(&found));
            found.deviation
        })?;
        Ok(())
    }
}

fn check(programs: &Programs, begins: &mut dyn FnMut(u64)) -> Result<Stats, Box<Counterexample>> {
    match programs {
        Programs::Seeds(seed, count) => {
            model::check_observed::<Erased>(*seed, *count, Limits::default(), |seed, _| {
                begins(seed)
            })
        }
        Programs::Only(program) => {
            begins(0);
            model::replay::<Erased>(program)
                .map_or(Ok(Stats::default()), |found| Err(Box::new(found)))
        }
    }
}

/// A program that a loop does not perform as the model permits.
#[derive(Clone, Debug)]
pub struct Found {
    /// The seed that it was made from.
    pub seed: u64,
    /// The program as small as could be found, what happened, and the program in Rust.
    pub text: String,
}

/// Performs the programs of some seeds on a loop, in a process of its own; `Ok(None)` if the loop
/// does what the model permits.
///
/// # Errors
///
/// If the machine stands in the way, or the run is interrupted.
pub fn perform(
    suite: &Suite,
    seed: u64,
    count: u64,
    time_scale: f64,
) -> Result<Option<Found>, Error> {
    let modelled = suite
        .modelled
        .ok_or_else(|| Error::Usage(format!("the adapter of {} is not known here", suite.name)))?;
    watchdog::stop_on_signals()?;
    let run = |programs| run(suite, programs, LIMIT, time_scale);
    let Some(failure) = run(Programs::Seeds(seed, count))? else { return Ok(None) };
    let seed = failure.seed.unwrap_or(seed);
    if failure.is_explained {
        return Ok(Some(Found { seed, text: failure.text }));
    }
    // The process could not make it smaller any more: each try has a process of its own.
    let mut interruption = None;
    let deviation = Deviation::new("the program to come to an end", &failure.text);
    let program = model::generate(seed, suite.capabilities);
    let first = Counterexample { seed, program, deviation, log: Vec::new() };
    let smallest = model::shrink_by(first, SHRINKING_MAX, &mut |program| {
        if interruption.is_some() {
            return None;
        }
        let only = Programs::Only(program.clone());
        match self::run(suite, only, LIMIT_OF_ONE, time_scale) {
            Ok(failure) => failure.map(|failure| Counterexample {
                seed,
                program: program.clone(),
                deviation: Deviation::new("the program to come to an end", failure.summary),
                log: Vec::new(),
            }),
            Err(error) => {
                interruption = Some(error);
                None
            }
        }
    });
    interruption.map_or(Ok(()), Err)?;
    let mut text = format!("{smallest}\n");
    let _ = write!(text, "\n{}", (modelled.in_rust)(&smallest));
    Ok(Some(Found { seed, text }))
}

/// How a process came to no good end.
struct Failure {
    seed: Option<u64>,
    /// Whether the process itself has found out what is wrong.
    is_explained: bool,
    summary: String,
    text: String,
}

fn run(
    suite: &Suite,
    programs: Programs,
    limit: Duration,
    time_scale: f64,
) -> Result<Option<Failure>, Error> {
    let limit = limit.mul_f64(time_scale);
    let job = Job {
        suite: suite.name.to_string(),
        rule: String::new(),
        seed: Settings::default().seed,
        time_scale,
        parent: std::process::id() as i32,
        programs: Some(programs),
    };
    let Ended { status, report, output, .. } = process::run(&job, limit, false)?;
    let (mut seed, mut answer) = (None, None);
    for entry in report {
        match entry {
            Entry::Program { seed: begun } => seed = Some(begun),
            Entry::Kept | Entry::Broken { .. } => answer = Some(entry),
            Entry::Event(_) => {}
        }
    }
    let summary = match (status, answer) {
        (Status::Exited(0), Some(Entry::Kept)) => return Ok(None),
        (Status::Exited(0), Some(Entry::Broken { expected, actual })) => {
            let summary = format!("{actual} instead of {expected}");
            return Ok(Some(Failure { seed, is_explained: true, summary, text: output }));
        }
        (Status::Exited(code), _) => format!("its process exited with code {code}"),
        (Status::Killed(number), _) => format!("signal {number} killed its process"),
        (Status::Overdue, _) => format!("it did not within {limit:?}"),
    };
    let text = format!("{summary}\n{output}");
    Ok(Some(Failure { seed, is_explained: false, summary, text }))
}
