//! The rules, and what came of each on each loop.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::scroller;
use crate::record::{Conformance, Expectation, Outcome, Record, RuleResult, Verdict};

pub(super) const VERDICTS: [Verdict; 7] = [
    Verdict::Pass,
    Verdict::KnownDeviation,
    Verdict::Fail,
    Verdict::Timeout,
    Verdict::Crash,
    Verdict::UnexpectedPass,
    Verdict::Skipped,
];

/// What people call a verdict.
pub(super) fn name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::Skipped => "skipped",
        Verdict::Timeout => "timeout",
        Verdict::Crash => "crash",
        Verdict::KnownDeviation => "known deviation",
        Verdict::UnexpectedPass => "unexpected pass",
    }
}

/// The class of its cells.
pub(super) fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Skipped => "skipped",
        Verdict::KnownDeviation => "known",
        Verdict::Fail | Verdict::Timeout | Verdict::Crash | Verdict::UnexpectedPass => "fail",
    }
}

pub(super) fn subject(conformance: &Conformance) -> String {
    format!("{} {}", conformance.subject.name, conformance.subject.version)
}

pub(super) fn count(conformance: &Conformance, verdict: Verdict) -> usize {
    conformance.results.iter().filter(|result| result.verdict() == verdict).count()
}

/// The results of one loop by rule.
type ById<'r> = BTreeMap<&'r str, &'r RuleResult>;

/// The rules of all loops by group, each once, in order.
fn groups(record: &Record) -> Vec<(&str, Vec<&RuleResult>)> {
    let mut groups: Vec<(&str, Vec<&RuleResult>)> = Vec::new();
    for result in record.conformance.iter().flat_map(|conformance| &conformance.results) {
        let group = result.id.split_once('-').map_or(result.id.as_str(), |(group, _)| group);
        match groups.iter_mut().find(|(name, _)| *name == group) {
            Some((_, rules)) if rules.iter().any(|rule| rule.id == result.id) => {}
            Some((_, rules)) => rules.push(result),
            None => groups.push((group, vec![result])),
        }
    }
    groups
}

fn by_id(conformance: &Conformance) -> ById<'_> {
    conformance.results.iter().map(|result| (result.id.as_str(), result)).collect()
}

type Loops<'r> = Vec<(&'r Conformance, ById<'r>)>;

pub(super) fn rules(record: &Record) -> Markup {
    let loops: Loops<'_> =
        record.conformance.iter().map(|conformance| (conformance, by_id(conformance))).collect();
    let groups = groups(record);
    html! {
        section id="rules" {
            h2 { "Rules" }
            @if loops.is_empty() { p { "No rules were run." } } @else {
                p.quiet {
                    "How many rules of each group a loop keeps, of those that are about what it has. \
                     The groups are below, a rule a line: "
                    (PASSED) " it is kept, " (LEFT_OUT) " it is about something that the loop does not \
                     have; anything else leads to what happened."
                }
                (matrix(&loops, "group", "by group", html! {
                    @for (group, rules) in &groups {
                        tr {
                            th scope="row" { a href={ "#group-" (group) } { (group) } }
                            @for (_, results) in &loops { (tally(rules, results)) }
                        }
                    }
                }))
            }
            @for (group, rules) in &groups {
                details id={ "group-" (group) } open[group_needs_a_look(rules, &loops)] {
                    summary { strong { (group) } " " span.quiet { (rules.len()) " rules" } }
                    (matrix(&loops, "rule", group, html! {
                        @for rule in rules {
                            tr {
                                th scope="row" {
                                    (rule.id) " " span.quiet { (rule.level) }
                                    span.sentence { (rule.sentence) }
                                }
                                @for (conformance, results) in &loops {
                                    (cell(conformance, results.get(rule.id.as_str())))
                                }
                            }
                        }
                    }))
                }
            }
        }
    }
}

/// A table with a column for each loop.
fn matrix(loops: &Loops<'_>, row: &str, name: &str, rows: Markup) -> Markup {
    let table = html! {
        table.matrix {
            thead {
                tr {
                    th scope="col" { (row) }
                    @for (conformance, _) in loops {
                        th scope="col" {
                            span {
                                (conformance.subject.name) " "
                                small { (conformance.subject.version) }
                            }
                        }
                    }
                }
            }
            tbody { (rows) }
        }
    };
    scroller(&format!("rules {name}"), table)
}

/// Whether anything in a group came out other than expected.
fn group_needs_a_look(rules: &[&RuleResult], loops: &Loops<'_>) -> bool {
    let is_news = |rule: &&RuleResult| {
        let results = loops.iter().filter_map(|(_, results)| results.get(rule.id.as_str()));
        results.into_iter().any(|result| !result.verdict().is_as_expected())
    };
    rules.iter().any(is_news)
}

