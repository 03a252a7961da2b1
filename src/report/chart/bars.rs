//! Amounts as bars: parts of a whole, and bytes against their limit.

use super::{Chart, HUES, WIDTH};
use caddie_files::text::{cut, thousands};

const ROW: f64 = 24.0;
const TOP: f64 = 30.0;
const LEFT: f64 = 190.0;
const RIGHT: f64 = WIDTH - 160.0;
/// Columns of a label.
const LABEL: usize = 26;
/// Most bars of a figure.
const MOST: usize = 24;

/// A part of a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    pub label: String,
    /// Bytes, documents, or whatever is counted.
    pub amount: u64,
    /// Part of the whole, 0 to 1.
    pub share: f64,
}

/// Draws one bar a part, the longest over the whole width.
pub fn bars(title: &str, parts: &[Bar]) -> Chart {
    let parts = &parts[..parts.len().min(MOST)];
    let mut chart = Chart::new(title, (TOP + ROW * parts.len() as f64 + 8.0) as u32);
    chart.text("head", "start", (4.0, 18.0), &cut(title, 80));
    let most = parts.iter().map(|part| part.amount).max().unwrap_or(1).max(1);
    for (index, part) in parts.iter().enumerate() {
        let y = TOP + ROW * index as f64;
        let width = (RIGHT - LEFT) * part.amount as f64 / most as f64;
        chart.text("", "end", (LEFT - 8.0, y + 15.0), &cut(&part.label, LABEL));
        chart.rect(&format!("f{}", index % HUES), (LEFT, y + 3.0), (width, ROW - 8.0));
        let label = format!("{}  {:.1} %", thousands(part.amount), 100.0 * part.share);
        chart.text("faint", "start", (LEFT + width + 6.0, y + 15.0), &label);
    }
    chart
}

/// Draws a total in a bar whose end is the limit; what is over it goes on behind the limit's mark.
pub fn budget(title: &str, bytes: u64, limit: u64) -> Chart {
    let mut chart = Chart::new(title, 58);
    let (left, right) = (4.0, WIDTH - 4.0);
    let most = bytes.max(limit).max(1) as f64;
    let at = |bytes: u64| left + (right - left) * bytes as f64 / most;
    chart.rect("room", (left, 24.0), (at(limit) - left, 18.0));
    chart.rect("f0", (left, 24.0), (at(bytes.min(limit)) - left, 18.0));
    if bytes > limit {
        chart.rect("f1", (at(limit), 24.0), (at(bytes) - at(limit), 18.0));
    }
    chart.line("zero", (at(limit), 18.0), (at(limit), 48.0));
    chart.text("", "start", (left, 15.0), &format!("{} bytes", thousands(bytes)));
    let room = i128::from(limit) - i128::from(bytes);
    let left_over =
        if room < 0 { format!("{} over the limit", thousands(-room)) } else { format!("{} left", thousands(room)) };
    chart.text("faint", "end", (right, 15.0), &format!("limit {}, {left_over}", thousands(limit)));
    chart
}
