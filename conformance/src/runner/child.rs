//! The process of one rule, from the inside.

use std::borrow::Borrow;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use reports::record::TraceEvent;
use rustix::process::{Pid, Resource, Rlimit, getppid, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

use super::programs::{Modelled, Programs};
use super::{Suite, built_in};
use crate::rule::{Case, Check, Deviation, Settings, Trial};
use crate::trace::{Event, Trace, What};

/// The first argument of a process that is to run one rule.
pub(super) const FLAG: &str = "--conformance-rule";

/// What such a process is to do: its second argument.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) suite: String,
    pub(super) rule: String,
    pub(super) seed: u64,
    pub(super) time_scale: f64,
    /// The process without which this one is of no use.
    pub(super) parent: i32,
    /// Programs of the model-based part, to be performed in place of a rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) programs: Option<Programs>,
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

/// A line of what such a process reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Entry {
    /// Something happened.
    Event(TraceEvent),
    /// The program of this seed begins.
    Program { seed: u64 },
    /// The loop keeps the rule.
    Kept,
    /// It does not.
    Broken { expected: String, actual: String },
}

/// Reads a report as far as it is whole: a process may die while it writes.
pub(super) fn parse(report: &str) -> Vec<Entry> {
    report.lines().map_while(|line| serde_json::from_str(line).ok()).collect()
}

/// Runs one rule if this process was started for that, and says what to exit with.
///
/// Each rule runs in a process of its own, which is the program started anew. So a program that
/// calls [`run`](super::run) has to call this first of all.
pub fn serve(suites: &[Suite]) -> Option<ExitCode> {
    serve_with(|name| suites.iter().find(|suite| suite.name == name))
}

/// The same for a program that holds the built-in loops to the rules. The process of a rule then
/// looks for no other loop than its own.
pub fn serve_built_in() -> Option<ExitCode> {
    serve_with(built_in::named)
}

fn serve_with<S: Borrow<Suite>>(find: impl FnOnce(&str) -> Option<S>) -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != FLAG {
        return None;
    }
    match perform(find, &arguments.next().unwrap_or_default().to_string_lossy()) {
        Ok(()) => Some(ExitCode::SUCCESS),
        Err(error) => {
            // It is shown as what the rule printed.
            let _ = writeln!(io::stderr(), "the process of a rule could not do its work: {error}");
            Some(ExitCode::from(3))
        }
    }
}

fn perform<S: Borrow<Suite>>(find: impl FnOnce(&str) -> Option<S>, job: &str) -> io::Result<()> {
    let job: Job = serde_json::from_str(job)?;
    die_with(job.parent)?;
    let suite = find(&job.suite).ok_or_else(|| io::Error::other("there is no such loop"))?;
    let test = test(suite.borrow(), &job);
    let test = test.ok_or_else(|| io::Error::other("there is no such rule"))?;
    let core = getrlimit(Resource::Core);
    setrlimit(Resource::Core, Rlimit { current: Some(0), ..core })?;
    let report = Report::on_standard_input()?;
    let answer = match answer(test, &job, report.clone()) {
        Ok(()) => Entry::Kept,
        Err(Deviation { expected, actual }) => Entry::Broken { expected, actual },
    };
    report.write(&answer)
}

/// What a process is to do: the test of a rule, or programs.
#[derive(Copy, Clone)]
enum Test<'a> {
    Case(&'a Case),
    Programs(&'a Modelled, &'a Programs),
}

impl Test<'_> {
    fn run(self, trial: &Trial, report: &Report) -> Check {
        match self {
            Test::Case(case) => case.run(trial),
            Test::Programs(modelled, programs) => modelled.perform(programs, &mut |seed| {
                // Without it a program that kills the process is harder to find.
                let _ = report.write(&Entry::Program { seed });
            }),
        }
    }
}

fn test<'a>(suite: &'a Suite, job: &'a Job) -> Option<Test<'a>> {
    match &job.programs {
        Some(programs) => Some(Test::Programs(suite.modelled.as_ref()?, programs)),
        None => suite.cases.iter().find(|case| case.rule.id == job.rule).map(Test::Case),
    }
}

/// Has the kernel kill this process when its parent dies, even if that is killed.
fn die_with(parent: i32) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    if getppid().map(Pid::as_raw_nonzero).is_none_or(|pid| pid.get() != parent) {
        return Err(io::Error::other("the runner is gone"));
    }
    Ok(())
}

/// Runs the test; a panic is an answer, too.
fn answer(test: Test<'_>, job: &Job, report: Report) -> Check {
    let written = AtomicUsize::new(0);
    let observer = report.clone();
    let observe = move |event: &Event| {
        if written.fetch_add(1, Ordering::Relaxed) < EVENTS_MAX {
            // Without its trace a failure is harder to read, but still a failure.
            let _ = observer.write(&Entry::Event(trace_event(event)));
        }
    };
    let settings = Settings { seed: job.seed, time_scale: job.time_scale };
    let trial = Trial { settings, trace: Trace::observed(observe) };
    let panic = note_panics();
    catch_unwind(AssertUnwindSafe(|| test.run(&trial, &report))).unwrap_or_else(|_| {
        let text = panic.lock().unwrap_or_else(PoisonError::into_inner).take();
        Err(Deviation::new("the test to come to an end", text.as_deref().unwrap_or("a panic")))
    })
}

/// Remembers what the last panic of this thread said, and where.
fn note_panics() -> Arc<Mutex<Option<String>>> {
    let last = Arc::new(Mutex::new(None));
    let (noted, this_thread) = (last.clone(), std::thread::current().id());
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().id() == this_thread {
            *noted.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic.to_string());
        }
        print(panic);
    }));
    last
}

/// A trace of more events than this is not read by anybody.
const EVENTS_MAX: usize = 10_000;

fn trace_event(event: &Event) -> TraceEvent {
    let (what, is_mark) = match &event.what {
        What::Mark(what) => (what, true),
        What::Note(what) => (what, false),
    };
    let at_us = event.at.as_micros().try_into().unwrap_or(u64::MAX);
    TraceEvent { at_us, what: what.clone(), is_mark }
}

/// Where the process reports to.
#[derive(Clone)]
struct Report {
    file: Arc<File>,
    /// The only process that may write: not what a test forks.
    pid: u32,
}

impl Report {
    /// Takes over the standard input, which the runner has made the report, and leaves an empty one.
    fn on_standard_input() -> io::Result<Self> {
        let report: OwnedFd = rustix::io::fcntl_dupfd_cloexec(io::stdin(), 3)?;
        rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
        Ok(Report { file: Arc::new(report.into()), pid: std::process::id() })
    }

    fn write(&self, entry: &Entry) -> io::Result<()> {
        if std::process::id() != self.pid {
            return Ok(());
        }
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        (&*self.file).write_all(&line)
    }
}
