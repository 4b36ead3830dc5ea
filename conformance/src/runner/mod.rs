//! Runs rules, each in a process of its own, and says what came of them.
//!
//! A rule whose loop hangs, aborts, overflows the stack or is killed by a signal is a result like
//! any other, and the run goes on: the program starts itself anew for each rule, and a watchdog
//! kills what takes too long. On Linux these processes die with the runner even if that is killed;
//! elsewhere, and for what a rule itself forks, only if it ends or is interrupted.
//!
//! [`main`] is all that a test of one loop needs. A program that holds several loops to the rules
//! calls [`serve`] first, and then [`execute`] or [`run`].

mod attempt;
pub mod built_in;
mod child;
mod error;
mod expectations;
mod explain;
mod harness;
mod junit;
mod options;
mod pool;
mod process;
mod programs;
mod progress;
mod selection;
mod suite;
mod summary;
mod watchdog;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use reports::record::{Conformance, Record, RuleResult};
use reports::store;

use attempt::Task;
use expectations::Expectations;
use progress::Progress;
use selection::Selected;

use crate::rule::Case;
use crate::spec;

pub use child::{serve, serve_built_in};
pub use error::{EXIT_CODES, Error};
pub use harness::{main, main_of, main_of_all};
pub use options::{Options, seed, time_scale};
pub use programs::{Found, perform};
pub use suite::Suite;

/// A run that came to an end.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its results.
    pub record: Record,
    /// What is wrong with the expectation files.
    pub complaints: Vec<String>,
}

impl Run {
    /// Whether every rule came out as expected, and every expectation file is right.
    pub fn is_as_expected(&self) -> bool {
        let mut results = self.record.conformance.iter().flat_map(|loops| &loops.results);
        self.complaints.is_empty() && results.all(|result| result.verdict().is_as_expected())
    }
}

/// Does what the options ask for, and says what a program has to exit with, see [`EXIT_CODES`].
///
/// `command` is what a user types to get here, up to the options: failures show how to repeat them.
pub fn execute(suites: &[Suite], options: &Options, command: &str) -> ExitCode {
    let outcome = if options.list {
        list(suites, options).map(|()| true)
    } else if options.spec {
        print_spec(suites, options).map(|()| true)
    } else {
        run(suites, options, command).map(|run| run.is_as_expected())
    };
    match outcome {
        Ok(is_as_expected) => ExitCode::from(u8::from(!is_as_expected)),
        Err(error) => error.exit(),
    }
}

/// Runs rules, prints what comes of them, and writes the files that are asked for.
///
/// # Errors
///
/// If the options make no sense, the run is interrupted, or the machine stands in the way.
pub fn run(suites: &[Suite], options: &Options, command: &str) -> Result<Run, Error> {
    let start = Instant::now();
    let selected = selection::select(suites, options)?;
    let expectations = load_expectations(&selected, options)?;
    for path in options.json.iter().chain(&options.junit) {
        store::check_writable(path)?;
    }
    watchdog::stop_on_signals()?;
    let mut record = Record::begin(env!("CARGO_PKG_VERSION"));
    record.shard = options.shard;
    record.missing = absent(suites, options).filter_map(|suite| suite.missing.clone()).collect();

    let tasks = tasks(suites, &selected, &expectations, options, command);
    let workers = options.jobs.map_or_else(processors, usize::from);
    announce(&selected, tasks.len(), workers, options).map_err(Error::output)?;
    tell_absent(&mut anstream::stdout(), suites, options).map_err(Error::output)?;
    let progress = Progress::new(tasks.len(), suites.len() > 1, options.nocapture);
    let results = pool::run(&tasks, options, workers, &progress);
    progress.finish();

    record.conformance = conformance(&selected, results?);
    let mut run = Run { record, complaints: Vec::new() };
    for ((Selected { suite, .. }, expectations), conformance) in
        selected.iter().zip(&expectations).zip(&mut run.record.conformance)
    {
        let updated = update(suite, expectations, conformance, options)?;
        let expectations = updated.as_ref().unwrap_or(expectations);
        let results = conformance.results.iter();
        run.complaints.extend(results.filter_map(|result| expectations.complaint(result)));
    }
    summary::print(&run, Some(start.elapsed())).map_err(Error::output)?;
    write_files(&run.record, options.json.as_deref(), options.junit.as_deref())?;
    Ok(run)
}

/// What is known of each of the loops that are selected.
fn load_expectations(
    selected: &[Selected<'_>],
    options: &Options,
) -> Result<Vec<Expectations>, Error> {
    if options.expectations.is_some() && selected.len() > 1 {
        return Err(Error::Usage("an expectation file is about one loop: say --loop, too".into()));
    }
    let load = |selected: &Selected<'_>| {
        Expectations::load(
            selected.suite,
            options.expectations.as_deref(),
            options.update_expectations,
        )
    };
    selected.iter().map(load).collect()
}

