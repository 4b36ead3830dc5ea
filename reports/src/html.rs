//! The report: one page that needs nothing but itself.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::ratio;
use crate::record::{Conformance, Expectation, Outcome, Record, RuleResult, Verdict};

const STYLE: &str = include_str!("style.css");

/// The page for a record.
pub fn page(record: &Record) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Callback event loops: conformance and cost" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Callback event loops: conformance and cost" }
                (overview(record))
                (matrix(record))
                (deviations(record))
                (measurements(record))
                (missing(record))
                (machine(record))
            }
        }
    };
    page.into_string()
}

fn overview(record: &Record) -> Markup {
    html! {
        section {
            h2 { "Overview" }
            table {
                thead {
                    tr {
                        th scope="col" { "loop" }
                        @for verdict in VERDICTS { th scope="col" { (name(verdict)) } }
                    }
                }
                tbody {
                    @for conformance in &record.conformance {
                        tr {
                            th scope="row" { (subject(conformance)) }
                            @for verdict in VERDICTS {
                                td.number { (count(conformance, verdict)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

const VERDICTS: [Verdict; 7] = [
    Verdict::Pass,
    Verdict::KnownDeviation,
    Verdict::Fail,
    Verdict::Timeout,
    Verdict::Crash,
    Verdict::UnexpectedPass,
    Verdict::Skipped,
];

/// What people call a verdict.
fn name(verdict: Verdict) -> &'static str {
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
fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Skipped => "skipped",
        Verdict::KnownDeviation => "known",
        Verdict::Fail | Verdict::Timeout | Verdict::Crash | Verdict::UnexpectedPass => "fail",
    }
}

fn subject(conformance: &Conformance) -> String {
    format!("{} {}", conformance.subject.name, conformance.subject.version)
}

fn count(conformance: &Conformance, verdict: Verdict) -> usize {
    conformance.results.iter().filter(|result| result.verdict() == verdict).count()
}

/// The rules of all loops, each once, in order.
fn rules(record: &Record) -> Vec<&RuleResult> {
    let mut rules: Vec<&RuleResult> = Vec::new();
    for result in record.conformance.iter().flat_map(|conformance| &conformance.results) {
        if !rules.iter().any(|rule| rule.id == result.id) {
            rules.push(result);
        }
    }
    rules
}

fn matrix(record: &Record) -> Markup {
    let result_of = |conformance: &Conformance, id: &str| -> Markup {
        match conformance.results.iter().find(|result| result.id == id) {
            None => html! { td.skipped { "–" } },
            Some(result) => {
                let verdict = result.verdict();
                let anchor = anchor(conformance, result);
                html! {
                    td class=(class(verdict)) {
                        @if result.detail.is_some() { a href={ "#" (anchor) } { (name(verdict)) } }
                        @else { (name(verdict)) }
                    }
                }
            }
        }
    };
    html! {
        section {
            h2 { "Rules" }
            table {
                thead {
                    tr {
                        th scope="col" { "rule" }
                        th scope="col" { "level" }
                        th scope="col" { "sentence" }
                        @for conformance in &record.conformance {
                            th scope="col" { (subject(conformance)) }
                        }
                    }
                }
                tbody {
                    @for rule in rules(record) {
                        tr {
                            th scope="row" { (rule.id) }
                            td { (rule.level) }
                            td { (rule.sentence) }
                            @for conformance in &record.conformance {
                                (result_of(conformance, &rule.id))
                            }
                        }
                    }
                }
            }
        }
    }
}

fn anchor(conformance: &Conformance, result: &RuleResult) -> String {
    format!("{}-{}", conformance.subject.name, result.id)
}

fn deviations(record: &Record) -> Markup {
    let deviating = |conformance: &'_ Conformance| -> Vec<RuleResult> {
        let results = conformance.results.iter().filter(|result| result.detail.is_some());
        results.cloned().collect()
    };
    html! {
        section {
            h2 { "Deviations" }
            @for conformance in &record.conformance {
                @for result in deviating(conformance) {
                    (deviation(conformance, &result))
                }
            }
        }
    }
}

fn deviation(conformance: &Conformance, result: &RuleResult) -> Markup {
    html! {
        details id=(anchor(conformance, result)) {
            summary {
                (subject(conformance)) ", " strong { (result.id) } ": "
                (outcome(&result.outcome))
            }
            p { (result.level) ": " (result.sentence) }
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

fn measurements(record: &Record) -> Markup {
    let rows = ratio::rows(&record.measurements);
    let engines = ratio::engines(&rows);
    html! {
        section {
            h2 { "Cost" }
            p {
                "Medians; in brackets the multiple of the floor, which is the same work on bare "
                "system calls or data structures. Compare multiples, not times: they hold for "
                "other machines."
            }
            table {
                thead {
                    tr {
                        th scope="col" { "workload" }
                        th scope="col" { "unit" }
                        th scope="col" { "floor" }
                        @for engine in &engines {
                            th scope="col" { (engine.name) " " (engine.version) }
                        }
                    }
                }
                tbody {
                    @for row in &rows {
                        tr {
                            th scope="row" { (row.workload) " " (row.parameters) }
                            td { (row.unit) }
                            td.number { @if let Some(floor) = row.floor { (quantity(floor)) } }
                            @for engine in &engines {
                                td.number {
                                    @if let Some(value) = row.values.get(engine) {
                                        (quantity(*value))
                                        @if let Some(ratio) = row.ratio(engine) {
                                            " (" (format!("{ratio:.2}")) "×)"
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A number with three figures.
fn quantity(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

fn missing(record: &Record) -> Markup {
    html! {
        @if !record.missing.is_empty() {
            section {
                h2 { "Not measured" }
                ul {
                    @for missing in &record.missing {
                        li { strong { (missing.what) } ": " (missing.why) ". " (missing.mend) }
                    }
                }
            }
        }
    }
}

fn machine(record: &Record) -> Markup {
    let machine = &record.machine;
    html! {
        section {
            h2 { "Environment" }
            table {
                tbody {
                    tr { th scope="row" { "suite" } td { (record.suite) } }
                    tr { th scope="row" { "began" } td { (record.started) } }
                    tr { th scope="row" { "system" } td { (machine.system) } }
                    tr {
                        th scope="row" { "processor" }
                        td { (machine.processors) " × " (machine.processor) }
                    }
                    tr { th scope="row" { "compiler" } td { (machine.rustc) } }
                    @if let Some(load) = machine.load {
                        tr { th scope="row" { "load" } td { (format!("{load:.2}")) } }
                    }
                }
            }
        }
    }
}
