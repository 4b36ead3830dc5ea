//! What an event costs, on each meter, against the floor and by size.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::{Palette, Picture, exactly, figures, folded, quantity, scroller};
use crate::plot::{self, Axis, Scale};
use crate::ratio::{self, Row};
use crate::record::{Measurement, Record, Subject};

pub(super) fn section(record: &Record) -> Markup {
    let palette = Palette::of(record);
    let rows = ratio::rows(&record.measurements);
    let mut meters: Vec<&str> = Vec::new();
    for row in &rows {
        if !meters.contains(&row.meter) {
            meters.push(row.meter);
        }
    }
    html! {
        section id="cost" {
            h2 { "Cost" }
            @if rows.is_empty() { p { "Nothing was measured." } }
            @else {
                p {
                    "The floor is the same work on bare system calls or data structures. Compare "
                    "multiples of it, not times: they hold for other machines. A multiple below 1 "
                    "means that a loop gets by with less, for instance without telling the kernel."
                }
            }
            @for meter in meters {
                @let rows: Vec<&Row<'_>> = rows.iter().filter(|row| row.meter == meter).collect();
                h3 id={ "meter-" (meter) } { (title(meter)) }
                @let pictures = ratios(&palette, meter, &rows);
                @if !pictures.is_empty() {
                    p { "As multiples of the floor; shorter is cheaper." }
                    (figures(&pictures))
                }
                (folded(engines(&rows).len() <= COLUMNS_MAX, table(meter, &rows)))
            }
            (curves(&palette, &record.measurements))
        }
    }
}

/// A table of more engines is unfolded by who wants it.
const COLUMNS_MAX: usize = 6;

fn title(meter: &str) -> String {
    match meter {
        "wall" => "Time".to_string(),
        "system-calls" => "System calls".to_string(),
        "instructions" => "Instructions".to_string(),
        "allocations" => "Allocations".to_string(),
        other => other.to_string(),
    }
}

fn workload(row: &Row<'_>) -> String {
    format!("{} {}", row.workload, row.parameters).trim_end().to_string()
}

fn engines<'r>(rows: &[&Row<'r>]) -> Vec<&'r Subject> {
    let mut engines: Vec<_> = rows.iter().flat_map(|row| row.values.keys().copied()).collect();
    engines.sort();
    engines.dedup();
    engines
}

/// A picture for each workload that has a floor: its sizes, and how each engine does on them.
fn ratios(palette: &Palette<'_>, meter: &str, rows: &[&Row<'_>]) -> Vec<(String, Picture)> {
    let mut workloads: Vec<(&str, Vec<&Row<'_>>)> = Vec::new();
    for row in rows.iter().filter(|row| row.floor.is_some()) {
        match workloads.iter_mut().find(|(workload, _)| *workload == row.workload) {
            Some((_, rows)) => rows.push(row),
            None => workloads.push((row.workload, vec![row])),
        }
    }
    let picture = |(workload, rows): (&str, Vec<&Row<'_>>)| {
        let title = format!("{} of {workload} as multiples of the floor", title(meter));
        Some((workload.to_string(), ratios_of(palette, &title, &rows)?))
    };
    workloads.into_iter().filter_map(picture).collect()
}

fn ratios_of(palette: &Palette<'_>, title: &str, rows: &[&Row<'_>]) -> Option<Picture> {
    let size = |row: &&Row<'_>| match row.parameters {
        "" => row.workload.to_string(),
        parameters => parameters.to_string(),
    };
    let sizes: Vec<String> = rows.iter().map(size).collect();
    let points = |engine: &Subject| -> Vec<(f64, f64)> {
        let ratios = rows.iter().enumerate();
        let ratios = ratios.filter_map(|(number, row)| Some((number as f64, row.ratio(engine)?)));
        ratios.filter(|(_, ratio)| *ratio > 0.0).collect()
    };
    let engines = engines(rows).into_iter().map(|engine| (engine, points(engine)));
    let engines = engines.filter(|(_, points)| !points.is_empty()).collect();
    Picture::new(palette, engines, |series| plot::bars(title, "times the floor", &sizes, series))
}

