//! What was measured, as a table on the terminal.

use comfy_table::{CellAlignment, Table, presets};
use reports::ratio::{self, Row, figure};
use reports::record::{Measurement, Subject};

/// More columns do not stand beside each other on most terminals.
const COLUMNS_MAX: usize = 6;

/// Each workload on each engine, by one meter.
pub(super) fn table(measurements: &[Measurement]) -> Table {
    let rows = ratio::rows(measurements);
    let engines = ratio::engines(&rows);
    match engines.len() {
        ..=COLUMNS_MAX => wide(&rows, &engines),
        _ => long(&rows, &engines),
    }
}

/// A row a workload, with a column for each engine.
fn wide(rows: &[Row<'_>], engines: &[&Subject]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    let names = engines.iter().map(|engine| format!("{} {}", engine.name, engine.version));
    table.set_header(["workload", "unit", "floor"].map(String::from).into_iter().chain(names));
    for row in rows {
        let floor = row.floor.map_or_else(String::new, figure);
        let one = |[value, ratio]: [String; 2]| format!("{value} {ratio:>6}").trim().to_string();
        let cells = engines.iter().map(|engine| cell(row, engine).map_or_else(String::new, one));
        let workload = format!("{} {}", row.workload, row.parameters);
        table.add_row([workload, row.unit.clone(), floor].into_iter().chain(cells));
    }
    for column in 2..engines.len() + 3 {
        let column = table.column_mut(column).expect("the table has these columns");
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// A row for each engine that has a figure.
fn long(rows: &[Row<'_>], engines: &[&Subject]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["workload", "unit", "engine", "", "times the floor"]);
    for row in rows {
        let workload = format!("{} {}", row.workload, row.parameters);
        let floor = row.floor.map_or_else(String::new, figure);
        table.add_row([workload, row.unit.clone(), "floor".to_string(), floor]);
        for engine in engines {
            if let Some([value, ratio]) = cell(row, engine) {
                let name = format!("{} {}", engine.name, engine.version);
                table.add_row(["", "", &name, &value, &ratio]);
            }
        }
    }
    for column in 3..5 {
        let column = table.column_mut(column).expect("the table has these columns");
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// What an engine takes, and how many times the floor's that is, with as much as chance may add or
/// take away.
fn cell(row: &Row<'_>, engine: &Subject) -> Option<[String; 2]> {
    let value = figure(*row.values.get(engine)?);
    let ratio = match (row.paired.get(engine), row.ratio(engine)) {
        (Some(ratio), _) => {
            let reach = (ratio.high / ratio.low).sqrt() - 1.0;
            let percent = 100.0 * reach.max(ratio.noise);
            format!("{:.2}× ±{percent:.0} %", ratio.value)
        }
        (None, Some(ratio)) => format!("{ratio:.2}×"),
        (None, None) => String::new(),
    };
    Some([value, ratio])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measurements(engines: usize) -> Vec<Measurement> {
        let of = |number: usize| Measurement {
            workload: "ping".to_string(),
            engine: Subject { name: format!("loop-{number}"), version: "1".to_string() },
            is_floor: number == 0,
            meter: "system-calls".to_string(),
            unit: "calls".to_string(),
            per: "operation".to_string(),
            samples: vec![(2 * number + 2) as f64],
            ..Measurement::default()
        };
        (0..=engines).map(of).collect()
    }

    /// The words of each line.
    fn lines(engines: usize) -> Vec<Vec<String>> {
        let text = table(&measurements(engines)).to_string();
        text.lines().map(|line| line.split_whitespace().map(str::to_string).collect()).collect()
    }

    #[test]
    fn a_few_engines_are_columns() {
        let lines = lines(2);
        assert_eq!(lines[1], ["ping", "calls/operation", "2", "4", "2.00×", "6", "3.00×"]);
    }

    #[test]
    fn many_engines_are_rows() {
        let lines = lines(COLUMNS_MAX + 1);
        assert_eq!(lines[1], ["ping", "calls/operation", "floor", "2"]);
        assert_eq!(lines[2], ["loop-1", "1", "4", "2.00×"]);
        assert_eq!(lines.len(), 2 + COLUMNS_MAX + 1);
    }
}
