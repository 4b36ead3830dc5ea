//! The table of rules and faults that is kept for the report.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use faulty_calloop::fault;
use libtest_mimic::Failed;
use reports::kill_table::KillTable;

use crate::{BY_TYPE, table};

/// The rule that compares random programs with a model, which has no fault in mind.
pub(crate) const MODEL: &str = "MODEL-01";

/// How many rules of other groups may catch a fault besides the rules it names. One mistake breaks a
/// few promises; what breaks more says nothing about the rules that catch it. Of the 268 faults that
/// the table had when this was set, half were caught by one such rule at most, nine of ten by twelve.
const BYCATCH_MAX: usize = 25;

/// How many rules may catch a fault in all, its own groups included.
const CAUGHT_MAX: usize = 40;

/// Where it is.
pub(crate) fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("kill-table.json")
}

/// Reads a table, if there is one.
pub(crate) fn read(path: &Path) -> Option<KillTable> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

fn load() -> Result<KillTable, String> {
    read(&path()).ok_or_else(|| format!("there is no table; {RENEW}"))
}

/// How to make it anew.
const RENEW: &str = "`cargo suite kill-table` renews it";

/// It is of the rules and faults that there are. That a rule is tested in another way does not count:
/// whether it catches what it has to is tried above, and what else it catches is not promised.
pub(crate) fn is_current() -> Result<(), Failed> {
    let table = load()?;
    let rows = |rows: &[reports::kill_table::Row]| -> BTreeSet<(String, String)> {
        rows.iter().map(|row| (row.id.clone(), row.level.clone())).collect()
    };
    let (told, present) = (rows(&table.rules), rows(&table::rows()));
    let mut stale: Vec<&str> =
        told.symmetric_difference(&present).map(|(rule, _)| rule.as_str()).collect();
    let told = table.faults.iter().map(|it| (&*it.name, &*it.group, &*it.what, &*it.digest));
    let present = fault::ALL.iter().map(|it| (it.name, it.group, it.what, it.digest));
    let (told, present): (BTreeSet<_>, BTreeSet<_>) = (told.collect(), present.collect());
    let faults: BTreeSet<&str> = told.symmetric_difference(&present).map(|it| it.0).collect();
    stale.extend(faults);
    if stale.is_empty() {
        return Ok(());
    }
    Err(format!("the table does not know what is of {}; {RENEW}", stale.join(" ")).into())
}

/// It says that the rules bite.
pub(crate) fn is_a_proof() -> Result<(), Failed> {
    let complaints = complaints(&load()?);
    if complaints.is_empty() { Ok(()) } else { Err(complaints.join("\n").into()) }
}

/// What keeps a table from being one that shows how well the rules tell right from wrong.
pub(crate) fn complaints(table: &KillTable) -> Vec<String> {
    let mut complaints = Vec::new();
    for row in table.rules.iter().filter(|row| row.level == "MUST" && table.catches(&row.id) == 0) {
        if !BY_TYPE.contains(&&*row.id) {
            complaints.push(format!("{} is failed by no faulty loop", row.id));
        }
    }
    for column in &table.faults {
        let (caught, bycatch) = (column.caught.len(), KillTable::bycatch(column));
        let is_heap = caught > CAUGHT_MAX || bycatch > BYCATCH_MAX;
        let named = fault::ALL.iter().find(|fault| fault.name == column.name);
        for (rule, _) in named.map_or(&[][..], |fault| fault.caught) {
            if table.outcome(rule, &column.name).is_none() {
                complaints.push(format!("{} is not caught by {rule}", column.name));
            }
        }
        match (is_heap, &column.broad) {
            (true, None) => complaints.push(format!(
                "{} is caught by {caught} rules, of which {bycatch} of other groups than it names: \
                 narrow it, or say under `broad` why it cannot be narrower",
                column.name
            )),
            // Half of it is near enough: the numbers are not the same on every machine.
            (false, Some(_)) if 2 * caught < CAUGHT_MAX && 2 * bycatch < BYCATCH_MAX => {
                complaints.push(format!("{} says why it is broad, and is not", column.name));
            }
            (_, Some(_)) | (false, None) => {}
        }
    }
    let found = table.faults.iter().filter(|fault| fault.found_by_model == Some(true)).count();
    if 2 * found < table.faults.len() {
        complaints.push(format!("the model finds {found} of {} faults only", table.faults.len()));
    }
    complaints
}
