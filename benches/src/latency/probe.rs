//! What is timed on what: scenarios, engines, and each scenario on each engine.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use conformance::adapter::{Adapter, Capability, Failure};
use reports::record::{Missing, Subject, workload_id};

use super::channel::Channel;
use super::eventfd::Eventfd;
use super::signal::Signal;
use super::stage::Stage;
use super::timer::Timer;
use super::wake::Wake;
use crate::engine::{Floor, Loop, OfLoop, Role, of_every_loop};
use crate::outcome::missing_capabilities;
use crate::raw;
use crate::select::{Unknown, pick};

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
        workload_id(self.name, &self.parameters)
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
pub(super) trait Scenario: Copy + Send + Sync + 'static {
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
    /// What the engine is in a comparison.
    pub role: Role,
    /// What the loop would have to have besides; if anything, it cannot be measured.
    pub lacks: Vec<Capability>,
    /// Why it is not measured, and what it takes, if that is known from the start.
    pub gap: Option<Missing>,
    pub(super) run: Run,
}

impl Probe {
    /// Whether the engine is the floor that others are compared with.
    pub fn is_floor(&self) -> bool {
        self.role == Role::Floor
    }

    /// What it takes to have it measured, if anything.
    pub(super) fn missing(&self) -> Option<Missing> {
        let work = || format!("{} on {}", self.spec.name, self.engine.name);
        let lacks = || missing_capabilities(work(), &self.lacks);
        self.gap.clone().or_else(lacks)
    }
}

/// What runs a scenario on an engine.
pub(super) type Run = Arc<dyn Fn(&Stage) -> Result<(), Failure> + Send + Sync>;

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
        Probe { spec, engine, role: Role::Loop, lacks, gap: None, run: Arc::new(run) }
    }
}

impl Engine for Floor {
    fn probe<S: Scenario>(scenario: S) -> Probe {
        let spec = scenario.spec();
        let engine = spec.floor.clone();
        let run = move |stage: &Stage| scenario.floor(stage);
        let lacks = raw::lacking(spec.needs);
        Probe { spec, engine, role: Role::Floor, lacks, gap: None, run: Arc::new(run) }
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
    /// The probes of a loop.
    struct Probes;

    impl OfLoop for Probes {
        type Item = Probe;

        fn of<A: Adapter>() -> Vec<Probe> {
            of::<A>()
        }
    }

    all::<Floor>().into_iter().chain(of_every_loop::<Probes>()).collect()
}

/// Every scenario on one loop.
pub fn of<A: Adapter>() -> Vec<Probe> {
    all::<Loop<A>>()
}

/// Every scenario on a loop that is not on this machine: with each it is told what is missing.
pub fn not_here(name: &str, missing: &Missing) -> Vec<Probe> {
    let mut probes = all::<Floor>();
    for probe in &mut probes {
        let spec = probe.spec.clone();
        let engine = Subject { name: name.to_string(), version: String::new() };
        let run = |_: &Stage| Err(Failure::Other("the loop is not here".to_string()));
        let (lacks, gap) = (Vec::new(), Some(missing.clone()));
        *probe = Probe { spec, engine, role: Role::Loop, lacks, gap, run: Arc::new(run) };
    }
    probes
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
    pick(probes, scenarios, engines)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_scenario_is_on_every_engine_and_none_has_the_name_of_a_workload() {
        let probes = builtin();
        let ids = |is_it: &dyn Fn(&Probe) -> bool| -> Vec<String> {
            probes.iter().filter(|probe| is_it(probe)).map(|probe| probe.spec.id()).collect()
        };
        let floors = ids(&Probe::is_floor);
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
