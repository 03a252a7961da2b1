//! `caddie size`

use camino::Utf8PathBuf;
use clap::{Args, ValueEnum};

use super::rulebook_option::RulebookOption;
use crate::Result;
use crate::checks::sizing::{self, Sizing};
use crate::error::exit;
use crate::report::thousands;

/// Count an entry's bytes against the cap.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  caddie size records/track_10min_16mb/2026-03-17_NaiveBaseline
  caddie size train_gpt.py model.int8.zlib
  caddie size --cap 300000 demo.tar.zst

A folder counts its script as shipped plus its largest model (as logged, else as
a file, else as claimed). Several files are summed.

Exit codes:
  0  within the cap, as shipped or as logged
  1  over it
  2  unreadable, or bytes that cannot be determined")]
pub struct SizeArgs {
    /// A records folder, an artifact (.tar.zst), or the files that are counted
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<Utf8PathBuf>,
    /// Cap in decimal bytes instead of 16,000,000
    #[arg(long, value_name = "BYTES", value_parser = super::bytes)]
    pub cap: Option<u64>,
    #[command(flatten)]
    pub rulebook: RulebookOption,
    /// How the result is written
    #[arg(long, value_enum, default_value = "plain")]
    pub format: SizeFormat,
}

/// How sizes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SizeFormat {
    Plain,
    Json,
}

/// Counts, prints, and says whether everything is within the cap.
///
/// # Errors
/// When the rulebook or a path cannot be read, or its bytes cannot be determined.
pub fn run(args: &SizeArgs) -> Result<u8> {
    let sizings = sizing::measure(&args.paths, &args.rulebook.load()?, args.cap)?;
    let text = match args.format {
        SizeFormat::Plain => sizings.iter().map(plain).collect::<Vec<_>>().join("\n"),
        SizeFormat::Json => json(&sizings),
    };
    super::print(&text)?;
    Ok(if sizings.iter().any(Sizing::is_over) { exit::FINDINGS } else { exit::OK })
}

fn plain(sizing: &Sizing) -> String {
    let mut rows: Vec<(&str, String)> =
        sizing.parts.iter().map(|part| (part.name.as_str(), thousands(part.bytes))).collect();
    rows.push(("counted", thousands(sizing.counted)));
    if let Some(logged) = sizing.logged {
        rows.push(("total as logged", thousands(logged)));
    }
    rows.push(("limit", thousands(sizing.limit)));
    rows.push(("headroom", thousands(sizing.headroom)));
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let digits = rows.iter().map(|(_, bytes)| bytes.len()).max().unwrap_or(0);
    let verdict = match (sizing.is_over(), sizing.counted > sizing.limit) {
        (true, _) => "over the cap",
        (false, true) => "within the cap as logged, over it as shipped; which counts is contested",
        (false, false) => "within the cap",
    };
    let mut text = format!("{}: {verdict} ({})\n", sizing.path, sizing.method);
    for (name, bytes) in rows {
        text.push_str(&format!("  {name:<width$}  {bytes:>digits$}\n"));
    }
    text
}

fn json(sizings: &[Sizing]) -> String {
    // Plain structs with string keys always serialise.
    let mut text = serde_json::to_string_pretty(sizings).unwrap_or_else(|_| "[]".to_owned());
    text.push('\n');
    text
}
