//! `suite gate`: whether a change made anything worse.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};
use reports::gate::{self, Budgets, Finding, Judgement};
use reports::record::Record;

/// What to compare.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cargo suite conformance --json base.json   on the base, then the same on the head
  cargo suite gate base.json head.json

Times are not compared: two records were not made side by side. What is exact is: rules, system
calls, allocations, and instructions of the same compiler.

Exit codes: 0 nothing regressed, 1 something did, 2 wrong usage, 3 a record could not be read")]
pub(crate) struct Gate {
    /// The record from before
    #[arg(value_name = "BASE")]
    base: PathBuf,

    /// The record from after
    #[arg(value_name = "HEAD")]
    head: PathBuf,

    /// How much more instructions count, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 0.5, value_parser = percent)]
    instructions: f64,

    /// Show also what is as before
    #[arg(long)]
    all: bool,
}

fn percent(text: &str) -> Result<f64, String> {
    let percent: f64 = text.parse().map_err(|error| format!("{error}"))?;
    if (0.0..=100.0).contains(&percent) {
        Ok(percent)
    } else {
        Err("it has to be from 0 to 100".into())
    }
}

impl Gate {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let (base, head) = (Record::read(&self.base)?, Record::read(&self.head)?);
        let budgets = Budgets { instructions: self.instructions / 100.0, ..Budgets::default() };
        let findings = gate::compare(&base, &head, budgets);
        print(&findings, self.all)?;
        Ok(ExitCode::from(u8::from(gate::is_regressed(&findings))))
    }
}

/// Prints findings, those that are as they should be only if asked for.
pub(crate) fn print(findings: &[Finding], all: bool) -> std::io::Result<()> {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["", "what", "why", "repeat"]);
    for finding in findings.iter().filter(|it| all || it.judgement != Judgement::Ok) {
        let Finding { what, judgement, why, repeat } = finding;
        table.add_row([&judgement.to_string(), what, why, repeat]);
    }
    let count = |judgement| findings.iter().filter(|it| it.judgement == judgement).count();
    let mut out = anstream::stdout().lock();
    if !table.is_empty() {
        writeln!(out, "{table}\n")?;
    }
    writeln!(
        out,
        "{} regressed, {} inconclusive, {} improved, {} ok",
        count(Judgement::Regressed),
        count(Judgement::Inconclusive),
        count(Judgement::Improved),
        count(Judgement::Ok)
    )?;
    out.flush()
}
