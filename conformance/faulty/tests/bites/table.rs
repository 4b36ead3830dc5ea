//! The table of rules and faults: who catches whom.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use conformance::rule::Case;
use faulty_calloop::fault::{self, Fault};
use faulty_calloop::suite;
use fnv::FnvHasher;
use reports::kill_table::{self, Catch, KillTable, Row};
use reports::record::{Outcome, Record, RuleResult};
use reports::store;

use crate::ATTEMPTS_MAX;
use crate::committed::{self, MODEL};
use crate::program::{How, hold, passed};

/// What is done so far, for a renewal that was interrupted to go on from.
const UNFINISHED: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/kill-table.json");

/// Holds faulty loops to rules and writes who catches whom: those that are new or were changed since
/// the table was made, or all.
pub(crate) fn renew(path: &Path, is_anew: bool) -> Result<(), String> {
    for path in [path, UNFINISHED.as_ref()] {
        store::check_writable(path).map_err(|error| error.to_string())?;
    }
    let begun = Record::begin(env!("CARGO_PKG_VERSION"));
    let begun = KillTable {
        suite: begun.suite,
        started: begun.started,
        rules: rows(),
        ..KillTable::default()
    };
    let known: Vec<KillTable> = if is_anew {
        Vec::new()
    } else {
        [UNFINISHED.as_ref(), path].into_iter().filter_map(committed::read).collect()
    };
    let plans: Vec<Plan<'_>> =
        fault::ALL.iter().map(|fault| Plan::new(fault, &begun.rules, &known)).collect();
    let faults = columns(&plans, &begun)?;
    let table = KillTable { faults, ..begun };
    write(path, &table)?;
    // It would be taken for younger than the table.
    let _ = std::fs::remove_file(UNFINISHED);
    let found = table.faults.iter().filter(|fault| fault.found_by_model == Some(true)).count();
    println!("the model finds {found} of {} faults", table.faults.len());
    let complaints = committed::complaints(&table);
    if complaints.is_empty() { Ok(()) } else { Err(complaints.join("\n")) }
}

/// The rules in the order of the specification.
pub(crate) fn rows() -> Vec<Row> {
    let digests: BTreeMap<&str, &str> = fault::RULES.iter().copied().collect();
    let row = |case: &Case| Row {
        id: case.rule.id.to_string(),
        level: case.rule.level.to_string(),
        digest: digests.get(case.rule.id).copied().unwrap_or_default().to_string(),
    };
    suite().cases().iter().map(row).collect()
}

/// What tells a table from others.
fn digest(table: &KillTable) -> String {
    let mut hasher = FnvHasher::default();
    let rules = table.rules.iter().flat_map(|row| [&row.id, &row.level, &row.digest]);
    let faults = table.faults.iter().flat_map(|fault| [&fault.name, &fault.digest]);
    rules.chain(faults).for_each(|text| hasher.write(text.as_bytes()));
    format!("{:016x}", hasher.finish())
}

/// Writes a table, a line for each rule and each fault, so that a change of it can be read.
fn write(path: &Path, table: &KillTable) -> Result<(), String> {
    fn lines(items: &[impl serde::Serialize]) -> Result<String, String> {
        let lines: Result<Vec<_>, _> = items.iter().map(serde_json::to_string).collect();
        Ok(lines.map_err(|error| error.to_string())?.join(",\n"))
    }
    let (digest, KillTable { suite, started, rules, faults, .. }) = (digest(table), table);
    let text = format!(
        "{{\n\"suite\": {suite:?},\n\"started\": {started:?},\n\"digest\": {digest:?},\n\
         \"rules\": [\n{}\n],\n\"faults\": [\n{}\n]\n}}\n",
        lines(rules)?,
        lines(faults)?
    );
    store::write_whole(path, text.as_bytes()).map_err(|error| error.to_string())
}

/// What there is to do for a column of the table.
struct Plan<'f> {
    fault: &'f Fault,
    position: usize,
    /// What is known of it, without what is to be tried.
    caught: Vec<Catch>,
    /// The rules to try.
    rules: Vec<String>,
}

