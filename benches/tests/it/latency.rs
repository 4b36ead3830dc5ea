//! Latencies: every scenario counts right on the loops that keep the rules, and finds out one that
//! does not.

use std::ops::ControlFlow;
use std::time::Duration;

use benches::latency::{Probe, Settings, builtin, measure, of, select};
use benches::{Faulty, Outcome};
use conformance::adapter::Capability;

use crate::LIMIT;
use crate::broken::*;

const SETTINGS: Settings =
    Settings { rounds: 1, slice: Duration::from_millis(5), at_least: 2, patience: LIMIT };

fn run(probes: &[Probe]) -> Result<Outcome, Faulty> {
    measure(probes, &SETTINGS, |_| ControlFlow::Continue(())).faultless()
}

#[test]
fn every_scenario_counts_right_on_every_engine() {
    let probes = builtin();
    let outcome = run(&probes).unwrap_or_else(|faulty| panic!("{faulty}"));
    assert_eq!(outcome.latencies.len(), probes.len());
    let mut missed = 0;
    for latency in &outcome.latencies {
        let what =
            format!("{} {} on {}", latency.workload, latency.parameters, latency.engine.name);
        let delay = probes.iter().find(|probe| {
            probe.spec.name == latency.workload && probe.spec.parameters == latency.parameters
        });
        let period = delay.expect("it was measured").spec.period;
        let counted = (SETTINGS.slice.as_nanos() / period.as_nanos()).max(2) as u64;
        let samples = latency.samples();
        // Of those that are sent a tenth is not counted, and those come first.
        assert_eq!(samples + latency.missed, counted, "{what}");
        assert!(latency.buckets.is_sorted_by(|one, next| one.ns < next.ns), "{what}");
        assert_eq!(latency.is_floor, !latency.engine.name.starts_with("calloop"), "{what}");
        missed += usize::from(latency.missed > 0);
    }
    // A busy machine may have kept events from being sent: then that was said.
    assert_eq!(outcome.missing.len(), missed, "{:?}", outcome.missing);
}

#[test]
fn the_floor_stands_beside_the_engines_of_each_scenario() {
    let picked = select(builtin(), &["wake-latency", "timer-lateness/delay=0.1ms"], &[]);
    let outcome = run(&picked.expect("these exist")).unwrap_or_else(|faulty| panic!("{faulty}"));
    let rows: Vec<(&str, &str)> = outcome
        .latencies
        .iter()
        .map(|latency| (latency.workload.as_str(), latency.engine.name.as_str()))
        .collect();
    let engines = ["epoll", "calloop-ref", "calloop-0.14", "calloop-0.13"];
    let expected = ["wake-latency", "timer-lateness"]
        .into_iter()
        .flat_map(|workload| engines.map(|engine| (workload, engine)));
    assert!(rows.iter().copied().eq(expected), "{rows:?}");
}

/// What is said of a faulty loop.
fn fault<const FAULT: u8>(scenario: &str) -> String {
    let probes = select(of::<Broken<FAULT>>(), &[scenario], &[]).expect("it exists");
    let settings = Settings { patience: Duration::from_millis(500), ..SETTINGS };
    match measure(&probes, &settings, |_| ControlFlow::Continue(())).faultless() {
        Ok(outcome) => panic!("the fault was not noticed by {scenario}: {outcome:?}"),
        Err(faulty) => faulty.to_string(),
    }
}

#[test]
fn the_broken_loop_without_a_fault_counts_right() {
    let probes = of::<Broken<0>>();
    let without_signals: Vec<Probe> =
        probes.into_iter().filter(|probe| probe.spec.name != "signal-latency").collect();
    let outcome = run(&without_signals).unwrap_or_else(|faulty| panic!("{faulty}"));
    assert_eq!(outcome.latencies.len(), without_signals.len());
}

#[test]
fn a_lost_wake_up() {
    let expected = "wake-latency/rate=5k on broken: it did not end within 500ms: an event was lost";
    assert_eq!(fault::<LOSES_PINGS>("wake-latency"), expected);
    // Also where the next ping would have woken the loop.
    assert_eq!(fault::<LOSES_A_PING>("wake-latency"), expected);
}

#[test]
fn a_doubled_wake_up() {
    let expected = "wake-latency/rate=5k on broken: an event came twice, or before it was sent";
    assert_eq!(fault::<DOUBLES_PINGS>("wake-latency"), expected);
}

#[test]
fn a_descriptor_reported_twice() {
    let expected = "eventfd-latency/rate=5k on broken: an event came twice, or before it was sent";
    assert_eq!(fault::<DOUBLES_FDS>("eventfd-latency"), expected);
}

#[test]
fn a_lost_message() {
    let found = fault::<LOSES_A_MESSAGE>("channel-latency/rate=10k");
    let expected = "channel-latency/rate=10k on broken: event 8 came in the place of event 7";
    assert_eq!(found, expected);
}

#[test]
fn messages_out_of_order() {
    let found = fault::<SWAPS_MESSAGES>("channel-latency/rate=10k");
    let expected = "channel-latency/rate=10k on broken: event 8 came in the place of event 7";
    assert_eq!(found, expected);
}

#[test]
fn a_lost_timer() {
    let found = fault::<LOSES_A_TIMER>("timer-lateness/delay=1ms");
    let expected = "timer-lateness/delay=1ms on broken: it did not end within 500ms: an event was \
                    lost";
    assert_eq!(found, expected);
}

#[test]
fn early_timers() {
    let first = fault::<IGNORES_DEADLINES>("timer-lateness/delay=10ms");
    let later = fault::<REPEATS_EARLY>("timer-lateness/delay=10ms");
    for found in [first, later] {
        assert!(
            found.contains("on broken: an event came ") && found.ends_with("before it was due")
        );
    }
}

#[test]
fn operations_that_fail() {
    assert_eq!(fault::<FAILS>("wake-latency"), "wake-latency/rate=5k on broken: out of order");
}

#[test]
fn what_was_measured_before_an_interruption_is_kept() {
    let picked = select(builtin(), &["wake-latency", "eventfd-latency"], &[]);
    let probes = picked.expect("these exist");
    let mut turns = 0;
    let outcome = measure(&probes, &SETTINGS, |progress| {
        turns += 1;
        assert_eq!((progress.done, progress.total), (turns / 5, 2));
        if turns == 7 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(outcome.is_interrupted && outcome.faulty.is_empty());
    // Four engines on the first scenario, two on the second.
    assert_eq!(outcome.latencies.len(), 6);
}

#[test]
fn what_a_loop_lacks_is_missing_and_not_measured() {
    let picked = select(builtin(), &["wake-latency"], &["calloop-ref"]);
    let mut probes = picked.expect("these exist");
    probes[1].lacks = vec![Capability::Ping];
    let outcome = run(&probes).unwrap_or_else(|faulty| panic!("{faulty}"));
    assert_eq!(outcome.latencies.len(), 1);
    assert_eq!(outcome.missing[0].what, "wake-latency on calloop-ref");
    assert_eq!(outcome.missing[0].why, "the loop does not have: ping");
}
