//! The report: one page that needs nothing but itself.

mod conformance;
mod cost;
mod environment;
mod latency;
mod overview;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::plot::Series;
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
                        " · " a href="#environment" { "Environment" }
                    }
                }
                main {
                    (overview::section(record))
                    (conformance::rules(record))
                    (conformance::deviations(record))
                    (cost::section(record))
                    (latency::section(record))
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

/// What a picture shows of one engine.
struct Drawn<'r> {
    engine: &'r Subject,
    is_floor: bool,
    points: Vec<(f64, f64)>,
}

/// A picture and what its colours mean.
struct Picture {
    svg: String,
    legend: Vec<(Option<usize>, String)>,
}

impl Picture {
    /// `draw` makes it of the series, which get a colour each, but for the floor.
    fn new(
        engines: Vec<Drawn<'_>>,
        draw: impl FnOnce(&[Series]) -> Option<String>,
    ) -> Option<Picture> {
        let mut next = 0;
        let (mut legend, mut series) = (Vec::new(), Vec::new());
        for Drawn { engine, is_floor, points } in engines {
            let colour = (!is_floor).then(|| {
                next += 1;
                next - 1
            });
            legend.push((colour, format!("{} {}", engine.name, engine.version)));
            series.push(Series { colour, points });
        }
        Some(Picture { svg: draw(&series)?, legend })
    }

    fn figure(&self, caption: &str) -> Markup {
        html! {
            figure {
                figcaption { (caption) }
                ul.legend {
                    @for (colour, name) in &self.legend {
                        li class={ "colour-" (colour.map_or("ink".to_string(), |it| it.to_string())) } {
                            (name)
                        }
                    }
                }
                (PreEscaped(&self.svg))
            }
        }
    }
}

#[cfg(test)]
mod tests;
