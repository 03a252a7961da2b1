//! `caddie verify`

use std::io::IsTerminal;

use camino::Utf8PathBuf;
use clap::{Args, ValueEnum};

use crate::Result;
use crate::checks::{self, VerifyOptions};
use crate::error::exit;
use crate::report::{Format, Look, Report, Severity};
use crate::rulebook::Rulebook;

/// Check records folders: every number re-derived from the logs, every rule with its citation.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  caddie verify records/track_10min_16mb/2026-03-17_NaiveBaseline
  caddie verify --format json records/*/* > report.json
  caddie verify --fail-on warning --cap 300000 records/track_non_record_16mb/2026-05-01_Demo

Exit codes: 0 nothing at or above --fail-on, 1 findings, 2 a folder that cannot be read.
What cannot be determined is reported as unknown, which --fail-on warning counts and --fail-on error does not.")]
pub struct VerifyArgs {
    /// Records folders
    #[arg(required = true, value_name = "FOLDER")]
    pub folders: Vec<Utf8PathBuf>,
    /// How the report is written
    #[arg(long, value_enum, default_value = "plain")]
    pub format: Format,
    /// Least severity that makes the exit code 1
    #[arg(long, value_enum, default_value = "error")]
    pub fail_on: FailOn,
    /// Size cap in decimal bytes instead of the rulebook's 16,000,000
    #[arg(long, value_name = "BYTES")]
    pub cap: Option<u64>,
    /// Test the score against a pull request (#1493), a records folder, or a val_bpb
    #[arg(long, value_name = "PR|FOLDER|BPB")]
    pub against: Option<String>,
    /// One line a folder
    #[arg(long, short)]
    pub quiet: bool,
    /// Colours of plain output; NO_COLOR turns auto into never
    #[arg(long, value_enum, default_value = "auto", value_name = "WHEN")]
    pub color: Color,
}

/// Threshold of the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    Error,
    Warning,
    Never,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    Always,
    Never,
}

impl Color {
    fn wanted(self) -> bool {
        match self {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                !refused && std::io::stdout().is_terminal()
            }
        }
    }
}

impl FailOn {
    fn reached(self, worst: Option<Severity>) -> bool {
        match self {
            FailOn::Error => worst >= Some(Severity::Error),
            FailOn::Warning => worst >= Some(Severity::Warning),
            FailOn::Never => false,
        }
    }
}

/// Verifies each folder and prints one report; a folder that cannot be read does not stop the others.
///
/// # Errors
/// When standard output cannot be written.
pub fn run(args: &VerifyArgs) -> Result<u8> {
    let options = VerifyOptions { cap: args.cap, against: args.against.clone() };
    let mut folders = Vec::new();
    let mut unreadable = None;
    for folder in &args.folders {
        match checks::verify(folder, &options) {
            Ok(report) => folders.push(report),
            Err(error) => {
                eprintln!("error: {error}");
                unreadable = unreadable.max(Some(error.exit_code()));
            }
        }
    }
    let report = Report::new(Rulebook::builtin()?.id(), folders);
    let look = Look { colour: args.color.wanted(), quiet: args.quiet };
    let text = report.render(args.format, look);
    super::print(&text)?;
    let findings = if args.fail_on.reached(report.worst()) { exit::FINDINGS } else { exit::OK };
    Ok(unreadable.unwrap_or(findings))
}
