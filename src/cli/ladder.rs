//! `caddie ladder`

use clap::Args;
use comfy_table::{CellAlignment, Table, presets};

use super::rulebook_option::RulebookOption;
use caddie_files::Result;
use caddie_files::exit;
use caddie_files::text::cut;
use caddie_rulebook::Row;
use caddie_rulebook::stats::sample_std;

/// List the records, oldest first: what `verify` tests a score against.
#[derive(Debug, Args)]
#[command(after_help = "\
n, mean and std are those of the runs that the next record is tested against, in
bits per byte, sample std. A row marked - did not beat the rows above it.
A terminal cuts long rows; a pipe does not.

Examples:
  caddie ladder
  caddie verify --against '#1493' records/track_10min_16mb/2026-05-01_Mine")]
pub struct LadderArgs {
    #[command(flatten)]
    pub rulebook: RulebookOption,
}

/// Prints the ladder.
///
/// # Errors
/// When the rulebook cannot be read, or standard output cannot be written.
pub fn run(args: &LadderArgs) -> Result<u8> {
    let book = args.rulebook.load()?;
    let ladder = &book.records;
    if ladder.rows.is_empty() {
        super::print(&format!("{} has no ladder of records\n", super::shown(&book.id())))?;
        return Ok(exit::OK);
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["date", "PR", "", "val_bpb", "n", "mean", "std", "tokenizer", "folder", "author"]);
    for (position, row) in ladder.rows.iter().enumerate() {
        table.add_row(cells(row, ladder.is_frontier(position)));
    }
    for column in [1, 3, 4, 5, 6] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let width = super::columns_of_stdout();
    let fitted = |line: String| width.map_or_else(|| line.trim_end().to_owned(), |width| cut(line.trim_end(), width));
    let lines: Vec<String> = table.lines().map(fitted).collect();
    super::print(&format!("{}\n\nsource: {}\n", lines.join("\n"), ladder.source))?;
    Ok(exit::OK)
}

fn cells(row: &Row, frontier: bool) -> [String; 10] {
    let runs: Vec<f64> = row.standing().iter().flat_map(|runs| &runs.runs).map(|run| run.val_bpb).collect();
    [
        row.date.to_string(),
        row.pr.map_or_else(String::new, |pr| format!("#{pr}")),
        if frontier { "" } else { "-" }.to_owned(),
        format!("{:.4}", row.val_bpb),
        runs.len().to_string(),
        format!("{:.8}", row.mean()),
        sample_std(&runs).map_or_else(String::new, |std| format!("{std:.5}")),
        row.alphabet.clone(),
        row.folder.clone(),
        row.author.clone(),
    ]
}