impl<'f> Plan<'f> {
    fn new(fault: &'f Fault, rows: &[Row], known: &[KillTable]) -> Self {
        let position = fault::ALL.iter().position(|it| it.name == fault.name).unwrap_or_default();
        let is_same = |column: &&kill_table::Fault| {
            column.name == fault.name && column.digest == fault.digest
        };
        let column = known
            .iter()
            .find_map(|table| table.faults.iter().find(is_same).map(|column| (table, column)));
        let mut plan = Plan { fault, position, caught: Vec::new(), rules: Vec::new() };
        for row in rows {
            let known = column.filter(|(table, _)| table.rules.contains(row));
            let is_same_rule = |catch: &&Catch| catch.rule == row.id;
            let catch = known.and_then(|(_, column)| column.caught.iter().find(is_same_rule));
            let is_named = names(fault, &row.id);
            match catch {
                Some(catch) => plan.caught.push(Catch { is_named, ..catch.clone() }),
                // A rule that is named and has missed it is tried again.
                None if known.is_none() || is_named => plan.rules.push(row.id.clone()),
                None => {}
            }
        }
        plan
    }

    /// Tries the rules, and makes the column of what was known and what comes of it.
    fn perform(
        &self,
        passed: &BTreeMap<String, BTreeSet<usize>>,
    ) -> Result<kill_table::Fault, String> {
        let Plan { fault, position, .. } = *self;
        let can_fail = |rule: &&str| {
            names(fault, rule) || passed.get(*rule).is_none_or(|passed| passed.contains(&position))
        };
        let rules: Vec<&str> = self.rules.iter().map(String::as_str).filter(can_fail).collect();
        let mut caught = self.caught.clone();
        caught.extend(look_twice(fault, &rules)?.into_iter().map(|result| Catch {
            outcome: outcome(&result.outcome).to_string(),
            is_named: names(fault, &result.id),
            rule: result.id,
        }));
        let order: BTreeMap<&str, usize> = suite()
            .cases()
            .iter()
            .enumerate()
            .map(|(position, case)| (case.rule.id, position))
            .collect();
        caught.sort_by_key(|catch| order.get(&*catch.rule).copied());
        Ok(kill_table::Fault {
            name: fault.name.to_string(),
            group: fault.group.to_string(),
            what: fault.what.to_string(),
            digest: fault.digest.to_string(),
            broad: fault.broad.map(str::to_string),
            found_by_model: Some(caught.iter().any(|catch| catch.rule == MODEL)),
            caught,
        })
    }
}

fn names(fault: &Fault, rule: &str) -> bool {
    fault.caught.iter().any(|(named, _)| *named == rule)
}

fn outcome(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Timeout { .. } => "timeout",
        Outcome::Crash { .. } => "crash",
        _ => "fail",
    }
}

/// Holds one faulty loop to rules, and to those that fail once more, which tells what the fault does
/// from what a busy machine does.
fn look_twice(fault: &Fault, rules: &[&str]) -> Result<Vec<RuleResult>, String> {
    if rules.is_empty() {
        return Ok(Vec::new());
    }
    let suspects = failed(hold(fault.name, rules, How { jobs: 2, ..How::QUICK })?);
    if suspects.len() > SUSPECTS_MAX {
        return Ok(suspects);
    }
    let is_suspect = |rule: &&str| suspects.iter().any(|result| result.id == *rule);
    let mut rest: Vec<&str> =
        rules.iter().copied().filter(|rule| is_suspect(rule) || names(fault, rule)).collect();
    let mut caught: Vec<RuleResult> = Vec::new();
    for _ in 0..ATTEMPTS_MAX {
        if rest.is_empty() {
            break;
        }
        caught.extend(failed(hold(fault.name, &rest, How::QUICK)?));
        let is_caught = |rule: &&str| caught.iter().any(|result| result.id == *rule);
        // What is not named has had its chance.
        rest.retain(|rule| names(fault, rule) && !is_caught(rule));
    }
    // A rule of many rounds, or one that compares times, may only have had too little.
    let alone: Vec<&str> =
        suite().cases().iter().filter(|case| case.rule.alone).map(|case| case.rule.id).collect();
    let is_doubtful = |result: &RuleResult| {
        let is_timeout = matches!(result.outcome, Outcome::Timeout { .. });
        (is_timeout || alone.contains(&&*result.id)) && !names(fault, &result.id)
    };
    let (doubtful, mut caught): (Vec<_>, Vec<_>) = caught.into_iter().partition(is_doubtful);
    if doubtful.len() > DOUBTFUL_MAX {
        caught.extend(doubtful);
    } else if !doubtful.is_empty() {
        let doubtful: Vec<&str> = doubtful.iter().map(|result| &*result.id).collect();
        caught.extend(failed(hold(fault.name, &doubtful, How { jobs: 2, time_scale: 1.0 })?));
    }
    Ok(caught)
}

