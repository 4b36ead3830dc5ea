//! `suite bench`: what an event costs on each loop, as a multiple of the floor.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use benches::{Settings, builtin, quick, select};
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use reports::ratio::{self, Row};
use reports::record::{Record, Subject};
use reports::store;

/// What to measure.
#[derive(Args, Debug, Default)]
pub(crate) struct Bench {
    /// Only this workload, with its size or without, as ready/ready=100; may be repeated
    #[arg(long = "workload", value_name = "WORKLOAD")]
    workloads: Vec<String>,

    /// Only this loop, beside the floor; may be repeated
    #[arg(long = "engine", value_name = "ENGINE")]
    engines: Vec<String>,

    /// Write the measurements as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl Bench {
    /// Measures, prints, and writes the file that is asked for.
    pub(crate) fn run(&self) -> Result<ExitCode> {
        if let Some(path) = &self.json {
            store::check_writable(path)?;
        }
        let mut record = Record::begin(env!("CARGO_PKG_VERSION"));
        self.measure(&mut record)?;
        if let Some(path) = &self.json {
            record.write(path)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Adds the measurements to a record and prints them.
    pub(crate) fn measure(&self, record: &mut Record) -> Result<()> {
        let benches = select(builtin(), &self.workloads, &self.engines)?;
        let bar = ProgressBar::new(0);
        let template = "{elapsed_precise} {bar:40} {pos}/{len} {msg}";
        bar.set_style(ProgressStyle::with_template(template).expect("the template is right"));
        // No ticking: a second thread would make the system calls that are measured dearer.
        let outcome = quick(&benches, &Settings::default(), |progress| {
            bar.set_length(progress.total as u64);
            bar.set_position(progress.done as u64);
            bar.set_message(progress.what.to_string());
            if bar.is_hidden() {
                eprintln!("measuring {}/{} {}", progress.done + 1, progress.total, progress.what);
            }
            ControlFlow::Continue(())
        });
        bar.finish_and_clear();
        let outcome = outcome.context("a loop did not do what the workload asks for")?;
        record.measurements.extend(outcome.measurements);
        record.missing.extend(outcome.missing);
        print(record)
    }
}

/// The table of workloads and loops.
fn print(record: &Record) -> Result<()> {
    use std::io::Write;

    let rows = ratio::rows(&record.measurements);
    let engines = ratio::engines(&rows);
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    let names = engines.iter().map(|engine| format!("{} {}", engine.name, engine.version));
    table.set_header(["workload", "unit", "floor"].map(String::from).into_iter().chain(names));
    for row in &rows {
        let floor = row.floor.map_or_else(String::new, figure);
        let cells = engines.iter().map(|engine| cell(row, engine));
        let workload = format!("{} {}", row.workload, row.parameters);
        table.add_row([workload, row.unit.clone(), floor].into_iter().chain(cells));
    }
    for column in 2..engines.len() + 3 {
        let column = table.column_mut(column).expect("the table has these columns");
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut out = anstream::stdout().lock();
    writeln!(out, "\nmedian, and how many times the floor's\n{table}")?;
    for missing in &record.missing {
        writeln!(out, "not measured: {}: {}; {}", missing.what, missing.why, missing.mend)?;
    }
    Ok(out.flush()?)
}

fn cell(row: &Row<'_>, engine: &Subject) -> String {
    match (row.values.get(engine), row.ratio(engine)) {
        (Some(value), Some(ratio)) => format!("{} {ratio:6.2}×", figure(*value)),
        (Some(value), None) => figure(*value),
        (None, _) => String::new(),
    }
}

/// A number with at least three figures.
fn figure(value: f64) -> String {
    let decimals = if value >= 100.0 { 0 } else { 1 };
    format!("{value:.decimals$}")
}
