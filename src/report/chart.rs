//! Small figures as SVG: curves over steps, bars against a limit, an interval. The same numbers give the same bytes.
//!
//! They are written by hand: each is a few lines and labels, follows the reader's light or dark scheme, and names its
//! parts in words, so that no color has to be told apart.

mod bars;
mod curves;
mod interval;

use std::fmt::Write as _;

use caddie_files::text::printable;

pub use bars::{Bar, bars, budget};
pub use curves::{Series, curves};
pub use interval::{Estimate, interval};

/// Width of every figure, in the units of its own drawing.
const WIDTH: f64 = 640.0;

/// Colors of the figures, light and dark, by CSS variables that a page may share.
pub const COLORS: &str = "\
:root{--ink:#1f2328;--faint:#59636e;--ground:#ffffff;--grid:#d1d9e0;\
--s0:#0969da;--s1:#bc4c00;--s2:#1a7f37;--s3:#8250df;--s4:#9a6700;--s5:#bf3989}\n\
@media (prefers-color-scheme:dark){:root{--ink:#f0f6fc;--faint:#9198a1;--ground:#0d1117;--grid:#3d444d;\
--s0:#58a6ff;--s1:#ff9b55;--s2:#56d364;--s3:#bc8cff;--s4:#e3b341;--s5:#ff80c8}}\n";

/// Rules of the parts of a figure.
pub const STYLE: &str = "\
.chart text{font-family:system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;font-size:13px;fill:var(--ink)}\n\
.chart .faint{fill:var(--faint);font-size:12px}.chart .head{font-weight:600}\n\
.chart .grid{stroke:var(--grid);stroke-width:1}.chart .zero{stroke:var(--faint);stroke-width:1.5}\n\
.chart .curve{fill:none;stroke-width:1.8;stroke-linejoin:round}.chart .dashed{stroke-dasharray:5 4}\n\
.chart .k0{stroke:var(--s0)}.chart .k1{stroke:var(--s1)}.chart .k2{stroke:var(--s2)}\n\
.chart .k3{stroke:var(--s3)}.chart .k4{stroke:var(--s4)}.chart .k5{stroke:var(--s5)}\n\
.chart .f0{fill:var(--s0)}.chart .f1{fill:var(--s1)}.chart .f2{fill:var(--s2)}\n\
.chart .f3{fill:var(--s3)}.chart .f4{fill:var(--s4)}.chart .f5{fill:var(--s5)}\n\
.chart .room{fill:var(--grid)}\n";

/// Colors that follow one another; further series begin anew.
const HUES: usize = 6;

/// A figure inside of a page or, as a file, on its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chart {
    title: String,
    height: u32,
    body: String,
}

impl Chart {
    fn new(title: &str, height: u32) -> Chart {
        Chart { title: printable(title), height, body: String::new() }
    }

    /// Returns the figure for a page that has [`COLORS`] and [`STYLE`].
    pub fn inline(&self) -> String {
        self.svg("", "")
    }

    /// Returns the figure as a file that brings its own colors and ground.
    pub fn file(&self) -> String {
        let style = format!("<style>\n{COLORS}{STYLE}.ground{{fill:var(--ground)}}\n</style>\n");
        let size = format!(" xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH:.0}\" height=\"{}\"", self.height);
        self.svg(&size, &format!("{style}<rect class=\"ground\" width=\"{WIDTH:.0}\" height=\"{}\"/>\n", self.height))
    }

    fn svg(&self, attributes: &str, first: &str) -> String {
        let title = xml(&self.title);
        format!(
            "<svg{attributes} class=\"chart\" viewBox=\"0 0 {WIDTH:.0} {}\" role=\"img\" aria-label=\"{title}\">\n\
             <title>{title}</title>\n{first}{}</svg>\n",
            self.height, self.body
        )
    }

    // Writing to a String cannot fail.
    fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        let _ = writeln!(
            self.body,
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        );
    }

    fn rect(&mut self, class: &str, (x, y): (f64, f64), (width, height): (f64, f64)) {
        let width = width.max(0.0);
        let _ = writeln!(
            self.body,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
        );
    }

    fn dot(&mut self, class: &str, (x, y): (f64, f64)) {
        let _ = writeln!(self.body, "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\"/>");
    }

    fn text(&mut self, class: &str, anchor: &str, (x, y): (f64, f64), text: &str) {
        let text = xml(&printable(text));
        let _ = writeln!(
            self.body,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
        );
    }
}

/// A ruler from values to a range of the drawing.
#[derive(Debug, Clone, Copy)]
struct Ruler {
    values: (f64, f64),
    drawn: (f64, f64),
}

impl Ruler {
    /// A ruler over `low..=high`, widened where both are one.
    fn new(low: f64, high: f64, drawn: (f64, f64)) -> Ruler {
        let high = if high > low { high } else { low + low.abs().max(1.0) * 0.01 };
        Ruler { values: (low, high), drawn }
    }

    fn at(&self, value: f64) -> f64 {
        let ((low, high), (from, to)) = (self.values, self.drawn);
        from + (to - from) * (value - low) / (high - low)
    }

    /// Values at round distances, three to eight of them, with the digits that tell them apart.
    fn ticks(&self) -> (Vec<f64>, usize) {
        let (low, high) = self.values;
        let rough = (high - low) / 6.0;
        let power = 10f64.powf(rough.log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|times| times * power);
        let step = steps.into_iter().find(|step| *step >= rough).unwrap_or(rough);
        let places = usize::try_from(-(step.log10() + 1e-9).floor() as i64).unwrap_or(0);
        let (first, last) = ((low / step).ceil() as i64, (high / step).floor() as i64);
        ((first..=last.min(first + 20)).map(|index| index as f64 * step).collect(), places)
    }
}

/// Text as XML and HTML read it, also in an attribute.
pub fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "</title><script>alert(1)</script>\u{202e}\"'&";

    fn all() -> [Chart; 4] {
        let points = [(0, 6.9), (10, 3.0), (1_000, 2.0)];
        [
            curves(HOSTILE, HOSTILE, &[Series { name: HOSTILE.to_owned(), points: points.to_vec(), dashed: false }]),
            bars(HOSTILE, &[Bar { label: HOSTILE.to_owned(), amount: 5, share: 0.5 }]),
            budget(HOSTILE, 17_000_000, 16_000_000),
            interval(HOSTILE, &Estimate { mean: -0.002, low: -0.003, high: -0.001, margin: Some(0.0024) }),
        ]
    }

    #[test]
    fn what_strangers_wrote_is_text_and_stays_inside() {
        for chart in all() {
            for svg in [chart.inline(), chart.file()] {
                assert!(!svg.contains("<script") && !svg.contains('\u{202e}'), "{svg}");
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
                for part in svg.split(" x1=\"").chain(svg.split(" cx=\"")).filter(|part| !part.starts_with("<svg")) {
                    let x: f64 = part.split('"').next().and_then(|x| x.parse().ok()).unwrap_or(0.0);
                    assert!((0.0..=WIDTH).contains(&x), "{x} lies outside");
                }
            }
            assert!(chart.file().contains("xmlns=") && chart.file().contains("prefers-color-scheme:dark"));
        }
        assert_eq!(all(), all());
    }

    #[test]
    fn figures_without_numbers_are_drawn() {
        for svg in [curves("x", "y", &[]).file(), bars("x", &[]).file(), budget("x", 0, 0).file()] {
            assert!(!svg.contains("NaN"), "{svg}");
        }
    }
}
