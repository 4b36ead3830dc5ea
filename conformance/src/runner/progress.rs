//! What is shown while rules run: a bar on a terminal, a line for each rule elsewhere.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};
use reports::record::{Outcome, RuleResult, Verdict};

use super::attempt::Task;

pub(super) struct Progress {
    bar: ProgressBar,
    /// Whether rules that pass or are skipped get a line, too.
    is_complete: bool,
    /// Whether there are several loops to be told apart.
    is_of_many: bool,
}

impl Progress {
    pub(super) fn new(tasks: usize, is_of_many: bool, nocapture: bool) -> Self {
        let bar = if nocapture { ProgressBar::hidden() } else { ProgressBar::new(tasks as u64) };
        let template = "{elapsed_precise} {bar:40} {pos}/{len} {msg}";
        bar.set_style(ProgressStyle::with_template(template).expect("the template is right"));
        if !bar.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(250));
        }
        let is_complete = bar.is_hidden() || !io::stdout().is_terminal();
        Progress { bar, is_complete, is_of_many }
    }

    pub(super) fn started(&self, task: &Task<'_>) {
        self.bar.set_message(format!("{} {}", task.suite, task.rule.id));
    }

    pub(super) fn ended(&self, task: &Task<'_>, result: &RuleResult) -> io::Result<()> {
        self.bar.inc(1);
        if !self.is_complete && matches!(result.verdict(), Verdict::Pass | Verdict::Skipped) {
            return Ok(());
        }
        let (style, verdict) = (style(result.verdict()), in_words(result));
        let suite = if self.is_of_many { format!("{} ", task.suite) } else { String::new() };
        self.bar.suspend(|| {
            writeln!(anstream::stdout(), "test {suite}{} ... {style}{verdict}{style:#}", result.id)
        })
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// The colour of a verdict.
pub(super) fn style(verdict: Verdict) -> Style {
    let colour = match verdict {
        Verdict::Pass => AnsiColor::Green,
        Verdict::Skipped | Verdict::KnownDeviation => AnsiColor::Yellow,
        Verdict::Fail | Verdict::Timeout | Verdict::Crash | Verdict::UnexpectedPass => {
            AnsiColor::Red
        }
    };
    colour.on_default()
}

/// The verdict on a result, in the manner of `cargo test`.
pub(super) fn in_words(result: &RuleResult) -> String {
    match (result.verdict(), &result.outcome) {
        (_, Outcome::Skipped { missing }) => format!("ignored, lacks {}", missing.join(", ")),
        (Verdict::KnownDeviation, outcome) => format!("ok, known deviation: {}", kind(outcome)),
        (Verdict::UnexpectedPass, _) => "UNEXPECTED PASS".to_string(),
        (_, Outcome::Pass) => "ok".to_string(),
        (_, Outcome::Fail) => "FAILED".to_string(),
        (_, Outcome::Timeout { limit_ms }) => format!("TIMEOUT after {limit_ms} ms"),
        (_, Outcome::Crash { signal }) => format!("CRASHED by {signal}"),
    }
}

fn kind(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Pass => "pass".to_string(),
        Outcome::Fail => "fail".to_string(),
        Outcome::Skipped { .. } => "skipped".to_string(),
        Outcome::Timeout { .. } => "timeout".to_string(),
        Outcome::Crash { signal } => format!("crash by {signal}"),
    }
}
