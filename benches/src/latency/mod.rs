//! How long events take to come, one by one: histograms where the other meters tell one number.
//!
//! A scenario sends a loop events at a fixed rate, whatever became of those before, and each
//! counts from when it was due: a loop that falls behind is charged with all that had to wait. The
//! raw floor of each stands beside it, as for a [workload](crate::workload). A loop that loses,
//! doubles, swaps or advances an event gets no histogram but an error.

mod channel;
mod eventfd;
mod load;
mod schedule;
mod signal;
mod stage;
mod timer;
mod wake;
mod watch;

use std::collections::BTreeSet;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use conformance::adapter::{Adapter, Capability, Failure};
use conformance::adapters::{Calloop013, Calloop014, CalloopRef};
use reports::record::{Latency, Missing, Subject};

use self::channel::Channel;
use self::eventfd::Eventfd;
use self::schedule::Plan;
use self::signal::Signal;
use self::stage::Stage;
use self::timer::Timer;
use self::wake::Wake;
use self::watch::Counted;
use crate::engine::{Floor, Loop};
use crate::outcome::{self, Faulty, Outcome, Progress};
use crate::select::Unknown;

/// What a scenario does, in words and numbers.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Its name, as `timer-lateness`.
    pub name: &'static str,
    /// Its size or sizes, as `delay=1ms`; empty if it has none.
    pub parameters: String,
    /// What an event is, in a sentence.
    pub about: &'static str,
    /// How far apart events are due.
    pub period: Duration,
    /// Who sends them.
    pub sends: Sends,
    /// Whether other threads want the processors, too.
    pub is_loaded: bool,
    /// What a loop has to have.
    pub needs: &'static [Capability],
    /// What the floor is made of.
    pub floor: Subject,
}

impl Spec {
    /// The name with the parameters, as `timer-lateness/delay=1ms`.
    pub fn id(&self) -> String {
        match self.parameters.as_str() {
            "" => self.name.to_string(),
            parameters => format!("{}/{parameters}", self.name),
        }
    }
}

/// Who sends the events of a scenario.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Sends {
    /// Another thread, each when it is due.
    Freely,
    /// Another thread, each when it is due and the last has come, because two at once may come as
    /// one. It counts from when it was due all the same.
    OneByOne,
    /// Nobody: they come of themselves.
    Nobody,
}

/// Events to be timed, on any loop and by hand.
trait Scenario: Copy + Send + Sync + 'static {
    /// What it does.
    fn spec(self) -> Spec;

    /// Runs a loop until the stage is over. Callbacks report to the stage's watch and do nothing
    /// else.
    ///
    /// # Errors
    ///
    /// What the loop answers.
    fn on<A: Adapter>(self, stage: &Stage) -> Result<(), Failure>;

    /// Does the same by hand, with nothing that it does not need.
    ///
    /// # Errors
    ///
    /// What the operating system answers.
    fn floor(self, stage: &Stage) -> Result<(), Failure>;
}

/// One scenario on one engine.
#[derive(Clone)]
pub struct Probe {
    /// The scenario.
    pub spec: Spec,
    /// The engine.
    pub engine: Subject,
    /// Whether the engine is the floor that others are compared with.
    pub is_floor: bool,
    /// What the loop would have to have besides; if anything, it cannot be measured.
    pub lacks: Vec<Capability>,
    run: Run,
}

/// What runs a scenario on an engine.
type Run = Arc<dyn Fn(&Stage) -> Result<(), Failure> + Send + Sync>;

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.spec.id(), self.engine.name)
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Probe").field(&format_args!("{self}")).finish()
    }
}

/// Something that scenarios run on.
trait Engine {
    fn probe<S: Scenario>(scenario: S) -> Probe;
}

impl<A: Adapter> Engine for Loop<A> {
    fn probe<S: Scenario>(scenario: S) -> Probe {
        let spec = scenario.spec();
        let capabilities = A::capabilities();
        let lacks = spec.needs.iter().copied().filter(|need| !capabilities.has(*need)).collect();
        let engine = Subject { name: A::NAME.to_string(), version: A::version() };
        let run = move |stage: &Stage| scenario.on::<A>(stage);
        Probe { spec, engine, is_floor: false, lacks, run: Arc::new(run) }
    }
}