/// How many of a group's rules a loop keeps, of those that are about what it has.
fn tally(rules: &[&RuleResult], results: &ById<'_>) -> Markup {
    let verdicts = rules.iter().filter_map(|rule| results.get(rule.id.as_str()));
    let verdicts: Vec<Verdict> = verdicts.map(|result| result.verdict()).collect();
    let count = |verdict| verdicts.iter().filter(|it| **it == verdict).count();
    let (kept, applicable) = (count(Verdict::Pass), verdicts.len() - count(Verdict::Skipped));
    let worst = VERDICTS.into_iter().rfind(|it| *it != Verdict::Skipped && count(*it) > 0);
    html! {
        @if let Some(worst) = worst {
            td class=(class(worst)) { (kept) @if kept < applicable { "/" (applicable) } }
        } @else {
            td.skipped { (LEFT_OUT) }
        }
    }
}

/// What stands for the two verdicts that most rules come to, and need no word.
const PASSED: &str = "✓";
const LEFT_OUT: &str = "·";

fn cell(conformance: &Conformance, result: Option<&&RuleResult>) -> Markup {
    let Some(result) = result else {
        return html! { td.skipped title="not its rule" { "–" } };
    };
    let verdict = result.verdict();
    html! {
        td class=(class(verdict)) title=(name(verdict)) {
            @match verdict {
                Verdict::Pass => { (PASSED) }
                Verdict::Skipped => { (LEFT_OUT) }
                _ => { a href={ "#" (anchor(conformance, result)) } { (short(verdict)) } }
            }
        }
    }
}

/// A verdict in a narrow column.
fn short(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::KnownDeviation => "known",
        Verdict::Timeout => "time",
        Verdict::UnexpectedPass => "new",
        verdict => name(verdict),
    }
}

fn has_more_to_tell(result: &RuleResult) -> bool {
    !matches!(result.verdict(), Verdict::Pass | Verdict::Skipped)
}

fn anchor(conformance: &Conformance, result: &RuleResult) -> String {
    format!("{}-{}", conformance.subject.name, result.id)
}

fn deviations_of(conformance: &Conformance) -> Vec<&RuleResult> {
    conformance.results.iter().filter(|result| has_more_to_tell(result)).collect()
}

pub(super) fn deviations(record: &Record) -> Markup {
    html! {
        section id="deviations" {
            h2 { "Deviations" }
            @if record.conformance.iter().all(|it| deviations_of(it).is_empty()) { p { "There are none." } }
            @for conformance in &record.conformance {
                @let deviations = deviations_of(conformance);
                @if !deviations.is_empty() {
                    h3 { (subject(conformance)) }
                    @for result in deviations { (deviation(conformance, result)) }
                }
            }
        }
    }
}

fn deviation(conformance: &Conformance, result: &RuleResult) -> Markup {
    html! {
        details id=(anchor(conformance, result)) {
            summary {
                strong { (result.id) } ": " (outcome(&result.outcome))
                @if result.expected.is_none() { ", unexpected" }
                ". " span.quiet { (result.sentence) }
            }
            @if !result.why.is_empty() { p.quiet { (result.why) } }
            @if let Some(Expectation { reason, link, .. }) = &result.expected {
                p {
                    "Known: " (reason)
                    @if let Some(link) = link { " " a href=(link) { (link) } }
                }
            }
            @if let Some(detail) = &result.detail {
                dl {
                    dt { "expected" } dd { pre { (detail.expected) } }
                    dt { "actual" } dd { pre { (detail.actual) } }
                    @if !detail.output.is_empty() { dt { "output" } dd { pre { (detail.output) } } }
                }
                @if !detail.trace.is_empty() {
                    table.trace {
                        thead {
                            tr { th scope="col" { "µs" } th scope="col" { "what happened" } }
                        }
                        tbody {
                            @for event in &detail.trace {
                                tr class=[event.is_mark.then_some("mark")] {
                                    td.number { (event.at_us) } td { (event.what) }
                                }
                            }
                        }
                    }
                }
            }
            @if !result.check.is_empty() { p { "Check " (result.check) "." } }
            p { "Repeat: " code { (result.repeat) } }
        }
    }
}

fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Pass => "passed".into(),
        Outcome::Fail => "failed".into(),
        Outcome::Skipped { missing } => format!("skipped, without {}", missing.join(", ")),
        Outcome::Timeout { limit_ms } => format!("did not end within {limit_ms} ms"),
        Outcome::Crash { signal } => format!("its process was killed by {signal}"),
    }
}
