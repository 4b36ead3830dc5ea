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

fn main() -> ExitCode {
    if std::env::var_os(fault::VARIABLE).is_some() {
        return conformance::main_of(faulty_calloop::suite());
    }
    let arguments: Vec<String> = std::env::args().collect();
    match &arguments[..] {
        [_, flag, path] if flag == "--table" => make_table(path),
        _ => test(),
    }
}

fn make_table(path: &str) -> ExitCode {
    match table::make(path.as_ref()) {
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
        Trial::test("every_must_rule_is_named_by_a_fault", every_must_rule).with_ignored_flag(true),
    ];
    for fault in fault::ALL {
        let name = format!("caught::{}::{}", fault.group, fault.name);
        tests.push(Trial::test(name, || is_caught(fault).map_err(Failed::from)));
    }
    libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
}

/// Holds the loop with a fault to the rules that the fault names. Each has to fail, and to say what
/// the fault says it will.
fn is_caught(fault: &Fault) -> Result<(), String> {
    let rules: Vec<&str> = fault.caught.iter().map(|(rule, _)| *rule).collect();
    let results = hold(fault.name, &rules, How::QUICK)?;
    let mut missed = Vec::new();
    for (rule, message) in fault.caught {
        let result = results.iter().find(|result| result.id == *rule);
        match result.map(|result| (&result.outcome, &result.detail)) {
            None => missed.push(format!("there is no rule {rule}")),
            Some((
                Outcome::Fail | Outcome::Timeout { .. } | Outcome::Crash { .. },
                Some(detail),
            )) => {
                let text = format!("expected {}\nactual {}", detail.expected, detail.actual);
                if !text.contains(message) {
                    missed.push(format!("{rule} does not say `{message}` but\n{text}"));
                }
            }
            Some((outcome, _)) => missed.push(format!("{rule} does not catch it: {outcome:?}")),
        }
    }
    if missed.is_empty() {
        return Ok(());
    }
    Err(format!("{}\n{}", fault.what, missed.join("\n")))
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

/// A rule that no fault breaks may be one that nothing breaks.
fn every_must_rule() -> Result<(), Failed> {
    let named: BTreeSet<&str> =
        fault::ALL.iter().flat_map(|fault| fault.caught).map(|(rule, _)| *rule).collect();
    let missing: Vec<&str> = cases()
        .iter()
        .filter(|case| case.rule.level == Level::Must && !named.contains(case.rule.id))
        .map(|case| case.rule.id)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!("{} MUST rules are named by no fault: {}", missing.len(), missing.join(" ")).into())
}
