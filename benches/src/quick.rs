//! The paired runner: engines take turns on each workload, so that what disturbs the machine
//! disturbs all of them alike.

use std::fmt;
use std::time::Duration;

use conformance::adapter::Failure;
use reports::record::{Measurement, Missing};

use crate::engine::Bench;
use crate::tally::Fault;
use crate::timing;
use crate::workload::Run;

/// How long a benchmark is given to do a few operations before it counts as stuck.
const CHECK_LIMIT: Duration = Duration::from_secs(60);

/// How many operations show that one does not disturb the next.
const CHECK_OPERATIONS: u64 = 2;

/// How much is measured.
#[derive(Copy, Clone, Debug)]
pub struct Settings {
    /// How often the engines take turns at least. In each round every engine has two, the second
    /// in the opposite order.
    pub rounds: usize,
    /// How long they take turns at least, for each workload.
    pub workload: Duration,
    /// How long a sample shall take. Short, most samples of a busy machine are undisturbed.
    pub sample: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            rounds: 7,
            workload: Duration::from_millis(750),
            sample: Duration::from_millis(2),
        }
    }
}

/// How far a run has come.
#[derive(Copy, Clone, Debug)]
pub struct Progress<'a> {
    /// The workload that is next, as `ready/ready=100`.
    pub workload: &'a str,
    /// How many are done.
    pub done: usize,
    /// How many there are.
    pub total: usize,
}

/// What was measured, and what could not be.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Wall-clock times.
    pub measurements: Vec<Measurement>,
    /// What could not be measured here.
    pub missing: Vec<Missing>,
}

/// An engine that did not do what a workload asks for, so that there is no time.
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

/// Measures the wall clock of these benchmarks, in well under a minute for all that are built in.
///
/// `progress` is called before each workload. Call this while the process has no other threads:
/// they make system calls on descriptors dearer.
///
/// # Errors
///
/// If an engine loses, doubles or swaps events, or an operation fails.
pub fn quick(
    benches: &[Bench],
    settings: &Settings,
    mut progress: impl FnMut(Progress<'_>),
) -> Result<Outcome, Faulty> {
    let mut outcome = Outcome::default();
    let rows = rows(benches);
    for (done, (workload, row)) in rows.iter().enumerate() {
        progress(Progress { workload, done, total: rows.len() });
        let mut contenders = Vec::new();
        for bench in row {
            match Contender::prepare(bench, settings.sample) {
                Ok(contender) => contenders.push(contender),
                Err(Obstacle::Missing(missing)) => outcome.missing.push(missing),
                Err(Obstacle::Fault(fault)) => return Err(faulty(bench, fault)),
            }
        }
        take_turns(&mut contenders, settings)?;
        outcome.measurements.extend(contenders.into_iter().map(Contender::measurement));
    }
    Ok(outcome)
}

fn take_turns(contenders: &mut [Contender<'_>], settings: &Settings) -> Result<(), Faulty> {
    let mut rounds = 0;
    let mut elapsed = Duration::ZERO;
    while !contenders.is_empty() && (rounds < settings.rounds || elapsed < settings.workload) {
        for contender in contenders.iter_mut() {
            elapsed += contender.sample()?;
        }
        // And back again: a drift of the machine favours nobody.
        for contender in contenders.iter_mut().rev() {
            elapsed += contender.sample()?;
        }
        rounds += 1;
    }
    Ok(())
}

/// The benchmarks by workload, in their first one's order.
fn rows(benches: &[Bench]) -> Vec<(String, Vec<&Bench>)> {
    let mut rows: Vec<(String, Vec<&Bench>)> = Vec::new();
    for bench in benches {
        let id = bench.spec.id();
        match rows.iter_mut().find(|(known, _)| *known == id) {
            Some((_, row)) => row.push(bench),
            None => rows.push((id, vec![bench])),
        }
    }
    rows
}

fn faulty(bench: &Bench, fault: Fault) -> Faulty {
    Faulty { bench: bench.to_string(), fault }
}

/// A benchmark that takes part in a row.
struct Contender<'a> {
    bench: &'a Bench,
    run: Run,
    operations: u64,
    /// Nanoseconds a unit.
    samples: Vec<f64>,
}

/// Why a benchmark does not take part.
enum Obstacle {
    Missing(Missing),
    Fault(Fault),
}

impl From<Fault> for Obstacle {
    fn from(fault: Fault) -> Self {
        Obstacle::Fault(fault)
    }
}

impl<'a> Contender<'a> {
    fn prepare(bench: &'a Bench, sample: Duration) -> Result<Self, Obstacle> {
        if let Some(missing) = missing_capability(bench) {
            return Err(Obstacle::Missing(missing));
        }
        bench.check(CHECK_OPERATIONS, CHECK_LIMIT).map_err(|fault| obstacle(bench, fault))?;
        let mut run = bench.prepare().map_err(|fault| obstacle(bench, fault))?;
        let operations = timing::operations_for(sample, &mut run)?;
        Ok(Contender { bench, run, operations, samples: Vec::new() })
    }

    fn sample(&mut self) -> Result<Duration, Faulty> {
        let elapsed = timing::sample(&mut self.run, self.operations)
            .map_err(|fault| faulty(self.bench, fault))?;
        let units = self.operations * self.bench.spec.units;
        self.samples.push(elapsed.as_nanos() as f64 / units as f64);
        Ok(elapsed)
    }

    fn measurement(self) -> Measurement {
        let spec = &self.bench.spec;
        Measurement {
            workload: spec.name.to_string(),
            parameters: spec.parameters.clone(),
            engine: self.bench.engine.clone(),
            is_floor: self.bench.is_floor,
            meter: "wall".to_string(),
            unit: "ns".to_string(),
            per: spec.per.to_string(),
            samples: self.samples,
        }
    }
}

fn missing_capability(bench: &Bench) -> Option<Missing> {
    let lacks: Vec<&str> = bench.lacks.iter().map(|capability| capability.name()).collect();
    (!lacks.is_empty()).then(|| Missing {
        what: bench.to_string(),
        why: format!("the loop does not have: {}", lacks.join(", ")),
        mend: "an adapter with these capabilities".to_string(),
    })
}

/// A limit of the machine is no fault of the engine.
fn obstacle(bench: &Bench, fault: Fault) -> Obstacle {
    const TOO_MANY_OPEN_FILES: i32 = 24;
    match &fault {
        Fault::Failed(Failure::Io(error)) if error.raw_os_error() == Some(TOO_MANY_OPEN_FILES) => {
            Obstacle::Missing(Missing {
                what: bench.to_string(),
                why: "the process cannot open enough files".to_string(),
                mend: "a higher limit of open files, as `ulimit -n 20000`".to_string(),
            })
        }
        _ => Obstacle::Fault(fault),
    }
}
