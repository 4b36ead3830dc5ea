//! The wall clock of every engine on each workload, in turns.

use std::convert::Infallible;
use std::ops::ControlFlow;

use reports::record::{Measurement, Ratio};

use crate::engine::Bench;
use crate::meters::{Meter, Program};
use crate::outcome::{Faulty, Obstacle, Outcome, Progress};
use crate::paired::{Contender, Race, Settings};
use crate::select::rows;

/// Measures the wall clock of these benchmarks.
///
/// `program` is one that calls [`serve`](crate::serve) with these benchmarks. `progress` is called
/// before each workload and can end the run: what was measured until then is the outcome.
///
/// An engine that loses, doubles or swaps events, or whose operation fails, is told of in the outcome.
pub fn quick(
    benches: &[Bench],
    settings: &Settings,
    program: &Program,
    mut progress: impl FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Outcome {
    let mut outcome = Outcome::default();
    let rows = rows(benches);
    for (done, (workload, row)) in rows.iter().enumerate() {
        if progress(Progress { what: workload, done, total: rows.len() }).is_break() {
            outcome.is_interrupted = true;
            break;
        }
        measure(row, settings, program, &mut outcome);
    }
    outcome
}

/// Measures one workload on its engines.
fn measure(row: &[&Bench], settings: &Settings, program: &Program, outcome: &mut Outcome) {
    let mut floor = None;
    let mut others = Vec::new();
    for bench in row {
        match bench.missing() {
            Some(gap) => outcome.miss(gap),
            None if bench.is_floor() => floor = Some(Contender::new(bench, program)),
            None => others.push(Contender::new(bench, program)),
        }
    }
    let mut race = Race::new(floor, others);
    let Ok(()) = race.run::<Infallible>(settings, |contender, trouble| {
        match contender.obstacle(trouble) {
            Obstacle::Fault(fault) => {
                outcome.faulty.push(Faulty { bench: contender.bench.to_string(), fault });
            }
            Obstacle::Missing(gap) | Obstacle::NotHere(gap) => outcome.miss(gap),
        }
        Ok(())
    });
    let results = race.results().map(|(contender, ratio)| measurement(contender, ratio));
    outcome.measurements.extend(results);
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
        // One block says nothing of how much the next would differ.
        ratio: ratio.filter(|_| contender.minima.len() > 1),
        ..Measurement::default()
    }
}
