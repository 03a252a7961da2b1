//! A table as a figure (SVG): for each variant the mean difference to the reference with its interval, and a mark for every
//! seed. Intervals are shown and no bars, because a bar's length from zero would say that a small difference is small.
//!
//! The figure brings its own ground and follows the reader's light or dark scheme, so that it is readable on any page. It is
//! written by hand: a plotting library knows nothing of schemes, and there is one kind of figure.

use std::fmt::Write as _;

use super::rows;
use super::subject::SubjectKind;
use super::table::{AblationTable, Difference, VariantRow};
use caddie_files::text::{cut, printable};

const WIDTH: f64 = 820.0;
/// Edges of the plot: names stand before it, numbers after it.
const LEFT: f64 = 250.0;
const RIGHT: f64 = 590.0;
const TOP: f64 = 64.0;
const ROW: f64 = 28.0;
const BELOW: f64 = 66.0;
/// Characters of a name.
const NAME: usize = 34;
/// Intervals are drawn up to so many times the largest difference of a seed; two seeds give far wider ones.
const REACH: f64 = 3.0;

/// Colors that are told apart with any eyes, on light and on dark ground: better, worse, neither.
const STYLE: &str = "\
text{font-family:system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;font-size:13px;fill:#1f2328}\n\
.title{font-size:15px;font-weight:600}.small{font-size:12px}.faint{fill:#59636e}\n\
.ground{fill:#ffffff}.grid{stroke:#d1d9e0}.zero{stroke:#59636e;stroke-width:1.5}\n\
.line{stroke-width:2;fill:none}.better{stroke:#0969da}.worse{stroke:#bc4c00}.open{stroke:#59636e}\n\
.dot.better{fill:#0969da}.dot.worse{fill:#bc4c00}.dot.open{fill:#59636e}.seed{fill:none;stroke-width:1.2}\n\
@media (prefers-color-scheme:dark){\n\
text{fill:#f0f6fc}.faint{fill:#9198a1}.ground{fill:#0d1117}.grid{stroke:#3d444d}.zero{stroke:#9198a1}\n\
.better{stroke:#58a6ff}.worse{stroke:#ff9b55}.open{stroke:#9198a1}\n\
.dot.better{fill:#58a6ff}.dot.worse{fill:#ff9b55}.dot.open{fill:#9198a1}\n\
.seed.better,.seed.worse,.seed.open{fill:none}}\n\
.seed.better,.seed.worse,.seed.open{fill:none}\n";

/// Writes the figure. The same table gives the same bytes.
pub fn write(table: &AblationTable) -> String {
    let shown: Vec<(&VariantRow, Option<&Difference>)> =
        table.variants.iter().skip(1).map(|row| (row, row.difference.as_ref())).collect();
    let scale = Scale::of(shown.iter().filter_map(|(_, found)| *found));
    let bottom = TOP + ROW * shown.len() as f64;
    let height = bottom + BELOW;
    let title = title(table);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH:.0} {height:.0}\" width=\"{WIDTH:.0}\" height=\"{height:.0}\" \
         role=\"img\" aria-label=\"{}\">\n<title>{}</title>\n<style>\n{STYLE}</style>\n\
         <rect class=\"ground\" width=\"{WIDTH:.0}\" height=\"{height:.0}\"/>\n",
        xml(&title),
        xml(&title)
    );
    text(&mut svg, "title", "start", (16.0, 26.0), &title);
    text(&mut svg, "small faint", "start", (16.0, 45.0), &subtitle(table));
    axis(&mut svg, &scale, bottom);
    for (i, (row, found)) in shown.iter().enumerate() {
        let y = TOP + ROW * (i as f64 + 0.5);
        text(&mut svg, "", "end", (LEFT - 14.0, y + 4.5), &cut(&printable(&row.name), NAME));
        match found {
            Some(found) => mark(&mut svg, &scale, y, found),
            None => {
                text(&mut svg, "small faint", "middle", ((LEFT + RIGHT) / 2.0, y + 4.0), "no seed that both finished")
            }
        }
        let numbers = found.map(|found| match rows::interval(row) {
            Some(interval) => format!("{} {interval}", rows::signed(found.mean)),
            None => rows::signed(found.mean),
        });
        text(&mut svg, "small faint", "start", (RIGHT + 14.0, y + 4.0), &numbers.unwrap_or_default());
    }
    svg.push_str("</svg>\n");
    svg
}

fn title(table: &AblationTable) -> String {
    let toy = if table.subject.kind == SubjectKind::Rehearsal { ", rehearsed at toy size" } else { "" };
    let other = if table.ladder { "the rung before" } else { "the reference" };
    format!("Δ val_bpb to {other}: {}{toy}", printable(&table.subject.name))
}

fn subtitle(table: &AblationTable) -> String {
    let seeds: Vec<String> = table.seeds.iter().map(u64::to_string).collect();
    format!(
        "mean and {:.0} % interval of the paired differences (dot, line); one ring for each seed of {}",
        100.0 * table.confidence,
        seeds.join(", ")
    )
}