impl Engine for Floor {
    fn probe<S: Scenario>(scenario: S) -> Probe {
        let spec = scenario.spec();
        let engine = spec.floor.clone();
        let run = move |stage: &Stage| scenario.floor(stage);
        Probe { spec, engine, is_floor: true, lacks: Vec::new(), run: Arc::new(run) }
    }
}

/// Every scenario on one engine, in the order of the reports.
fn all<E: Engine>() -> Vec<Probe> {
    let mut probes = vec![E::probe(Wake), E::probe(Eventfd), E::probe(Signal)];
    for is_loaded in [false, true] {
        for delay_us in [100, 1_000, 10_000, 100_000] {
            probes.push(E::probe(Timer { delay_us, is_loaded }));
        }
    }
    for is_flooded in [false, true] {
        for rate in [1_000, 10_000, 100_000] {
            probes.push(E::probe(Channel { rate, is_flooded }));
        }
    }
    probes
}

/// Every scenario on the loops that come with the suite, and by hand.
pub fn builtin() -> Vec<Probe> {
    let probes = [all::<Floor>(), of::<CalloopRef>(), of::<Calloop014>(), of::<Calloop013>()];
    probes.into_iter().flatten().collect()
}

/// Every scenario on one loop.
pub fn of<A: Adapter>() -> Vec<Probe> {
    all::<Loop<A>>()
}

/// Keeps the probes of these scenarios on these engines, with their floors, as
/// [`select`](crate::select()) does with benchmarks.
///
/// # Errors
///
/// If a name is not among the probes.
pub fn select<S: AsRef<str>>(
    probes: Vec<Probe>,
    scenarios: &[S],
    engines: &[S],
) -> Result<Vec<Probe>, Unknown> {
    let is_of = |probe: &Probe, name: &str| probe.spec.name == name || probe.spec.id() == name;
    let runs_on = |probe: &Probe, name: &str| probe.engine.name == name;
    let known = |kind, name: &str, is_it: &dyn Fn(&Probe, &str) -> bool, all: BTreeSet<String>| {
        let found = probes.iter().any(|probe| is_it(probe, name));
        let unknown = || Unknown { kind, name: name.to_string(), known: all };
        found.then_some(()).ok_or_else(unknown)
    };
    for name in scenarios.iter().map(AsRef::as_ref) {
        known("scenario", name, &is_of, probes.iter().map(|probe| probe.spec.id()).collect())?;
    }
    for name in engines.iter().map(AsRef::as_ref) {
        let all = probes.iter().map(|probe| probe.engine.name.clone()).collect();
        known("engine", name, &runs_on, all)?;
    }
    let is_wanted = |probe: &Probe| {
        (scenarios.is_empty() || scenarios.iter().any(|name| is_of(probe, name.as_ref())))
            && (engines.is_empty()
                || probe.is_floor
                || engines.iter().any(|name| runs_on(probe, name.as_ref())))
    };
    Ok(probes.into_iter().filter(is_wanted).collect())
}

/// How much is measured.
#[derive(Copy, Clone, Debug)]
pub struct Settings {
    /// How often the engines take turns. In each turn a loop is made anew.
    pub rounds: usize,
    /// How long a turn is.
    pub slice: Duration,
    /// How many events are counted in a turn at least, however far apart they are.
    pub at_least: u64,
    /// How long an event may take before it counts as lost.
    pub patience: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            rounds: 2,
            slice: Duration::from_millis(40),
            at_least: 2,
            patience: Duration::from_secs(10),
        }
    }
}

