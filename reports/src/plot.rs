//! Pictures as SVG, to stand in a page: they take its ink and scale with it.

use std::error::Error;
use std::ops::Range;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// In units of the view box. Narrow, so that the text is still readable on a telephone.
const WIDTH: u32 = 480;
const HEIGHT: u32 = 300;
const FONT: (&str, i32) = ("sans-serif", 13);

/// What plotters draws for ink; [`svg`] puts the page's own colour in its place.
const INK: RGBColor = BLACK;

/// Colours that stand out from white and from black, and from each other for most who do not see
/// all colours (after Okabe and Ito, "Color Universal Design", 2008).
pub const COLOURS: [RGBColor; 8] = [
    RGBColor(0x00, 0x8f, 0x68),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x2f, 0x86, 0xc6),
    RGBColor(0xb9, 0x5f, 0x92),
    RGBColor(0x9a, 0x82, 0x00),
    RGBColor(0x80, 0x70, 0xd0),
    RGBColor(0xd8, 0x3a, 0x5e),
    RGBColor(0x7f, 0x7f, 0x7f),
];

/// Whether a number is beyond the colours, which then come again in another form.
pub fn is_second(colour: usize) -> bool {
    colour / COLOURS.len() % 2 == 1
}

/// What is drawn in one colour.
#[derive(Clone, Debug)]
pub struct Series {
    /// Which of [`COLOURS`]; `None` is the page's ink. Numbers beyond have the colours again, bars
    /// hollow and lines dashed.
    pub colour: Option<usize>,
    /// Lines: its points by ascending abscissa. Bars: the number of a row, and its value.
    pub points: Vec<(f64, f64)>,
}

impl Series {
    fn style(&self) -> ShapeStyle {
        let colour = self.colour.map_or(INK, |number| COLOURS[number % COLOURS.len()]);
        colour.stroke_width(2)
    }

    /// Whether its colour has a second meaning, so that it takes a second form.
    fn is_second(&self) -> bool {
        self.colour.is_some_and(is_second)
    }
}

/// An axis: what it shows, in which unit, and how it counts.
#[derive(Copy, Clone, Debug)]
pub struct Axis<'a> {
    /// The quantity with its unit, as `nanoseconds an event`.
    pub name: &'a str,
    /// How it counts.
    pub scale: Scale,
}

/// How an axis counts.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Scale {
    /// By powers of ten.
    Log,
    /// A part of a whole by nines: 90 % is as far from 99 % as that from 99.9 %.
    Nines,
}

impl Scale {
    /// Where a value stands.
    fn place(self, value: f64) -> f64 {
        match self {
            Scale::Log => value.log10(),
            Scale::Nines => -(1.0 - value).log10(),
        }
    }

    /// What is written at a place; nothing between the whole ones, where nothing is round.
    fn label(self, place: f64) -> String {
        if (place - place.round()).abs() > 1e-6 {
            return String::new();
        }
        match self {
            Scale::Log => power_of_ten(place.round() as i32),
            Scale::Nines => {
                let decimals = (place.round() as usize).saturating_sub(2);
                format!("{:.decimals$} %", 100.0 * (1.0 - 10f64.powf(-place)))
            }
        }
    }
}

fn power_of_ten(exponent: i32) -> String {
    match exponent {
        ..0 => format!("{:.*}", exponent.unsigned_abs() as usize, 10f64.powi(exponent)),
        0..3 => format!("{}", 10u64.pow(exponent.unsigned_abs())),
        3..6 => format!("{} k", 10u64.pow(exponent.unsigned_abs() - 3)),
        6..9 => format!("{} M", 10u64.pow(exponent.unsigned_abs() - 6)),
        _ => format!("1e{exponent}"),
    }
}

/// Lines over a common abscissa; `None` if there is nothing to join. `title` is read out where the
/// picture cannot be seen.
pub fn lines(title: &str, x: Axis<'_>, y: Axis<'_>, series: &[Series]) -> Option<String> {
    let place = |(a, b): &(f64, f64)| (x.scale.place(*a), y.scale.place(*b));
    let placed = |series: &Series| -> Vec<(f64, f64)> {
        series.points.iter().map(place).filter(|(a, b)| a.is_finite() && b.is_finite()).collect()
    };
    let lines: Vec<_> = series.iter().map(|series| (series, placed(series))).collect();
    let points = || lines.iter().flat_map(|(_, points)| points);
    let xs = span(points().map(|point| point.0))?;
    let ys = span(points().map(|point| point.1))?;
    Some(svg(title, HEIGHT, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(6)
            .margin_right(24)
            .x_label_area_size(42)
            .y_label_area_size(62)
            .build_cartesian_2d(xs.clone(), ys.clone())?;
        chart
            .configure_mesh()
            .max_light_lines(0)
            .bold_line_style(INK.mix(0.15))
            .axis_style(INK.mix(0.5))
            .label_style(FONT)
            .axis_desc_style(FONT)
            .x_desc(x.name)
            .y_desc(y.name)
            .x_labels(whole_places(&xs))
            .y_labels(whole_places(&ys))
            .x_label_formatter(&|place| x.scale.label(*place))
            .y_label_formatter(&|place| y.scale.label(*place))
            .draw()?;
        for (series, points) in &lines {
            let (points, style) = (points.iter().copied(), series.style());
            if series.is_second() {
                chart.draw_series(DashedLineSeries::new(points, 6, 4, style))?;
            } else {
                chart.draw_series(LineSeries::new(points, style))?;
            }
        }
        Ok(())
    }))
}

