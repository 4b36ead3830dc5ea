//! What the record was made on, and what could not be made there.

use maud::{Markup, html};

use crate::record::Record;

pub(super) fn missing(record: &Record) -> Markup {
    html! {
        @if !record.missing.is_empty() {
            section id="missing" {
                h2 { "Not measured" }
                ul {
                    @for missing in &record.missing {
                        li { strong { (missing.what) } ": " (missing.why) ". " (missing.mend) "." }
                    }
                }
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
