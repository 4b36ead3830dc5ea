//! `suite`: the command that drives everything.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "a command prints")]

mod api;
mod bench;
mod budgets;
mod ci;
mod gate;
mod kill_table;
mod latency;
mod merge;
mod metadata;
mod model;
mod report;
mod targets;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use conformance::runner::{self, Options, built_in};
use reports::merge::MergeError;

use self::bench::Extent;

/// Callback event loops, measured and held to a specification.
///
/// Without a command: holds every built-in loop to the rules, measures each, and writes the report,
/// the record and the results as JUnit under target/suite.
#[derive(Debug, Parser)]
#[command(name = "cargo suite", bin_name = "cargo suite", version)]
#[command(after_help = "Examples:
  cargo suite                                        everything, then target/suite/index.html
  cargo suite conformance --loop calloop-0.14 TIMER  the rules on timers, for one loop
  cargo suite conformance --loop calloop-0.14 --loop calloop-0.13
                                                     two loops side by side
  cargo suite conformance --list                     the rules
  cargo suite bench --workload ping                  one workload on every loop
  cargo suite model --loop calloop-ref --time 10m    programs made at random
  cargo suite kill-table                             which rules catch which faulty loops
  cargo suite merge part-1.json part-2.json          one record of the parts of a run
  cargo suite report target/suite/record.json        the page for a record
  cargo suite gate base.json head.json               whether a change made anything worse
  cargo suite gate --base origin/main                the same of two revisions, times too
  cargo suite budgets                                whether calloop-ref takes more than it may

Exit codes: 0 as expected, 1 deviations or a check that failed, 2 wrong usage, 3 could not run")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Hold loops to the rules
    Conformance(Box<Options>),
    /// Measure what an event costs on each loop
    Bench(bench::Bench),
    /// Perform programs made at random, judged by a model of the specification
    Model(model::Model),
    /// Hold faulty loops to the rules, and renew the table of which rule catches which
    KillTable(kill_table::Renew),
    /// Put records together, such as the parts of a run that was split
    Merge(merge::Merge),
    /// Make the page that shows a record
    Report(report::Report),
    /// Compare what was before a change with what is after it
    Gate(Box<gate::Gate>),
    /// Compare what calloop-ref takes with its budgets
    Budgets(budgets::Budgets),
    /// Compare the public interface of calloop-ref with calloop's
    Api,
    /// Run every check of the project, as CI does
    Ci(ci::Ci),
    /// Print what has a shell complete the arguments of `suite`
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// The features of calloop-ref, which are calloop's.
const FEATURES: [&str; 5] = ["block_on", "executor", "futures-io", "signals", "stream"];

/// Counts for the meter of allocations, and otherwise only passes on.
#[global_allocator]
static ALLOCATOR: benches::CountingAllocator = benches::CountingAllocator;

/// What a user types to run rules.
const CONFORMANCE: &str = "cargo suite conformance";

fn main() -> ExitCode {
    // An exact meter looks at a process of its own, and so does a rule: this program, started again.
    if let Some(code) = runner::serve_built_in() {
        return code;
    }
    if let Some(code) = benches::serve_engine(bench::of_engine) {
        return code;
    }
    let suites = built_in::all();
    let outcome = match arguments(&suites).command {
        Some(Command::Conformance(options)) => {
            return runner::execute(&suites, &options, CONFORMANCE);
        }
        Some(Command::Bench(bench)) => bench.run(),
        Some(Command::Model(model)) => model.run(&suites),
        Some(Command::KillTable(renew)) => renew.run(),
        Some(Command::Merge(merge)) => merge.run(),
        Some(Command::Report(report)) => report.run(),
        Some(Command::Gate(gate)) => gate.run(),
        Some(Command::Budgets(budgets)) => budgets.run(),
        Some(Command::Api) => api::run().map(|()| ExitCode::SUCCESS),
        Some(Command::Ci(ci)) => ci.run(),
        Some(Command::Completions { shell }) => completions(shell),
        None => everything(&suites),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        let is_usage = error.is::<benches::Unknown>() || error.is::<MergeError>();
        ExitCode::from(if is_usage { WRONG_USAGE } else { COULD_NOT_RUN })
    })
}

/// What was typed. The help on rules names the loops that are here, and what the others take.
fn arguments(suites: &[runner::Suite]) -> Arguments {
    let loops = runner::in_words(suites);
    let command = Arguments::command().mut_subcommand("conformance", |it| it.after_help(loops));
    let matches = command.get_matches();
    Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

/// For a program `suite` in the search path, as `cargo install --path scripts` puts it there.
fn completions(shell: clap_complete::Shell) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "suite", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// The exit code for a name that does not exist, or for parts that are no whole.
const WRONG_USAGE: u8 = 2;

/// The exit code of a run that did not come to a result.
const COULD_NOT_RUN: u8 = 3;

/// The main job: rules, measurements, report.
fn everything(suites: &[runner::Suite]) -> Result<ExitCode> {
    let directory = Path::new("target/suite");
    let options = Options { junit: Some(directory.join("junit.xml")), ..Options::default() };
    let run = match runner::run(suites, &options, CONFORMANCE) {
        Ok(run) => run,
        Err(error) => return Ok(error.exit()),
    };
    let is_as_expected = run.is_as_expected();
    let mut record = run.record;
    record.kill_table = Some(kill_table::committed()?);
    let extent = bench::Bench::default().measure(&mut record)?;
    record.write(&directory.join("record.json"))?;
    report::write_page(&record, &directory.join("index.html"))?;
    Ok(match extent {
        Extent::Part => bench::INTERRUPTED.into(),
        Extent::Whole if is_as_expected => ExitCode::SUCCESS,
        Extent::Whole | Extent::Faulty => ExitCode::FAILURE,
    })
}
