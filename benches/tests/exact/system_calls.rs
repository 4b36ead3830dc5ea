//! The meter of system calls: what it tells of the built-in loops, and that strace tells the same.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use benches::{Bench, Meter, Pin, Program, builtin, select};
use libtest_mimic::{Failed, Trial};
use reports::record::Measurement;

use crate::kit::{id, measure, measured, of_workload, one_of_each, part, trial};

/// Has this program print what it could not measure.
pub(crate) const MEASURE: &str = "--measure-what-is-missing";

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("system_calls::of_an_operation", of_an_operation),
        trial("system_calls::of_a_change", of_a_change),
        trial("system_calls::are_the_same_in_a_second_run", are_the_same_in_a_second_run),
        trial("system_calls::agree_with_strace", agree_with_strace),
        trial("system_calls::of_a_process_that_may_not_trace", of_a_process_that_may_not_trace),
    ]
}

/// The system calls of an operation: of calloop 0.14.5 exactly, of calloop-ref at most.
const OPERATIONS: [(&str, f64, f64); 12] = [
    ("empty", 5.0, 1.0),
    ("empty/timeout=100us", 5.0, 1.0),
    ("ping", 7.0, 1.0),
    ("ping/timer=far", 7.0, 1.0),
    ("wake/loop=asleep", 7.0, 2.0),
    ("wake/loop=running", 1.0, 0.0),
    ("channel/burst=8", 14.0, 1.0),
    ("timer-repeat", 5.0, 1.0),
    ("executor/futures=1", 7.0, 1.0),
    // With the byte that is written, and the read that comes too early.
    ("async-read", 23.0, 6.0),
    ("signal", 7.0, 2.0),
    // With a dispatch.
    ("loop-life", 15.0, 7.0),
];

fn of_an_operation() -> Result<(), Failed> {
    let workloads: Vec<&str> = OPERATIONS.iter().map(|(workload, ..)| *workload).collect();
    let all = measured(&workloads, &["calloop-ref", "calloop-0.14"], Meter::SystemCalls)?;
    for (workload, calloop, reference) in OPERATIONS {
        let of_calloop = of_workload(&all, workload, "calloop-0.14");
        let of_reference = of_workload(&all, workload, "calloop-ref");
        check(calls(of_calloop) == calloop, of_calloop, calloop)?;
        check(calls(of_reference) <= reference, of_reference, reference)?;
    }
    Ok(())
}

/// All but those by which std looks at a descriptor before it closes it, with debug assertions.
fn calls(measurement: &Measurement) -> f64 {
    let looks = if cfg!(debug_assertions) { part(measurement, "close") } else { 0.0 };
    measurement.samples[0] - looks
}

/// The system calls of a hundred changes, of both loops, and of which kind they are.
const CHANGES: [(&str, &str, f64, f64); 5] = [
    ("timer-churn/live=1000", "timerfd_settime", 0.0, 0.0),
    ("fd-churn/live=1000", "epoll_ctl", 200.0, 200.0),
    ("fd-toggle", "epoll_ctl", 200.0, 200.0),
    ("fd-update", "epoll_ctl", 100.0, 100.0),
    ("ping-life", "epoll_ctl", 200.0, 0.0),
];

fn of_a_change() -> Result<(), Failed> {
    let mut workloads: Vec<&str> = CHANGES.iter().map(|(workload, ..)| *workload).collect();
    workloads.push("empty");
    let all = measured(&workloads, &["calloop-ref", "calloop-0.14"], Meter::SystemCalls)?;
    for (workload, call, calloop, reference) in CHANGES {
        for (engine, expected) in [("calloop-0.14", calloop), ("calloop-ref", reference)] {
            let changes = of_workload(&all, workload, engine);
            // The operation ends with a dispatch.
            let dispatch = of_workload(&all, "empty", engine);
            check(part(changes, call) - part(dispatch, call) == expected, changes, expected)?;
        }
    }
    // Making, inserting, removing and dropping a ping is nothing to the kernel.
    let pings = of_workload(&all, "ping-life", "calloop-ref");
    check(pings.samples == [1.0], pings, 1.0)
}

fn check(is_right: bool, measurement: &Measurement, expected: f64) -> Result<(), Failed> {
    let Measurement { engine, samples, parts, .. } = measurement;
    let parts: Vec<String> =
        parts.iter().map(|part| format!("{} {}", part.value, part.name)).collect();
    is_right.then_some(()).ok_or_else(|| {
        let parts = parts.join(", ");
        format!("{} on {}: {samples:?} for {expected}: {parts}", id(measurement), engine.name)
            .into()
    })
}

fn are_the_same_in_a_second_run() -> Result<(), Failed> {
    let benches = one_of_each();
    let first = measure(&benches, Meter::SystemCalls)?.measurements;
    let second = measure(&benches, Meter::SystemCalls)?.measurements;
    for (first, second) in first.iter().zip(&second) {
        check(first == second, second, first.samples[0])?;
    }
    Ok(())
}

