//! The table of rules and faults that is kept for the report.

use std::path::{Path, PathBuf};

use faulty_calloop::fault;
use reports::kill_table::KillTable;

use crate::BY_TYPE;

/// The rule that compares random programs with a model, which has no fault in mind.
pub(crate) const MODEL: &str = "MODEL-01";

/// How many rules of other groups may catch a fault besides the rules it names. One mistake breaks a
/// few promises; what breaks more says nothing about the rules that catch it.
const BYCATCH_MAX: usize = 30;

/// How many rules may catch a fault in all.
const CAUGHT_MAX: usize = 50;

/// Where it is.
pub(crate) fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("kill-table.json")
}

/// Reads a table, if there is one.
pub(crate) fn read(path: &Path) -> Option<KillTable> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
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
            (false, Some(_)) => {
                complaints.push(format!("{} says why it is broad, and is not", column.name));
            }
            (true, Some(_)) | (false, None) => {}
        }
    }
    let found = table.faults.iter().filter(|fault| fault.found_by_model == Some(true)).count();
    if 2 * found < table.faults.len() {
        complaints.push(format!("the model finds {found} of {} faults only", table.faults.len()));
    }
    complaints
}
