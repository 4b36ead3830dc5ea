//! `suite kill-table`: which rules catch which faulty loops.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use clap::Args;
use reports::kill_table::KillTable;

/// The table, as it was when this program was built.
const COMMITTED: &str = include_str!("../../conformance/faulty/kill-table.json");

/// How much of it to make.
#[derive(Args, Debug)]
pub(crate) struct Renew {
    /// Also what was not changed since the table was made, which takes long
    #[arg(long)]
    anew: bool,
}

impl Renew {
    /// Has the tests of the faulty loops write the table. What is done of a run that was interrupted
    /// is not lost, and the table is as before.
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let mut tests = Command::new(env!("CARGO"));
        tests.args(["test", "--quiet", "--package", "faulty-calloop", "--test", "bites"]);
        tests.args(["--", "--table"]).args(self.anew.then_some("--anew"));
        let status = tests.status().context("cannot run cargo test")?;
        Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// The table that comes with the suite.
pub(crate) fn committed() -> Result<KillTable> {
    serde_json::from_str(COMMITTED).context("conformance/faulty/kill-table.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_has_a_table() {
        let table = committed().expect("it reads");
        assert!(table.faults.len() >= 80, "{} faulty loops", table.faults.len());
        assert!(table.rules.len() >= 200, "{} rules", table.rules.len());
    }
}
