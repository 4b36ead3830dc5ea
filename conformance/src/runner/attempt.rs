//! One rule: how its process is judged.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use reports::record::{Detail, Outcome, RuleResult, TraceEvent};

use super::child::{Entry, Job};
use super::process::{self, Ended, Status};
use super::{Error, Expectations, Options};
use crate::rule::Rule;

/// How long a rule may take, before it is scaled.
const LIMIT: Duration = Duration::from_secs(20);

/// A rule to run for a loop.
#[derive(Debug)]
pub(super) struct Task<'r> {
    pub(super) suite: &'static str,
    pub(super) rule: &'static Rule,
    /// The capabilities that keep it from being run.
    pub(super) missing: Vec<String>,
    pub(super) expectations: &'r Expectations,
    /// What of a command line repeats the run, up to the rule.
    pub(super) command: String,
}

impl Task<'_> {
    /// Runs the rule, as often as is asked for or until it is not as expected.
    pub(super) fn perform(&self, options: &Options) -> Result<RuleResult, Error> {
        let start = Instant::now();
        if !self.missing.is_empty() {
            let outcome = Outcome::Skipped { missing: self.missing.clone() };
            return Ok(self.result(outcome, None, options, options.seed, start));
        }
        let mut round = 1;
        loop {
            let seed = options.seed.wrapping_add(u64::from(round - 1));
            let (outcome, mut detail) = self.attempt(options, seed)?;
            if let (Some(detail), 2..) = (&mut detail, round) {
                detail.actual = format!("in run {round}: {}", detail.actual);
            }
            let result = self.result(outcome, detail, options, seed, start);
            if round == options.repeat || !result.verdict().is_as_expected() {
                return Ok(result);
            }
            round += 1;
        }
    }

    fn attempt(&self, options: &Options, seed: u64) -> Result<(Outcome, Option<Detail>), Error> {
        let job = Job {
            suite: self.suite.to_string(),
            rule: self.rule.id.to_string(),
            seed,
            time_scale: options.time_scale,
            parent: std::process::id() as i32,
            programs: None,
        };
        let limit = LIMIT.mul_f64(options.time_scale);
        Ok(judge(process::run(&job, limit, options.nocapture)?, limit))
    }

    fn result(
        &self,
        outcome: Outcome,
        detail: Option<Detail>,
        options: &Options,
        seed: u64,
        start: Instant,
    ) -> RuleResult {
        let rule = self.rule;
        RuleResult {
            id: rule.id.to_string(),
            level: rule.level.to_string(),
            sentence: rule.sentence.to_string(),
            why: rule.why.to_string(),
            check: rule.check.to_string(),
            expected: self.expectations.expected(rule.id, &outcome),
            outcome,
            detail,
            elapsed_ms: start.elapsed().as_millis().try_into().unwrap_or(u64::MAX),
            repeat: self.repeat(options, seed),
        }
    }

    /// The command that runs this rule for this loop as it was run.
    fn repeat(&self, options: &Options, seed: u64) -> String {
        let mut command = format!("{} --exact {}", self.command, self.rule.id);
        let defaults = Options::default();
        if seed != defaults.seed {
            command.push_str(&format!(" --seed {seed:#x}"));
        }
        if options.time_scale != defaults.time_scale {
            command.push_str(&format!(" --time-scale {}", options.time_scale));
        }
        command
    }
}

/// What came of a rule, seen from how its process ended and what that reported.
fn judge(ended: Ended, limit: Duration) -> (Outcome, Option<Detail>) {
    let Ended { status, report, output, elapsed } = ended;
    let (mut trace, mut answer) = (Vec::new(), None);
    for entry in report {
        match entry {
            Entry::Event(event) => trace.push(event),
            Entry::Program { .. } => {}
            Entry::Kept | Entry::Broken { .. } => answer = Some(entry),
        }
    }
    let (outcome, expected, actual) = match (status, answer) {
        (Status::Exited(0), Some(Entry::Kept)) => return (Outcome::Pass, None),
        (Status::Exited(0), Some(Entry::Broken { expected, actual })) => {
            (Outcome::Fail, expected, actual)
        }
        (Status::Exited(code), _) => (
            Outcome::Fail,
            "an answer of the test".to_string(),
            format!("its process exited with code {code} after {elapsed:.1?} and gave none"),
        ),
        (Status::Killed(number), _) => {
            let signal = signal_name(number);
            let actual = format!("{signal} killed it after {elapsed:.1?}");
            (Outcome::Crash { signal }, "the process of the test to live".to_string(), actual)
        }
        (Status::Overdue, _) => {
            let limit_ms = limit.as_millis().try_into().unwrap_or(u64::MAX);
            let actual = "none; its process was killed".to_string();
            (
                Outcome::Timeout { limit_ms },
                format!("an answer of the test within {limit:?}"),
                actual,
            )
        }
    };
    let trace = shortened(trace);
    (outcome, Some(Detail { expected, actual, trace, output }))
}

/// How many events of a trace are kept from its beginning, and how many from its end.
const TRACE_HEAD_MAX: usize = 100;
const TRACE_TAIL_MAX: usize = 300;

fn shortened(mut trace: Vec<TraceEvent>) -> Vec<TraceEvent> {
    let left_out = trace.len().saturating_sub(TRACE_HEAD_MAX + TRACE_TAIL_MAX);
    if left_out > 0 {
        let what = format!("… {left_out} events left out …");
        let at_us = trace[TRACE_HEAD_MAX].at_us;
        let note = TraceEvent { at_us, what, is_mark: false };
        trace.splice(TRACE_HEAD_MAX..TRACE_HEAD_MAX + left_out, [note]);
    }
    trace
}

fn signal_name(number: i32) -> String {
    match Signal::try_from(number) {
        Ok(signal) => signal.as_str().to_string(),
        Err(_) => format!("signal {number}"),
    }
}
