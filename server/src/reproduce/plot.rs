//! Line charts and bar charts as SVG.

use std::fmt::Display;
use std::ops::Range;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

const SIZE: (u32, u32) = (840, 420);
/// The x position of the series' names, right of the plot.
const NAMES: u32 = 650;

/// Title and axes of a plot.
#[derive(Debug, Clone)]
pub(super) struct Plot<'a> {
    pub(super) title: &'a str,
    pub(super) x: &'a str,
    pub(super) y: &'a str,
}

/// A named series of points. In a bar chart, x is the number of the group.
#[derive(Debug, Clone)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
    /// Whether it is a dashed line in the colour of the previous series.
    dashed: bool,
}

impl Series {
    pub(super) fn new(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points, dashed: false }
    }

    /// A series to compare the previous one with.
    pub(super) fn beside(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { dashed: true, ..Self::new(name, points) }
    }
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

fn drawn<E: Display>(error: E) -> anyhow::Error {
    anyhow!("cannot draw a plot: {error}")
}

/// The series, each with its colour.
fn coloured(series: &[Series]) -> impl Iterator<Item = (&Series, RGBColor)> {
    series.iter().scan(0, |solid, one| {
        *solid += usize::from(!one.dashed);
        Some((one, colour(solid.saturating_sub(1))))
    })
}

/// Draws the names beside the plot, where they cover nothing.
fn names(area: &Area<'_>, series: &[Series]) -> Result<()> {
    for (place, (one, colour)) in coloured(series).enumerate() {
        let y = 40 + 20 * i32::try_from(place)?;
        let style = colour.stroke_width(2);
        let strokes: &[[i32; 2]] = if one.dashed { &[[8, 14], [18, 24]] } else { &[[8, 28]] };
        for &[from, to] in strokes {
            area.draw(&PathElement::new([(from, y), (to, y)], style)).map_err(drawn)?;
        }
        area.draw(&Text::new(one.name.as_str(), (34, y - 6), ("sans-serif", 13))).map_err(drawn)?;
    }
    Ok(())
}

/// Draws the empty plot on white, with the names beside it.
fn chart<'a>(area: &Area<'a>, plot: &Plot<'_>, series: &[Series], x: Range<f64>, y: Range<f64>) -> Result<Chart<'a>> {
    area.fill(&WHITE).map_err(drawn)?;
    let (within, beside) = area.split_horizontally(NAMES);
    names(&beside, series)?;
    ChartBuilder::on(&within)
        .caption(plot.title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(64)
        .build_cartesian_2d(x, y)
        .map_err(drawn)
}

fn colour(place: usize) -> RGBColor {
    // Colours that colour-blind people can tell apart (Okabe and Ito).
    const COLOURS: [(u8, u8, u8); 7] =
        [(0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0), (86, 180, 233), (0, 0, 0)];
    let (r, g, b) = COLOURS[place % COLOURS.len()];
    RGBColor(r, g, b)
}

fn bounds(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter(|v| v.is_finite()).fold(None, |found, v| {
        let (low, high) = found.unwrap_or((v, v));
        Some((v.min(low), v.max(high)))
    })
}

/// Draws lines through points. With `log` the labels of both axes are powers of ten or
/// of two, and positions are logarithms: to base 2 (x) and to base 10 (y).
pub(super) fn lines(plot: &Plot<'_>, series: &[Series], log: bool) -> Result<String> {
    let along = |x: f64| if log { x.log2() } else { x };
    let up = |y: f64| if log { y.log10() } else { y };
    let points = || series.iter().flat_map(|one| one.points.iter());
    let Some((left, right)) = bounds(points().map(|(x, _)| along(*x))) else { return Err(anyhow!("no points")) };
    let (low, high) = bounds(points().map(|(_, y)| up(*y))).unwrap_or((0.0, 1.0));
    let room = (high - low).max(high.abs() * 0.05).max(1e-9) * 0.1;
    let bottom = if log { low - room } else { (low - room).max(0.0) };
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        let mut chart = chart(&area, plot, series, left..right.max(left + 1e-9), bottom..high + room)?;
        let x_number = |x: &f64| match log {
            true if (x - x.round()).abs() > 1e-6 => String::new(),
            true => format!("{:.0}", x.exp2()),
            false => format!("{x:.0}"),
        };
        let y_number = |y: &f64| match log {
            true => format!("{:.0}", 10f64.powf(*y)),
            false if high >= 10.0 => format!("{y:.0}"),
            false => format!("{y:.3}"),
        };
        chart
            .configure_mesh()
            .x_desc(plot.x)
            .y_desc(plot.y)
            .x_label_formatter(&x_number)
            .y_label_formatter(&y_number)
            .light_line_style(WHITE)
            .draw()
            .map_err(drawn)?;
        for (one, colour) in coloured(series) {
            let line = one.points.iter().map(|(x, y)| (along(*x), up(*y)));
            let style = colour.stroke_width(2);
            if one.dashed {
                chart.draw_series(DashedLineSeries::new(line, 6, 4, style)).map_err(drawn)?;
                continue;
            }
            chart.draw_series(LineSeries::new(line.clone(), style)).map_err(drawn)?;
            chart.draw_series(line.map(|point| Circle::new(point, 3, colour.filled()))).map_err(drawn)?;
        }
        area.present().map_err(drawn)?;
    }
    Ok(text)
}

