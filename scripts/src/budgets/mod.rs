//! `suite budgets`: whether an operation on calloop-ref takes more than it may.

mod compare;
mod file;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result, ensure};
use benches::{Bench, Meter, Outcome, Program, Progress, builtin, exact};
use clap::Args;
use reports::gate::is_regressed;
use reports::record::{Machine, Record};

use self::file::{Conditions, File, Renewal};
use crate::bench::{Bar, INTERRUPTED, interruption};
use crate::gate;

/// The loop whose operations have budgets.
const ENGINE: &str = "calloop-ref";

/// What to compare, or to renew.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cargo suite budgets                                whether calloop-ref keeps to its budgets
  cargo suite budgets --renew \"Timers keep a name\"   new budgets of what is measured here

System calls and allocations are always compared; instructions only where compiler, processor, libc
and valgrind are those of the budgets. What a machine lacks is named, and no failure.

Exit codes: 0 within the budgets, 1 beyond one, 2 wrong usage, 3 could not run")]
pub(crate) struct Budgets {
    /// Have what is measured here be the budgets, for this reason
    #[arg(long, value_name = "REASON", value_parser = reason)]
    renew: Option<String>,

    /// Show also what is within its budget
    #[arg(long)]
    all: bool,

    /// Where they are
    #[arg(long, value_name = "FILE", default_value = file::PATH)]
    file: PathBuf,
}

/// Whoever reads it later wants to know why.
fn reason(text: &str) -> Result<String, String> {
    match text.split_whitespace().count() {
        0..3 => Err("it has to be a sentence".to_string()),
        _ => Ok(text.trim().to_string()),
    }
}

impl Budgets {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        ensure!(
            !cfg!(debug_assertions),
            "budgets are those of an optimized program, as `cargo suite budgets` builds it"
        );
        match &self.renew {
            Some(why) => self.renew(why),
            None => self.compare(),
        }
    }

    fn compare(&self) -> Result<ExitCode> {
        let file = File::read(&self.file)?;
        let here = conditions();
        let of_others = compare::of_other_conditions(&file.conditions, &here);
        let mut meters = vec![Meter::SystemCalls, Meter::Allocations];
        if of_others.is_none() {
            meters.push(Meter::Instructions);
        }
        let Some(record) = measure(&meters)? else { return Ok(INTERRUPTED.into()) };
        let mut findings = compare::compare(&file, &record.measurements, &meters);
        findings.extend(of_others);
        gate::print(&findings, self.all)?;
        for missing in &record.missing {
            println!("not measured: {}: {}; {}", missing.what, missing.why, missing.mend);
        }
        if is_regressed(&findings) {
            eprintln!("if it has to be so: cargo suite budgets --renew REASON");
            return Ok(ExitCode::FAILURE);
        }
        Ok(ExitCode::SUCCESS)
    }

    fn renew(&self, why: &str) -> Result<ExitCode> {
        let meters = [Meter::SystemCalls, Meter::Allocations, Meter::Instructions];
        let Some(record) = measure(&meters)? else { return Ok(INTERRUPTED.into()) };
        if let Some(missing) = record.missing.first() {
            // The budgets would lose what cannot be measured.
            anyhow::bail!("{}: {}; it needs {}", missing.what, missing.why, missing.mend);
        }
        let mut file = if self.file.exists() { File::read(&self.file)? } else { File::default() };
        let on = record.started.split('T').next().unwrap_or_default().to_string();
        file.renewed.push(Renewal { on, why: why.to_string() });
        file.conditions = conditions();
        file.workloads = file::budgets(&record.measurements);
        file.write(&self.file)?;
        println!("The budgets are in {}", self.file.display());
        Ok(ExitCode::SUCCESS)
    }
}

/// What has a budget with this meter: what it tells the same of in every run, or nearly, in a short
/// time, of what a quick run measures.
fn budgeted(meter: Meter) -> Vec<Bench> {
    let has_budget = |bench: &Bench| {
        let is_quick = meter != Meter::Instructions || !bench.spec.is_large;
        let is_meant = bench.engine.name == ENGINE && !bench.spec.is_extra;
        is_meant && meter.repeats(bench) && is_quick
    };
    builtin().into_iter().filter(has_budget).collect()
}

/// Measures what has budgets; `None` if somebody interrupted it.
fn measure(meters: &[Meter]) -> Result<Option<Record>> {
    let mut record = Record::begin(env!("CARGO_PKG_VERSION"));
    let program = Program::this().context("where is this program?")?;
    let is_interrupted = interruption()?;
    for &meter in meters {
        let bar = Bar::new(meter);
        let outcome = exact(&budgeted(meter), meter, &program, |progress: Progress<'_>| {
            bar.show(progress);
            match is_interrupted.load(Ordering::Relaxed) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        bar.clear();
        let Outcome { measurements, missing, is_interrupted, .. } =
            outcome.faultless().context("a loop did not do what the workload asks for")?;
        if is_interrupted {
            return Ok(None);
        }
        record.measurements.extend(measurements);
        record.missing.extend(missing);
    }
    Ok(Some(record))
}

/// What the number of instructions depends on besides the code: libc chooses its functions by what
/// the processor can do.
fn conditions() -> Conditions {
    let Machine { rustc, processor, libc, valgrind, .. } = Machine::here();
    Conditions {
        rustc,
        target: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        processor,
        libc: libc.unwrap_or_default(),
        valgrind: valgrind.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renewal_wants_a_reason() {
        for text in ["", "  ", "because", "it is"] {
            assert!(reason(text).is_err(), "{text:?}");
        }
        assert_eq!(reason(" Timers keep a name. "), Ok("Timers keep a name.".to_string()));
    }
}
