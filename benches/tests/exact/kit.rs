//! What the tests have in common.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use benches::{Bench, Faulty, Meter, Outcome, Program, builtin, exact, of, select};
use libtest_mimic::{Failed, Trial};
use reports::record::Measurement;

use crate::broken::{Broken, DOUBLES_FDS, LOSES_PINGS};

/// Every benchmark that one of the tests measures.
pub(crate) fn every_bench() -> Vec<Bench> {
    // The broken loops have one name, so that a process finds the first that has the workload.
    let doubles = select(of::<Broken<DOUBLES_FDS>>(), &["ready"], &[]).expect("it exists");
    let loses = select(of::<Broken<LOSES_PINGS>>(), &["ping"], &[]).expect("it exists");
    [builtin(), doubles, loses].concat()
}

/// The built-in ones, each workload in its first size that is quick even without optimization.
pub(crate) fn one_of_each() -> Vec<Bench> {
    let mut seen = BTreeSet::new();
    let mut benches = builtin();
    benches.retain(|bench| {
        let kind: String = bench.spec.id().chars().filter(|it| !it.is_ascii_digit()).collect();
        !bench.spec.is_large && seen.insert((kind, bench.engine.clone()))
    });
    benches
}

pub(crate) fn measure(benches: &[Bench], meter: Meter) -> Result<Outcome, Faulty> {
    let program = Program::this().expect("this program is somewhere");
    exact(benches, meter, &program, |_| ControlFlow::Continue(())).faultless()
}

/// Measures the built-in engines of these names, and their floors.
pub(crate) fn measured(
    workloads: &[&str],
    engines: &[&str],
    meter: Meter,
) -> Result<Vec<Measurement>, Failed> {
    Ok(measure(&select(builtin(), workloads, engines)?, meter)?.measurements)
}

/// The measurement of a workload, named with its size, on an engine.
pub(crate) fn of_workload<'m>(
    measurements: &'m [Measurement],
    workload: &str,
    engine: &str,
) -> &'m Measurement {
    let is_it = |it: &&Measurement| id(it) == workload && it.engine.name == engine;
    let found = measurements.iter().find(is_it);
    found.unwrap_or_else(|| panic!("{workload} on {engine} was not measured"))
}

/// The workload with its size.
pub(crate) fn id(measurement: &Measurement) -> String {
    match measurement.parameters.as_str() {
        "" => measurement.workload.clone(),
        parameters => format!("{}/{parameters}", measurement.workload),
    }
}

/// How much of a part there is.
pub(crate) fn part(measurement: &Measurement, name: &str) -> f64 {
    let parts = measurement.parts.iter();
    parts.filter(|part| part.name == name).map(|part| part.value).fold(0.0, |sum, part| sum + part)
}

pub(crate) fn trial(name: &str, test: fn() -> Result<(), Failed>) -> Trial {
    Trial::test(name, test)
}
