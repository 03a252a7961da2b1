//! A difference with its interval, beside nothing and beside the margin that is asked for.

use super::{Chart, Ruler, WIDTH};

/// A difference of means; negative is better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    pub mean: f64,
    pub low: f64,
    pub high: f64,
    /// The gain that is asked for, above 0 in the unit of the mean.
    pub margin: Option<f64>,
}

/// Draws the interval over a line with 0 and the margin.
pub fn interval(title: &str, estimate: &Estimate) -> Chart {
    let mut chart = Chart::new(title, 96);
    let margin = estimate.margin.map(|margin| -margin);
    let ends = [estimate.low, estimate.high, estimate.mean, 0.0].into_iter().chain(margin);
    // An interval of two runs may be a hundred times as wide as the difference.
    let reach = 20.0 * estimate.mean.abs().max(1e-4);
    let ends: Vec<f64> = ends.filter(|end| end.is_finite()).map(|end| end.clamp(-reach, reach)).collect();
    let low = ends.iter().copied().fold(0.0, f64::min);
    let high = ends.iter().copied().fold(0.0, f64::max);
    let room = 0.06 * (high - low).max(1e-6);
    let scale = Ruler::new(low - room, high + room, (30.0, WIDTH - 30.0));
    let (ticks, places) = scale.ticks();
    for tick in ticks {
        chart.line("grid", (scale.at(tick), 22.0), (scale.at(tick), 62.0));
        chart.text("faint", "middle", (scale.at(tick), 78.0), &format!("{tick:+.places$}").replace('-', "−"));
    }
    chart.line("zero", (scale.at(0.0), 18.0), (scale.at(0.0), 62.0));
    chart.text("faint", "middle", (scale.at(0.0), 13.0), "no difference");
    if let Some(margin) = margin {
        chart.line("curve k1 dashed", (scale.at(margin), 18.0), (scale.at(margin), 62.0));
        chart.text("faint", "middle", (scale.at(margin), 93.0), "margin asked for");
    }
    let class = if estimate.high < 0.0 { 2 } else { 0 };
    let at = |value: f64| scale.at(value.clamp(low, high));
    chart.line(&format!("curve k{class}"), (at(estimate.low), 42.0), (at(estimate.high), 42.0));
    for end in [estimate.low, estimate.high] {
        chart.line(&format!("curve k{class}"), (at(end), 35.0), (at(end), 49.0));
    }
    chart.dot(&format!("f{class}"), (at(estimate.mean), 42.0));
    chart
}
