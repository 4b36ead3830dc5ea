//! What the record was made on, and what could not be made there.

use maud::{Markup, html};

use crate::gaps::gaps;
use crate::record::{Missing, Record};

pub(super) fn missing(record: &Record) -> Markup {
    html! {
        @if !record.missing.is_empty() {
            section id="missing" {
                h2 { "Not measured" }
                ul {
                    @for (what, Missing { why, mend, .. }) in gaps(&record.missing) {
                        li { (listed(&what)) (why) "; " (mend) }
                    }
                }
            }
        }
    }
}

/// As many stand in a line; what is more is unfolded.
const LISTED_MAX: usize = 3;

fn listed(what: &[&str]) -> Markup {
    html! {
        @if what.len() <= LISTED_MAX { strong { (what.join(", ")) } ": " }
        @else {
            details {
                summary {
                    strong { (what[..LISTED_MAX].join(", ")) }
                    " and " (what.len() - LISTED_MAX) " more"
                }
                (what[LISTED_MAX..].join(", "))
            }
        }
    }
}

pub(super) fn section(record: &Record) -> Markup {
    let machine = &record.machine;
    html! {
        section id="environment" {
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
                    @for (name, tool) in [("C library", &machine.libc), ("valgrind", &machine.valgrind)] {
                        @if let Some(tool) = tool {
                            tr { th scope="row" { (name) } td { (tool) } }
                        }
                    }
                    @if let Some(governor) = &machine.governor {
                        tr { th scope="row" { "frequency" } td { (governor) } }
                    }
                    @if let Some(load) = machine.load {
                        tr { th scope="row" { "load" } td { (format!("{load:.2}")) } }
                    }
                    @if let Some(stolen) = machine.stolen {
                        tr {
                            th scope="row" { "time stolen by the host" }
                            td { (format!("{:.1} %", 100.0 * stolen)) }
                        }
                    }
                }
            }
        }
    }
}
