//! A table in Markdown, as a README shows it.

use std::fmt::Write as _;

use super::rows;
use super::table::AblationTable;
use caddie_files::text::{one_line, printable};

/// Writes the table and what it means.
pub fn write(table: &AblationTable) -> String {
    let head = rows::head(table);
    let rule: Vec<&str> = head.iter().enumerate().map(|(i, _)| if i == 0 { "---" } else { "---:" }).collect();
    let mut text = format!("| {} |\n|{}|\n", head.join(" | "), rule.join("|"));
    for row in &table.variants {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| {} | {} |", code(&row.name).replace('|', "\\|"), rows::cells(row).join(" | "));
    }
    text.push('\n');
    for note in rows::notes(table, code) {
        let _ = writeln!(text, "{note}  ");
    }
    for (row, seed, failure) in table.failures() {
        let _ = writeln!(text, "{}, seed {seed} failed: {}  ", code(&row.name), code(&failure.reason));
    }
    let text = text.trim_end();
    format!("{text}\n")
}

/// What a user wrote, as code: no markup, and no line of its own.
fn code(text: &str) -> String {
    let text = printable(&one_line(text)).replace('`', "'");
    format!("`{text}`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ablate::table::tests::example;

    #[test]
    fn every_row_has_its_cells_whatever_its_name() {
        let text = write(&example());
        let rows: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).collect();
        assert_eq!(rows.len(), example().variants.len() + 2);
        for row in &rows {
            assert_eq!(row.replace("\\|", "").matches('|').count(), 10, "{row}");
        }
        assert!(text.contains("| `a\\|b=<x> & \\u{202e}\"y\"` |"), "{text}");
        assert!(text.ends_with("`killed: nobody asked it to end (killed by signal 9)`\n"), "{text}");
    }
}
