//! A loop that loses, doubles, swaps or advances events gets no time but an error that says so.

use std::thread;
use std::time::Duration;

use benches::{Bench, of, select};

use crate::LIMIT;
use crate::broken::*;

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

/// Those that are quick without optimization, on a loop with this fault.
fn small<const FAULT: u8>() -> impl Iterator<Item = Bench> {
    of::<Broken<FAULT>>().into_iter().filter(|bench| !bench.spec.is_large)
}

#[test]
fn the_broken_loop_without_a_fault_counts_right() {
    for bench in small::<0>() {
        bench.check(2, LIMIT).unwrap_or_else(|fault| panic!("{bench}: {fault}"));
    }
}

#[test]
fn every_workload_misses_events_that_are_lost() {
    let miss = |bench: Bench| {
        assert!(bench.check(1, Duration::from_secs(1)).is_err(), "{bench}: nothing was missed");
    };
    // Most wait for them until their limit, so that all do it at once.
    thread::scope(|scope| {
        for bench in small::<LOSES_EVERYTHING>().filter(|bench| bench.spec.events > 0) {
            scope.spawn(move || miss(bench));
        }
    });
}

/// Messages, idle callbacks and what futures resolve to can be had only once.
const ONCE: [&str; 4] = ["channel", "idle", "executor", "async-read"];

/// Pings that meet are one, so that only more calls than pings are too many.
const MAY_MEET: [&str; 1] = ["ping-storm"];

#[test]
fn every_workload_notices_events_that_come_twice() {
    let can_come_twice = |bench: &Bench| {
        let id = bench.spec.id();
        let is_among = |names: &[&str]| names.iter().any(|name| id.contains(name));
        bench.spec.events > 0 && !is_among(&ONCE) && !is_among(&MAY_MEET)
    };
    for bench in small::<DOUBLES_EVERYTHING>().filter(can_come_twice) {
        assert!(bench.check(2, LIMIT).is_err(), "{bench}: nothing was noticed");
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
    let found = fault::<KEEPS_REMOVED>("timer-cancel/at=tail,live=0", LIMIT);
    assert_eq!(found, "an operation delivered 2 events instead of 1");
    for kind in ["fd", "timer"] {
        let found = fault::<KEEPS_REMOVED>(&format!("source-destroy/kind={kind},sources=1"), LIMIT);
        assert_eq!(found, "an operation delivered 1 events instead of 0");
    }
}

#[test]
fn timers_that_are_not_set_anew() {
    let is_found = |found| assert_eq!(found, "an operation delivered 0 events instead of 1");
    thread::scope(|scope| {
        scope.spawn(|| is_found(fault::<IGNORES_RESETS>("timer-rearm/at=head,live=0", LIMIT)));
        scope.spawn(|| is_found(fault::<FIRES_ONCE>("timer-repeat", LIMIT)));
    });
}

#[test]
fn early_timers_among_others() {
    let found = fault::<FIRES_EARLY>("timer-due/live=1000", LIMIT);
    assert_eq!(found, "an operation delivered 1010 events instead of 10");
    let found = fault::<FIRES_EARLY>("compositor", LIMIT);
    assert!(found.ends_with("events instead of 22"), "{found}");
}

#[test]
fn one_message_of_many_lost() {
    let is_missed = |workload: &str, (delivered, sent): (u32, u32)| {
        let found = fault::<LOSES_A_MESSAGE>(workload, LIMIT);
        let expected = format!("an operation delivered {delivered} events instead of {sent}");
        assert_eq!(found, expected, "{workload}");
    };
    thread::scope(|scope| {
        scope.spawn(|| is_missed("channel/burst=1000", (999, 1000)));
        scope.spawn(|| is_missed("channel/burst=64,bound=64", (63, 64)));
        scope.spawn(|| is_missed("channel-streamed/producers=1", (9999, 10000)));
        scope.spawn(|| is_missed("channel-streamed/producers=4,bound=64", (9999, 10000)));
    });
}

#[test]
fn messages_out_of_order() {
    for workload in [
        "channel/burst=1000",
        "channel/burst=64,bound=64",
        "channel-streamed/producers=1",
        "channel-streamed/producers=1,bound=64",
    ] {
        let found = fault::<SWAPS_MESSAGES>(workload, LIMIT);
        assert_eq!(found, "an operation delivered its events out of order", "{workload}");
    }
}

#[test]
fn channels_without_their_bound() {
    let found = fault::<EXCEEDS_BOUNDS>("channel/burst=64,bound=64", LIMIT);
    assert_eq!(found, "the channel was full and took a message");
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
