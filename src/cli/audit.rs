//! `caddie audit`

use std::fmt::Write;

use camino::{Utf8Path, Utf8PathBuf};
use clap::{Args, ValueEnum};

use super::filter::Filter;
use super::requests::Asked;
use super::rulebook_option::RulebookOption;
use super::verify::FailOn;
use crate::report::Finding;
use caddie_audit::model::{self as audit, Audit, AuditOptions, SHORTEST, Search, TensorReport};
use caddie_files::exit;
use caddie_files::text::{one_line, thousands};
use caddie_files::{Error, Result};

/// Most tensors that plain output lists; JSON has every one.
const MAX_TENSORS: usize = 60;

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
    /// A model file; or scripts (.py), records folders, whose scripts are followed as their logs configured them,
    /// folders of records folders, or fetched pull requests (1530, '#1530')
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
    if asked.paths.iter().all(|path| super::audit_script::is_for_a_script(path)) {
        return super::audit_script::run(args, &asked, &rulebook);
    }
    let ([path], []) = (asked.paths.as_slice(), asked.requests.as_slice()) else {
        return Err(Error::Usage("give one model file at a time, or any number of scripts and folders".to_owned()));
    };
    let options = AuditOptions { cap: args.cap, val: args.val.clone(), train: args.train.clone() };
    args.filter.check(&rulebook)?;
    let mut audit = audit::audit(path, &options, &rulebook)?;
    let unread = audit.is_unread();
    let before = audit.findings.len();
    audit.findings.retain(|finding| args.filter.keeps(finding, &rulebook));
    super::filter::tell(before - audit.findings.len());
    match args.format {
        AuditFormat::Plain => super::print(&plain(&audit))?,
        // Plain structs with string keys always serialize.
        AuditFormat::Json => {
            super::print(&format!("{}\n", serde_json::to_string_pretty(&audit).unwrap_or_else(|_| "{}".to_owned())))?;
        }
    }
    let found = args.fail_on.reached(audit.worst());
    if unread && !found {
        let path = super::shown(path.as_str());
        eprintln!("error: {path}: nothing in it could be read, so this audit clears nothing; its findings say why");
        return Ok(exit::USAGE);
    }
    Ok(if found { exit::FINDINGS } else { exit::OK })
}

fn plain(audit: &Audit) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = header(&mut text, audit)
        .and_then(|()| tensors(&mut text, &audit.tensors))
        .and_then(|()| rest(&mut text, audit));
    text
}

fn header(text: &mut String, audit: &Audit) -> std::fmt::Result {
    let formats: Vec<&str> = audit.formats.iter().map(|format| format.name()).collect();
    writeln!(text, "{}: {}", one_line(audit.path.as_str()), formats.join(", "))?;
    let (bytes, cap) = (thousands(audit.bytes), thousands(audit.cap));
    writeln!(text, "  {bytes} bytes, {:.2} % of the {cap} of code and model", audit.share * 100.0)?;
    writeln!(text, "  SHA-256 {}", audit.sha256)?;
    for layer in &audit.layers {
        let place = if layer.stream.is_empty() { String::new() } else { format!("{}: ", layer.stream) };
        let (from, to) = (thousands(layer.bytes_in), thousands(layer.bytes_out));
        writeln!(text, "  {place}{}  {from} -> {to}", layer.codec)?;
    }
    Ok(())
}

fn tensors(text: &mut String, tensors: &[TensorReport]) -> std::fmt::Result {
    if tensors.is_empty() {
        return writeln!(text, "\nNo tensors");
    }
    let count: u64 = tensors.iter().map(|tensor| tensor.numel).fold(0, u64::saturating_add);
    writeln!(text, "\n{} tensors, {} values", tensors.len(), thousands(count))?;
    let rows: Vec<[String; 6]> =
        std::iter::once(["name", "type", "shape", "levels", "bits/byte", "of the cap"].map(str::to_owned))
            .chain(tensors.iter().take(MAX_TENSORS).map(row))
            .collect();
    let widths: Vec<usize> = (0..6)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    for row in &rows {
        let mut line = String::from(" ");
        for (index, (cell, width)) in row.iter().zip(&widths).enumerate() {
            // Names and types begin together, numbers end together.
            if index < 3 { write!(line, " {cell:<width$}")? } else { write!(line, " {cell:>width$}")? }
        }
        writeln!(text, "{}", line.trim_end())?;
    }
    if tensors.len() > MAX_TENSORS {
        writeln!(text, "  … {} more; --format json lists every one", tensors.len() - MAX_TENSORS)?;
    }
    Ok(())
}

fn row(tensor: &TensorReport) -> [String; 6] {
    let shape: Vec<String> = tensor.shape.iter().map(u64::to_string).collect();
    let measured = tensor.measured.as_ref();
    [
        one_line(&tensor.name),
        tensor.dtype.name().to_owned(),
        format!("[{}]", shape.join(", ")),
        measured.and_then(|measured| measured.levels).map_or_else(|| "-".to_owned(), thousands),
        measured.map_or_else(|| "-".to_owned(), |measured| format!("{:.2}", measured.entropy)),
        measured.map_or_else(|| "-".to_owned(), |measured| format!("{:.2} %", measured.share * 100.0)),
    ]
}

fn rest(text: &mut String, audit: &Audit) -> std::fmt::Result {
    for pickle in &audit.pickles {
        let names: Vec<String> = pickle.globals.iter().take(20).map(|global| one_line(&global.path())).collect();
        let names = if names.is_empty() { "no names".to_owned() } else { names.join(", ") };
        writeln!(
            text,
            "\n{}: {} bytes, parsed and not run; looks up {names}",
            one_line(&pickle.member),
            thousands(pickle.bytes)
        )?;
    }
    writeln!(text)?;
    audit.searches.iter().try_for_each(|found| search(text, found))?;
    if audit.searches.iter().all(|search| search.role != audit::Role::Val) {
        writeln!(text, "validation tokens: not looked for; give --val SHARD")?;
    }
    if audit.findings.is_empty() {
        return writeln!(text, "nothing found");
    }
    writeln!(text)?;
    audit.findings.iter().try_for_each(|found| finding(text, found))
}

fn search(text: &mut String, search: &Search) -> std::fmt::Result {
    let (role, shard) = (search.role.name(), one_line(search.shard.as_str()));
    let searched = thousands(search.found.searched_bytes);
    let chance = search.found.chance_tokens;
    match &search.found.longest {
        Some(run) => {
            let tokens = thousands(run.tokens);
            writeln!(
                text,
                "{role} tokens of {shard}: the longest run in {searched} bytes has {tokens}; by chance about {chance:.0}"
            )
        }
        None => writeln!(
            text,
            "{role} tokens of {shard}: no run of {SHORTEST} in {searched} bytes; by chance about {chance:.0}"
        ),
    }
}

fn finding(text: &mut String, finding: &Finding) -> std::fmt::Result {
    let (severity, confidence) = (finding.severity.name(), finding.confidence.name());
    writeln!(text, "{severity} ({confidence} confidence) {}: {}", finding.rule, shown(&finding.message))?;
    finding.evidence.iter().try_for_each(|place| writeln!(text, "  {}", one_line(&place.text)))
}

/// Returns a whole message without characters that move the cursor.
fn shown(message: &str) -> String {
    super::shown(message)
}
