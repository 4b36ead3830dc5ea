//! The file of the budgets.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use benches::Meter;
use reports::record::Measurement;
use reports::store;
use serde::{Deserialize, Serialize};

/// Where it is, seen from the root of the workspace.
pub(super) const PATH: &str = "benches/budgets.toml";

const HEADER: &str = "\
# What one operation of each workload may take on calloop-ref, at most.
# `cargo suite budgets` compares, `cargo suite budgets --renew \"REASON\"` writes this file.

";

/// The budgets, and what they hold for.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// When and why they changed, the last at the end.
    #[serde(default)]
    pub(super) renewed: Vec<Renewal>,
    /// What those of instructions were measured with.
    pub(super) conditions: Conditions,
    /// By workload, as `ready/ready=100`.
    pub(super) workloads: BTreeMap<String, Budget>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Renewal {
    pub(super) on: String,
    pub(super) why: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Conditions {
    pub(super) rustc: String,
    pub(super) target: String,
    pub(super) processor: String,
    pub(super) libc: String,
    pub(super) valgrind: String,
}

/// The budgets of a workload, by the meter's name; those that no meter can count have none.
pub(super) type Budget = BTreeMap<String, f64>;

impl File {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
        toml::from_str(&text).with_context(|| format!("{shown} does not hold budgets"))
    }

    pub(super) fn write(&self, path: &Path) -> Result<()> {
        Ok(store::write_whole(path, self.to_toml()?.as_bytes())?)
    }

    fn to_toml(&self) -> Result<String> {
        Ok(format!("{HEADER}{}", toml::to_string(self)?))
    }

    /// The budget of a workload with a meter.
    pub(super) fn of(&self, workload: &str, meter: Meter) -> Option<f64> {
        self.workloads.get(workload)?.get(meter.name()).copied()
    }
}

/// What was measured, as budgets.
pub(super) fn budgets(measurements: &[Measurement]) -> BTreeMap<String, Budget> {
    let mut workloads: BTreeMap<String, Budget> = BTreeMap::new();
    for measurement in measurements {
        if let Some(sample) = measurement.minimum() {
            let budget = workloads.entry(measurement.id()).or_default();
            budget.insert(measurement.meter.clone(), sample);
        }
    }
    workloads
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budgets::budgeted;

    fn committed() -> File {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        File::read(&root.join(PATH)).expect("the budgets are there")
    }

    #[test]
    fn it_reads_as_it_was_written_and_tells_how_to_renew_it() {
        let file = committed();
        let text = file.to_toml().expect("it can be written");
        assert!(text.contains("--renew"));
        assert_eq!(toml::from_str::<File>(&text).expect("it can be read"), file);
    }

    #[test]
    fn each_workload_has_the_budgets_that_can_be_measured_and_each_budget_a_workload() {
        let file = committed();
        for meter in [Meter::SystemCalls, Meter::Allocations, Meter::Instructions] {
            let mut with: Vec<&String> = file.workloads.keys().collect();
            with.retain(|workload| file.of(workload, meter).is_some());
            let measurable = budgeted(meter).into_iter();
            let mut measurable: Vec<String> = measurable.map(|it| it.spec.id()).collect();
            measurable.sort();
            assert!(with.iter().copied().eq(&measurable), "{meter}: {with:?}, not {measurable:?}");
        }
        assert!(!file.renewed.is_empty() && !file.conditions.rustc.is_empty());
    }

    /// The system calls of an operation as the project promises them, and whether they may be fewer.
    const PROMISED: [(&str, f64, bool); 17] = [
        ("empty", 1.0, false),
        ("empty/timeout=100us", 1.0, false),
        ("ping", 1.0, false),
        ("ping/timer=far", 1.0, false),
        ("wake/loop=asleep", 2.0, false),
        ("wake/loop=running", 0.0, false),
        ("channel/burst=8", 1.0, false),
        ("timer-repeat", 1.0, false),
        ("executor/futures=1", 1.0, false),
        ("async-read", 6.0, true),
        ("signal", 2.0, true),
        // These end with a dispatch.
        ("loop-life", 7.0, true),
        ("timer-churn/live=1000", 1.0, false),
        ("ping-life", 1.0, false),
        ("fd-toggle", 201.0, false),
        ("fd-update", 101.0, false),
        // With the duplication and the closing of each.
        ("fd-churn/live=1000", 401.0, false),
    ];

    #[test]
    fn the_system_calls_are_those_promised() {
        let file = committed();
        for (workload, promised, may_be_fewer) in PROMISED {
            let budget = file.of(workload, Meter::SystemCalls);
            let budget = budget.unwrap_or_else(|| panic!("{workload} has no budget"));
            let is_kept = if may_be_fewer { budget <= promised } else { budget == promised };
            assert!(is_kept, "{workload}: {budget} for {promised}");
        }
    }

    #[test]
    fn nothing_is_allocated_where_nothing_is_inserted() {
        let file = committed();
        for workload in ["empty", "ping", "ready/ready=100", "timer-repeat", "fd-toggle"] {
            assert_eq!(file.of(workload, Meter::Allocations), Some(0.0), "{workload}");
        }
    }
}
