//! How long events take to come: which are timed by `suite bench`, and their table.

use anyhow::Result;
use benches::Profile;
use benches::latency::{self, Probe};
use benches_field as field;
use comfy_table::{CellAlignment, Table, presets};
use reports::record::Latency;

/// The scenarios among these names, and the others.
pub(crate) fn scenarios(names: &[String]) -> (Vec<String>, Vec<String>) {
    let probes = latency::builtin();
    let is_scenario = |name: &String| {
        let work = name.split_once('/').map_or(name.as_str(), |(work, _)| work);
        probes.iter().any(|it| it.spec.name == work)
    };
    names.iter().cloned().partition(is_scenario)
}

/// The probes of these scenarios on these engines. An engine may be one that only workloads have,
/// as their floors, if there are any.
pub(crate) fn probes(
    profile: Profile,
    scenarios: &[String],
    engines: &[String],
    has_workloads: bool,
) -> Result<Vec<Probe>> {
    let all = [latency::builtin(), field::probes()].concat();
    match profile.select_probes(all, scenarios, engines) {
        Err(unknown) if unknown.kind == "engine" && has_workloads => Ok(Vec::new()),
        selected => Ok(selected?),
    }
}

/// The same percentiles as on the page.
const PERCENTILES: [(&str, f64); 5] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];

/// A row for each scenario and engine, in microseconds.
pub(crate) fn table(latencies: &[Latency]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    let percentiles = PERCENTILES.map(|(name, _)| name);
    table.set_header(
        ["scenario", "engine"].into_iter().chain(percentiles).chain(["samples", "missed"]),
    );
    let mut last = String::new();
    for latency in latencies {
        let micros = |(_, part): (&str, f64)| {
            latency.quantile(part).map_or_else(String::new, |ns| format!("{:.1}", ns as f64 / 1e3))
        };
        let scenario = format!("{} {}", latency.workload, latency.parameters);
        let repeated = if scenario == last { String::new() } else { scenario.clone() };
        let engine = format!("{} {}", latency.engine.name, latency.engine.version);
        let counts = [latency.samples(), latency.missed].map(|count| count.to_string());
        table.add_row([repeated, engine].into_iter().chain(PERCENTILES.map(micros)).chain(counts));
        last = scenario;
    }
    for column in 2..PERCENTILES.len() + 4 {
        let column = table.column_mut(column).expect("the table has these columns");
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn scenarios_are_told_from_workloads_with_their_sizes_or_without() {
        let given = names(&["ping", "wake-latency", "timer-lateness/delay=1ms", "nothing"]);
        let (scenarios, others) = scenarios(&given);
        assert_eq!(scenarios, ["wake-latency", "timer-lateness/delay=1ms"]);
        assert_eq!(others, ["ping", "nothing"]);
    }

    #[test]
    fn an_engine_of_workloads_alone_is_no_mistake_beside_them() {
        let engines = names(&["boxed-futures"]);
        assert!(probes(Profile::Quick, &[], &engines, true).is_ok_and(|probes| probes.is_empty()));
        assert!(probes(Profile::Quick, &[], &engines, false).is_err());
    }

    #[test]
    fn the_table_has_microseconds_and_counts() {
        use reports::record::{Bucket, Subject};
        let buckets = vec![Bucket { ns: 1_500, count: 99 }, Bucket { ns: 20_000, count: 1 }];
        let latency = Latency {
            workload: "wake-latency".to_string(),
            parameters: "rate=5k".to_string(),
            engine: Subject { name: "epoll".to_string(), version: "6.1".to_string() },
            is_floor: true,
            missed: 3,
            buckets,
        };
        let text = table(&[latency]).to_string();
        let row: Vec<&str> = text.lines().nth(1).expect("a row").split_whitespace().collect();
        let expected = [
            "wake-latency",
            "rate=5k",
            "epoll",
            "6.1",
            "1.5",
            "1.5",
            "1.5",
            "20.0",
            "20.0",
            "100",
            "3",
        ];
        assert_eq!(row, expected);
    }
}
