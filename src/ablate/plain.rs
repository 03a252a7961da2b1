//! A table on the terminal.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, presets};

use super::rows;
use super::table::AblationTable;
use caddie_files::text::{counted, one_line, printable, wrapped};

/// Writes the table, what it means, and what failed. `width` is that of a terminal.
pub fn write(table: &AblationTable, width: Option<usize>) -> String {
    let mut cells = Table::new();
    cells.load_preset(presets::NOTHING);
    cells.set_header(rows::head(table));
    for row in &table.variants {
        cells.add_row(std::iter::once(printable(&row.name)).chain(rows::cells(row)));
    }
    for (i, column) in cells.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        column.set_cell_alignment(if i == 0 { CellAlignment::Left } else { CellAlignment::Right });
    }
    let mut text: String = cells.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    text.push('\n');
    for note in rows::notes(table, printable) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", wrapped("", &note, 0, width.or(Some(110))).trim_end());
    }
    let mut failed = 0;
    for (row, seed, failure) in table.failures() {
        failed += 1;
        let _ = writeln!(text, "\n{}, seed {seed} failed: {}", printable(&row.name), one_line(&failure.reason));
        for line in &failure.tail {
            let _ = writeln!(text, "  | {}", printable(line));
        }
        let _ = writeln!(text, "  log {}", failure.log);
    }
    if failed > 0 {
        let all: usize = table.variants.iter().map(|row| row.trials.len()).sum();
        let _ = writeln!(
            text,
            "\n{failed} of {} failed; the others are kept. The same command runs the failed ones again.",
            counted(all, "trial")
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ablate::table::tests::example;

    #[test]
    fn a_table_on_the_terminal() {
        insta::assert_snapshot!(write(&example(), None));
    }
}