/// A fault that has more rules take too long hangs the loop.
const DOUBTFUL_MAX: usize = 8;

/// No machine is so busy that it fails more rules by itself.
const SUSPECTS_MAX: usize = 60;

fn failed(results: Vec<RuleResult>) -> Vec<RuleResult> {
    results.into_iter().filter(|result| !result.verdict().is_as_expected()).collect()
}

/// Tries several faulty loops at a time, and keeps what is done.
fn columns(plans: &[Plan<'_>], begun: &KillTable) -> Result<Vec<kill_table::Fault>, String> {
    let stale: BTreeSet<&str> =
        plans.iter().flat_map(|plan| &plan.rules).map(String::as_str).collect();
    let to_do = plans.iter().filter(|plan| !plan.rules.is_empty()).count();
    println!("{to_do} of {} faulty loops to hold to {} rules", plans.len(), stale.len());
    // For a few it would take longer than it saves.
    let passed = if to_do < 8 { BTreeMap::new() } else { places(&stale)? };
    let (start, waiting) = (Instant::now(), Mutex::new(plans.iter()));
    let done = Mutex::new(BTreeMap::new());
    let (failure, tried) = (Mutex::new(None), Mutex::new(0));
    let work = || {
        let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
        while let Some(plan) = next() {
            let outcome = plan.perform(&passed).and_then(|column| {
                let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                if !plan.rules.is_empty() {
                    let mut tried = tried.lock().unwrap_or_else(PoisonError::into_inner);
                    *tried += 1;
                    println!("{}", progress(*tried, to_do, start, &column));
                }
                done.insert(plan.position, column);
                let faults = done.values().cloned().collect();
                write(UNFINISHED.as_ref(), &KillTable { faults, ..begun.clone() })
            });
            if let Err(error) = outcome {
                *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                waiting.lock().unwrap_or_else(PoisonError::into_inner).by_ref().for_each(drop);
            }
        }
    };
    // Most of the time a fault keeps something from happening, which is waited for.
    let workers = 2 * thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(work))));
    if let Some(error) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    Ok(done.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect())
}

/// A line about a column that is done.
fn progress(tried: usize, to_do: usize, start: Instant, column: &kill_table::Fault) -> String {
    let left = start.elapsed().as_secs_f64() / tried as f64 * (to_do - tried) as f64;
    let rules: Vec<&str> = column.caught.iter().map(|catch| &*catch.rule).collect();
    let (minutes, name) = (left / 60.0, &column.name);
    format!("{tried}/{to_do}, {minutes:.0} min left: {name}: {} {}", rules.len(), rules.join(" "))
}

/// Which faults each rule can be failed by at all.
fn places(rules: &BTreeSet<&str>) -> Result<BTreeMap<String, BTreeSet<usize>>, String> {
    let waiting = Mutex::new(rules.iter());
    let places = Mutex::new(BTreeMap::new());
    let work = || {
        let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
        while let Some(rule) = next() {
            let mut outcome = passed(rule);
            for _ in 1..ATTEMPTS_MAX {
                if outcome.is_err() {
                    outcome = passed(rule);
                }
            }
            places.lock().unwrap_or_else(PoisonError::into_inner).insert(rule.to_string(), outcome);
        }
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| (0..2 * workers).for_each(|_| drop(scope.spawn(work))));
    let places = places.into_inner().unwrap_or_else(PoisonError::into_inner);
    let known = places.into_iter().filter_map(|(rule, passed)| Some((rule, passed.transpose()?)));
    known.map(|(rule, passed)| Ok((rule, passed?))).collect()
}
