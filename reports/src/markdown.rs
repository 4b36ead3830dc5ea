//! Records and findings as Markdown, for the summary of a CI job.

use std::fmt::Write;

use crate::gaps::gaps;
use crate::gate::{self, Finding, Judgement};
use crate::ratio::{self, Row, figure};
use crate::record::{Conformance, Missing, Record, RuleResult, Verdict};

/// What a record says: how each loop kept the rules, what is not as expected, what a wake-up costs,
/// and what could not be measured.
pub fn summary(record: &Record) -> String {
    let mut text = format!(
        "## Callback event loops\n\n{} · {} · {}\n",
        record.started,
        cell(&record.machine.processor),
        cell(&record.machine.system)
    );
    kept(record, &mut text);
    news(record, &mut text);
    costs(record, &mut text);
    if !record.missing.is_empty() {
        text.push_str("\n### Not measured\n\n");
        for (what, Missing { why, mend, .. }) in gaps(&record.missing) {
            line(&mut text, format_args!("* {}: {why}; {mend}", what.join(", ")));
        }
    }
    text
}

fn kept(record: &Record, text: &mut String) {
    const SHOWN: [(&str, &[Verdict]); 4] = [
        ("passed", &[Verdict::Pass]),
        ("known deviations", &[Verdict::KnownDeviation]),
        ("skipped", &[Verdict::Skipped]),
        (
            "not as expected",
            &[Verdict::Fail, Verdict::Timeout, Verdict::Crash, Verdict::UnexpectedPass],
        ),
    ];
    if record.conformance.is_empty() {
        return;
    }
    let names = SHOWN.map(|(name, _)| format!(" {name} |")).concat();
    line(text, format_args!("\n### Rules\n\n| loop |{names}\n|---|{}", "--:|".repeat(SHOWN.len())));
    for conformance in &record.conformance {
        let counts = SHOWN.map(|(_, verdicts)| {
            let is_it = |result: &&RuleResult| verdicts.contains(&result.verdict());
            format!(" {} |", conformance.results.iter().filter(is_it).count())
        });
        let Conformance { subject, .. } = conformance;
        line(text, format_args!("| {} {} |{}", subject.name, subject.version, counts.concat()));
    }
}

fn news(record: &Record, text: &mut String) {
    for conformance in &record.conformance {
        let is_news = |result: &&RuleResult| !result.verdict().is_as_expected();
        for result in conformance.results.iter().filter(is_news) {
            let name = &conformance.subject.name;
            let detail = result.detail.as_ref();
            let detail = detail
                .map(|detail| format!("expected {}, actual {}", detail.expected, detail.actual));
            line(
                text,
                format_args!(
                    "\n<details><summary><b>{} on {name}: {:?}</b> {}</summary>\n\n```text\n{}\n{}\n```\n\n</details>",
                    result.id,
                    result.verdict(),
                    escaped(&result.sentence),
                    detail.unwrap_or_default(),
                    result.repeat
                ),
            );
        }
    }
}

fn costs(record: &Record, text: &mut String) {
    let rows = ratio::rows(&record.measurements);
    let engines = ratio::engines(&rows);
    if rows.is_empty() {
        return;
    }
    let names: Vec<String> = engines.iter().map(|engine| format!(" {} |", engine.name)).collect();
    line(
        text,
        format_args!(
            "\n### Costs\n\nIn brackets how many times the floor's.\n\n| workload | meter | unit |{}\n|---|---|---|{}",
            names.concat(),
            "--:|".repeat(engines.len())
        ),
    );
    for row in &rows {
        let cells =
            engines.iter().map(|engine| match (row.values.get(engine), row.ratio(engine)) {
                (Some(value), Some(ratio)) => format!(" {} ({ratio:.2}×) |", figure(*value)),
                (Some(value), None) => format!(" {} |", figure(*value)),
                (None, _) => " |".to_string(),
            });
        let cells: String = cells.collect();
        line(text, format_args!("| {} | {} | {} |{cells}", row.id(), row.meter, row.unit));
    }
}

