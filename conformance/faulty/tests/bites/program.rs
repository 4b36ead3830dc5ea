//! The faulty loop as a program: this one, started with a fault.

use std::collections::BTreeSet;
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
    let mut command = program(fault)?;
    command.args(rules);
    if !rules.is_empty() {
        command.arg("--exact");
    }
    command.arg(format!("--jobs={}", how.jobs)).arg(format!("--time-scale={}", how.time_scale));
    results(command)
}

/// The faults, by position, whose places the test of a rule passes while the loop has none; `None` if
/// it is in the way of the test to note that, so that it may be all of them.
pub(crate) fn passed(rule: &str) -> Result<Option<BTreeSet<usize>>, String> {
    let file = tempfile::NamedTempFile::new().map_err(|error| error.to_string())?;
    let mut noting = program(fault::NONE)?;
    noting.env(fault::PASSED, file.path()).args([rule, "--exact", "--jobs=1"]);
    if !results(noting)?.iter().all(|result| result.verdict().is_as_expected()) {
        let kept = hold(fault::NONE, &[rule], How::QUICK)?;
        return match kept.iter().all(|result| result.verdict().is_as_expected()) {
            true => Ok(None),
            false => Err(format!("the loop without a fault does not keep {rule}")),
        };
    }
    let text = std::fs::read_to_string(file.path()).map_err(|error| error.to_string())?;
    let positions: Result<_, _> = text.lines().map(str::parse).collect();
    positions.map(Some).map_err(|error| format!("{}: {error}", file.path().display()))
}

/// This program as the loop with a fault.
fn program(fault: &str) -> Result<Command, String> {
    let mut command = Command::new(std::env::current_exe().map_err(|error| error.to_string())?);
    command.env(fault::VARIABLE, fault).env_remove(fault::PASSED);
    // A backtrace takes long to print, and many faults are panics.
    command.env("RUST_BACKTRACE", "0");
    Ok(command)
}

/// Runs it to its end.
fn results(mut command: Command) -> Result<Vec<RuleResult>, String> {
    let file = tempfile::NamedTempFile::new().map_err(|error| error.to_string())?;
    command.arg("--json").arg(file.path()).stdin(Stdio::null());
    let output = command.output().map_err(|error| error.to_string())?;
    if !matches!(output.status.code(), Some(0 | 1)) {
        let printed = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{command:?} ended with {}: {printed}", output.status));
    }
    let record = Record::read(file.path()).map_err(|error| error.to_string())?;
    Ok(record.conformance.into_iter().flat_map(|of_loop| of_loop.results).collect())
}
