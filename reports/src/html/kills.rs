//! The proof that the rules bite: loops with a known fault, and the rules that catch them.

use maud::{Markup, html};

use crate::kill_table::{Fault, KillTable};
use crate::record::Record;

pub(super) fn section(record: &Record) -> Markup {
    html! {
        section id="faults" {
            h2 { "Faulty loops" }
            @match &record.kill_table {
                None => { p { "The rules were not tried on faulty loops." } }
                Some(table) => {
                    (summary(table))
                    @for (group, faults) in groups(table) { (theme(group, &faults)) }
                    (never_failed(table))
                }
            }
        }
    }
}

fn summary(table: &KillTable) -> Markup {
    let caught = table.faults.iter().filter(|fault| !fault.caught.is_empty()).count();
    let must: Vec<_> = table.rules.iter().filter(|rule| rule.level == "MUST").collect();
    let failed = must.iter().filter(|rule| table.catches(&rule.id) > 0).count();
    let tried = table.faults.iter().filter_map(|fault| fault.found_by_model);
    let (tried, found) =
        tried.fold((0, 0), |(tried, found), it| (tried + 1, found + usize::from(it)));
    html! {
        p {
            "Each is calloop-ref with one mistake that people make in event loops. The rules catch "
            strong { (caught) " of " (table.faults.len()) } "; "
            strong { (failed) " of " (must.len()) } " MUST rules are failed by one of them at least."
            @if tried > 0 {
                " Programs made at random find " strong { (found) " of " (tried) } " without the rules."
            }
        }
    }
}

/// The faults by what they are about.
fn groups(table: &KillTable) -> Vec<(&str, Vec<&Fault>)> {
    let mut groups: Vec<(&str, Vec<&Fault>)> = Vec::new();
    for fault in &table.faults {
        match groups.iter_mut().find(|(name, _)| *name == fault.group) {
            Some((_, faults)) => faults.push(fault),
            None => groups.push((&fault.group, vec![fault])),
        }
    }
    groups
}

fn theme(group: &str, faults: &[&Fault]) -> Markup {
    let missed = faults.iter().filter(|fault| fault.caught.is_empty()).count();
    html! {
        details open[missed > 0] {
            summary { strong { (group) } span.quiet { " " (faults.len()) " faults" } }
            table.cards {
                thead {
                    tr {
                        th scope="col" { "fault" }
                        th scope="col" { "what is wrong" }
                        th scope="col" { "caught by" }
                        th scope="col" { "found by programs" }
                    }
                }
                tbody {
                    @for fault in faults {
                        tr {
                            th scope="row" { (fault.name) }
                            td {
                                (fault.what)
                                @if let Some(broad) = &fault.broad { " " span.quiet { (broad) } }
                            }
                            td.fail[fault.caught.is_empty()] data-label="caught by" { (caught_by(fault)) }
                            td data-label="found by programs" {
                                (match fault.found_by_model {
                                    None => "–",
                                    Some(true) => "yes",
                                    Some(false) => "no",
                                })
                            }
                        }
                    }
                }
            }
        }
    }
}

fn caught_by(fault: &Fault) -> String {
    if fault.caught.is_empty() {
        return "nothing".to_string();
    }
    let rules = fault.caught.iter().map(|catch| match catch.outcome.as_str() {
        "fail" => catch.rule.clone(),
        outcome => format!("{} ({outcome})", catch.rule),
    });
    rules.collect::<Vec<_>>().join(", ")
}

fn never_failed(table: &KillTable) -> Markup {
    let rules = table.rules.iter().filter(|rule| table.catches(&rule.id) == 0);
    let rules: Vec<&str> = rules.map(|rule| rule.id.as_str()).collect();
    html! {
        @if !rules.is_empty() { p.quiet { "Failed by none: " (rules.join(", ")) "." } }
    }
}
