//! The meter of allocations: what it tells of calloop-ref.

use benches::Meter;
use libtest_mimic::{Failed, Trial};

use crate::kit::{measure, measured, of_workload, one_of_each, part, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("allocations::of_a_steady_dispatch", of_a_steady_dispatch),
        trial("allocations::of_what_is_inserted", of_what_is_inserted),
        trial("allocations::are_the_same_in_a_second_run", are_the_same_in_a_second_run),
    ]
}

/// Where nothing is inserted, nothing is allocated.
const STEADY: [&str; 8] = [
    "empty",
    "ping",
    "ready/ready=100",
    "ready/ready=1000",
    "ready/ready=1,registered=4000",
    "timer-repeat",
    "fd-toggle",
    "fd-update",
];

fn of_a_steady_dispatch() -> Result<(), Failed> {
    let all = measured(&STEADY, &["calloop-ref", "calloop-0.14"], Meter::Allocations)?;
    for workload in STEADY {
        let allocations = of_workload(&all, workload, "calloop-ref");
        if allocations.samples != [0.0] || part(allocations, "bytes") != 0.0 {
            return Err(format!("{workload}: {allocations:?}").into());
        }
    }
    // That the meter sees something where there is something.
    let calloop = of_workload(&all, "ping", "calloop-0.14");
    if calloop.samples != [1.0] || part(calloop, "bytes") == 0.0 {
        return Err(format!("calloop allocates its batch in each dispatch: {calloop:?}").into());
    }
    Ok(())
}

/// What one operation inserts, and how often each may allocate.
const INSERTED: [(&str, f64, f64); 5] = [
    ("idle", 1.0, 1.0),
    ("fd-churn/live=1000", 100.0, 2.0),
    ("timer-churn/live=1000", 101.0, 2.0),
    ("timer-fire/timers=1000", 1000.0, 2.0),
    // With its making: what its senders and its source share.
    ("ping-life", 100.0, 6.0),
];

fn of_what_is_inserted() -> Result<(), Failed> {
    let workloads: Vec<&str> = INSERTED.iter().map(|(workload, ..)| *workload).collect();
    let all = measured(&workloads, &["calloop-ref"], Meter::Allocations)?;
    for (workload, inserted, each) in INSERTED {
        let allocations = of_workload(&all, workload, "calloop-ref").samples[0];
        if allocations > inserted * each {
            return Err(format!("{workload}: {allocations} for {inserted} inserted").into());
        }
    }
    Ok(())
}

fn are_the_same_in_a_second_run() -> Result<(), Failed> {
    let benches = one_of_each();
    let first = measure(&benches, Meter::Allocations)?.measurements;
    let second = measure(&benches, Meter::Allocations)?.measurements;
    for (first, second) in first.iter().zip(&second) {
        if first != second {
            return Err(format!("{first:?}, then {second:?}").into());
        }
    }
    Ok(())
}
