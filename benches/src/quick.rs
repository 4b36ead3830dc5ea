//! The paired runner: engines take turns on each workload, so that what disturbs the machine
//! disturbs all of them alike.

use std::ops::ControlFlow;
use std::time::Duration;

use reports::record::Measurement;

use crate::engine::Bench;
use crate::meters::Meter;
use crate::outcome::{Faulty, Obstacle, Outcome, Progress};
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

/// Measures the wall clock of these benchmarks, in well under a minute for all that are built in.
///
/// `progress` is called before each workload and can end the run: what was measured until then is
/// the outcome. Call this while the process has no other threads:
/// they make system calls on descriptors dearer.
///
/// # Errors
///
/// If an engine loses, doubles or swaps events, or an operation fails.
pub fn quick(
    benches: &[Bench],
    settings: &Settings,
    mut progress: impl FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<Outcome, Faulty> {
    let mut outcome = Outcome::default();
    let rows = rows(benches);
    for (done, (workload, row)) in rows.iter().enumerate() {
        if progress(Progress { what: workload, done, total: rows.len() }).is_break() {
            outcome.is_interrupted = true;
            break;
        }
        let mut contenders = Vec::new();
        for bench in row {
            match Contender::prepare(bench, settings.sample) {
                Ok(contender) => contenders.push(contender),
                Err(Obstacle::Missing(missing) | Obstacle::NotHere(missing)) => {
                    outcome.missing.push(missing)
                }
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

impl<'a> Contender<'a> {
    fn prepare(bench: &'a Bench, sample: Duration) -> Result<Self, Obstacle> {
        if let Some(missing) = bench.missing_capability() {
            return Err(Obstacle::Missing(missing));
        }
        bench.check(CHECK_OPERATIONS, CHECK_LIMIT).map_err(|fault| Obstacle::of(bench, fault))?;
        let mut run = bench.prepare().map_err(|fault| Obstacle::of(bench, fault))?;
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
            meter: Meter::Wall.to_string(),
            unit: "ns".to_string(),
            per: spec.per.to_string(),
            samples: self.samples,
            ..Measurement::default()
        }
    }
}
