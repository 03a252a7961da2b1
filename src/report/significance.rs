//! The significance tests as a compact table for a person.

use std::fmt::Write;

use comfy_table::{CellAlignment, Table, presets};

use super::{FolderReport, Significance};
use caddie_files::text::one_line;

/// One block for each pair of a sample and a baseline; empty where nothing was tested.
pub fn significance_table(report: &FolderReport) -> String {
    let mut text = String::new();
    let pair = |row: &Significance| (row.sample.clone(), row.baseline_name.clone());
    for block in report.significance.chunk_by(|a, b| pair(a) == pair(b)) {
        let Some(first) = block.first() else { continue };
        let runs = if first.baseline_n == 0 { String::new() } else { format!(", {} runs", first.baseline_n) };
        let marks = if block.iter().any(|row| row.decides && row.p_value.is_some()) { "; * decides" } else { "" };
        let (sample, name) = (one_line(&first.sample), one_line(&first.baseline_name));
        let _ = writeln!(text, "  {sample} (n = {}) against {name}{runs}{marks}", first.n);
        if block.iter().all(|row| row.p_value.is_none()) {
            let delta = block.iter().find_map(|row| row.delta.filter(|_| row.unit == "bpb"));
            let delta = delta.map_or_else(String::new, |delta| format!("{delta:+.5} bpb; "));
            let _ = writeln!(text, "    {delta}no test is possible: {}", why_none(block));
            continue;
        }
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        table.set_header(["    test", "unit", "delta", "margin", "t", "df", "p", "policy"]);
        for row in block {
            table.add_row(cells(row));
        }
        for column in 2..7 {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        for line in table.lines() {
            let _ = writeln!(text, "{}", line.trim_end());
        }
    }
    text
}

/// Explains what the first test lacks; one note stands for the others.
fn why_none(block: &[Significance]) -> String {
    block.iter().find_map(|row| row.note.as_deref()).map_or_else(|| "no runs".to_owned(), one_line)
}

/// Writes four decimals where they say something, else two digits.
pub fn p_value(p: f64) -> String {
    if p < 1e-3 { format!("{p:.1e}") } else { format!("{p:.4}") }
}

fn cells(row: &Significance) -> [String; 8] {
    let number =
        |value: Option<f64>, digits: usize| value.map_or_else(String::new, |value| format!("{value:.digits$}"));
    let verdict = match (row.passes, &row.note) {
        (_, Some(_)) if row.policy.is_some() => "no test for".to_owned(),
        (_, Some(_)) => "no test".to_owned(),
        (Some(true), _) => "passes".to_owned(),
        (Some(false), _) => "fails".to_owned(),
        (None, None) => "for comparison".to_owned(),
    };
    let policy = row.policy.as_deref().map_or_else(String::new, |policy| format!(" {policy}"));
    // In front, where a narrow terminal cuts nothing.
    let mark = if row.decides { '*' } else { ' ' };
    let note = row.note.as_deref().map_or_else(String::new, |note| format!(": {}", one_line(note)));
    [
        format!("  {mark} {}", row.test),
        row.unit.clone(),
        number(row.delta, 5),
        row.margin.to_string(),
        number(row.statistic, 2),
        number(row.df, 2),
        row.p_value.map_or_else(String::new, p_value),
        format!("{verdict}{policy}{note}"),
    ]
}
