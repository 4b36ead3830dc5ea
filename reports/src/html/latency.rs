//! How long events take to come, down to the tail.

use maud::{Markup, html};

use super::{Palette, Picture, figures, folded};
use crate::plot::{self, Axis, Scale};
use crate::record::{Latency, Record};

/// The percentiles of the table.
const PERCENTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];

/// A table with more of them is unfolded by who wants it.
const ROWS_MAX: usize = 50;

pub(super) fn section(record: &Record) -> Markup {
    let palette = Palette::of(record);
    let mut workloads: Vec<(&str, &str)> = Vec::new();
    for Latency { workload, parameters, .. } in &record.latencies {
        if !workloads.contains(&(workload, parameters)) {
            workloads.push((workload, parameters));
        }
    }
    let picture = |(workload, parameters): &(&str, &str)| {
        let caption = format!("{workload} {parameters}");
        let picture = distribution(&palette, &caption, &of(record, workload, parameters))?;
        Some((caption, picture))
    };
    let pictures: Vec<(String, Picture)> = workloads.iter().filter_map(picture).collect();
    html! {
        section id="latency" {
            h2 { "Latency" }
            @if workloads.is_empty() { p { "No latencies were measured." } }
            @else {
                p {
                    "From the time an event was intended for to its callback, so that a loop that "
                    "falls behind cannot hide it. Each nine on the axis is as wide as the last."
                }
            }
            @if !workloads.is_empty() {
                (figures(&pictures))
                (folded(record.latencies.len() <= ROWS_MAX, table(record)))
            }
        }
    }
}

fn of<'r>(record: &'r Record, workload: &str, parameters: &str) -> Vec<&'r Latency> {
    let is_of = |it: &&Latency| it.workload == workload && it.parameters == parameters;
    record.latencies.iter().filter(is_of).collect()
}

fn distribution(palette: &Palette<'_>, title: &str, latencies: &[&Latency]) -> Option<Picture> {
    let engines = latencies.iter().map(|latency| (&latency.engine, points(latency))).collect();
    let x = Axis { name: "part of the events that came within", scale: Scale::Nines };
    let y = Axis { name: "microseconds", scale: Scale::Log };
    Picture::new(palette, engines, |series| plot::lines(title, x, y, series))
}

/// The part of the events that came within each time. The last has no place by nines.
fn points(latency: &Latency) -> Vec<(f64, f64)> {
    let total = latency.samples() as f64;
    let mut seen = 0;
    let points = latency.buckets.iter().map(|bucket| {
        let before = seen as f64 / total;
        seen += bucket.count;
        (before, bucket.ns as f64 / 1e3)
    });
    points.collect()
}

fn table(record: &Record) -> Markup {
    let micros = |ns: Option<u64>| ns.map_or(String::new(), |ns| super::quantity(ns as f64 / 1e3));
    html! {
        table.cards {
            thead {
                tr {
                    th scope="col" { "workload" }
                    th scope="col" { "engine" }
                    @for (name, _) in PERCENTILES { th scope="col" { (name) ", µs" } }
                    th scope="col" { "max, µs" }
                    th scope="col" { "samples" }
                    th scope="col" { "missed" }
                }
            }
            tbody {
                @for latency in &record.latencies {
                    tr {
                        th scope="row" { (latency.workload) " " (latency.parameters) }
                        td data-label="engine" { (latency.engine.name) " " (latency.engine.version) }
                        @for (name, part) in PERCENTILES {
                            td.number data-label={ (name) ", µs" } { (micros(latency.quantile(part))) }
                        }
                        td.number data-label="max, µs" { (micros(latency.quantile(1.0))) }
                        td.number data-label="samples" { (latency.samples()) }
                        td.number data-label="missed" { (latency.missed) }
                    }
                }
            }
        }
    }
}
