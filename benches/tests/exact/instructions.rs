//! The meter of instructions.

use std::process::{Command, Stdio};

use benches::Meter;
use libtest_mimic::{Failed, Trial};

use crate::kit::{measured, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial("instructions::are_the_same_in_a_second_run", are_the_same_in_a_second_run)]
}

/// One of each kind, small enough for a program that is not optimized.
const WORKLOADS: [&str; 9] = [
    "ping",
    "ready/ready=10",
    "channel/burst=8",
    "idle",
    "signal",
    "loop-life",
    "executor/futures=1",
    "async-read",
    "timer-churn/live=1000",
];

fn are_the_same_in_a_second_run() -> Result<(), Failed> {
    if Command::new("valgrind").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("not tried: there is no valgrind");
        return Ok(());
    }
    let run = || measured(&WORKLOADS, &["calloop-ref"], Meter::Instructions);
    let (first, second) = (run()?, run()?);
    for (first, second) in first.iter().zip(&second) {
        // The nanoseconds of deadlines compare as the clock will have it.
        let may_differ = if first.workload == "timer-churn" { 0.01 } else { 0.0 };
        let [before, after] = [first, second].map(|measurement| measurement.samples[0]);
        if (before / after - 1.0).abs() > may_differ {
            return Err(format!("{first:?}, then {second:?}").into());
        }
        // A floor is a few hundred of them, and no loop is ten times as dear.
        if !(100.0..1e7).contains(&before) {
            return Err(format!("that cannot be: {first:?}").into());
        }
    }
    Ok(())
}
