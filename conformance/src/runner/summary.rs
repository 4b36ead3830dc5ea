//! What is shown at the end of a run: the deviations, the loops side by side, the counts.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use reports::record::{Conformance, RuleResult, Verdict};

use super::Run;
use super::explain::explain;
use super::progress::{in_words, style};

/// Prints the deviations, each explained, the matrix if there are several loops, and the counts.
pub(super) fn print(run: &Run, elapsed: Option<Duration>) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    for conformance in &run.record.conformance {
        let subject = &conformance.subject;
        for result in conformance.results.iter().filter(|it| !it.verdict().is_as_expected()) {
            let style = style(result.verdict());
            let RuleResult { id, level, .. } = result;
            let verdict = in_words(result);
            writeln!(out)?;
            writeln!(
                out,
                "---- {id}, a {level} rule, for {} {}: {style}{verdict}{style:#}",
                subject.name, subject.version
            )?;
            write!(out, "{}", explain(result))?;
        }
    }
    if run.record.conformance.len() > 1 {
        writeln!(out)?;
        matrix(&mut out, &run.record.conformance)?;
    }
    if !run.complaints.is_empty() {
        let style = style(Verdict::Fail);
        writeln!(out, "\n---- expectation files: {style}WRONG{style:#}")?;
        for complaint in &run.complaints {
            writeln!(out, "  {complaint}")?;
        }
    }
    writeln!(out)?;
    for conformance in &run.record.conformance {
        counts(&mut out, conformance)?;
    }
    if let Some(elapsed) = elapsed {
        writeln!(out, "finished in {elapsed:.1?}")?;
    }
    out.flush()
}

/// How wide a column of the matrix is: the longest verdict and most names fit.
const COLUMN: usize = 16;

/// A row for each rule, a column for each loop.
fn matrix(out: &mut impl Write, loops: &[Conformance]) -> io::Result<()> {
    let mut rules: Vec<&RuleResult> = Vec::new();
    for result in loops.iter().flat_map(|conformance| &conformance.results) {
        if !rules.iter().any(|rule| rule.id == result.id) {
            rules.push(result);
        }
    }
    write!(out, "{:12} {:6}", "rule", "level")?;
    for conformance in loops {
        write!(out, "  {:COLUMN$}", conformance.subject.name)?;
    }
    writeln!(out)?;
    for rule in rules {
        write!(out, "{:12} {:6}", rule.id, rule.level)?;
        for conformance in loops {
            match conformance.results.iter().find(|result| result.id == rule.id) {
                Some(result) => {
                    let verdict = result.verdict();
                    let style = style(verdict);
                    write!(out, "  {style}{:COLUMN$}{style:#}", name(verdict))?;
                }
                None => write!(out, "  {:COLUMN$}", "not its rule")?,
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

/// How many rules have which verdict, in the manner of `cargo test`.
fn counts(out: &mut impl Write, conformance: &Conformance) -> io::Result<()> {
    let Conformance { subject, results, .. } = conformance;
    let mut counts = BTreeMap::new();
    for result in results {
        *counts.entry(result.verdict()).or_insert(0) += 1;
    }
    let is_ok = counts.keys().all(|verdict| verdict.is_as_expected());
    let style = style(if is_ok { Verdict::Pass } else { Verdict::Fail });
    let word = if is_ok { "ok" } else { "FAILED" };
    write!(out, "test result: {style}{word}{style:#}. {} {}:", subject.name, subject.version)?;
    if counts.is_empty() {
        write!(out, " no rule was run")?;
    }
    for (number, (verdict, count)) in counts.into_iter().enumerate() {
        let separator = if number == 0 { "" } else { ";" };
        let plural = match verdict {
            Verdict::KnownDeviation if count > 1 => "s",
            Verdict::UnexpectedPass if count > 1 => "es",
            _ => "",
        };
        write!(out, "{separator} {count} {}{plural}", name(verdict))?;
    }
    writeln!(out)
}

fn name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "passed",
        Verdict::Fail => "failed",
        Verdict::Skipped => "skipped",
        Verdict::Timeout => "timed out",
        Verdict::Crash => "crashed",
        Verdict::KnownDeviation => "known deviation",
        Verdict::UnexpectedPass => "unexpected pass",
    }
}
