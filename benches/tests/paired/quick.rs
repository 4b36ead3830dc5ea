//! How the engines of a workload take turns, and what becomes of those that cannot.

use std::io;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;

use benches::baselines::{Poll, Poller};
use benches::engine::{Baseline, Engine, Floor};
use benches::tally::Tally;
use benches::workload::{Run, Spec, Workload};
use benches::{Bench, Outcome, Program, Settings, builtin, of, quick, select};
use conformance::adapter::{Adapter, Capability, Failure};
use libtest_mimic::{Failed, Trial};

use crate::broken::{Broken, DOUBLES_FDS, LOSES_PINGS};

const SETTINGS: Settings = Settings {
    blocks: 3,
    noise: f64::INFINITY,
    at_most: Duration::MAX,
    sample: Duration::from_micros(200),
    samples: 2,
};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("quick::each_has_two_turns_a_block", each_has_two_turns_a_block),
        Trial::test("quick::it_ends_when_that_is_asked_for", it_ends_when_that_is_asked_for),
        Trial::test("quick::slow_ones_have_one_block", slow_ones_have_one_block),
        Trial::test("quick::what_a_loop_lacks_is_missing", what_a_loop_lacks_is_missing),
        Trial::test("quick::what_cannot_be_prepared_is_missing", what_cannot_be_prepared),
        Trial::test("quick::a_fault_names_the_benchmark", a_fault_names_the_benchmark),
    ]
}

/// The benchmarks that only these tests have.
pub(crate) fn own() -> Vec<Bench> {
    // The broken loops have one name, so that a process finds the first that has the workload.
    [greedy(), broken::<DOUBLES_FDS>("ready/ready=1"), broken::<LOSES_PINGS>("ping")].concat()
}

fn broken<const FAULT: u8>(workload: &str) -> Vec<Bench> {
    let benches = select(of::<Broken<FAULT>>(), &[workload], &[]);
    benches.expect("the workload exists")
}

fn measure(benches: &[Bench], settings: &Settings) -> Result<Outcome, Failed> {
    let program = Program { limit: Duration::from_secs(10), ..Program::this()? };
    Ok(quick(benches, settings, &program, |_| ControlFlow::Continue(())))
}

fn names(outcome: &Outcome) -> Vec<(&str, &str)> {
    let measurements = outcome.measurements.iter();
    measurements.map(|it| (it.workload.as_str(), it.engine.name.as_str())).collect()
}

fn each_has_two_turns_a_block() -> Result<(), Failed> {
    let loops = ["calloop-ref", "calloop-0.14", "calloop-0.13"];
    let benches = select(builtin(), &["ready/ready=1", "idle"], &loops)?;
    let outcome = measure(&benches, &SETTINGS)?.faultless()?;
    let expected = [
        ("ready", "epoll"),
        ("ready", "calloop-ref"),
        ("ready", "calloop-0.14"),
        ("ready", "calloop-0.13"),
        ("idle", "epoll"),
        ("idle", "calloop-ref"),
        ("idle", "calloop-0.14"),
        ("idle", "calloop-0.13"),
    ];
    assert_eq!(names(&outcome), expected);
    for measurement in &outcome.measurements {
        assert_eq!(measurement.is_floor, measurement.engine.name == "epoll");
        assert_eq!((measurement.meter.as_str(), measurement.unit.as_str()), ("wall", "ns"));
        assert_eq!(measurement.samples.len(), 12);
        let ratio = measurement.ratio.expect("the row has a floor");
        assert!(ratio.low <= ratio.value && ratio.value <= ratio.high && ratio.noise > 0.0);
        assert_eq!(measurement.is_floor, ratio.value == 1.0, "{ratio:?}");
        assert!(measurement.samples.iter().all(|sample| *sample > 0.0));
    }
    assert!(outcome.missing.is_empty());
    Ok(())
}

