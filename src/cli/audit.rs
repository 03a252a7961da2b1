//! `caddie audit`

use camino::{Utf8Path, Utf8PathBuf};
use clap::{Args, ValueEnum};

use super::filter::Filter;
use super::requests::Asked;
use super::rulebook_option::RulebookOption;
use super::verify::FailOn;
use caddie_files::Result;

/// Examine a model file or a script without executing it
///
/// A model's audit shows every tensor, everything that is not a tensor, and validation tokens in the file. Models are
/// recognized by their contents: torch.save (zip and older), pickles, NumPy, safetensors, caddie's, bare or compressed with
/// zlib, gzip, zstd, LZMA or brotli, byte-shuffled or bundled. A script's audit shows what it would do with the
/// validation tokens: it follows values over the script's syntax tree, and gives the lines of each finding and what
/// would clear it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  caddie audit final_model.int8.ptz
  caddie audit final_model.int6.ptz --val data/fineweb_val_000000.bin
  caddie audit checkpoint.pt --train data/fineweb_train_000001.bin --format json
  caddie audit demo/demo.tar.zst runs/demo/seed-42
  caddie audit records/track_10min_16mb/2026-05-01_Mine --explain-path
  caddie audit train_gpt.py
  caddie audit '#1530'
  caddie audit records --format json

--val and --train look for the longest run of a shard's tokens in the unpacked
payload, read as integers of 8 to 64 bits and as floats. Tokens that are
encrypted, permuted or stored as differences are not found: no run is no proof.

A script is followed as its log configured it when a records folder is given, and
with its defaults when it is given alone. A finding says what was seen and how
sure that is; it is evidence, not a verdict. The report names what it looked for.

Exit codes:
  0  nothing at or above --fail-on
  1  findings
  2  a file that cannot be opened, or in which nothing can be read")]
pub struct AuditArgs {
    /// Model files, folders of them, or artifacts (.tar.zst); or scripts (.py), records folders, whose scripts are followed as
    /// their logs configured them, folders of records folders, or fetched pull requests (1530, '#1530')
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<Utf8PathBuf>,
    /// A shard of the validation split whose tokens must not be in the file; may be repeated
    #[arg(long, value_name = "SHARD")]
    pub val: Vec<Utf8PathBuf>,
    /// A shard of the training split; may be repeated
    #[arg(long, value_name = "SHARD")]
    pub train: Vec<Utf8PathBuf>,
    /// Budget in decimal bytes instead of the rulebook's
    #[arg(long, value_name = "BYTES")]
    pub cap: Option<u64>,
    /// Least severity that makes the exit code 1
    #[arg(long, value_enum, default_value = "error")]
    pub fail_on: FailOn,
    /// Show the calls that lead from the entry point to each line of a script
    #[arg(long)]
    pub explain_path: bool,
    /// Format of the audit
    #[arg(long, value_enum, default_value = "plain")]
    pub format: AuditFormat,
    #[command(flatten)]
    pub rulebook: RulebookOption,
    #[command(flatten)]
    pub filter: Filter,
}

/// The format of an audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AuditFormat {
    Plain,
    Json,
}

/// Audits and prints.
///
/// # Errors
/// When the file or a shard cannot be read.
pub fn run(args: &AuditArgs) -> Result<u8> {
    crate::stop::at_once();
    let rulebook = args.rulebook.load()?;
    let asked = Asked::of(&args.paths, Utf8Path::new("."), &rulebook)?;
    let of_models = |path: &Utf8PathBuf| super::audit_model::is_of_models(path, &rulebook);
    if !asked.requests.is_empty() || !asked.paths.iter().any(of_models) {
        return super::audit_script::run(args, &asked, &rulebook);
    }
    super::audit_model::run(args, &asked, &rulebook)
}