/// Where a difference lies in the plot.
struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    fn of<'a>(found: impl Iterator<Item = &'a Difference>) -> Scale {
        let found: Vec<&Difference> = found.collect();
        let largest = found.iter().flat_map(|one| &one.by_seed).fold(0.0f64, |most, delta| most.max(delta.abs()));
        let reach = REACH * if largest > 0.0 { largest } else { 1e-4 };
        let ends = found.iter().flat_map(|one| one.by_seed.iter().copied().chain(one.low).chain(one.high));
        let ends: Vec<f64> = ends.map(|end| end.clamp(-reach, reach)).collect();
        let low = ends.iter().fold(-reach / 60.0, |low, end| low.min(*end));
        let high = ends.iter().fold(reach / 60.0, |high, end| high.max(*end));
        let margin = 0.05 * (high - low);
        Scale { low: low - margin, high: high + margin }
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * (value - self.low) / (self.high - self.low)
    }

    /// Values at round distances, three to eight of them.
    fn ticks(&self) -> Vec<f64> {
        let rough = (self.high - self.low) / 7.0;
        let power = 10f64.powf(rough.log10().floor());
        let step =
            [1.0, 2.0, 5.0, 10.0].map(|times| times * power).into_iter().find(|step| *step >= rough).unwrap_or(rough);
        let (first, last) = ((self.low / step).ceil() as i64, (self.high / step).floor() as i64);
        (first..=last).map(|i| i as f64 * step).collect()
    }
}

fn axis(svg: &mut String, scale: &Scale, bottom: f64) {
    let ticks = scale.ticks();
    let step = ticks.windows(2).map(|pair| pair[1] - pair[0]).next().unwrap_or(1.0);
    let places = usize::try_from(-(step.log10() + 1e-9).floor() as i64).unwrap_or(0);
    for tick in ticks {
        let x = scale.x(tick);
        let class = if tick == 0.0 { "zero" } else { "grid" };
        line(svg, class, (x, TOP - 6.0), (x, bottom + 4.0));
        let label = if tick == 0.0 { "0".to_owned() } else { format!("{tick:+.places$}").replace('-', "−") };
        text(svg, "small faint", "middle", (x, bottom + 20.0), &label);
    }
    text(svg, "small faint", "end", (scale.x(0.0) - 10.0, bottom + 42.0), "← better");
    text(svg, "small faint", "start", (scale.x(0.0) + 10.0, bottom + 42.0), "worse →");
}

/// The line of an interval, the dot of its mean, and a ring for each seed.
fn mark(svg: &mut String, scale: &Scale, y: f64, found: &Difference) {
    let bounds = found.low.zip(found.high);
    let class = match bounds {
        Some((_, high)) if high < 0.0 => "better",
        Some((low, _)) if low > 0.0 => "worse",
        _ => "open",
    };
    if let Some((low, high)) = bounds {
        let (from, to) = (scale.x(low.max(scale.low)), scale.x(high.min(scale.high)));
        line(svg, &format!("line {class}"), (from, y), (to, y));
        end(svg, class, (from, y), if low < scale.low { Some(-1.0) } else { None });
        end(svg, class, (to, y), if high > scale.high { Some(1.0) } else { None });
    }
    for delta in &found.by_seed {
        circle(svg, &format!("seed {class}"), (scale.x(*delta), y), 3.0);
    }
    circle(svg, &format!("dot {class}"), (scale.x(found.mean), y), 4.5);
}

/// The end of an interval: a bar, or an arrow in a direction where it goes on beyond the plot.
fn end(svg: &mut String, class: &str, (x, y): (f64, f64), beyond: Option<f64>) {
    match beyond {
        None => line(svg, &format!("line {class}"), (x, y - 5.0), (x, y + 5.0)),
        Some(way) => {
            for side in [-5.0, 5.0] {
                line(svg, &format!("line {class}"), (x, y), (x - way * 7.0, y + side));
            }
        }
    }
}

// Writing to a String cannot fail.
fn line(svg: &mut String, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
    let _ = writeln!(svg, "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>");
}

fn circle(svg: &mut String, class: &str, (x, y): (f64, f64), radius: f64) {
    let _ = writeln!(svg, "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\"/>");
}

fn text(svg: &mut String, class: &str, anchor: &str, (x, y): (f64, f64), text: &str) {
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    let _ = writeln!(svg, "<text{class} x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>", xml(text));
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ablate::table::tests::example;

    #[test]
    fn the_same_table_gives_the_same_figure_with_a_ring_for_each_seed() {
        let (svg, again) = (write(&example()), write(&example()));
        assert_eq!(svg, again);
        let seeds: usize =
            example().variants.iter().filter_map(|row| Some(row.difference.as_ref()?.by_seed.len())).sum();
        assert_eq!(svg.matches("class=\"seed ").count(), seeds);
        assert!(svg.contains("prefers-color-scheme:dark") && svg.contains("class=\"ground\""));
    }

    #[test]
    fn what_users_wrote_is_text_and_stays_inside() {
        let svg = write(&example());
        assert!(svg.contains("a|b=&lt;x&gt; &amp; \\u{202e}&quot;y&quot;"), "{svg}");
        for part in svg.split(" x1=\"").chain(svg.split(" cx=\"")).skip(1) {
            let x: f64 = part.split('"').next().unwrap().parse().unwrap_or(LEFT);
            assert!((LEFT - 1.0..=RIGHT + 1.0).contains(&x), "{x} lies outside the plot");
        }
    }

    #[test]
    fn a_table_without_differences_and_one_without_spread_are_drawn() {
        let mut table = example();
        table.variants.truncate(1);
        assert!(write(&table).contains("worse →"));
        let mut table = example();
        table.variants.truncate(2);
        let none = Difference { mean: 0.0, by_seed: vec![0.0, 0.0], low: None, high: None };
        table.variants[1].difference = Some(none);
        assert!(!write(&table).contains("NaN"));
    }
}
