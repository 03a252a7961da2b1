//! A plot of a running e-value, as SVG.

use std::fmt::Write as _;

use caddie_probe::evalue::PROVEN_NATS;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 360.0;
/// Room for the numbers on the left and below.
const MARGIN: f64 = 64.0;

/// The log e-value after each document, with the line above which a leak is proven.
pub fn svg(running: &[f64], title: &str) -> String {
    let values = running.iter().copied().chain([0.0, PROVEN_NATS]).filter(|value| value.is_finite());
    let (low, high) = values.fold((0.0f64, PROVEN_NATS), |(low, high), value| (low.min(value), high.max(value)));
    let y = |value: f64| MARGIN / 2.0 + (high - value) / (high - low) * (HEIGHT - 1.5 * MARGIN);
    let x = |document: usize| MARGIN + document as f64 / running.len().max(1) as f64 * (WIDTH - 1.5 * MARGIN);
    let mut points = format!("{:.1},{:.1}", x(0), y(0.0));
    for (document, value) in running.iter().enumerate().filter(|(_, value)| value.is_finite()) {
        let _ = write!(points, " {:.1},{:.1}", x(document + 1), y(*value)); // Writing to a String cannot fail.
    }
    let (right, bottom, proven) = (WIDTH - MARGIN / 2.0, HEIGHT - MARGIN, y(PROVEN_NATS));
    let label = |at: f64, text: &str| {
        format!("<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>\n", MARGIN - 6.0, at + 4.0)
    };
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{MARGIN}\" y=\"18\">{}</text>\n\
         <path d=\"M{MARGIN} {:.1}V{bottom:.1}H{right:.1}\" fill=\"none\" stroke=\"black\"/>\n\
         <path d=\"M{MARGIN} {proven:.1}H{right:.1}\" stroke=\"firebrick\" stroke-dasharray=\"6 4\"/>\n\
         <text x=\"{right:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"firebrick\">leak proven above</text>\n\
         {}{}{}\
         <text x=\"{right:.1}\" y=\"{:.1}\" text-anchor=\"end\">{} documents</text>\n\
         <polyline points=\"{points}\" fill=\"none\" stroke=\"steelblue\" stroke-width=\"1.5\"/>\n</svg>\n",
        escaped(title),
        MARGIN / 2.0,
        proven - 4.0,
        label(y(high), &format!("{high:.0}")),
        label(y(0.0), "0"),
        label(y(low), &format!("{low:.0}")),
        bottom + 18.0,
        running.len(),
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_document_is_a_point_inside_the_picture() {
        let plot = svg(&[-5.0, 30.0, f64::NAN, 12.0], "a <b> & c");
        let points = plot.split("points=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        let points: Vec<Vec<f64>> =
            points.split(' ').map(|pair| pair.split(',').map(|number| number.parse().unwrap()).collect()).collect();
        assert_eq!(points.len(), 4);
        assert!(points.iter().all(|point| (0.0..=WIDTH).contains(&point[0]) && (0.0..=HEIGHT).contains(&point[1])));
        assert!(plot.contains("a &lt;b&gt; &amp; c") && !plot.contains("NaN"));
        assert!(svg(&[], "").contains("0 documents"));
    }
}
