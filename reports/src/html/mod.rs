//! The report: one page that needs nothing but itself.

mod conformance;
mod cost;
mod environment;
mod kills;
mod latency;
mod overview;

use std::collections::BTreeSet;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::plot::{self, Series};
use crate::record::{Record, Subject};

const STYLE: &str = include_str!("style.css");

/// The page for a record.
pub fn page(record: &Record) -> String {
    const TITLE: &str = "Callback event loops: conformance and cost";
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (TITLE) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (TITLE) }
                    p { (record.started) " · " (record.machine.processor) " · " (record.machine.system) }
                    nav {
                        a href="#rules" { "Rules" } " · " a href="#deviations" { "Deviations" }
                        " · " a href="#cost" { "Cost" } " · " a href="#latency" { "Latency" }
                        " · " a href="#faults" { "Faulty loops" }
                        " · " a href="#environment" { "Environment" }
                    }
                }
                main {
                    (overview::section(record))
                    (conformance::rules(record))
                    (conformance::deviations(record))
                    (cost::section(record))
                    (latency::section(record))
                    (kills::section(record))
                    (environment::missing(record))
                    (environment::section(record))
                }
            }
        }
    };
    page.into_string()
}

/// A number with three figures, large ones whole.
fn quantity(value: f64) -> String {
    match value {
        0.0 => "0".to_string(),
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

/// A count without needless decimals.
fn exactly(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { quantity(value) }
}

/// The engines of a record that have a colour, the same in all pictures: all but the floors.
struct Palette<'r>(Vec<&'r Subject>);

impl<'r> Palette<'r> {
    fn of(record: &'r Record) -> Self {
        let measured = record.measurements.iter().map(|it| (&it.engine, it.is_floor));
        let latencies = record.latencies.iter().map(|it| (&it.engine, it.is_floor));
        let engines: BTreeSet<&Subject> = measured
            .chain(latencies)
            .filter_map(|(engine, is_floor)| (!is_floor).then_some(engine))
            .collect();
        Palette(engines.into_iter().collect())
    }

    fn colour(&self, engine: &Subject) -> Option<usize> {
        self.0.iter().position(|known| *known == engine)
    }
}

/// A picture and what its colours mean.
struct Picture {
    svg: String,
    legend: Vec<(Option<usize>, String)>,
}

impl Picture {
    /// `draw` makes it of what there is to draw of each engine.
    fn new(
        palette: &Palette<'_>,
        engines: Vec<(&Subject, Vec<(f64, f64)>)>,
        draw: impl FnOnce(&[Series]) -> Option<String>,
    ) -> Option<Picture> {
        let (mut legend, mut series) = (Vec::new(), Vec::new());
        for (engine, points) in engines {
            let colour = palette.colour(engine);
            legend.push((colour, format!("{} {}", engine.name, engine.version)));
            series.push(Series { colour, points });
        }
        Some(Picture { svg: draw(&series)?, legend })
    }

    /// The picture by itself: what its colours mean is in the legend of them all.
    fn figure(&self, caption: &str) -> Markup {
        html! {
            figure {
                figcaption { (caption) }
                (PreEscaped(&self.svg))
            }
        }
    }
}

/// Pictures with one legend for them all.
fn figures(pictures: &[(String, Picture)]) -> Markup {
    let meanings: BTreeSet<_> = pictures.iter().flat_map(|(_, picture)| &picture.legend).collect();
    html! {
        ul.legend {
            @for (colour, name) in meanings { li class=(class_of(*colour)) { (name) } }
        }
        div.figures {
            @for (caption, picture) in pictures { (picture.figure(caption)) }
        }
    }
}

/// A table that may be wider than the page: it scrolls by itself, and its headers stay.
fn scroller(name: &str, table: Markup) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(name) { (table) }
    }
}

/// A table beside its pictures, which is long for some records.
fn folded(is_open: bool, table: Markup) -> Markup {
    html! {
        details open[is_open] {
            summary { "The figures" }
            (table)
        }
    }
}

fn class_of(colour: Option<usize>) -> String {
    let Some(number) = colour else { return "colour-ink".to_string() };
    let form = if plot::is_second(number) { " second" } else { "" };
    format!("colour-{}{form}", number % plot::COLOURS.len())
}

#[cfg(test)]
mod tests;