/// How many times the floor each row is, as bars that start at once the floor; `None` without rows.
pub fn bars(title: &str, axis: &str, rows: &[String], series: &[Series]) -> Option<String> {
    const BAR: u32 = 11;
    // As wide as the letters of most fonts are at most, on average.
    const LETTER: f64 = 0.62 * FONT.1 as f64;
    let longest = rows.iter().map(|name| name.chars().count()).max()?;
    let name_width = (LETTER * longest as f64) as u32 + 16;
    let place = |value: f64| value.log10();
    let places = series.iter().flat_map(|series| &series.points).map(|point| place(point.1));
    let places: Vec<f64> = places.filter(|place| place.is_finite()).collect();
    if places.is_empty() {
        return None;
    }
    let xs = span(places.into_iter().chain([0.0]))?;
    let label = |place: f64| match Scale::Log.label(place) {
        label if label.is_empty() => label,
        label => format!("{label}×"),
    };
    // Where not every power of ten has room for its label, only each second has one, or each third.
    let widest =
        [xs.start, xs.end].map(|place| label(place).chars().count() + 1).into_iter().max()?;
    let room = f64::from(WIDTH - name_width.min(WIDTH / 2) - 30);
    let step = ((xs.end - xs.start) * LETTER * widest as f64 / room).ceil().max(1.0);
    let height = BAR * (rows.len() * (series.len() + 1)) as u32 + 54;
    Some(svg(title, height, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(6)
            .margin_right(24)
            .x_label_area_size(42)
            .y_label_area_size(name_width.min(WIDTH / 2))
            .build_cartesian_2d(xs.clone(), rows.len() as f64..0.0)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .max_light_lines(0)
            .bold_line_style(INK.mix(0.15))
            .axis_style(INK.mix(0.5))
            .label_style(FONT)
            .axis_desc_style(FONT)
            .x_desc(axis)
            .x_labels(whole_places(&xs))
            .x_label_formatter(&|place| match place.round() % step == 0.0 {
                true => label(*place),
                false => String::new(),
            })
            .draw()?;
        let thickness = 1.0 / (series.len() as f64 + 1.0);
        for (number, series) in series.iter().enumerate() {
            let bar = |(row, value): &(f64, f64)| {
                let top = row + thickness * (number as f64 + 0.5);
                let style = series.style();
                let style = if series.is_second() { style } else { style.filled() };
                Rectangle::new([(0.0, top), (place(*value), top + thickness * 0.85)], style)
            };
            chart.draw_series(series.points.iter().map(bar))?;
        }
        let end = TextStyle::from(FONT).pos(Pos::new(HPos::Right, VPos::Center)).color(&INK);
        let row_name = |(row, name): (usize, &String)| {
            let (left, middle) = chart.backend_coord(&(xs.start, row as f64 + 0.5));
            Text::new(name.clone(), (left - 6, middle), end.clone())
        };
        for name in rows.iter().enumerate().map(row_name) {
            area.draw(&name)?;
        }
        Ok(())
    }))
}

/// The whole places around these, so that the labels at the ends are round.
fn span(places: impl Iterator<Item = f64>) -> Option<Range<f64>> {
    let ends = |(least, most): (f64, f64), place: f64| (least.min(place), most.max(place));
    let (least, most) = places.fold((f64::INFINITY, f64::NEG_INFINITY), ends);
    (least <= most).then(|| least.floor()..most.ceil().max(least.floor() + 1.0))
}

fn whole_places(span: &Range<f64>) -> usize {
    (span.end - span.start) as usize + 1
}

