//! The paired runner.

use std::io;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use benches::baselines::{Poll, Poller};
use benches::engine::{Baseline, Engine, Floor};
use benches::tally::Tally;
use benches::workload::{Run, Spec, Workload};
use benches::{Settings, builtin, quick, select};
use conformance::adapter::{Adapter, Capability, Failure};

pub(crate) const SETTINGS: Settings = Settings {
    rounds: 3,
    workload: Duration::ZERO,
    at_most: Duration::MAX,
    sample: Duration::from_micros(200),
};

#[test]
fn it_measures_each_engine_six_times_a_block_and_tells_how_far_it_is() {
    let loops = ["calloop-ref", "calloop-0.14", "calloop-0.13"];
    let benches = select(builtin(), &["ready/ready=1", "idle"], &loops).expect("these exist");
    let mut seen = Vec::new();
    let outcome = quick(&benches, &SETTINGS, |progress| {
        seen.push((progress.what.to_string(), progress.done, progress.total));
        ControlFlow::Continue(())
    });
    let outcome = outcome.expect("the built-in engines count right");
    assert_eq!(seen, [("ready/ready=1".to_string(), 0, 2), ("idle".to_string(), 1, 2)]);
    let names: Vec<_> = outcome
        .measurements
        .iter()
        .map(|measurement| (measurement.workload.as_str(), measurement.engine.name.as_str()))
        .collect();
    assert_eq!(
        names,
        [
            ("ready", "epoll"),
            ("ready", "calloop-ref"),
            ("ready", "calloop-0.14"),
            ("ready", "calloop-0.13"),
            ("idle", "epoll"),
            ("idle", "calloop-ref"),
            ("idle", "calloop-0.14"),
            ("idle", "calloop-0.13"),
        ]
    );
    for measurement in &outcome.measurements {
        assert_eq!(measurement.is_floor, measurement.engine.name == "epoll");
        assert_eq!((measurement.meter.as_str(), measurement.unit.as_str()), ("wall", "ns"));
        assert_eq!(measurement.samples.len(), 18);
        let ratio = measurement.ratio.expect("the row has a floor");
        assert!(ratio.low <= ratio.value && ratio.value <= ratio.high && ratio.noise > 0.0);
        assert_eq!(measurement.is_floor, ratio.value == 1.0, "{ratio:?}");
        assert!(measurement.samples.iter().all(|sample| *sample > 0.0));
    }
    assert!(outcome.missing.is_empty());
}

#[test]
fn what_a_loop_lacks_is_missing_and_not_measured() {
    let mut benches = select(builtin(), &["idle"], &["calloop-ref"]).expect("these exist");
    benches[1].lacks = vec![Capability::Executor, Capability::AsyncIo];
    let outcome =
        quick(&benches, &SETTINGS, |_| ControlFlow::Continue(())).expect("the others count right");
    assert_eq!(outcome.measurements.len(), 1);
    assert_eq!(outcome.missing.len(), 1);
    assert_eq!(outcome.missing[0].what, "idle on calloop-ref");
    assert_eq!(outcome.missing[0].why, "the loop does not have: executor, async-io");
}

/// Takes all that there is of something.
#[derive(Copy, Clone)]
struct Greedy;

static IS_TAKEN: AtomicBool = AtomicBool::new(false);

struct Taken;

impl Taken {
    fn take() -> Result<Self, Failure> {
        const TOO_MANY_OPEN_FILES: i32 = 24;
        match IS_TAKEN.swap(true, Ordering::Relaxed) {
            true => Err(io::Error::from_raw_os_error(TOO_MANY_OPEN_FILES).into()),
            false => Ok(Taken),
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        IS_TAKEN.store(false, Ordering::Relaxed);
    }
}

impl Workload for Greedy {
    fn spec(self) -> Spec {
        Spec { name: "greedy", per: "nothing", units: 1, ..Spec::default() }
    }

    fn on<A: Adapter>(self, _: Rc<Tally>) -> Result<Run, Failure> {
        Err(Failure::Unsupported)
    }

    fn floor<P: Poller>(self, tally: Rc<Tally>) -> Result<Run, Failure> {
        let taken = Taken::take()?;
        Ok(Run::new(tally, move || {
            let _ = &taken;
            Ok(())
        }))
    }
}

#[test]
fn those_that_cannot_exist_together_are_measured_one_by_one() {
    let benches = [Floor::bench(Greedy), Baseline::<Poll>::bench(Greedy)];
    let benches: Vec<_> = benches.into_iter().flatten().collect();
    let outcome = quick(&benches, &SETTINGS, |_| ControlFlow::Continue(()));
    let outcome = outcome.expect("each can exist alone");
    assert!(outcome.missing.is_empty(), "{:?}", outcome.missing);
    let names: Vec<_> = outcome.measurements.iter().map(|it| it.engine.name.as_str()).collect();
    assert_eq!(names, ["epoll", "poll"]);
    for measurement in &outcome.measurements {
        assert_eq!(measurement.samples.len(), 18);
        assert!(measurement.ratio.is_some());
    }
}