/// Measures the latencies of these probes, in some seconds for all that are built in.
///
/// `progress` is called before each turn and can end the run: what was measured until then is the
/// outcome.
///
/// # Errors
///
/// If an engine loses, doubles, swaps or advances an event, or an operation fails.
pub fn measure(
    probes: &[Probe],
    settings: &Settings,
    mut progress: impl FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<Outcome, Faulty> {
    let mut outcome = Outcome::default();
    let (able, unable): (Vec<&Probe>, Vec<&Probe>) =
        probes.iter().partition(|probe| probe.lacks.is_empty());
    let gap = |probe: &&Probe| outcome::missing_capabilities(probe.to_string(), &probe.lacks);
    outcome.missing.extend(unable.iter().filter_map(gap));
    let rows = rows(&able);
    for (done, (what, row)) in rows.iter().enumerate() {
        let mut is_over = || progress(Progress { what, done, total: rows.len() }).is_break();
        let mut counts = vec![Counted::default(); row.len()];
        outcome.is_interrupted = !turns(row, settings, &mut counts, &mut is_over)?;
        for (probe, counted) in row.iter().zip(&counts).filter(|(_, it)| it.samples() > 0) {
            outcome.missing.extend(shortfall(probe, counted));
            outcome.latencies.push(latency(probe, counted));
        }
        if outcome.is_interrupted {
            break;
        }
    }
    Ok(outcome)
}

/// The probes by scenario, in their first one's order.
fn rows<'p>(probes: &[&'p Probe]) -> Vec<(String, Vec<&'p Probe>)> {
    let mut rows: Vec<(String, Vec<&Probe>)> = Vec::new();
    for &probe in probes {
        let id = probe.spec.id();
        match rows.iter_mut().find(|(known, _)| *known == id) {
            Some((_, row)) => row.push(probe),
            None => rows.push((id, vec![probe])),
        }
    }
    rows
}

/// Has the engines of a scenario take turns, there and back; says whether all did.
fn turns(
    row: &[&Probe],
    settings: &Settings,
    counts: &mut [Counted],
    is_over: &mut dyn FnMut() -> bool,
) -> Result<bool, Faulty> {
    for round in 0..settings.rounds {
        for place in 0..row.len() {
            let at = if round % 2 == 0 { place } else { row.len() - 1 - place };
            if is_over() {
                return Ok(false);
            }
            let probe = row[at];
            let plan = Plan::within(settings.slice, probe.spec.period, settings.at_least);
            match stage::play(probe, plan, settings.patience) {
                Ok(counted) => counts[at].add(&counted),
                // An interruption may have ended a wait before its event came.
                Err(_) if is_over() => return Ok(false),
                Err(fault) => return Err(Faulty { bench: probe.to_string(), fault }),
            }
        }
    }
    Ok(true)
}

/// Says so if not every event was sent.
fn shortfall(probe: &Probe, counted: &Counted) -> Option<Missing> {
    let Counted { missed, .. } = counted;
    (*missed > 0).then(|| Missing {
        what: format!("{probe}: {missed} events, beside {} that came", counted.samples()),
        why: "what sends them could not keep the rate".to_string(),
        mend: "a machine that is less busy, or a build that is optimized".to_string(),
    })
}

fn latency(probe: &Probe, counted: &Counted) -> Latency {
    Latency {
        workload: probe.spec.name.to_string(),
        parameters: probe.spec.parameters.clone(),
        engine: probe.engine.clone(),
        is_floor: probe.is_floor,
        missed: counted.missed,
        buckets: counted.buckets(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_is_on_every_engine_and_none_has_the_name_of_a_workload() {
        let probes = builtin();
        let ids = |is_it: &dyn Fn(&Probe) -> bool| -> Vec<String> {
            probes.iter().filter(|probe| is_it(probe)).map(|probe| probe.spec.id()).collect()
        };
        let floors = ids(&|probe| probe.is_floor);
        assert_eq!(floors.len(), floors.iter().collect::<BTreeSet<_>>().len(), "{floors:?}");
        for engine in ["calloop-ref", "calloop-0.14", "calloop-0.13"] {
            assert_eq!(ids(&|probe| probe.engine.name == engine), floors, "{engine}");
        }
        assert!(probes.iter().all(|probe| probe.lacks.is_empty()));
        let workloads = crate::builtin();
        let is_workload =
            |probe: &Probe| workloads.iter().any(|it| it.spec.name == probe.spec.name);
        assert!(!probes.iter().any(is_workload), "the command line could not tell them apart");
    }

    #[test]
    fn probes_are_picked_by_name_with_their_floors() {
        let picked = select(builtin(), &["timer-lateness/delay=1ms"], &["calloop-ref"]);
        let picked = picked.expect("these exist");
        let names: Vec<String> = picked.iter().map(Probe::to_string).collect();
        let expected = ["epoll", "calloop-ref"];
        assert_eq!(names, expected.map(|engine| format!("timer-lateness/delay=1ms on {engine}")));
        let unknown = select(builtin(), &["timer"], &[]).expect_err("it is timer-lateness");
        assert!(unknown.to_string().contains("channel-latency/rate=1k, "), "{unknown}");
        assert!(select(builtin(), &[], &["kalloop"]).is_err());
    }
}