type Drawn = Result<(), Box<dyn Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A picture that takes the ink of the page it stands in.
fn svg(title: &str, height: u32, draw: impl FnOnce(&Area<'_>) -> Drawn) -> String {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (WIDTH, height)).into_drawing_area();
        let drawn = draw(&area).and_then(|()| Ok(area.present()?));
        drawn.expect("drawing into a string cannot fail");
    }
    let body = text.find("xmlns=").and_then(|at| Some(at + text[at..].find('>')? + 1));
    let body = &text[body.expect("plotters begins with the element svg")..];
    let body = body.replace("\"#000000\"", "\"currentColor\"");
    let title = title.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{title}\" \
         xmlns=\"http://www.w3.org/2000/svg\">{body}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: Axis<'_> = Axis { name: "nanoseconds", scale: Scale::Log };

    fn series(points: &[(f64, f64)]) -> Series {
        Series { colour: Some(0), points: points.to_vec() }
    }

    #[test]
    fn axes_are_labelled_in_round_numbers() {
        let labels = [-2, 0, 2, 3, 5, 6, 9].map(|place| Scale::Log.label(f64::from(place)));
        assert_eq!(labels, ["0.01", "1", "100", "1 k", "100 k", "1 M", "1e9"]);
        let nines = [0.0, 1.0, 2.0, 3.0, 4.0].map(|place| Scale::Nines.label(place));
        assert_eq!(nines, ["0 %", "90 %", "99 %", "99.9 %", "99.99 %"]);
        assert_eq!(Scale::Log.label(0.5), "");
    }

    #[test]
    fn pictures_take_the_ink_of_the_page() {
        let picture = lines("a < b", LOG, LOG, &[series(&[(1.0, 10.0), (100.0, 20.0)])]).unwrap();
        assert!(picture.starts_with("<svg viewBox="), "{picture}");
        assert!(picture.contains("aria-label=\"a &lt; b\"") && picture.contains("nanoseconds"));
        assert!(picture.contains("currentColor") && !picture.contains("#000000"));
        assert!(picture.contains("polyline") && picture.trim_end().ends_with("</svg>"));
    }

    #[test]
    fn bars_name_their_rows() {
        let rows = ["ping".to_string(), "ready & set".to_string()];
        let picture = bars("ratios", "times", &rows, &[series(&[(0.0, 0.2), (1.0, 4.0)])]).unwrap();
        assert!(picture.contains("ping") && picture.contains("ready &amp; set"), "{picture}");
        assert!(picture.contains("0.1×") && picture.contains("10×"), "{picture}");
    }

    #[test]
    fn labels_that_would_overlap_are_left_out() {
        let name = "a workload of sizes, of which it has many".to_string();
        let bars = |least| {
            let points = [(0.0, least), (0.0, 1000.0)];
            bars("", "", std::slice::from_ref(&name), &[series(&points)]).unwrap()
        };
        let few = bars(0.1);
        assert!(["0.1×", "1×", "10×", "100×", "1 k×"].iter().all(|label| few.contains(label)));
        let many = bars(0.00001);
        assert!(many.contains("1×") && !(many.contains("10×") && many.contains("100×")), "{many}");
    }

    #[test]
    fn colours_come_again_in_another_form() {
        let again = Series { colour: Some(COLOURS.len()), points: vec![(0.0, 2.0), (1.0, 4.0)] };
        let first = Series { colour: Some(0), ..again.clone() };
        let rows = ["one".to_string(), "two".to_string()];
        let bars = |series: &Series| bars("", "", &rows, std::slice::from_ref(series)).unwrap();
        assert!(bars(&first).contains("fill=\"#008F68\""), "{}", bars(&first));
        assert!(!bars(&again).contains("fill=\"#008F68\"") && bars(&again).contains("#008F68"));
        let lines = |series: &Series| {
            let points = vec![(1.0, 1.0), (10.0, 10.0)];
            lines("", LOG, LOG, &[Series { points, ..series.clone() }]).unwrap()
        };
        let strokes = |svg: String| svg.matches("stroke=\"#008F68\"").count();
        assert_eq!(strokes(lines(&first)), 1);
        assert!(strokes(lines(&again)) > 10, "dashes");
    }

    #[test]
    fn the_names_of_rows_have_room() {
        let name = "a workload of sizes, of which it has many".to_string();
        let svg = bars("", "", &[name], &[series(&[(0.0, 2.0)])]).unwrap();
        let text = svg.split("<text").find(|text| text.contains("of sizes")).unwrap();
        let x = text.split("x=\"").nth(1).and_then(|x| x.split('"').next());
        let x: f64 = x.and_then(|x| x.parse().ok()).unwrap();
        assert!(x >= f64::from(WIDTH) / 2.0 - 12.0, "{x}");
    }

    #[test]
    fn nothing_is_no_picture() {
        assert_eq!(lines("", LOG, LOG, &[series(&[])]), None);
        assert_eq!(lines("", LOG, LOG, &[series(&[(0.0, 0.0)])]), None, "zero has no logarithm");
        assert_eq!(bars("", "", &[], &[]), None);
    }
}