fn it_ends_when_that_is_asked_for() -> Result<(), Failed> {
    let benches = select(builtin(), &["empty/timeout=100us", "idle"], &["calloop-ref"])?;
    let mut seen = Vec::new();
    let outcome = quick(&benches, &SETTINGS, &Program::this()?, |progress| {
        seen.push((progress.what.to_string(), progress.done, progress.total));
        if progress.done == 0 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    assert_eq!(seen, [("empty/timeout=100us".to_string(), 0, 2), ("idle".to_string(), 1, 2)]);
    assert!(outcome.is_interrupted);
    assert_eq!(names(&outcome), [("empty", "epoll"), ("empty", "calloop-ref")]);
    Ok(())
}

/// One turn each is all there is time for.
fn slow_ones_have_one_block() -> Result<(), Failed> {
    let benches = select(builtin(), &["idle"], &["calloop-ref"])?;
    let outcome = measure(&benches, &Settings { at_most: Duration::ZERO, ..SETTINGS })?;
    for measurement in outcome.faultless()?.measurements {
        assert_eq!(measurement.samples.len(), 2);
        assert_eq!(measurement.ratio, None, "one block has no interval");
    }
    Ok(())
}

fn what_a_loop_lacks_is_missing() -> Result<(), Failed> {
    let mut benches = select(builtin(), &["idle"], &["calloop-ref"])?;
    benches[1].lacks = vec![Capability::Executor, Capability::AsyncIo];
    let outcome = measure(&benches, &SETTINGS)?.faultless()?;
    assert_eq!(names(&outcome), [("idle", "epoll")]);
    assert_eq!(outcome.missing.len(), 1);
    assert_eq!(outcome.missing[0].what, "idle on calloop-ref");
    assert_eq!(outcome.missing[0].why, "the loop does not have: executor, async-io");
    Ok(())
}

/// Has what it needs only on one kind of poller.
#[derive(Copy, Clone)]
struct Greedy {
    /// The other, which can open no file.
    refuses: &'static str,
}

impl Workload for Greedy {
    fn spec(self) -> Spec {
        let parameters = format!("refuses={}", self.refuses);
        Spec { name: "greedy", parameters, per: "nothing", units: 1, ..Spec::default() }
    }

    fn on<A: Adapter>(self, _: Rc<Tally>) -> Result<Run, Failure> {
        Err(Failure::Unsupported)
    }

    fn floor<P: Poller>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        const TOO_MANY_OPEN_FILES: i32 = 24;
        if P::NAME == self.refuses {
            return Err(io::Error::from_raw_os_error(TOO_MANY_OPEN_FILES).into());
        }
        Ok(Run::new(tally, || Ok(())))
    }
}

fn greedy() -> Vec<Bench> {
    let each = ["epoll", "poll"].map(|refuses| {
        [Floor::bench(Greedy { refuses }), Baseline::<Poll>::bench(Greedy { refuses })]
    });
    each.into_iter().flatten().flatten().collect()
}

fn what_cannot_be_prepared() -> Result<(), Failed> {
    let outcome = measure(&greedy(), &SETTINGS)?.faultless()?;
    assert_eq!(names(&outcome), [("greedy", "poll"), ("greedy", "epoll")]);
    let missing: Vec<_> = outcome.missing.iter().map(|gap| gap.what.as_str()).collect();
    assert_eq!(missing, ["greedy/refuses=epoll on epoll", "greedy/refuses=poll on poll"]);
    assert_eq!(outcome.missing[0].why, "the process cannot open enough files");
    let [without_floor, floor] = outcome.measurements.as_slice() else { unreachable!() };
    assert!(without_floor.ratio.is_none() && floor.ratio.is_some());
    // Those of the block that was broken off count, too.
    assert!(outcome.measurements.iter().all(|measurement| measurement.samples.len() >= 12));
    Ok(())
}

fn a_fault_names_the_benchmark() -> Result<(), Failed> {
    for (broken, expected) in [
        (
            broken::<DOUBLES_FDS>("ready/ready=1"),
            "ready/ready=1 on broken: an operation delivered 2 events instead of 1",
        ),
        (
            broken::<LOSES_PINGS>("ping"),
            "ping on broken: it did not end within 10s: an event was lost",
        ),
    ] {
        let broken = &broken[0];
        let mut benches = select(builtin(), &[broken.spec.id().as_str()], &["calloop-ref"])?;
        benches.retain(|bench| bench.is_floor() && bench.spec.id() == broken.spec.id());
        benches.push(broken.clone());
        let outcome = measure(&benches, &SETTINGS)?;
        assert_eq!(outcome.faulty[0].to_string(), expected);
        // The floor can be trusted all the same.
        assert_eq!(outcome.measurements.len(), 1);
        assert!(outcome.measurements[0].is_floor);
    }
    Ok(())
}
