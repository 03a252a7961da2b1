//! Curves over the steps of a training.

use std::fmt::Write as _;

use super::{Chart, HUES, Ruler, WIDTH};
use caddie_files::text::{cut, thousands};

const HEIGHT: u32 = 300;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 260.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = WIDTH - 14.0;
/// Share of the steps at the beginning, where losses fall so fast that they would flatten all that follows.
const FIRST: f64 = 0.02;
/// Most curves that are drawn.
const MOST: usize = 12;
/// Columns of a name, and the room that one takes.
const NAME: usize = 16;
const NAME_WIDTH: f64 = 118.0;

/// One curve: a value at each step.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    pub name: String,
    pub points: Vec<(u64, f64)>,
    /// True for a second kind of value beside the first.
    pub dashed: bool,
}

/// Draws the curves, each with its name; `what` is what is drawn, in its unit.
pub fn curves(title: &str, what: &str, series: &[Series]) -> Chart {
    let mut chart = Chart::new(title, HEIGHT);
    let series = &series[..series.len().min(MOST)];
    let last = series.iter().flat_map(|one| &one.points).map(|(step, _)| *step).max().unwrap_or(1).max(1);
    let after = (last as f64 * FIRST) as u64;
    let values = |from: u64| {
        let later = series.iter().flat_map(|one| &one.points).filter(move |(step, _)| *step >= from);
        later.map(|(_, value)| *value).filter(|value| value.is_finite())
    };
    // A training whose every print stands at its beginning is drawn whole.
    let from = if values(after).nth(1).is_some() { after } else { 0 };
    let low = values(from).fold(f64::INFINITY, f64::min);
    let high = values(from).fold(f64::NEG_INFINITY, f64::max);
    let (low, high) = if low.is_finite() { (low, high) } else { (0.0, 1.0) };
    let x = Ruler::new(0.0, last as f64, (LEFT, RIGHT));
    let y = Ruler::new(low, high, (BOTTOM, TOP + 8.0));
    axes(&mut chart, &x, &y, what);
    for (index, one) in series.iter().enumerate() {
        let mut points = String::new();
        for (step, value) in one.points.iter().filter(|(_, value)| *value <= high && value.is_finite()) {
            let gap = if points.is_empty() { "" } else { " " };
            // Writing to a String cannot fail.
            let _ = write!(points, "{gap}{:.1},{:.1}", x.at(*step as f64), y.at(*value));
        }
        let (hue, dashed) = (index % HUES, if one.dashed { " dashed" } else { "" });
        let _ = writeln!(chart.body, "<polyline class=\"curve k{hue}{dashed}\" points=\"{points}\"/>");
        let at = LEFT + (index % 5) as f64 * NAME_WIDTH;
        let row = 14.0 + (index / 5) as f64 * 15.0;
        chart.line(&format!("curve k{hue}{dashed}"), (at, row - 4.0), (at + 18.0, row - 4.0));
        chart.text("faint", "start", (at + 23.0, row), &cut(&one.name, NAME));
    }
    chart
}

fn axes(chart: &mut Chart, x: &Ruler, y: &Ruler, what: &str) {
    let (ticks, places) = y.ticks();
    for tick in ticks {
        chart.line("grid", (LEFT, y.at(tick)), (RIGHT, y.at(tick)));
        chart.text("faint", "end", (LEFT - 6.0, y.at(tick) + 4.0), &format!("{tick:.places$}"));
    }
    for tick in x.ticks().0 {
        let step = tick.max(0.0) as u64;
        let anchor = if tick <= 0.0 { "start" } else { "middle" };
        chart.text("faint", anchor, (x.at(tick).min(RIGHT - 16.0), BOTTOM + 18.0), &thousands(step));
    }
    chart.line("zero", (LEFT, BOTTOM), (RIGHT, BOTTOM));
    chart.text("faint", "middle", ((LEFT + RIGHT) / 2.0, BOTTOM + 34.0), &format!("step; {what}"));
}