/// Draws bars side by side in named groups; a point's x is the number of its group.
pub(super) fn bars(plot: &Plot<'_>, groups: &[String], series: &[Series]) -> Result<String> {
    let high = bounds(series.iter().flat_map(|one| one.points.iter().map(|(_, y)| *y))).map_or(1.0, |(_, high)| high);
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        let mut chart = chart(&area, plot, series, -0.5..groups.len() as f64 - 0.5, 0.0..high.max(1e-9) * 1.05)?;
        let name = |x: &f64| {
            let whole = (x - x.round()).abs() < 1e-6 && *x > -0.5;
            let group = if whole { groups.get(x.round() as usize) } else { None };
            group.cloned().unwrap_or_default()
        };
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_desc(plot.x)
            .y_desc(plot.y)
            .x_labels(2 * groups.len() + 1)
            .x_label_formatter(&name)
            .y_label_formatter(&|y| format!("{y:.3}"))
            .light_line_style(WHITE)
            .draw()
            .map_err(drawn)?;
        let width = 0.8 / series.len().max(1) as f64;
        for (place, (one, colour)) in coloured(series).enumerate() {
            let start = -0.4 + place as f64 * width;
            let bar = |(x, y): &(f64, f64)| {
                Rectangle::new([(x + start, 0.0), (x + start + width * 0.92, *y)], colour.filled())
            };
            chart.draw_series(one.points.iter().map(bar)).map_err(drawn)?;
        }
        area.present().map_err(drawn)?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plots_are_svg_with_their_words() {
        let plot = Plot { title: "What", x: "shards", y: "HR@10" };
        let series = [
            Series::new("EEMU", vec![(1.0, 0.1), (8.0, 0.2)]),
            Series::beside("Mean", vec![(1.0, 0.1), (8.0, 0.1)]),
            Series::new("Median", vec![(1.0, 0.1)]),
        ];
        for text in [lines(&plot, &series, false), lines(&plot, &series, true)] {
            let text = text.unwrap();
            assert!(text.starts_with("<svg") && text.contains("EEMU") && text.contains("HR@10"), "{text}");
        }
        // Series that are compared share a colour; others differ.
        let colours: Vec<RGBColor> = coloured(&series).map(|(_, colour)| colour).collect();
        assert!(colours[0] == colours[1] && colours[1] != colours[2], "{colours:?}");
        let groups = ["epinions".to_owned(), "gowalla".to_owned()];
        let text = bars(&plot, &groups, &[Series::new("EEMU", vec![(0.0, 0.1), (1.0, 0.2)])]).unwrap();
        assert!(text.contains("gowalla") && text.contains("epinions"), "{text}");
        assert!(lines(&plot, &[], false).is_err());
    }
}
