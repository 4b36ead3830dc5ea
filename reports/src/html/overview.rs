//! What there is to know in ten seconds.

use maud::{Markup, html};

use super::conformance::{VERDICTS, class, count, name, subject};
use super::{exactly, quantity};
use crate::ratio;
use crate::record::{Conformance, Record, Verdict};

pub(super) fn section(record: &Record) -> Markup {
    html! {
        section id="overview" {
            h2 { "Overview" }
            div.figures { @for conformance in &record.conformance { (kept(conformance)) } }
            (ping(record))
        }
    }
}

/// How one loop came out, as a sentence and a strip.
fn kept(conformance: &Conformance) -> Markup {
    let total = conformance.results.len();
    let passed = count(conformance, Verdict::Pass);
    let applicable = total - count(conformance, Verdict::Skipped);
    let broken = conformance.results.iter().filter(|result| {
        result.level == "MUST" && !matches!(result.verdict(), Verdict::Pass | Verdict::Skipped)
    });
    let broken = broken.count();
    let parts = VERDICTS.map(|verdict| (verdict, count(conformance, verdict)));
    let parts = || parts.into_iter().filter(|(_, count)| *count > 0);
    html! {
        div.kept {
            h3 { (subject(conformance)) }
            p {
                "keeps " strong { (passed) " of " (applicable) } " rules"
                @if broken > 0 { ", breaks " strong { (broken) } " that a loop MUST keep" }
            }
            div.strip aria-hidden="true" {
                @for (verdict, count) in parts() {
                    span class=(class(verdict)) style={ "flex-grow:" (count) } {}
                }
            }
            p.quiet {
                @for (number, (verdict, count)) in parts().enumerate() {
                    @if number > 0 { ", " }
                    (count) " " (name(verdict))
                }
            }
        }
    }
}

/// What a wake-up costs, on every meter: the figure that most programs pay most often.
fn ping(record: &Record) -> Markup {
    let rows = ratio::rows(&record.measurements);
    let rows: Vec<_> =
        rows.iter().filter(|row| row.workload == "ping" && row.parameters.is_empty()).collect();
    let engines = rows.iter().flat_map(|row| row.values.keys().copied());
    let mut engines: Vec<_> = engines.collect();
    engines.sort();
    engines.dedup();
    html! {
        @if !rows.is_empty() {
            h3 { "A ping and its dispatch" }
            table.cards {
                thead {
                    tr {
                        th scope="col" { "loop" }
                        @for row in &rows { th scope="col" { (row.meter) ", " (row.unit) } }
                    }
                }
                tbody {
                    @for engine in engines {
                        tr {
                            th scope="row" { (engine.name) " " (engine.version) }
                            @for row in &rows {
                                td.number data-label={ (row.meter) ", " (row.unit) } {
                                    @if let Some(value) = row.values.get(engine) {
                                        @if row.meter == "wall" { (quantity(*value)) }
                                        @else { (exactly(*value)) }
                                        @if let Some(ratio) = row.ratio(engine) {
                                            " (" (format!("{ratio:.2}")) "× the floor)"
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
