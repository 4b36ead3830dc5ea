//! Shows that the rules tell a loop that is right from one that is wrong: every faulty loop is
//! caught by the rules that its fault names, and every MUST rule is named by a fault.
//!
//! This program is also the faulty loop that it runs: with [`fault::VARIABLE`] in its environment
//! it holds the loop with that fault to the rules, and takes the options of every such program.

#![allow(clippy::print_stdout, reason = "the table takes minutes, and shows how far it is")]

mod committed;
mod program;
mod table;

use std::collections::BTreeSet;
use std::process::ExitCode;

use conformance::rule::Level;
use faulty_calloop::fault::{self, Fault};
use faulty_calloop::suite;
use libtest_mimic::{Arguments, Failed, Trial};
use reports::record::Outcome;

use program::{How, hold};

fn main() -> ExitCode {
    if std::env::var_os(fault::VARIABLE).is_some() {
        return conformance::main_of(faulty_calloop::suite());
    }
    let arguments: Vec<String> = std::env::args().collect();
    match &arguments[..] {
        [_, flag] if flag == "--table" => renew_table(false),
        [_, flag, anew] if flag == "--table" && anew == "--anew" => renew_table(true),
        _ => test(),
    }
}

fn renew_table(is_anew: bool) -> ExitCode {
    match table::renew(&committed::path(), is_anew) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn test() -> ExitCode {
    let mut tests = vec![
        Trial::test("without_a_fault_the_loop_keeps_every_rule", without_a_fault),
        Trial::test("every_must_rule_is_named_by_a_fault", every_must_rule),
        Trial::test("a_loop_that_hangs_or_dies_is_a_result", misbehaviour),
        Trial::test("the_table_is_current", committed::is_current),
        Trial::test("the_table_shows_that_the_rules_bite", committed::is_a_proof),
    ];
    for fault in fault::ALL {
        let name = format!("caught::{}::{}", fault.group, fault.name);
        tests.push(Trial::test(name, || is_caught(fault).map_err(Failed::from)));
    }
    let mut arguments = Arguments::from_args();
    // Most of them wait for what does not come.
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    arguments.test_threads.get_or_insert(2 * processors);
    libtest_mimic::run(&arguments, tests).exit_code()
}

/// How often a rule may miss a fault: one that compares times sees less on a busy machine.
const ATTEMPTS_MAX: usize = 3;

/// Holds the loop with a fault to the rules that the fault names. Each has to fail, and to say what
/// the fault says it will.
fn is_caught(fault: &Fault) -> Result<(), String> {
    let mut missed = Vec::new();
    for _ in 0..ATTEMPTS_MAX {
        missed = misses(fault)?;
        if missed.is_empty() {
            return Ok(());
        }
    }
    Err(format!("{}\n{}", fault.what, missed.join("\n")))
}

/// What keeps the named rules from having caught a fault.
fn misses(fault: &Fault) -> Result<Vec<String>, String> {
    let rules: Vec<&str> = fault.caught.iter().map(|(rule, _)| *rule).collect();
    let results = hold(fault.name, &rules, How::QUICK)?;
    let mut missed = Vec::new();
    for (rule, message) in fault.caught {
        let Some(result) = results.iter().find(|result| result.id == *rule) else {
            missed.push(format!("there is no rule {rule}"));
            continue;
        };
        match (&result.outcome, &result.detail) {
            (Outcome::Pass | Outcome::Skipped { .. }, _) | (_, None) => {
                missed.push(format!("{rule} does not catch it: {:?}", result.outcome));
            }
            (_, Some(detail)) => {
                let text = format!("expected {}\nactual {}", detail.expected, detail.actual);
                if !text.contains(message) {
                    missed.push(format!("{rule} does not say `{message}` but\n{text}"));
                }
            }
        }
    }
    Ok(missed)
}

/// In as little time as the faulty loops are given, too: a rule that then fails by itself would catch
/// every fault.
fn without_a_fault() -> Result<(), Failed> {
    let mut failed = Vec::new();
    let usual = How { jobs: 2, time_scale: 1.0 };
    for how in [usual, How { jobs: 2, ..How::QUICK }] {
        let results = hold(fault::NONE, &[], how)?;
        if results.len() != suite().cases().len() {
            return Err(format!("{} results", results.len()).into());
        }
        let not_kept = results.iter().filter(|result| !result.verdict().is_as_expected());
        for result in not_kept {
            // With little time a busy machine may be to blame.
            let again =
                if how.time_scale < 1.0 { hold(fault::NONE, &[&result.id], how)? } else { vec![] };
            if again.is_empty() || !again.iter().all(|again| again.verdict().is_as_expected()) {
                failed.push(format!("{}: {:?} with {how:?}", result.id, result.outcome));
            }
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n").into()) }
}

/// MUST rules that no switch can break, because the compiler decides them: their tests look for a
/// trait, and show first that they find it where it is and miss it where it is not.
const BY_TYPE: [&str; 3] = ["EXEC-51", "GEN-06", "TRANS-08"];

/// A rule that no fault breaks may be one that nothing breaks.
fn every_must_rule() -> Result<(), Failed> {
    let named: BTreeSet<&str> =
        fault::ALL.iter().flat_map(|fault| fault.caught).map(|(rule, _)| *rule).collect();
    let missing: Vec<&str> = suite()
        .cases()
        .iter()
        .filter(|case| case.rule.level == Level::Must && !named.contains(case.rule.id))
        .map(|case| case.rule.id)
        .filter(|rule| !BY_TYPE.contains(rule))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!("{} MUST rules are named by no fault: {}", missing.len(), missing.join(" ")).into())
}

/// Faults, a rule that each keeps from coming to an end, and how its process ends.
const MISBEHAVIOUR: [(&str, &str, End); 4] = [
    ("zero-timeout-is-none", "LOOP-101", End::Hangs),
    ("panic-in-a-panic", "ERR-102", End::DiesBy("SIGABRT")),
    ("hook-dispatches-again", "HOOK-02", End::OverflowsItsStack),
    ("signals-not-blocked", "SIG-10", End::DiesBy("SIGUSR1")),
];

#[derive(Debug)]
enum End {
    Hangs,
    DiesBy(&'static str),
    OverflowsItsStack,
}

/// A hang, an abort, an overflow of the stack and a death by a signal are results, and the run goes
/// on: rules that need no dispatch pass beside them.
fn misbehaviour() -> Result<(), Failed> {
    for (fault, rule, end) in MISBEHAVIOUR {
        let results = hold(fault, &["ERR-01", rule, "POST-06"], How::QUICK)?;
        let (mut is_told, mut others) = (false, 0);
        for result in &results {
            if result.id != rule {
                others += usize::from(result.outcome == Outcome::Pass);
                continue;
            }
            let output = result.detail.as_ref().map_or("", |detail| &detail.output);
            is_told = match (&end, &result.outcome) {
                (End::Hangs, Outcome::Timeout { .. }) => true,
                (End::DiesBy(expected), Outcome::Crash { signal }) => signal == expected,
                // By which signal is the platform's.
                (End::OverflowsItsStack, Outcome::Crash { .. }) => {
                    output.contains("overflowed its stack")
                }
                _ => false,
            };
        }
        if !is_told || others != 2 {
            return Err(format!("{fault}: {end:?} is to be told of {rule}: {results:#?}").into());
        }
    }
    Ok(())
}
