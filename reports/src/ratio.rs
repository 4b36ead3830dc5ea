//! Measurements side by side: each engine's time over the floor's, workload by workload.

use std::collections::BTreeMap;

use crate::record::{Measurement, Ratio, Subject, workload_id};

/// The measurements of one workload at one size with one meter.
#[derive(Debug)]
pub struct Row<'r> {
    /// The workload.
    pub workload: &'r str,
    /// Its size.
    pub parameters: &'r str,
    /// The meter.
    pub meter: &'r str,
    /// The unit of the values and what they are for, as `ns/event`.
    pub unit: String,
    /// The median of the floor, where there is one.
    pub floor: Option<f64>,
    /// The median of each engine that is not the floor.
    pub values: BTreeMap<&'r Subject, f64>,
    /// How each compares with the floor where both took turns.
    pub paired: BTreeMap<&'r Subject, Ratio>,
}

impl Row<'_> {
    /// The workload with its size.
    pub fn id(&self) -> String {
        workload_id(self.workload, self.parameters)
    }

    /// How many times the floor an engine costs: by turns where they took them, which what drifts
    /// between them does not change; else by the medians.
    pub fn ratio(&self, engine: &Subject) -> Option<f64> {
        if let Some(paired) = self.paired.get(engine) {
            return Some(paired.value);
        }
        let floor = self.floor.filter(|floor| *floor > 0.0)?;
        Some(self.values.get(engine)? / floor)
    }
}

/// A number with at least three figures, or whole.
pub fn figure(value: f64) -> String {
    let decimals = if value >= 100.0 || value.fract() == 0.0 { 0 } else { 1 };
    format!("{value:.decimals$}")
}

/// One row for each workload, size and meter, in the order of the measurements.
pub fn rows(measurements: &[Measurement]) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for measurement in measurements {
        let Measurement { workload, parameters, meter, .. } = measurement;
        let Some(median) = measurement.median() else { continue };
        let same = |row: &Row<'_>| {
            (row.workload, row.parameters, row.meter) == (workload, parameters, meter)
        };
        let position = rows.iter().position(same).unwrap_or_else(|| {
            let unit = format!("{}/{}", measurement.unit, measurement.per);
            let (floor, values, paired) = (None, BTreeMap::new(), BTreeMap::new());
            rows.push(Row { workload, parameters, meter, unit, floor, values, paired });
            rows.len() - 1
        });
        if measurement.is_floor {
            rows[position].floor = Some(median);
        } else {
            rows[position].values.insert(&measurement.engine, median);
            let paired = measurement.ratio.map(|ratio| (&measurement.engine, ratio));
            rows[position].paired.extend(paired);
        }
    }
    rows
}

/// The engines of the rows, each once, in order of name.
pub fn engines<'r>(rows: &[Row<'r>]) -> Vec<&'r Subject> {
    let mut engines: Vec<_> = rows.iter().flat_map(|row| row.values.keys().copied()).collect();
    engines.sort();
    engines.dedup();
    engines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measurement(engine: &str, is_floor: bool, samples: &[f64]) -> Measurement {
        Measurement {
            workload: "ping".into(),
            parameters: String::new(),
            engine: Subject { name: engine.into(), version: "1".into() },
            is_floor,
            meter: "wall".into(),
            unit: "ns".into(),
            per: "event".into(),
            samples: samples.into(),
            ..Measurement::default()
        }
    }

    #[test]
    fn engines_are_divided_by_the_floor_of_their_row() {
        let measurements = [
            measurement("raw", true, &[10.0, 9.0, 12.0]),
            measurement("fast", false, &[5.0, 4.0]),
            measurement("slow", false, &[30.0]),
            measurement("silent", false, &[]),
        ];
        let rows = rows(&measurements);
        assert_eq!(rows.len(), 1);
        let engines = engines(&rows);
        let ratios: Vec<_> = engines.iter().map(|engine| rows[0].ratio(engine)).collect();
        assert_eq!(ratios, [Some(0.45), Some(3.0)]);
    }

    #[test]
    fn a_ratio_of_turns_counts_more_than_one_of_medians() {
        let ratio = Ratio { value: 0.6, low: 0.5, high: 0.7, noise: 0.01 };
        let paired = Measurement { ratio: Some(ratio), ..measurement("fast", false, &[5.0]) };
        let measurements =
            [measurement("raw", true, &[10.0]), paired, measurement("slow", false, &[30.0])];
        let rows = rows(&measurements);
        let ratios: Vec<_> = engines(&rows).into_iter().map(|it| rows[0].ratio(it)).collect();
        assert_eq!(ratios, [Some(0.6), Some(3.0)]);
    }
}
