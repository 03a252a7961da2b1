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
    fn everything_that_a_reader_has_to_know_is_below_the_table() {
        let text = write(&example(), None);
        for said in [
            "matrix_lr=0.03       1.64140 ± 0.00151  −0.00423  [−0.00640, −0.00206]",
            "a|b=<x> & \\u{202e}\"y\"",
            "Reference: recipe demo with train.iterations=40; one change at a time; seeds 0, 1, 2.",
            "uncorrected for 5 comparisons",
            "quant.matrix.bits=6: model_dim=136, +0.03 %: no value comes nearer",
            "broken=1: 1 of 3 seeds finished.",
            "broken=1, seed 1 failed: killed: nobody asked it to end",
            "  | step:9/20 train_loss:3.1",
            "2 of 18 trials failed; the others are kept.",
        ] {
            let unbroken = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let said_so = said.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(unbroken.contains(&said_so), "no {said_so:?} in:\n{text}");
        }
    }
}
