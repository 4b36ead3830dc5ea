//! Shows that the rules tell a loop that is right from one that is wrong: every faulty loop is
//! caught by the rules that its fault names, and every MUST rule is named by a fault.
//!
//! This program is also the faulty loop that it runs: with [`fault::VARIABLE`] in its environment
//! it holds the loop with that fault to the rules, and takes the options of every such program.

#![allow(clippy::print_stdout, reason = "the table takes minutes, and shows how far it is")]

mod program;
mod table;

use std::collections::BTreeSet;
use std::process::ExitCode;

use conformance::rule::Level;
use faulty_calloop::cases;
use faulty_calloop::fault::{self, Fault};
use libtest_mimic::{Arguments, Failed, Trial};
use reports::record::Outcome;

use program::{How, hold};
use table::Extent;

fn main() -> ExitCode {
    if std::env::var_os(fault::VARIABLE).is_some() {
        return conformance::main_of(faulty_calloop::suite());
    }
    let arguments: Vec<String> = std::env::args().collect();
    match &arguments[..] {
        [_, flag, path] if flag == "--table" => make_table(path, Extent::Named),
        [_, flag, path] if flag == "--whole-table" => make_table(path, Extent::Whole),
        _ => test(),
    }
}

fn make_table(path: &str, extent: Extent) -> ExitCode {
    match table::make(path.as_ref(), extent) {
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

fn without_a_fault() -> Result<(), Failed> {
    let results = hold(fault::NONE, &[], How { jobs: 2, time_scale: 1.0 })?;
    let failed: Vec<String> = results
        .iter()
        .filter(|result| !result.verdict().is_as_expected())
        .map(|result| format!("{}: {:?}", result.id, result.outcome))
        .collect();
    if failed.is_empty() && results.len() == cases().len() {
        return Ok(());
    }
    Err(format!("of {} results, not as expected: {}", results.len(), failed.join(", ")).into())
}

/// MUST rules that no switch can break, because the compiler decides them: their tests look for a
/// trait, and show first that they find it where it is and miss it where it is not.
const BY_TYPE: [&str; 3] = ["EXEC-51", "GEN-06", "TRANS-08"];

/// A rule that no fault breaks may be one that nothing breaks.
fn every_must_rule() -> Result<(), Failed> {
    let named: BTreeSet<&str> =
        fault::ALL.iter().flat_map(|fault| fault.caught).map(|(rule, _)| *rule).collect();
    let missing: Vec<&str> = cases()
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

/// A hang and a death are results, and a rule that has nothing to do with them passes beside them.
fn misbehaviour() -> Result<(), Failed> {
    for (fault, rule) in [("zero-timeout-is-none", "LOOP-101"), ("signals-not-blocked", "SIG-10")] {
        let results = hold(fault, &[rule, "ERR-01"], How::QUICK)?;
        let outcome =
            |id: &str| results.iter().find(|result| result.id == id).map(|it| &it.outcome);
        let is_told = match outcome(rule) {
            Some(Outcome::Timeout { .. }) => fault == "zero-timeout-is-none",
            Some(Outcome::Crash { signal }) => {
                fault == "signals-not-blocked" && signal == "SIGUSR1"
            }
            _ => false,
        };
        if !is_told || outcome("ERR-01") != Some(&Outcome::Pass) {
            return Err(format!("{fault}: {rule} and ERR-01 came to {results:?}").into());
        }
    }
    Ok(())
}