/// The meter does not count these.
const OF_THE_ALLOCATOR: [&str; 5] = ["brk", "madvise", "mmap", "mprotect", "munmap"];

fn agree_with_strace() -> Result<(), Failed> {
    if Command::new("strace").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("not compared: there is no strace");
        return Ok(());
    }
    // strace and what it traces take turns, and are quicker about it on one processor.
    let _pin = Pin::here();
    for bench in &one_of_each() {
        // strace does not tell threads apart.
        if !bench.spec.is_one_sided {
            agrees_with_strace(bench)?;
        }
    }
    Ok(())
}

fn agrees_with_strace(bench: &Bench) -> Result<(), Failed> {
    let one = measure(std::slice::from_ref(bench), Meter::SystemCalls)?;
    let [measurement] = one.measurements.as_slice() else { return Ok(()) };
    let operations = 4;
    // Of an operation that is counted in part, strace has to tell the part.
    let theirs = match bench.spec.name.starts_with("source-") {
        true => strace_between_marks(bench, operations)?,
        false => {
            let [once, twice] = [operations, 2 * operations].map(|count| strace(bench, count));
            let (once, mut twice) = (once?, twice?);
            for (call, count) in once {
                *twice.entry(call).or_default() -= count;
            }
            twice
        }
    };
    for (call, count) in &theirs {
        let own = bench.spec.uncounted.iter().find(|(own, _)| own == call);
        let times = own.map_or(0, |(_, times)| *times);
        if times == u64::MAX || OF_THE_ALLOCATOR.contains(&call.as_str()) {
            continue;
        }
        let theirs = *count as f64 / operations as f64 - times as f64;
        let ours = part(measurement, call);
        if theirs != ours {
            return Err(format!("{bench}: {ours} {call}, and by strace {theirs}").into());
        }
    }
    // What strace has not seen, was not counted either.
    match measurement.parts.iter().find(|part| !theirs.contains_key(&part.name)) {
        Some(part) => Err(format!("{bench}: {part:?}, and by strace none").into()),
        None => Ok(()),
    }
}

/// What strace writes of so many operations, after four that do not count.
fn strace_with(bench: &Bench, options: &[&str], counted: u64) -> Result<String, Failed> {
    let file = tempfile::NamedTempFile::new()?;
    let status = Command::new("strace")
        .args(options)
        .arg("--output")
        .arg(file.path())
        .arg(Program::this()?.path)
        .args(["--benches-operations", &bench.spec.id(), &bench.engine.name, "4"])
        .args([counted.to_string(), "60".to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()?;
    if !status.success() {
        return Err(format!("strace of {bench}: {status}").into());
    }
    Ok(std::fs::read_to_string(file.path())?)
}

/// How often each system call was made, as strace sums it up.
fn strace(bench: &Bench, counted: u64) -> Result<BTreeMap<String, i64>, Failed> {
    // % time, seconds, microseconds a call, calls, perhaps errors, name.
    let text = strace_with(bench, &["--follow-forks", "--summary-only"], counted)?;
    let row = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let calls = words.get(3)?.parse().ok()?;
        Some((words.last()?.to_string(), calls))
    };
    Ok(text.lines().filter_map(row).filter(|(name, _)| name != "total").collect())
}

/// How often each was made between the marks, as strace lists them; of one thread.
fn strace_between_marks(bench: &Bench, counted: u64) -> Result<BTreeMap<String, i64>, Failed> {
    let text = strace_with(bench, &[], counted)?;
    let mut calls = BTreeMap::new();
    let mut counts_now = false;
    for (name, _) in text.lines().filter_map(|line| line.split_once('(')) {
        if name == "getppid" {
            counts_now = !counts_now;
        } else if counts_now && name.chars().all(|it| it.is_ascii_alphanumeric() || it == '_') {
            *calls.entry(name.to_string()).or_default() += 1;
        }
    }
    Ok(calls)
}

fn of_a_process_that_may_not_trace() -> Result<(), Failed> {
    // strace traces the process of the benchmark already, and there can be one tracer only.
    let output = Command::new("strace")
        .args(["--follow-forks", "--output=/dev/null"])
        .arg(Program::this()?.path)
        .arg(MEASURE)
        .output();
    let Ok(output) = output else {
        eprintln!("not tried: there is no strace");
        return Ok(());
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let expected = "system-calls: this process may not trace another: EPERM";
    if text.starts_with(expected) {
        return Ok(());
    }
    Err(format!("{text}{}", String::from_utf8_lossy(&output.stderr)).into())
}

/// What a process says that is traced itself.
#[allow(clippy::print_stdout, reason = "the test reads it")]
pub(crate) fn print_what_is_missing() {
    let benches = select(builtin(), &["empty"], &["calloop-ref"]).expect("these exist");
    let outcome = measure(&benches, Meter::SystemCalls).expect("they count right");
    assert!(outcome.measurements.is_empty(), "{outcome:?}");
    for missing in outcome.missing {
        println!("{}: {}; {}", missing.what, missing.why, missing.mend);
    }
}