/// A row a workload, with a column for each engine.
fn table(meter: &str, rows: &[&Row<'_>]) -> Markup {
    let engines = engines(rows);
    let figure = |value: f64| if meter == "wall" { quantity(value) } else { exactly(value) };
    let table = html! {
        table.cards {
            thead {
                tr {
                    th scope="col" { "workload" }
                    th scope="col" { "unit" }
                    th scope="col" { "floor" }
                    @for engine in &engines { th scope="col" { (engine.name) " " (engine.version) } }
                }
            }
            tbody {
                @for row in rows {
                    tr {
                        th scope="row" { (workload(row)) }
                        td data-label="unit" { (row.unit) }
                        td.number data-label="floor" {
                            @if let Some(floor) = row.floor { (figure(floor)) }
                        }
                        @for engine in &engines {
                            td.number data-label={ (engine.name) " " (engine.version) } {
                                @if let Some(value) = row.values.get(engine) {
                                    (figure(*value))
                                    @if let Some(ratio) = row.ratio(engine) {
                                        " (" (format!("{ratio:.2}")) "×)"
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    };
    scroller(&format!("{} of each workload", title(meter)), table)
}

/// The times of one workload by its one size that varies, the others being equal.
struct Curve<'r> {
    workload: &'r str,
    size: &'r str,
    others: String,
    unit: String,
    engines: BTreeMap<&'r Subject, Vec<(f64, f64)>>,
}

/// As many sizes make a curve.
const SIZES_MIN: usize = 3;

fn curves(palette: &Palette<'_>, measurements: &[Measurement]) -> Markup {
    let mut curves: Vec<Curve<'_>> = Vec::new();
    for measurement in measurements.iter().filter(|measurement| measurement.meter == "wall") {
        add_to_curves(&mut curves, measurement);
    }
    let drawn = curves.into_iter().filter_map(|curve| {
        let longest = curve.engines.values().map(Vec::len).max().unwrap_or(0);
        let caption = match curve.others.as_str() {
            "" => format!("{} by {}", curve.workload, curve.size),
            others => format!("{} by {}, {others}", curve.workload, curve.size),
        };
        let x = Axis { name: curve.size, scale: Scale::Log };
        let y = Axis { name: &curve.unit, scale: Scale::Log };
        let engines = curve.engines.into_iter().filter(|(_, points)| points.len() > 1).collect();
        let picture = Picture::new(palette, engines, |series| plot::lines(&caption, x, y, series));
        picture.filter(|_| longest >= SIZES_MIN).map(|picture| (caption, picture))
    });
    let drawn: Vec<(String, Picture)> = drawn.collect();
    html! {
        @if !drawn.is_empty() {
            h3 { "By size" }
            p { "The figures are those of the table of times. Flat is good: what grows is paid for." }
            (figures(&drawn))
        }
    }
}

/// Adds a measurement to the curve of each of its sizes.
fn add_to_curves<'r>(curves: &mut Vec<Curve<'r>>, measurement: &'r Measurement) {
    let Some(median) = measurement.median() else { return };
    let sizes: Vec<&str> = measurement.parameters.split(',').map(str::trim).collect();
    for (number, (size, value)) in
        sizes.iter().enumerate().filter_map(|(number, size)| Some((number, size.split_once('=')?)))
    {
        // A size of nothing has no place on a logarithmic axis.
        let Some(value) = value.parse().ok().filter(|value: &f64| *value > 0.0) else { continue };
        let others = sizes.iter().enumerate().filter(|(other, _)| *other != number);
        let others = others.map(|(_, size)| *size).collect::<Vec<_>>().join(", ");
        let same = |curve: &Curve<'_>| {
            (curve.workload, curve.size, &curve.others) == (&measurement.workload, size, &others)
        };
        let at = curves.iter().position(same).unwrap_or_else(|| {
            let unit = format!("{} per {}", measurement.unit, measurement.per);
            let (workload, engines) = (measurement.workload.as_str(), BTreeMap::new());
            curves.push(Curve { workload, size, others, unit, engines });
            curves.len() - 1
        });
        let points = curves[at].engines.entry(&measurement.engine).or_default();
        points.push((value, median));
        points.sort_by(|one, other| one.0.total_cmp(&other.0));
    }
}
