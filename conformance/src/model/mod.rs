//! The model-based part: programs made at random, judged by an executable model of the
//! specification.
//!
//! A [`Program`] inserts sources of every kind and does with them what a user of a loop can do,
//! outside of dispatches and from inside callbacks. The model is told of each operation and of each
//! thing that the loop does, and knows which calls are due, which are permitted and which are not:
//! what the wait gathered is delivered once, in order within each kind of source, and never to a
//! source that was removed, disabled or changed meanwhile; idle callbacks come last; an error or a
//! panic loses nothing; what a callback captured is dropped when its source is gone; nothing ends a
//! wait early, and nothing is left of a loop that is dropped. Where loops may differ, the model permits every way, or asks the capabilities.
//!
//! A program that shows a deviation is made smaller for as long as it shows one, and printed.

mod act;
mod action;
mod futures;
mod generate;
mod insert;
mod link;
mod nest;
mod possible;
mod print;
mod program;
mod push;
mod shrink;
mod slot;
mod spec;
mod stage;
mod state;
mod steps;
mod surroundings;
mod words;

use std::fmt;
use std::time::{Duration, Instant};

use crate::adapter::Adapter;
use crate::rule::Deviation;

pub use act::raise;
pub use generate::generate;
pub use link::{drain, fill, pair, pipe, transfer};
pub use nest::nest;
pub use program::{
    Action, Answer, Future, Id, Kind, Program, Scene, Set, Signal, Source, Step, Turn, WAIT, When,
};
pub(crate) use shrink::shrink_by;
pub use slot::Gate;
pub use steps::{interrupted, is_readable};
pub use surroundings::{block_signal, catch_signals};

/// How much was tried.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Programs.
    pub programs: u64,
    /// Steps of them, and what their callbacks may do.
    pub operations: u64,
}

/// A program that shows a deviation.
#[derive(Clone, Debug)]
pub struct Counterexample {
    /// The seed it was made from.
    pub seed: u64,
    /// The program, made as small as could be found.
    pub program: Program,
    /// What was wrong.
    pub deviation: Deviation,
    /// What happened, a line each.
    pub log: Vec<String>,
}

/// Performs programs, from the seeds that follow this one.
///
/// # Errors
///
/// The first one that shows a deviation, made smaller.
pub fn check<A: Adapter>(seed: u64, programs: u64) -> Result<Stats, Box<Counterexample>> {
    check_observed::<A>(seed, programs, Limits::default(), |_, _| {})
}

/// How long something may take.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// After so long no more programs are begun.
    pub programs: Duration,
    /// After so long a program that deviates is small enough.
    pub shrinking: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { programs: Duration::MAX, shrinking: Duration::from_secs(8) }
    }
}

/// The same within limits, and tells of each program before it is performed.
///
/// # Errors
///
/// The first one that shows a deviation, made smaller.
pub fn check_observed<A: Adapter>(
    seed: u64,
    programs: u64,
    limits: Limits,
    mut observe: impl FnMut(u64, &Program),
) -> Result<Stats, Box<Counterexample>> {
    let (mut stats, begin) = (Stats::default(), Instant::now());
    for seed in (0..programs).map(|number| seed.wrapping_add(number)) {
        if begin.elapsed() > limits.programs {
            break;
        }
        let program = generate(seed, A::capabilities());
        observe(seed, &program);
        stats.programs += 1;
        stats.operations += program.operations() as u64;
        if let Some(counterexample) = replay::<A>(&program) {
            let smallest = shrink::shrink::<A>(counterexample, limits.shrinking);
            return Err(Box::new(Counterexample { seed, ..smallest }));
        }
    }
    Ok(stats)
}

/// How often a doubtful deviation has to show: three times in turn came by chance, on a busy machine,
/// once in fifty thousand programs.
const DOUBTS: usize = 6;

/// Performs a program; the counterexample that it is, if it shows a deviation.
///
/// A deviation that the machine or another part of the process may have caused has to show
/// `DOUBTS` times in turn.
pub fn replay<A: Adapter>(program: &Program) -> Option<Counterexample> {
    let mut tries = 1;
    loop {
        let performance = stage::perform::<A>(program);
        let deviation = performance.deviation?;
        if tries == DOUBTS || !performance.is_doubtful {
            let (program, log) = (program.clone(), performance.log);
            return Some(Counterexample { seed: 0, program, deviation, log });
        }
        tries += 1;
    }
}

impl Counterexample {
    /// A program in Rust that does the same with the adapter and prints what the loop does.
    pub fn in_rust<A: Adapter>(&self) -> String {
        let expected = format!("Expected: {}.", self.deviation.expected);
        let actual = format!("Actual: {}.", self.deviation.actual);
        print::in_rust::<A>(&self.program, &[&expected, &actual])
    }
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.program)?;
        for line in &self.log {
            writeln!(f, "  {line}")?;
        }
        writeln!(f, "expected: {}", self.deviation.expected)?;
        write!(f, "actual:   {}", self.deviation.actual)
    }
}
