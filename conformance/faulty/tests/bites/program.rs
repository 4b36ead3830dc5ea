//! The faulty loop as a program: this one, started with a fault.

use std::process::{Command, Stdio};

use faulty_calloop::fault;
use reports::record::{Record, RuleResult};

/// How a faulty loop is held to rules.
#[derive(Copy, Clone, Debug)]
pub(crate) struct How {
    /// How many rules at a time.
    pub(crate) jobs: usize,
    /// What its time limits are multiplied by.
    pub(crate) time_scale: f64,
}

impl How {
    /// What a fault keeps from happening is waited for a part of the usual time only.
    pub(crate) const QUICK: How = How { jobs: 1, time_scale: 0.2 };
}

/// Holds the loop with a fault to rules, or to all if none are named.
pub(crate) fn hold(fault: &str, rules: &[&str], how: How) -> Result<Vec<RuleResult>, String> {
    let file = tempfile::NamedTempFile::new().map_err(|error| error.to_string())?;
    let mut command = Command::new(std::env::current_exe().map_err(|error| error.to_string())?);
    command.env(fault::VARIABLE, fault).args(rules);
    // A backtrace takes long to print, and many faults are panics.
    command.env("RUST_BACKTRACE", "0");
    if !rules.is_empty() {
        command.arg("--exact");
    }
    command.arg(format!("--jobs={}", how.jobs)).arg(format!("--time-scale={}", how.time_scale));
    command.arg("--json").arg(file.path()).stdin(Stdio::null());
    let output = command.output().map_err(|error| error.to_string())?;
    if !matches!(output.status.code(), Some(0 | 1)) {
        let printed = String::from_utf8_lossy(&output.stderr);
        return Err(format!("the run with {fault} ended with {}: {printed}", output.status));
    }
    let record = Record::read(file.path()).map_err(|error| error.to_string())?;
    Ok(record.conformance.into_iter().flat_map(|of_loop| of_loop.results).collect())
}
