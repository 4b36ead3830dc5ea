//! The table of all rules and all faults.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;

use faulty_calloop::cases;
use faulty_calloop::fault::{self, Fault};
use reports::kill_table::{self, Catch, KillTable, Row};
use reports::record::{Outcome, Record, RuleResult};
use reports::store;

use crate::program::{How, hold};

/// How many rules may catch a fault. One mistake breaks a few promises; what breaks more says
/// nothing about the rules that catch it.
const RULES_MAX: usize = 25;

/// Faults that more rules catch, and why that is right.
const BASIC: &[(&str, &str)] = &[];

/// Holds every faulty loop to every rule and writes who catches whom.
pub(crate) fn make(path: &Path) -> Result<(), String> {
    store::check_writable(path).map_err(|error| error.to_string())?;
    let begun = Record::begin(env!("CARGO_PKG_VERSION"));
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let waiting = Mutex::new(fault::ALL.iter().enumerate());
    let done = Mutex::new(Vec::new());
    let work = || {
        let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
        while let Some((position, fault)) = next() {
            let column = column(fault);
            println!("{}: {}", fault.name, shown(&column));
            done.lock().unwrap_or_else(PoisonError::into_inner).push((position, column));
        }
    };
    thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(work))));
    let mut columns = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    columns.sort_by_key(|(position, _)| *position);
    let faults = columns.into_iter().map(|(_, column)| column).collect::<Result<Vec<_>, _>>()?;
    let table = KillTable {
        suite: begun.suite,
        started: begun.started,
        digest: digest(),
        rules: rows(),
        faults,
    };
    let json = serde_json::to_vec_pretty(&table).map_err(|error| error.to_string())?;
    store::write_whole(path, &json).map_err(|error| error.to_string())?;
    check(&table)
}

fn shown(column: &Result<kill_table::Fault, String>) -> String {
    match column {
        Ok(column) => {
            let rules: Vec<&str> = column.caught.iter().map(|catch| &*catch.rule).collect();
            rules.join(" ")
        }
        Err(error) => error.clone(),
    }
}

/// Holds one faulty loop to every rule.
fn column(fault: &Fault) -> Result<kill_table::Fault, String> {
    let how = How { jobs: 2, ..How::QUICK };
    let failed = |results: Vec<RuleResult>| -> Vec<RuleResult> {
        results.into_iter().filter(|result| !result.verdict().is_as_expected()).collect()
    };
    let first = failed(hold(fault.name, &[], how)?);
    let rules: Vec<&str> = first.iter().map(|result| &*result.id).collect();
    // A second look tells what the fault does from what a busy machine does.
    let caught =
        if rules.is_empty() { first } else { failed(hold(fault.name, &rules, How::QUICK)?) };
    let caught = caught.into_iter().map(|result| Catch {
        outcome: outcome(&result.outcome).to_string(),
        is_named: fault.caught.iter().any(|(rule, _)| *rule == result.id),
        rule: result.id,
    });
    Ok(kill_table::Fault {
        name: fault.name.to_string(),
        group: fault.group.to_string(),
        what: fault.what.to_string(),
        caught: caught.collect(),
        found_by_model: None,
    })
}

fn outcome(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Timeout { .. } => "timeout",
        Outcome::Crash { .. } => "crash",
        _ => "fail",
    }
}

fn rows() -> Vec<Row> {
    let row = |case: &conformance::rule::Case| Row {
        id: case.rule.id.to_string(),
        level: case.rule.level.to_string(),
    };
    cases().iter().map(row).collect()
}

/// What a table of the present faults and rules has.
fn digest() -> String {
    let mut hasher = DefaultHasher::new();
    fault::DIGEST.hash(&mut hasher);
    for case in cases() {
        (case.rule.id, case.rule.sentence).hash(&mut hasher);
    }
    format!("{:016x}", hasher.finish())
}

/// Checks that no fault fails rules in heaps, and that rules which are named do catch.
pub(crate) fn check(table: &KillTable) -> Result<(), String> {
    let mut complaints = Vec::new();
    for column in &table.faults {
        let caught: BTreeSet<&str> = column.caught.iter().map(|catch| &*catch.rule).collect();
        let is_basic = BASIC.iter().any(|(name, _)| *name == column.name);
        if is_basic != (caught.len() > RULES_MAX) {
            complaints.push(format!("{} is caught by {} rules", column.name, caught.len()));
        }
        let present = fault::ALL.iter().find(|fault| fault.name == column.name);
        for (rule, _) in present.map_or(&[][..], |fault| fault.caught) {
            // A table from before the rule, or before the fault named it, has nothing to say.
            let is_current = table.digest == digest();
            if is_current && !caught.contains(rule) {
                complaints.push(format!("{} is not caught by {rule}", column.name));
            }
        }
    }
    if complaints.is_empty() { Ok(()) } else { Err(complaints.join("\n")) }
}
