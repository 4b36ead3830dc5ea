//! The wall clock of every engine on each workload, in turns.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use reports::record::{Measurement, Missing, Ratio};

use crate::engine::Bench;
use crate::meters::Meter;
use crate::outcome::{Faulty, Obstacle, Outcome, Progress};
use crate::paired::{Company, Contender, block};
use crate::select::rows;
use crate::tally::Fault;

/// How long a benchmark is given to do a few operations before it counts as stuck.
const CHECK_LIMIT: Duration = Duration::from_secs(60);

/// How many operations show that one does not disturb the next.
const CHECK_OPERATIONS: u64 = 2;

/// How much is measured.
#[derive(Copy, Clone, Debug)]
pub struct Settings {
    /// How many blocks there are at least. In each, every engine is prepared anew and has six turns.
    pub rounds: usize,
    /// How long the blocks take at least, for each workload.
    pub workload: Duration,
    /// After how long no other block begins, for each workload, even if they are fewer.
    pub at_most: Duration,
    /// How long a sample shall take. Short, most samples of a busy machine are undisturbed.
    pub sample: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            rounds: 7,
            workload: Duration::from_millis(750),
            at_most: Duration::from_secs(20),
            sample: Duration::from_millis(1),
        }
    }
}

impl Settings {
    /// Whether another block begins after so many, in so much time.
    fn goes_on(&self, blocks: usize, elapsed: Duration) -> bool {
        let is_enough = blocks >= self.rounds && elapsed >= self.workload;
        // One has to be over.
        !is_enough && (blocks == 0 || elapsed < self.at_most)
    }
}

/// Measures the wall clock of these benchmarks.
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
        let mut is_over =
            || progress(Progress { what: workload, done, total: rows.len() }).is_break();
        if is_over() {
            outcome.is_interrupted = true;
            break;
        }
        match measure(row, settings, &mut outcome.missing) {
            Ok(measurements) => outcome.measurements.extend(measurements),
            // An interruption may have ended a wait before its event came.
            Err(_) if is_over() => {
                outcome.is_interrupted = true;
                break;
            }
            Err(faulty) => return Err(faulty),
        }
    }
    Ok(outcome)
}

/// Measures one workload on its engines.
fn measure(
    row: &[&Bench],
    settings: &Settings,
    missing: &mut Vec<Missing>,
) -> Result<Vec<Measurement>, Faulty> {
    let mut contenders = Vec::new();
    for bench in row {
        match prepare(bench, settings.sample) {
            Ok(contender) => contenders.push(contender),
            Err(Obstacle::Missing(gap) | Obstacle::NotHere(gap)) => missing.push(gap),
            Err(Obstacle::Fault(fault)) => return Err(faulty(bench, fault)),
        }
    }
    // The floor once more: how it compares with itself is the noise.
    let floor = contenders.iter().position(|contender| contender.bench.is_floor());
    if let Some(floor) = floor {
        contenders.push(contenders[floor].again());
    }
    let start = Instant::now();
    let (mut blocks, mut company) = (0, Company::Together);
    while !contenders.is_empty() && settings.goes_on(blocks, start.elapsed()) {
        let Err((at, fault)) = block(&mut contenders, blocks, company) else {
            blocks += 1;
            continue;
        };
        let bench = contenders[at].bench;
        match Obstacle::of(bench, fault) {
            Obstacle::Fault(fault) => return Err(faulty(bench, fault)),
            // All at once they are too many.
            Obstacle::Missing(_) | Obstacle::NotHere(_) if company == Company::Together => {
                company = Company::OneByOne;
            }
            // Alone it could be prepared before.
            Obstacle::Missing(gap) | Obstacle::NotHere(gap) => {
                missing.push(gap);
                return Ok(Vec::new());
            }
        }
    }
    let control = floor.and_then(|_| contenders.pop());
    let ratio =
        |contender: &Contender<'_>| Some(contender.ratio(&contenders[floor?], control.as_ref()?));
    Ok(contenders.iter().map(|contender| measurement(contender, ratio(contender))).collect())
}

fn faulty(bench: &Bench, fault: Fault) -> Faulty {
    Faulty { bench: bench.to_string(), fault }
}

fn prepare(bench: &Bench, sample: Duration) -> Result<Contender<'_>, Obstacle> {
    if let Some(missing) = bench.missing_capability() {
        return Err(Obstacle::Missing(missing));
    }
    let checked = bench.check(CHECK_OPERATIONS, CHECK_LIMIT);
    let contender = checked.and_then(|()| Contender::new(bench, sample));
    contender.map_err(|fault| Obstacle::of(bench, fault))
}

fn measurement(contender: &Contender<'_>, ratio: Option<Ratio>) -> Measurement {
    let bench = contender.bench;
    Measurement {
        workload: bench.spec.name.to_string(),
        parameters: bench.spec.parameters.clone(),
        engine: bench.engine.clone(),
        is_floor: bench.is_floor(),
        meter: Meter::Wall.to_string(),
        unit: "ns".to_string(),
        per: bench.spec.per.to_string(),
        samples: contender.samples.clone(),
        ratio,
        ..Measurement::default()
    }
}
