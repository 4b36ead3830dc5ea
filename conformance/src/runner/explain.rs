//! A result that is not as expected, explained: what the rule says, what happened, where to look.

use std::fmt::Write;

use reports::record::{Detail, RuleResult, TraceEvent};

/// How wide a text may be.
const COLUMNS: usize = 100;

/// How far the text of a part stands to the right of its name.
const INDENT: usize = 12;

/// How many events of a trace are shown from its beginning, and how many from its end.
const TRACE_HEAD_MAX: usize = 12;
const TRACE_TAIL_MAX: usize = 28;

/// How many of the last lines are shown of what a test printed.
const OUTPUT_LINES_MAX: usize = 30;

/// All that is known of a result, in some lines that are indented by two.
pub(super) fn explain(result: &RuleResult) -> String {
    let mut text = String::new();
    part(&mut text, "rule", &result.sentence);
    part(&mut text, "why", &result.why);
    if let Some(expectation) = &result.expected {
        let known = format!("{}: {}", expectation.outcome, expectation.reason);
        part(&mut text, "known as", &known);
    }
    match &result.detail {
        Some(Detail { expected, actual, trace, output }) => {
            part(&mut text, "expected", expected);
            part(&mut text, "actual", actual);
            block(&mut text, "trace", &trace_lines(trace));
            block(&mut text, "printed", &last_lines(output));
        }
        None => part(&mut text, "actual", "it passed"),
    }
    part(&mut text, "check", &result.check);
    let _ = writeln!(text, "  {:INDENT$}{}", "repeat", result.repeat);
    text
}

/// Adds a named text, broken into lines.
fn part(text: &mut String, name: &str, content: &str) {
    let mut lines = Vec::new();
    for paragraph in content.lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && INDENT + line.chars().count() + word.chars().count() > COLUMNS {
                lines.push(std::mem::take(&mut line));
            }
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(word);
        }
        lines.push(line);
    }
    block(text, name, &lines);
}

/// Adds named lines; nothing if there are none.
fn block(text: &mut String, name: &str, lines: &[String]) {
    for (number, line) in lines.iter().enumerate() {
        let name = if number == 0 { name } else { "" };
        let _ = writeln!(text, "{}", format!("  {name:INDENT$}{line}").trim_end());
    }
}

/// The events with their times; what the rule is about is marked by an asterisk.
fn trace_lines(trace: &[TraceEvent]) -> Vec<String> {
    let line = |event: &TraceEvent| {
        let mark = if event.is_mark { '*' } else { ' ' };
        let (millis, micros) = (event.at_us / 1000, event.at_us % 1000);
        format!("{millis:>6}.{micros:03} ms {mark} {}", event.what.replace('\n', " "))
    };
    let tail = trace.len().saturating_sub(TRACE_TAIL_MAX).max(TRACE_HEAD_MAX.min(trace.len()));
    let head = tail.min(TRACE_HEAD_MAX);
    let mut lines: Vec<String> = trace[..head].iter().map(line).collect();
    if tail > head {
        lines.push(format!("           … {} more, see --json …", tail - head));
    }
    lines.extend(trace[tail..].iter().map(line));
    lines
}

fn last_lines(output: &str) -> Vec<String> {
    let lines: Vec<&str> = output.lines().collect();
    let from = lines.len().saturating_sub(OUTPUT_LINES_MAX);
    lines[from..].iter().map(|line| line.to_string()).collect()
}
