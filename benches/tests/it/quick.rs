//! The paired runner.

use std::ops::ControlFlow;
use std::time::Duration;

use benches::{Settings, builtin, quick, select};
use conformance::adapter::Capability;

pub(crate) const SETTINGS: Settings =
    Settings { rounds: 3, workload: Duration::ZERO, sample: Duration::from_micros(200) };

#[test]
fn it_measures_each_engine_six_times_a_block_and_tells_how_far_it_is() {
    let benches = select(builtin(), &["ready/ready=1", "idle"], &[]).expect("these exist");
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