/// The results of a record in short: how each loop kept the rules, and the times of these workloads,
/// each named with its size, as multiples of the floor.
pub fn results(record: &Record, workloads: &[&str]) -> String {
    let mut text = String::new();
    kept(record, &mut text);
    let rows = ratio::rows(&record.measurements);
    let engines = ratio::engines(&rows);
    let names: Vec<String> = engines.iter().map(|engine| format!(" {} |", engine.name)).collect();
    let rule = "--:|".repeat(engines.len());
    line(
        &mut text,
        format_args!("\n### Times\n\n| workload | floor |{}\n|---|--:|{rule}", names.concat()),
    );
    for wanted in workloads {
        let is_wanted = |row: &&Row<'_>| row.meter == "wall" && *wanted == row.id();
        for row in rows.iter().filter(is_wanted) {
            let floor = row
                .floor
                .map_or_else(String::new, |floor| format!("{} {}", figure(floor), row.unit));
            let cells = engines.iter().map(|engine| match row.ratio(engine) {
                Some(ratio) => format!(" {ratio:.2}× |"),
                None => " |".to_string(),
            });
            let cells: String = cells.collect();
            line(&mut text, format_args!("| {wanted} | {floor} |{cells}"));
        }
    }
    text.push('\n');
    text
}

/// What a comparison found: what is worse first, what is as before counted only.
pub fn findings(findings: &[Finding]) -> String {
    let mut text = format!("## Gate\n\n{}\n", gate::count(findings));
    let told = |finding: &&Finding| finding.judgement != Judgement::Ok;
    if findings.iter().any(|finding| told(&finding)) {
        text.push_str("\n| | what | why | repeat |\n|---|---|---|---|\n");
    }
    for Finding { what, judgement, why, repeat } in findings.iter().filter(told) {
        let [what, why] = [what, why].map(|text| cell(text));
        line(&mut text, format_args!("| **{judgement}** | {what} | {why} | `{repeat}` |"));
    }
    text
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("a string takes everything");
}

/// What stands in a cell of a table.
fn cell(text: &str) -> String {
    escaped(text).replace('|', "\\|").replace('\n', " ")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Detail, Measurement, Outcome, Subject};

    fn record() -> Record {
        let result = |id: &str, outcome| RuleResult {
            id: id.into(),
            level: "MUST".into(),
            sentence: "A <loop> MUST wake.".into(),
            why: String::new(),
            check: String::new(),
            outcome,
            expected: None,
            detail: Some(Detail {
                expected: "one".into(),
                actual: "two".into(),
                ..Detail::default()
            }),
            elapsed_ms: 1,
            repeat: "again PING-02".into(),
        };
        let measurement = |name: &str, is_floor, sample| Measurement {
            workload: "ping".into(),
            engine: Subject { name: name.into(), version: "1".into() },
            is_floor,
            meter: "wall".into(),
            unit: "ns".into(),
            per: "event".into(),
            samples: vec![sample],
            ..Measurement::default()
        };
        let subject = Subject { name: "swift".into(), version: "1.2".into() };
        let results = vec![result("PING-01", Outcome::Pass), result("PING-02", Outcome::Fail)];
        Record {
            conformance: vec![Conformance { subject, capabilities: Vec::new(), results }],
            measurements: vec![measurement("epoll", true, 50.0), measurement("swift", false, 75.5)],
            missing: vec![Missing {
                what: "instructions".into(),
                why: "there is no valgrind".into(),
                mend: "install it".into(),
            }],
            ..Record::default()
        }
    }

    #[test]
    fn a_summary_has_what_matters() {
        let text = summary(&record());
        for expected in [
            "| swift 1.2 | 1 | 0 | 0 | 1 |",
            "<b>PING-02 on swift: Fail</b> A &lt;loop> MUST wake.",
            "expected one, actual two",
            "again PING-02",
            "| ping | wall | ns/event | 75.5 (1.51×) |",
            "* instructions: there is no valgrind; install it",
        ] {
            assert!(text.contains(expected), "{expected} is not in:\n{text}");
        }
        assert!(!text.contains("PING-01"), "what is as expected is only counted:\n{text}");
    }

    #[test]
    fn findings_are_a_table_of_what_moved() {
        let finding = |what: &str, judgement| Finding {
            what: what.into(),
            judgement,
            why: "1 | 2".into(),
            repeat: "again".into(),
        };
        let text =
            findings(&[finding("ping", Judgement::Regressed), finding("idle", Judgement::Ok)]);
        assert!(text.contains("1 regressed, 0 inconclusive, 0 improved, 1 ok"), "{text}");
        assert!(text.contains("| **regressed** | ping | 1 \\| 2 | `again` |"), "{text}");
        assert!(!text.contains("idle"), "{text}");
        assert!(!findings(&[]).contains('|'));
    }
}
