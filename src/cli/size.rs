//! `caddie size`

use camino::{Utf8Path, Utf8PathBuf};
use clap::{Args, ValueEnum};

use super::pack::MinifyWhen;
use super::requests::Asked;
use super::rulebook_option::RulebookOption;
use super::terminal;
use crate::checks::sizing::{self, Part, SizedEntry, Sizing};
use caddie_files::Result;
use caddie_files::exit;
use caddie_files::text::{one_line, thousands};

/// Count an entry's bytes against the cap, under every accounting
///
/// For a records folder it shows each run as its log counts it; the largest model with the script as it is shipped,
/// packed as caddie pack would, and with the files that the script reads at run time; which of these the claim is; and
/// what the rules leave free or nobody counts: tokenizers and system programs.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  caddie size records/track_10min_16mb/2026-03-17_NaiveBaseline
  caddie size train_gpt.py model.int8.zlib
  caddie size --minify auto --format json records/track_10min_16mb/2026-04-10_VarLenAttn
  caddie size --cap 300000 demo.tar.zst
  caddie size '#1530'

A folder counts its script as shipped plus its largest model (as logged, else as
a file, else as claimed). Several files are summed. Of a checkout, its records/ or
a track, every records folder is a line.

Exit codes:
  0  within the cap, as shipped or as logged
  1  over it
  2  unreadable, or bytes that cannot be determined; the others are reported")]
pub struct SizeArgs {
    /// Records folders or folders of them, fetched pull requests (1530, '#1530'), artifacts (.tar.zst), or the files that
    /// are counted
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<Utf8PathBuf>,
    /// Cap in decimal bytes instead of 16,000,000
    #[arg(long, value_name = "BYTES", value_parser = super::bytes)]
    pub cap: Option<u64>,
    #[command(flatten)]
    pub rulebook: RulebookOption,
    /// When to run pyminify on a folder's script for the packed accounting
    #[arg(long, value_enum, value_name = "WHEN", default_value = "never")]
    pub minify: MinifyWhen,
    /// Format of the result
    #[arg(long, value_enum, default_value = "plain")]
    pub format: SizeFormat,
}

/// The format of sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SizeFormat {
    Plain,
    Json,
}

/// Counts, prints, and tells whether everything is within the cap; a path that cannot be counted does not stop the
/// others.
///
/// # Errors
/// When the rulebook cannot be read, or standard output cannot be written.
pub fn run(args: &SizeArgs) -> Result<u8> {
    crate::stop::at_once();
    let rulebook = args.rulebook.load()?;
    let asked = Asked::of(&args.paths, Utf8Path::new("."), &rulebook)?;
    let mut found = sizing::measure(&asked.folders()?, &rulebook, args.cap, args.minify.into());
    for sizing in &mut found.sizings {
        sizing.path = asked.named(Utf8Path::new(&sizing.path)).into_string();
    }
    found.failures.iter_mut().for_each(|failure| asked.rename(failure));
    let sizings = &found.sizings;
    let text = match args.format {
        SizeFormat::Plain if found.searched => overview(sizings),
        SizeFormat::Plain => sizings.iter().map(plain).collect::<Vec<_>>().join("\n"),
        SizeFormat::Json => json(sizings),
    };
    for failure in &found.failures {
        eprintln!("error: {}", super::shown(&failure.to_string()));
    }
    match args.format {
        SizeFormat::Plain => terminal::show(&text)?,
        SizeFormat::Json => super::print(&text)?,
    }
    let over = if sizings.iter().any(Sizing::is_over) { exit::FINDINGS } else { exit::OK };
    Ok(found.exit_code().unwrap_or(over))
}

fn verdict(sizing: &Sizing) -> &'static str {
    let helpers_over = sizing.accountings.iter().any(|row| row.helpers && row.headroom < 0);
    match (sizing.is_over(), sizing.counted > sizing.limit) {
        (true, _) => "over the cap",
        (false, true) => "within the cap as logged, over it as shipped; which counts is contested",
        (false, false) if helpers_over => {
            "within the cap, over it with its helper files; whether they count is contested"
        }
        (false, false) => "within the cap",
    }
}

