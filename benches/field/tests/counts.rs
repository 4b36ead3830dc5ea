//! Every benchmark counts right on every loop of the field that is here, and what is said not to be
//! measured cannot be.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Duration;

use benches::engine::Role;
use benches::latency::{self, Probe, Settings};
use benches::{Bench, Profile};
use benches_field::LIMITS;
use libtest_mimic::{Arguments, Failed, Trial};
use reports::record::Missing;

/// How long a benchmark may take on a busy machine, without optimization.
const LIMIT: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let mut trials = vec![
        Trial::test("limits_are_of_what_there_is", limits_are_of_what_there_is),
        Trial::test("a_short_run_has_the_field_where_it_is_named", only_where_named),
    ];
    let benches = by_engine(benches_field::benches(), |bench| bench.engine.name.clone());
    trials.extend(benches.into_iter().map(|(name, benches)| {
        let absence = absence(&name, benches[0].gap.as_ref());
        trial(format!("workloads_{name}"), absence, move || check(&benches))
    }));
    let probes = by_engine(benches_field::probes(), |probe| probe.engine.name.clone());
    trials.extend(probes.into_iter().map(|(name, probes)| {
        let absence = absence(&name, probes[0].gap.as_ref());
        trial(format!("latencies_{name}"), absence, move || measure(&probes))
    }));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn by_engine<T>(items: Vec<T>, name: impl Fn(&T) -> String) -> BTreeMap<String, Vec<T>> {
    let mut engines: BTreeMap<String, Vec<T>> = BTreeMap::new();
    for item in items {
        engines.entry(name(&item)).or_default().push(item);
    }
    engines
}

/// What the machine lacks for a loop, if it says so of itself and not of some work on it.
fn absence(name: &str, gap: Option<&Missing>) -> Option<String> {
    gap.filter(|gap| gap.what == name).map(|gap| format!("not here; {}", gap.mend))
}

/// Ignored, with what is missing, for a loop that is not here.
fn trial(
    name: String,
    absence: Option<String>,
    run: impl FnOnce() -> Result<(), Failed> + Send + 'static,
) -> Trial {
    let is_absent = absence.is_some();
    Trial::test(name, run).with_ignored_flag(is_absent).with_kind(absence.unwrap_or_default())
}

fn only_where_named() -> Result<(), Failed> {
    let engines = |profile: Profile, engines: &[&str]| -> Result<BTreeSet<String>, Failed> {
        let benches = [benches::builtin(), benches_field::benches()].concat();
        let probes = [latency::builtin(), benches_field::probes()].concat();
        let benches = profile.select(benches, &[], engines)?;
        let probes = profile.select_probes(probes, &[], engines)?;
        let benches = benches.into_iter().filter(|bench| bench.role == Role::Field);
        let probes = probes.into_iter().filter(|probe| probe.role == Role::Field);
        Ok(benches.map(|it| it.engine.name).chain(probes.map(|it| it.engine.name)).collect())
    };
    assert!(engines(Profile::Quick, &[])?.is_empty());
    assert!(engines(Profile::Quick, &["tokio"])?.into_iter().eq(["tokio"]));
    assert!(engines(Profile::Full, &[])?.len() >= 8);
    Ok(())
}

fn limits_are_of_what_there_is() -> Result<(), Failed> {
    let benches = benches_field::benches();
    let probes = benches_field::probes();
    let works = benches.iter().map(|it| (&it.engine.name, it.spec.name, it.spec.id()));
    let scenarios = probes.iter().map(|it| (&it.engine.name, it.spec.name, it.spec.id()));
    let all: Vec<(&String, &str, String)> = works.chain(scenarios).collect();
    for limit in LIMITS {
        let is_about = |(engine, name, id): &(&String, &str, String)| {
            *engine == limit.engine && (*name == limit.work || id == limit.work)
        };
        if !all.iter().any(is_about) {
            return Err(format!("there is nothing that {limit:?} is about").into());
        }
    }
    Ok(())
}

/// Some operations of each workload.
fn check(benches: &[Bench]) -> Result<(), Failed> {
    let mut wrong = Vec::new();
    let mut checked = 0;
    for bench in benches.iter().filter(|bench| bench.lacks.is_empty() && is_quick(bench)) {
        checked += 1;
        let outcome = bench.check(2, LIMIT);
        if outcome.is_ok() != bench.gap.is_none() {
            wrong.push(format!("{bench}: {}", outcome.map_or_else(|it| it.to_string(), measured)));
        }
    }
    verdict(wrong, checked)
}

/// Without optimization a hundred thousand of anything take long.
fn is_quick(bench: &Bench) -> bool {
    !bench.spec.is_large || bench.gap.is_some()
}

/// A few events of each scenario.
fn measure(probes: &[Probe]) -> Result<(), Failed> {
    let settings =
        Settings { rounds: 1, slice: Duration::from_millis(5), at_least: 2, patience: LIMIT };
    let mut wrong = Vec::new();
    let mut checked = 0;
    for probe in probes.iter().filter(|probe| probe.lacks.is_empty() && !is_uncertain(probe)) {
        checked += 1;
        let mut asked = probe.clone();
        asked.gap = None;
        let outcome = latency::measure(&[asked], &settings, |_| ControlFlow::Continue(()));
        let fault = outcome.faulty.first().map(ToString::to_string);
        if fault.is_none() != probe.gap.is_none() {
            wrong.push(fault.unwrap_or_else(|| format!("{probe}: {}", measured(()))));
        }
    }
    verdict(wrong, checked)
}

/// Where it is known to go wrong sometimes.
fn is_uncertain(probe: &Probe) -> bool {
    let sometimes = LIMITS.iter().filter(|limit| limit.sometimes);
    probe.gap.is_some()
        && sometimes
            .into_iter()
            .any(|it| (it.engine, it.work) == (&probe.engine.name, probe.spec.name))
}

fn measured((): ()) -> String {
    "it can be measured, so that its entry in LIMITS has to go".to_string()
}

fn verdict(wrong: Vec<String>, checked: usize) -> Result<(), Failed> {
    match (wrong.is_empty(), checked) {
        (true, 1..) => Ok(()),
        (true, 0) => Err("nothing was checked".into()),
        (false, _) => Err(wrong.join("\n").into()),
    }
}
