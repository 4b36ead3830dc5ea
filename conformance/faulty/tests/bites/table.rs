//! The table of rules and faults: who catches whom.

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

use crate::ATTEMPTS_MAX;
use crate::program::{How, hold};

/// How many rules may catch a fault. One mistake breaks a few promises; what breaks more says
/// nothing about the rules that catch it.
const RULES_MAX: usize = 60;

/// Which rules each faulty loop is held to.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Those that the fault names, and the comparison with the model.
    Named,
    /// Every rule, which takes an hour.
    Whole,
}

/// The rule that compares random programs with a model, which has no fault in mind.
const MODEL: &str = "MODEL-01";

/// Holds every faulty loop to rules and writes who catches whom.
pub(crate) fn make(path: &Path, extent: Extent) -> Result<(), String> {
    store::check_writable(path).map_err(|error| error.to_string())?;
    let begun = Record::begin(env!("CARGO_PKG_VERSION"));
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let waiting = Mutex::new(fault::ALL.iter().enumerate());
    let done = Mutex::new(Vec::new());
    let work = || {
        let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
        while let Some((position, fault)) = next() {
            let column = column(fault, extent);
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
    let found = table.faults.iter().filter(|fault| fault.found_by_model == Some(true)).count();
    println!("the model finds {found} of {} faults", table.faults.len());
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

/// Holds one faulty loop to rules.
fn column(fault: &Fault, extent: Extent) -> Result<kill_table::Fault, String> {
    let failed = |results: Vec<RuleResult>| -> Vec<RuleResult> {
        results.into_iter().filter(|result| !result.verdict().is_as_expected()).collect()
    };
    let mut rules: Vec<String> = fault.caught.iter().map(|(rule, _)| rule.to_string()).collect();
    rules.push(MODEL.to_string());
    if extent == Extent::Whole {
        rules = failed(hold(fault.name, &[], How { jobs: 2, ..How::QUICK })?)
            .into_iter()
            .map(|result| result.id)
            .collect();
    }
    // For the whole a second look, which tells what the fault does from what a busy machine does.
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    let mut caught: Vec<RuleResult> = Vec::new();
    for _ in 0..ATTEMPTS_MAX {
        let is_caught = |rule: &&str| caught.iter().any(|result| result.id == *rule);
        let rest: Vec<&str> = rules.iter().copied().filter(|rule| !is_caught(rule)).collect();
        let is_done = !fault.caught.iter().any(|(rule, _)| rest.contains(rule));
        if rest.is_empty() || (is_done && !caught.is_empty()) {
            break;
        }
        caught.extend(failed(hold(fault.name, &rest, How::QUICK)?));
    }
    let found_by_model = caught.iter().any(|result| result.id == MODEL);
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
        found_by_model: Some(found_by_model),
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

/// Checks that each fault is caught by what it names, and by no heap of rules besides.
fn check(table: &KillTable) -> Result<(), String> {
    let mut complaints = Vec::new();
    for column in &table.faults {
        let caught: BTreeSet<&str> = column.caught.iter().map(|catch| &*catch.rule).collect();
        if caught.len() > RULES_MAX {
            complaints.push(format!("{} is caught by {} rules", column.name, caught.len()));
        }
        let fault = fault::ALL.iter().find(|fault| fault.name == column.name);
        for (rule, _) in fault.map_or(&[][..], |fault| fault.caught) {
            if !caught.contains(rule) {
                complaints.push(format!("{} is not caught by {rule}", column.name));
            }
        }
    }
    if complaints.is_empty() { Ok(()) } else { Err(complaints.join("\n")) }
}
