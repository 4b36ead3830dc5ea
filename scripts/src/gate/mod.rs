//! `suite gate`: whether a change made anything worse.

mod revisions;
mod self_test;
mod sides;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use benches::{Meter, Profile, Program, builtin};
use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};
use reports::gate::{self, Budgets, Finding, Judgement};
use reports::record::Record;
use reports::{markdown, store};

use crate::bench::meter;
use sides::Sides;

/// What to compare.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cargo suite conformance --json base.json   on the base, then the same on the head
  cargo suite gate base.json head.json       rules and counts of two records

  cargo suite gate --base origin/main        that revision against what is here, side by side:
                                             instructions, system calls, allocations and times
  cargo suite gate --base v1 --head v2 --meter wall --workload ping

  cargo suite gate --self-test               what the gate finds of what is slowed down on purpose

Records were not made side by side, so that their times are not compared. Two revisions take turns,
each time as a new process; the base also against itself, which is the noise. A time counts as
regressed if it exceeds the limit and the noise, twice in a row; as ok if its interval rules out
that it is slower by a fifth of the limit; and as inconclusive otherwise.

Exit codes: 0 nothing regressed, 1 something did, 2 wrong usage, 3 it could not be compared")]
pub(crate) struct Gate {
    /// The record from before
    #[arg(value_name = "BASE", required_unless_present_any = ["base_revision", "self_test"])]
    base: Option<PathBuf>,

    /// The record from after
    #[arg(value_name = "HEAD", requires = "base", required_unless_present_any = ["base_revision", "self_test"])]
    head: Option<PathBuf>,

    /// The revision from before, as git names it
    #[arg(long = "base", value_name = "REVISION", conflicts_with = "base")]
    base_revision: Option<String>,

    /// The revision from after, instead of what is here
    #[arg(long = "head", value_name = "REVISION", requires = "base_revision")]
    head_revision: Option<String>,

    /// Add known burdens to calloop-ref, and tell which of them are found
    #[arg(long, conflicts_with_all = ["base", "base_revision"])]
    self_test: bool,

    /// How often each burden is tried against the clock; without any burden, four times as often
    #[arg(long, value_name = "N", default_value_t = 10, conflicts_with_all = ["base", "base_revision"])]
    trials: usize,

    /// Only this workload, with its size or without; may be repeated
    #[arg(long = "workload", value_name = "WORKLOAD")]
    workloads: Vec<String>,

    /// This loop
    #[arg(long, value_name = "ENGINE", default_value = "calloop-ref")]
    engine: String,

    /// Only with this meter; may be repeated
    #[arg(long = "meter", value_name = "METER", value_parser = meter())]
    meters: Vec<Meter>,

    /// How much more instructions count, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 0.5, value_parser = percent)]
    instructions: f64,

    /// How much more time counts, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 5.0, value_parser = percent)]
    wall: f64,

    /// Write the findings as Markdown, for the summary of a CI job
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,

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
        if let Some(path) = &self.markdown {
            store::check_writable(path)?;
        }
        if self.self_test {
            return self_test::run(self.trials);
        }
        let findings = match (&self.base, &self.head, &self.base_revision) {
            (_, _, Some(base)) => self.revisions(base)?,
            (Some(base), Some(head), _) => {
                gate::compare(&Record::read(base)?, &Record::read(head)?, self.budgets())
            }
            _ => unreachable!("the arguments were checked"),
        };
        print(&findings, self.all)?;
        if let Some(path) = &self.markdown {
            store::write_whole(path, markdown::findings(&findings).as_bytes())?;
        }
        Ok(ExitCode::from(u8::from(gate::is_regressed(&findings))))
    }

    fn budgets(&self) -> Budgets {
        Budgets { instructions: self.instructions / 100.0, ..Budgets::default() }
    }

    fn revisions(&self, base: &str) -> Result<Vec<Finding>> {
        let benches = Profile::Quick.select(
            builtin(),
            &self.workloads,
            std::slice::from_ref(&self.engine),
        )?;
        let base = Program::at(revisions::build(base)?);
        let head = match &self.head_revision {
            Some(head) => Program::at(revisions::build(head)?),
            None => Program::this().context("where is this program?")?,
        };
        let meters = if self.meters.is_empty() { Meter::ALL.to_vec() } else { self.meters.clone() };
        Sides { base, head, budgets: self.budgets(), wall: self.wall / 100.0 }
            .compare(&benches, &meters)
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
    let mut out = anstream::stdout().lock();
    if !table.is_empty() {
        writeln!(out, "{table}\n")?;
    }
    writeln!(out, "{}", gate::count(findings))?;
    out.flush()
}
