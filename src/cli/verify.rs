//! `caddie verify`

use std::collections::HashSet;

use camino::Utf8PathBuf;
use clap::{Args, ValueEnum};

use super::report_options::ReportOptions;
use crate::Result;
use crate::checks::{self, VerifyOptions};
use crate::error::exit;
use crate::folder::place::folder_of;
use crate::report::{Failure, Report, Root, Severity};
use crate::rulebook::Rulebook;

/// Check records folders: every number re-derived from the logs, every rule with its citation.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  caddie verify records/track_10min_16mb/2026-03-17_NaiveBaseline
  caddie verify --format json records/*/* > report.json
  caddie verify --report sarif=caddie.sarif --report junit=caddie.xml records/*/*
  caddie verify --fail-on warning --cap 300000 records/track_non_record_16mb/2026-05-01_Demo

Exit codes: 0 nothing at or above --fail-on, 1 findings, 2 a folder that cannot be read.
What cannot be determined is reported as unknown, which --fail-on warning counts and --fail-on error does not.")]
pub struct VerifyArgs {
    /// Records folders, or files of them
    #[arg(required = true, value_name = "FOLDER")]
    pub folders: Vec<Utf8PathBuf>,
    /// Least severity that makes the exit code 1
    #[arg(long, value_enum, default_value = "error")]
    pub fail_on: FailOn,
    /// Size cap in decimal bytes instead of the rulebook's 16,000,000
    #[arg(long, value_name = "BYTES")]
    pub cap: Option<u64>,
    /// Test the score against a pull request (#1493), a records folder, or a val_bpb
    #[arg(long, value_name = "PR|FOLDER|BPB")]
    pub against: Option<String>,
    #[command(flatten)]
    pub report: ReportOptions,
}

/// Threshold of the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    Error,
    Warning,
    Never,
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

/// Verifies each folder and writes the reports; a folder that cannot be read does not stop the others.
///
/// # Errors
/// When a report cannot be written.
pub fn run(args: &VerifyArgs) -> Result<u8> {
    let outputs = args.report.open()?;
    let options = VerifyOptions { cap: args.cap, against: args.against.clone() };
    let (mut folders, mut failures, mut unreadable) = (Vec::new(), Vec::new(), None);
    for folder in folders_of(&args.folders) {
        match checks::verify(&folder, &options) {
            Ok(report) => folders.push(report),
            Err(error) => {
                eprintln!("error: {error}");
                unreadable = unreadable.max(Some(error.exit_code()));
                failures.push(Failure::new(folder, &error));
            }
        }
    }
    let report = Report::new(Rulebook::builtin()?.id(), folders).with_failures(failures).with_root(Root::find());
    outputs.write(&report)?;
    let findings = if args.fail_on.reached(report.worst()) { exit::FINDINGS } else { exit::OK };
    Ok(unreadable.unwrap_or(findings))
}

/// The folders that the arguments name or lie in, each once: pre-commit hands over changed files.
fn folders_of(arguments: &[Utf8PathBuf]) -> Vec<Utf8PathBuf> {
    let mut known = HashSet::new();
    let folder = |path: &Utf8PathBuf| folder_of(path).filter(|_| path.is_file()).unwrap_or_else(|| path.clone());
    arguments.iter().map(folder).filter(|folder| known.insert(folder.clone())).collect()
}
