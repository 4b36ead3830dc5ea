use super::*;
use crate::kill_table::{Catch, Fault, KillTable, Row};
use crate::record::{
    Bucket, Conformance, Detail, Expectation, Latency, Measurement, Missing, Outcome, RuleResult,
    TraceEvent,
};

fn engine(name: &str) -> Subject {
    Subject { name: name.into(), version: "1.2".into() }
}

fn result(id: &str, outcome: Outcome) -> RuleResult {
    let is_deviation = outcome == Outcome::Fail;
    RuleResult {
        id: id.into(),
        level: "MUST".into(),
        sentence: format!("The sentence of {id} MUST <stand> here."),
        why: "for a reason".into(),
        check: "the first thing".into(),
        outcome,
        expected: is_deviation.then(|| Expectation {
            outcome: "fail".into(),
            reason: "known for long".into(),
            link: Some("https://example.org/1".into()),
        }),
        detail: is_deviation.then(|| Detail {
            expected: "a & b".into(),
            actual: "b".into(),
            trace: vec![TraceEvent { at_us: 12, what: "called b".into(), is_mark: true }],
            output: "printed".into(),
        }),
        elapsed_ms: 1,
        repeat: format!("cargo suite conformance --exact {id}"),
    }
}

fn measurement(meter: &str, parameters: &str, name: &str, value: f64) -> Measurement {
    Measurement {
        workload: if parameters.is_empty() { "ping" } else { "timer" }.into(),
        parameters: parameters.into(),
        engine: engine(name),
        is_floor: name == "floor",
        meter: meter.into(),
        unit: if meter == "wall" { "ns" } else { "calls" }.into(),
        per: "event".into(),
        samples: vec![value],
        ..Measurement::default()
    }
}

fn kill_table() -> KillTable {
    let fault = |name: &str, caught: &[&str], found_by_model| Fault {
        name: name.into(),
        group: "timers".into(),
        what: format!("The {name} is wrong."),
        broad: (name == "heap").then(|| "Everything waits for it.".into()),
        caught: caught
            .iter()
            .map(|rule| Catch { rule: (*rule).into(), outcome: "crash".into(), is_named: true })
            .collect(),
        found_by_model,
        ..Fault::default()
    };
    let row = |id: &str| Row { id: id.into(), level: "MUST".into(), ..Row::default() };
    KillTable {
        rules: vec![row("TIMER-01"), row("TIMER-06")],
        faults: vec![fault("heap", &["TIMER-06"], Some(true)), fault("clock", &[], Some(false))],
        ..KillTable::default()
    }
}

fn record() -> Record {
    let results = vec![
        result("TIMER-01", Outcome::Pass),
        result("TIMER-06", Outcome::Fail),
        result("IDLE-01", Outcome::Skipped { missing: vec!["idle".into()] }),
    ];
    let mut measurements = Vec::new();
    for (name, factor) in [("floor", 1.0), ("swift", 0.5), ("slow", 4.0)] {
        measurements.push(measurement("wall", "", name, 100.0 * factor));
        measurements.push(measurement("system-calls", "", name, 2.0 * factor));
        for size in [1.0f64, 100.0, 10_000.0] {
            let parameters = format!("live={size}");
            measurements.push(measurement("wall", &parameters, name, size.sqrt() * factor));
        }
    }
    let buckets = [(1_000, 900), (5_000, 90), (90_000, 10)];
    let buckets = buckets.map(|(ns, count)| Bucket { ns, count }).to_vec();
    Record {
        suite: "9.9".into(),
        conformance: vec![Conformance { subject: engine("swift"), capabilities: vec![], results }],
        measurements,
        latencies: vec![Latency {
            workload: "wake".into(),
            parameters: "asleep".into(),
            engine: engine("swift"),
            is_floor: false,
            missed: 3,
            buckets,
        }],
        kill_table: Some(kill_table()),
        missing: vec![Missing {
            what: "instructions".into(),
            why: "valgrind is not here".into(),
            mend: "Install it".into(),
        }],
        ..Record::default()
    }
}

#[test]
fn the_page_shows_all_that_a_record_holds() {
    let page = page(&record());
    for expected in [
        "keeps <strong>1 of 2</strong> rules",
        "breaks <strong>1</strong>",
        "MUST &lt;stand&gt; here",
        "href=\"#swift-TIMER-06\"",
        "id=\"swift-TIMER-06\"",
        "known for long",
        "https://example.org/1",
        "a &amp; b",
        "called b",
        "printed",
        "cargo suite conformance --exact TIMER-06",
        "50.0 (0.50×)",
        "System calls",
        "timer by live",
        "wake asleep",
        "<td class=\"number\" data-label=\"p99, µs\">5.00</td>",
        "<td class=\"number\" data-label=\"missed\">3</td>",
        "Everything waits for it.",
        "valgrind is not here",
        "The rules catch <strong>1 of 2</strong>",
        "<strong>1 of 2</strong> MUST rules are failed",
        "find <strong>1 of 2</strong> without",
        "TIMER-06 (crash)",
        "Failed by none: TIMER-01.",
    ] {
        assert!(page.contains(expected), "{expected} is not on the page");
    }
    assert_eq!(
        page.matches("<svg").count(),
        5,
        "two workloads, one again, a curve, a distribution"
    );
}

#[test]
fn the_page_needs_nothing_but_itself() {
    let page = page(&record());
    for other in ["<script", "<link", "src=", "@import", "url("] {
        assert!(!page.contains(other), "{other} is on the page");
    }
}

#[test]
fn every_link_within_the_page_leads_somewhere() {
    let page = page(&record());
    for link in page.split("href=\"#").skip(1) {
        let target = link.split('"').next().expect("it ends");
        assert!(page.contains(&format!("id=\"{target}\"")), "nothing is called {target}");
    }
}

#[test]
fn an_empty_record_has_a_page_that_says_so() {
    let page = page(&Record::default());
    for expected in ["No rules were run", "Nothing was measured", "There are none"] {
        assert!(page.contains(expected), "{expected}");
    }
}

#[test]
fn the_legend_has_the_colours_of_the_pictures() {
    for (number, colour) in crate::plot::COLOURS.iter().enumerate() {
        let plotters::style::RGBColor(red, green, blue) = colour;
        let rule = format!(".colour-{number} {{ --colour: #{red:02x}{green:02x}{blue:02x}; }}");
        assert!(STYLE.contains(&rule), "{rule}");
    }
}
