//! A loop that loses, doubles, swaps or advances events gets no time but an error that says so.

use std::ops::ControlFlow;
use std::time::Duration;

use benches::{Bench, Settings};
use benches::{of, quick, select};

use crate::LIMIT;
use crate::broken::*;
use crate::quick::SETTINGS;

fn bench<const FAULT: u8>(workload: &str) -> Bench {
    let benches = select(of::<Broken<FAULT>>(), &[workload], &[]).expect("the workload exists");
    benches.into_iter().next().expect("and is selected")
}

fn fault<const FAULT: u8>(workload: &str, limit: Duration) -> String {
    match bench::<FAULT>(workload).check(4, limit) {
        Ok(()) => panic!("the fault was not noticed by {workload}"),
        Err(fault) => fault.to_string(),
    }
}

const UNSUPPORTED: [&str; 6] =
    ["idle", "executor", "async-read", "signal", "fd-toggle", "fd-update"];

#[test]
fn the_broken_loop_without_a_fault_counts_right() {
    for bench in of::<Broken<0>>() {
        // It does not have what every workload needs.
        if !UNSUPPORTED.contains(&bench.spec.name) {
            bench.check(2, LIMIT).unwrap_or_else(|fault| panic!("{bench}: {fault}"));
        }
    }
}

#[test]
fn doubled_events() {
    let found = fault::<DOUBLES_FDS>("ready/ready=10", LIMIT);
    assert_eq!(found, "an operation delivered 20 events instead of 10");
}

#[test]
fn some_events_doubled_and_as_many_lost() {
    let found = fault::<CONFUSES_FDS>("ready/ready=10", LIMIT);
    assert_eq!(found, "an operation delivered some events twice, others never");
}

#[test]
fn early_events() {
    let found = fault::<FIRES_EARLY>("ping/timer=far", LIMIT);
    assert_eq!(found, "an operation delivered 2 events instead of 1");
}

#[test]
fn timers_out_of_order() {
    let found = fault::<IGNORES_DEADLINES>("timer-fire/timers=1000", LIMIT);
    assert_eq!(found, "an operation delivered its events out of order");
}

#[test]
fn sources_that_stay_though_removed() {
    let found = fault::<KEEPS_REMOVED>("timer-churn/live=1000", LIMIT);
    assert_eq!(found, "an operation delivered 2 events instead of 1");
    let found = fault::<KEEPS_REMOVED>("fd-churn/live=1000", LIMIT);
    assert_eq!(found, "an operation delivered 101 events instead of 1");
}

#[test]
fn lost_messages() {
    let found = fault::<LOSES_A_MESSAGE>("channel/burst=1000", LIMIT);
    assert_eq!(found, "an operation delivered 999 events instead of 1000");
}

#[test]
fn lost_wake_ups() {
    let found = fault::<LOSES_PINGS>("ping", Duration::from_millis(200));
    assert_eq!(found, "it did not end within 200ms: an event was lost");
}

#[test]
fn operations_that_fail() {
    assert_eq!(fault::<FAILS>("empty", LIMIT), "out of order");
}

#[test]
fn a_fault_ends_the_run_and_names_the_benchmark() {
    let benches = [bench::<0>("empty"), bench::<DOUBLES_FDS>("ready/ready=1")];
    let settings = Settings { rounds: 1, ..SETTINGS };
    let faulty = quick(&benches, &settings, |_| ControlFlow::Continue(())).unwrap_err();
    assert_eq!(
        faulty.to_string(),
        "ready/ready=1 on broken: an operation delivered 2 events instead of 1"
    );
}