/// A task for each rule of each loop, in the order of the suites.
fn tasks<'r>(
    suites: &[Suite],
    selected: &[Selected<'_>],
    expectations: &'r [Expectations],
    options: &Options,
    command: &str,
) -> Vec<Task<'r>> {
    let mut tasks = Vec::new();
    for (Selected { suite, cases }, expectations) in selected.iter().zip(expectations) {
        let mut command = command.to_string();
        if suites.len() > 1 {
            command.push_str(&format!(" --loop {}", suite.name));
        }
        let is_forced = options.ignored || options.include_ignored;
        for case in cases {
            let missing = if is_forced { Vec::new() } else { suite.lacks(case) };
            let missing = missing.iter().map(|need| need.name().to_string()).collect();
            let command = command.clone();
            tasks.push(Task { suite: suite.name, rule: case.rule, missing, expectations, command });
        }
    }
    tasks
}

fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

fn announce(
    selected: &[Selected<'_>],
    tasks: usize,
    workers: usize,
    options: &Options,
) -> io::Result<()> {
    let names = selected.iter().map(|it| format!("{} {}", it.suite.name, it.suite.version));
    let names = names.collect::<Vec<_>>().join(" and ");
    let (rules, seed) = (if tasks == 1 { "rule" } else { "rules" }, options.seed);
    writeln!(
        anstream::stdout(),
        "running {tasks} {rules} of {names}, {workers} at a time, with seed {seed:#x}"
    )
}

/// The loops that would be run if they were here.
fn absent<'s>(suites: &'s [Suite], options: &Options) -> impl Iterator<Item = &'s Suite> {
    let is_of_all = selection::is_of_all_loops(options);
    suites.iter().filter(move |suite| is_of_all && suite.missing.is_some())
}

fn tell_absent(out: &mut impl Write, suites: &[Suite], options: &Options) -> io::Result<()> {
    let mut absences = absent(suites, options).filter_map(Suite::absence);
    absences.try_for_each(|absence| writeln!(out, "{absence}"))
}

/// The loops with their versions, and those that are not here with what it takes, a line each, for
/// the help of a program.
pub fn in_words(suites: &[Suite]) -> String {
    let mut text = "Loops:".to_string();
    for suite in suites {
        let here = format!("{} {}", suite.name, suite.version);
        text.push_str(&format!("\n  {}", suite.absence().unwrap_or(here)));
    }
    text
}

/// The results by loop.
fn conformance(selected: &[Selected<'_>], results: Vec<RuleResult>) -> Vec<Conformance> {
    let mut results = results.into_iter();
    let mut conformance = |Selected { suite, cases }: &Selected<'_>| Conformance {
        subject: suite.subject(),
        capabilities: suite.capabilities.iter().map(|it| it.name().to_string()).collect(),
        results: results.by_ref().take(cases.len()).collect(),
    };
    selected.iter().map(&mut conformance).collect()
}

/// Rewrites the expectation file if that is asked for, and judges the results by it.
fn update(
    suite: &Suite,
    expectations: &Expectations,
    conformance: &mut Conformance,
    options: &Options,
) -> Result<Option<Expectations>, Error> {
    if !options.update_expectations {
        return Ok(None);
    }
    let update = expectations.updated(&conformance.results, |id| suite.has(id))?;
    if update.is_needed() {
        store::write_whole(&update.path, update.text.as_bytes())?;
    }
    writeln!(anstream::stdout(), "{update}").map_err(Error::output)?;
    let updated =
        Expectations::parse(update.path, update.text, &suite.version, |id| suite.has(id))?;
    for result in &mut conformance.results {
        result.expected = updated.expected(&result.id, &result.outcome);
    }
    Ok(Some(updated))
}

/// Prints what came of a run that is over, such as one that was merged of its parts, and writes the
/// files that are asked for.
///
/// # Errors
///
/// If something cannot be written.
pub fn show(record: Record, json: Option<&Path>, junit: Option<&Path>) -> Result<Run, Error> {
    let run = Run { record, complaints: Vec::new() };
    summary::print(&run, None).map_err(Error::output)?;
    write_files(&run.record, json, junit)?;
    Ok(run)
}

fn write_files(record: &Record, json: Option<&Path>, junit: Option<&Path>) -> Result<(), Error> {
    if let Some(path) = json {
        record.write(path)?;
    }
    if let Some(path) = junit {
        let xml = junit::xml(record).map_err(|error| Error::CouldNotRun(error.to_string()))?;
        store::write_whole(path, xml.as_bytes())?;
    }
    Ok(())
}

/// The rules that the options select, each once.
fn listed<'s>(suites: &'s [Suite], options: &Options) -> Result<Vec<&'s Case>, Error> {
    let selected = selection::select(suites, options)?;
    let mut cases: Vec<&Case> = selected.into_iter().flat_map(|it| it.cases).collect();
    let mut ids = BTreeSet::new();
    cases.retain(|case| ids.insert(case.rule.id));
    Ok(cases)
}

fn list(suites: &[Suite], options: &Options) -> Result<(), Error> {
    let mut out = anstream::stdout().lock();
    for Case { rule, .. } in listed(suites, options)? {
        writeln!(out, "{:12} {:7} {}", rule.id, rule.level.to_string(), rule.sentence)
            .map_err(Error::output)?;
    }
    out.flush().map_err(Error::output)?;
    tell_absent(&mut anstream::stderr(), suites, options).map_err(Error::output)
}

fn print_spec(suites: &[Suite], options: &Options) -> Result<(), Error> {
    let text = spec::document(&listed(suites, options)?, &selection::untestable(options)?);
    let mut out = anstream::stdout().lock();
    write!(out, "{text}").and_then(|()| out.flush()).map_err(Error::output)
}
