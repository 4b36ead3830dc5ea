//! What calloop-ref is to cost at most, beside what was measured.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use comfy_table::{CellAlignment, Table, presets};
use reports::record::Measurement;
use serde::Deserialize;

/// The targets, by meter.
const FILE: &str = include_str!("../../benches/targets.toml");

/// The loop that has them.
const ENGINE: &str = "calloop-ref";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    /// With its size.
    workload: String,
    at_most: f64,
    /// What it is a multiple of.
    #[serde(default)]
    of: Option<String>,
}

/// What has no multiple.
const UNIT: &str = "unit";

fn read(text: &str) -> Result<BTreeMap<String, Vec<Target>>> {
    toml::from_str(text).context("benches/targets.toml")
}

/// The targets of what was measured, and which of them are missed; `None` if none was.
pub(crate) fn table(measurements: &[Measurement]) -> Result<Option<Table>> {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["workload", "meter", "of", "at most", "measured", ""]);
    for (meter, targets) in read(FILE)? {
        for target in targets {
            let Some(Reached { value, chance }) = target.reached(&meter, measurements) else {
                continue;
            };
            let verdict = match value {
                value if value <= target.at_most => "",
                value if value <= target.at_most * (1.0 + chance) => "missed, within the noise",
                _ => "missed",
            };
            let Target { workload, at_most, of } = target;
            let of = of.unwrap_or_else(|| "floor".to_string());
            let figures = [at_most, value].map(|value| format!("{value:.2}"));
            let [at_most, value] = figures;
            table.add_row([&workload, &meter, &of, &at_most, &value, verdict]);
        }
    }
    for column in [3, 4] {
        let column = table.column_mut(column).expect("the table has these columns");
        column.set_cell_alignment(CellAlignment::Right);
    }
    Ok((!table.is_empty()).then_some(table))
}

/// What was measured of a target.
#[derive(Copy, Clone, Debug, PartialEq)]
struct Reached {
    value: f64,
    /// How much of it may be chance.
    chance: f64,
}

impl Target {
    fn reached(&self, meter: &str, measurements: &[Measurement]) -> Option<Reached> {
        let find = |workload: &str, is_it: &dyn Fn(&Measurement) -> bool| {
            measurements.iter().find(|it| it.meter == meter && it.id() == workload && is_it(it))
        };
        let own = find(&self.workload, &|it| it.engine.name == ENGINE)?;
        let exactly = |value| Some(Reached { value, chance: 0.0 });
        let base = match self.of.as_deref() {
            Some(UNIT) => return exactly(own.median()?),
            None => match own.ratio {
                Some(ratio) => {
                    return Some(Reached { value: ratio.value, chance: ratio.noise });
                }
                None => find(&self.workload, &|it| it.is_floor)?,
            },
            Some(of) if of.contains('/') => find(of, &|it| it.engine.name == ENGINE)?,
            Some(of) => find(&self.workload, &|it| it.engine.name == of)?,
        };
        exactly(own.median()? / base.median()?)
    }
}

#[cfg(test)]
mod tests {
    use reports::record::{Ratio, Subject};

    use super::*;

    #[test]
    fn every_target_is_of_something_that_is_measured() {
        let benches = benches::builtin();
        for (meter, targets) in read(FILE).expect("the file is right") {
            assert!(meter.parse::<benches::Meter>().is_ok(), "{meter}");
            for Target { workload, of, .. } in targets {
                let has = |id: &str| benches.iter().any(|bench| bench.spec.id() == id);
                let is_engine = |name: &str| benches.iter().any(|it| it.engine.name == name);
                assert!(has(&workload), "there is no {workload}");
                let is_known =
                    of.as_deref().is_none_or(|of| of == UNIT || has(of) || is_engine(of));
                assert!(is_known, "{workload} of {of:?}");
            }
        }
    }

    fn measured(engine: &str, time: f64, ratio: Option<f64>) -> Measurement {
        let ratio = ratio.map(|value| Ratio { value, low: value, high: value, noise: 0.01 });
        Measurement {
            workload: "executor".to_string(),
            parameters: "futures=100".to_string(),
            engine: Subject { name: engine.to_string(), version: "1".to_string() },
            is_floor: engine == "boxed-futures",
            meter: "wall".to_string(),
            samples: vec![time],
            ratio,
            ..Measurement::default()
        }
    }

    #[test]
    fn a_target_is_a_multiple_of_what_it_names() {
        let measurements = [
            measured("boxed-futures", 10.0, None),
            measured("calloop-0.14", 100.0, None),
            measured(ENGINE, 40.0, None),
        ];
        let reached = |of: Option<&str>, measurements: &[Measurement]| {
            let workload = "executor/futures=100".to_string();
            let target = Target { workload, at_most: 1.0, of: of.map(String::from) };
            target.reached("wall", measurements).map(|Reached { value, chance }| (value, chance))
        };
        assert_eq!(reached(None, &measurements), Some((4.0, 0.0)));
        assert_eq!(reached(Some("calloop-0.14"), &measurements), Some((0.4, 0.0)));
        assert_eq!(reached(Some(UNIT), &measurements), Some((40.0, 0.0)));
        assert_eq!(reached(Some("executor/futures=100"), &measurements), Some((1.0, 0.0)));
        assert_eq!(reached(Some("calloop-0.13"), &measurements), None);
        let paired = [measured(ENGINE, 40.0, Some(3.9))];
        assert_eq!(reached(None, &paired), Some((3.9, 0.01)));
    }

    #[test]
    fn what_exceeds_its_target_is_missed() {
        let table = |time| {
            let measurements =
                [measured("calloop-0.14", 100.0, None), measured(ENGINE, time, None)];
            table(&measurements).expect("the file is right").expect("one was measured").to_string()
        };
        assert!(!table(50.0).contains("missed"));
        assert!(table(51.0).contains("missed"));
        assert!(super::table(&[]).expect("the file is right").is_none());
    }

    #[test]
    fn what_exceeds_its_target_by_less_than_the_noise_is_marked_as_well() {
        let line = |ratio| {
            let own = Measurement {
                workload: "empty".to_string(),
                parameters: String::new(),
                ..measured(ENGINE, 1.0, Some(ratio))
            };
            let table = table(&[own]).expect("the file is right").expect("one was measured");
            table.to_string()
        };
        // Of empty 1.25 times the floor is asked for, and the noise is a hundredth.
        assert!(!line(1.25).contains("missed"));
        assert!(line(1.26).contains("missed, within the noise"));
        assert!(line(1.27).contains("missed") && !line(1.27).contains("within"));
    }
}