/// Writes one line for each folder that was found below a path.
fn overview(sizings: &[Sizing]) -> String {
    let mut rows = vec![["counted", "headroom", "folder"].map(str::to_owned)];
    rows.extend(sizings.iter().map(|sizing| {
        let folder = format!("{}: {}", one_line(&sizing.path), verdict(sizing));
        [thousands(sizing.counted), thousands(sizing.headroom), folder]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths = [width(0), width(1)];
    let line =
        |[counted, room, folder]: &[String; 3]| format!("{counted:>0$}  {room:>1$}  {folder}\n", widths[0], widths[1]);
    let table: String = rows.iter().map(line).collect();
    let over = sizings.iter().filter(|sizing| sizing.is_over()).count();
    let limit = sizings.first().map_or(0, |sizing| sizing.limit);
    let limit = thousands(limit);
    format!("{table}{} sized, {over} over {limit} bytes; caddie size FOLDER shows its accountings\n", sizings.len())
}

fn plain(sizing: &Sizing) -> String {
    let pen = terminal::pen();
    let verdict = match (verdict(sizing), sizing.is_over()) {
        (words, true) => pen.alarm(words),
        (words @ "within the cap", false) => pen.good(words),
        (words, false) => pen.doubt(words),
    };
    let mut text = format!("{}: {verdict} ({})\n", one_line(&sizing.path), sizing.method);
    match &sizing.folder {
        Some(folder) => {
            text.push_str(&script(folder));
            text.push_str(&table(sizing, folder));
            text.push_str(&uncounted(folder));
        }
        None => text.push_str(&parts(sizing)),
    }
    text
}

/// Lists the summed parts of an artifact, or of files.
fn parts(sizing: &Sizing) -> String {
    let mut rows: Vec<(String, String)> =
        sizing.parts.iter().map(|part| (one_line(&part.name), thousands(part.bytes))).collect();
    rows.push(("counted".to_owned(), thousands(sizing.counted)));
    rows.push(("limit".to_owned(), thousands(sizing.limit)));
    rows.push(("headroom".to_owned(), thousands(sizing.headroom)));
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let digits = rows.iter().map(|(_, bytes)| bytes.len()).max().unwrap_or(0);
    rows.iter().map(|(name, bytes)| format!("  {name:<width$}  {bytes:>digits$}\n")).collect()
}

fn script(folder: &SizedEntry) -> String {
    let Some(script) = &folder.script else { return String::new() };
    let because = folder.script_because.as_deref().map_or_else(String::new, |why| format!(" ({})", one_line(why)));
    let other = folder.hands_over_to.as_deref().filter(|other| *other != script);
    let other = other.map_or_else(String::new, |other| format!(", which only executes {}", one_line(other)));
    format!("  script: {}{because}{other}\n", one_line(script))
}

/// Rows for the accountings, the claim and the limit; a cell is empty where nothing states the number.
fn table(sizing: &Sizing, folder: &SizedEntry) -> String {
    let cell = |bytes: Option<u64>| bytes.map_or_else(String::new, thousands);
    let titles = ["accounting", "model", "code", "total", "headroom"].map(str::to_owned);
    let mut rows = vec![(titles, String::new())];
    for row in &sizing.accountings {
        let cells = [cell(row.bytes_model), cell(row.bytes_code), thousands(row.bytes_total), thousands(row.headroom)];
        let [model, code, total, headroom] = cells;
        rows.push(([one_line(&row.name), model, code, total, headroom], String::new()));
    }
    if let Some(claimed) = &folder.claimed {
        let room = thousands(i128::from(sizing.limit) - i128::from(claimed.bytes));
        let name = format!("claimed in {}", one_line(&claimed.file));
        rows.push(([name, String::new(), String::new(), thousands(claimed.bytes), room], one_line(&claimed.is)));
    }
    let limit = ["limit".to_owned(), String::new(), String::new(), thousands(sizing.limit), String::new()];
    rows.push((limit, String::new()));
    let width = |column: usize| rows.iter().map(|(cells, _)| cells[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 5] = std::array::from_fn(width);
    let line = |(cells, remark): &([String; 5], String)| {
        let mut line = format!("  {:<1$}", cells[0], widths[0]);
        for (cell, width) in cells.iter().zip(widths).skip(1) {
            line.push_str(&format!("  {cell:>width$}"));
        }
        format!("{}\n", format!("{line}  {remark}").trim_end())
    };
    rows.iter().map(line).collect()
}

/// Lists the files that no total counts, and why.
fn uncounted(folder: &SizedEntry) -> String {
    let mut text = String::new();
    let mut say = |what: &str, files: String, why: &str| text.push_str(&format!("  {what}: {files}; {why}\n"));
    if !folder.helpers.is_empty() {
        say("read at run time", list(&folder.helpers), "in no total of the logs");
    }
    match &folder.tokenizer_named {
        _ if !folder.tokenizers.is_empty() => say("tokenizer", list(&folder.tokenizers), "free by the rules"),
        Some(named) => {
            let name = named.rsplit('/').find(|part| !part.is_empty()).unwrap_or(named);
            say("tokenizer", one_line(name), "named by the logs, not in the folder, free by the rules");
        }
        None => {}
    }
    if !folder.programs.is_empty() {
        say("system programs", folder.programs.join(", "), "called by the scripts, in no total");
    }
    text
}

fn list(parts: &[Part]) -> String {
    const NAMED: usize = 6;
    let one = |part: &Part| {
        let plural = if part.bytes == 1 { "" } else { "s" };
        format!("{} ({} byte{plural})", one_line(&part.name), thousands(part.bytes))
    };
    let mut named: Vec<String> = parts.iter().take(NAMED).map(one).collect();
    if parts.len() > NAMED {
        named.push(format!("{} more", parts.len() - NAMED));
    }
    named.join(", ")
}

fn json(sizings: &[Sizing]) -> String {
    // Plain structs with string keys always serialize.
    let mut text = serde_json::to_string_pretty(sizings).unwrap_or_else(|_| "[]".to_owned());
    text.push('\n');
    text
}
