//! `caddie ladder`

use clap::{Args, ValueEnum};
use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};

use super::rulebook_option::RulebookOption;
use caddie_files::Result;
use caddie_files::exit;
use caddie_files::text::cut;
use caddie_rulebook::stats::sample_std;
use caddie_rulebook::{Row, Rulebook};

/// List the records, oldest first: what `verify` tests a score against.
#[derive(Debug, Args)]
#[command(after_help = "\
n, mean and std are those of the runs that the next record is tested against, in
bits per byte, sample std. A row marked - did not beat the rows above it.
A terminal cuts long rows; a pipe does not.

Examples:
  caddie ladder
  caddie ladder --format json
  caddie verify --against '#1493' records/track_10min_16mb/2026-05-01_Mine")]
pub struct LadderArgs {
    /// Format of the list
    #[arg(long, value_enum, default_value = "plain")]
    pub format: LadderFormat,
    #[command(flatten)]
    pub rulebook: RulebookOption,
}

/// The format of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LadderFormat {
    Plain,
    Json,
}

/// Prints the ladder.
///
/// # Errors
/// When the rulebook cannot be read, or standard output cannot be written.
pub fn run(args: &LadderArgs) -> Result<u8> {
    let book = args.rulebook.load()?;
    let ladder = &book.records;
    if args.format == LadderFormat::Json {
        super::print(&format!("{:#}\n", list(&book)))?;
        return Ok(exit::OK);
    }
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
    super::terminal::show(&format!("{}\n\nsource: {}\n", lines.join("\n"), ladder.source))?;
    Ok(exit::OK)
}

/// Returns the ladder as JSON, in the form of docs/ladder.schema.json.
fn list(book: &Rulebook) -> Value {
    let ladder = &book.records;
    let rows: Vec<Value> = ladder.rows.iter().enumerate().map(|(at, row)| entry(row, ladder.is_frontier(at))).collect();
    json!({ "schema_version": 1, "rulebook": book.id(), "source": ladder.source, "rows": rows })
}

fn entry(row: &Row, frontier: bool) -> Value {
    let scores: Vec<f64> = row.standing().iter().flat_map(|runs| &runs.runs).map(|run| run.val_bpb).collect();
    json!({
        "date": row.date.to_string(),
        "pr": row.pr,
        "frontier": frontier,
        "val_bpb": row.val_bpb,
        "runs": scores,
        "mean": row.mean(),
        "std": sample_std(&scores),
        "tokenizer": row.alphabet,
        "folder": row.folder,
        "author": row.author,
    })
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
