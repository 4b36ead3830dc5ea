//! What comes of measuring.

use std::fmt;

use conformance::adapter::Capability;
use reports::record::{Latency, Measurement, Missing};

use crate::engine::Bench;
use crate::tally::Fault;

/// How far a run has come.
#[derive(Copy, Clone, Debug)]
pub struct Progress<'a> {
    /// What is next: a workload, as `ready/ready=100`, or a benchmark.
    pub what: &'a str,
    /// How many are done.
    pub done: usize,
    /// How many there are.
    pub total: usize,
}

/// What was measured, and what could not be.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What was measured.
    pub measurements: Vec<Measurement>,
    /// How long events took to come.
    pub latencies: Vec<Latency>,
    /// What could not be measured here.
    pub missing: Vec<Missing>,
    /// What did not do what it should.
    pub faulty: Vec<Faulty>,
    /// Whether it ended early because that was asked for.
    pub is_interrupted: bool,
}

impl Outcome {
    /// Tells of a gap, once of one that several benchmarks have.
    pub(crate) fn miss(&mut self, gap: Missing) {
        if !self.missing.contains(&gap) {
            self.missing.push(gap);
        }
    }

    /// Itself, unless something did not do what it should.
    ///
    /// # Errors
    ///
    /// The first of what did not.
    pub fn faultless(mut self) -> Result<Self, Faulty> {
        if self.faulty.is_empty() { Ok(self) } else { Err(self.faulty.remove(0)) }
    }
}

/// What it takes to measure something on a loop that lacks these, if any.
pub(crate) fn missing_capabilities(what: String, lacks: &[Capability]) -> Option<Missing> {
    let lacks: Vec<&str> = lacks.iter().map(|capability| capability.name()).collect();
    (!lacks.is_empty()).then(|| Missing {
        what,
        why: format!("the loop does not have: {}", lacks.join(", ")),
        mend: "an adapter with these capabilities".to_string(),
    })
}

/// An engine that did not do what a workload asks for, so that nothing is told of it.
#[derive(Debug)]
pub struct Faulty {
    /// The benchmark, as `ping on calloop-ref`.
    pub bench: String,
    /// What was wrong.
    pub fault: Fault,
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.bench, self.fault)
    }
}

impl std::error::Error for Faulty {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.fault)
    }
}

/// Why a benchmark is not measured.
#[derive(Debug)]
pub(crate) enum Obstacle {
    /// It cannot be.
    Missing(Missing),
    /// Nothing can be, with this meter.
    NotHere(Missing),
    /// The engine did not do what it should.
    Fault(Fault),
}

impl Obstacle {
    /// A limit of the machine is no fault of the engine.
    pub(crate) fn of(bench: &Bench, fault: Fault) -> Self {
        // Another process can only tell it in words, and a loop may panic with them.
        const TOO_MANY_OPEN_FILES: &str = "Too many open files";
        let text = fault.to_string();
        let missing = |why: &str, mend: &str| {
            let what = bench.to_string();
            Obstacle::Missing(Missing { what, why: why.to_string(), mend: mend.to_string() })
        };
        if text.contains(TOO_MANY_OPEN_FILES) {
            let mend = "a higher limit of open files, as `ulimit -n 20000`";
            missing("the process cannot open enough files", mend)
        } else if text.ends_with(TOO_SLOW) {
            missing(TOO_SLOW, "a loop whose insertions do not get dearer with their number")
        } else {
            Obstacle::Fault(fault)
        }
    }
}

/// What a workload answers that gives up on its preparation.
pub(crate) const TOO_SLOW: &str = "preparing it takes more than five seconds";

impl From<Fault> for Obstacle {
    fn from(fault: Fault) -> Self {
        Obstacle::Fault(fault)
    }
}
