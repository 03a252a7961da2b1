//! `caddie pack`

use camino::{Utf8Path, Utf8PathBuf};
use clap::{Args, ValueEnum};
use serde_json::json;

use caddie_files::exit;
use caddie_files::text::{one_line, thousands};
use caddie_files::{Error, Result};
use caddie_python::packings::{self, Barred, Minify, Options, Packing, Smallest};
use caddie_python::proof;
use caddie_python::{InFolder, Module, Unwrapped, encoding, unwrap};

/// Make a script smaller and self-extracting: minified, compressed, as raw characters or base85
///
/// Minifies with pyminify (of the Python package python-minifier) where that is on PATH, compresses as raw LZMA2, .xz
/// and brotli, and takes the smallest script that needs nothing more at run time. caddie unwraps its own output and
/// compares it before it writes, and so does every CPython from 3.10 on that is on PATH. A script that is a wrapper already is unwrapped and packed again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  caddie pack train_gpt.py -o packed/train_gpt.py
  caddie pack train_gpt.py --minify always --format json
  caddie pack train_gpt.py --minify never --brotli > packed.py

The packed script runs the same program under the same __file__. What it reads of
its own file is the packed text, so a script that counts or logs its code counts
and logs what ships. Line numbers of tracebacks are those of what caddie unwrap
prints. brotli is taken where the script imports it at its top, or with --brotli:
Python comes without it. Raw characters below a line `#coding:l1` are a fifth
shorter than base85. They are taken where a Python is there to prove them, and
where no line of the script reads its own file as text: the file is no UTF-8.

Exit codes:
  0  packed and compared
  1  packing makes it no smaller, so nothing is written
  2  unreadable, no Python, --out is the script itself, or --minify always without
     a minifier")]
pub struct PackArgs {
    /// The script
    #[arg(value_name = "SCRIPT")]
    pub script: Utf8PathBuf,
    /// Write the packed script to this file instead of standard output
    #[arg(short, long, visible_alias = "output", value_name = "FILE")]
    pub out: Option<Utf8PathBuf>,
    /// When to run pyminify
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    pub minify: MinifyWhen,
    /// Allow brotli; the packed script then needs the Python package brotli
    #[arg(long)]
    pub brotli: bool,
    /// Format of the report; json goes to standard output, and the script then only to --out
    #[arg(long, value_enum, default_value = "plain")]
    pub format: PackFormat,
}

/// The choice when to run a minifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MinifyWhen {
    /// Run it where it is installed and works
    Auto,
    /// Do not run it: the source inside is the script byte for byte
    Never,
    /// Fail without one, so that no two machines pack one script to two sizes
    Always,
}

impl From<MinifyWhen> for Minify {
    fn from(when: MinifyWhen) -> Minify {
        match when {
            MinifyWhen::Auto => Minify::Auto,
            MinifyWhen::Never => Minify::Never,
            MinifyWhen::Always => Minify::Always,
        }
    }
}

/// The format of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PackFormat {
    Plain,
    Json,
}

/// Packs, compares and writes.
///
/// # Errors
/// When the script cannot be read, or the packed one cannot be written or is not the same.
pub fn run(args: &PackArgs) -> Result<u8> {
    caddie_files::metadata(&args.script, "no such file; give a Python script")?;
    keeps_the_script(args)?;
    let shipped = caddie_files::read_bounded(&args.script)?;
    let inner = inner(&args.script, &shipped);
    is_python(&args.script, &inner.source)?;
    let options = Options { minify: args.minify.into(), brotli: args.brotli };
    let packed = packings::smallest(&inner.source, options, &proof::interpreters());
    let packed = packed.map_err(|why| Error::unreadable(&args.script, why))?;
    let report = PackReport { args, from: shipped.len() as u64, inner: &inner, packed: &packed };
    if args.format == PackFormat::Json {
        super::print(&report.json())?;
    } else {
        eprint!("{}", report.plain());
    }
    if !report.is_smaller() {
        return Ok(exit::FINDINGS);
    }
    match &args.out {
        Some(out) => fs_err::write(out.as_std_path(), &packed.packed.script).map_err(Error::io(out, "writing"))?,
        None if args.format == PackFormat::Plain => super::print_file(&packed.packed.script, "the packed script")?,
        None => {}
    }
    Ok(exit::OK)
}

/// Refuses to write over the script: its comments and names exist nowhere else once it is minified.
fn keeps_the_script(args: &PackArgs) -> Result<()> {
    let Some(out) = &args.out else { return Ok(()) };
    let same =
        |a: std::io::Result<Utf8PathBuf>, b: std::io::Result<Utf8PathBuf>| matches!((a, b), (Ok(a), Ok(b)) if a == b);
    if same(args.script.canonicalize_utf8(), out.canonicalize_utf8()) {
        let reason = "the script itself; it would be lost. Give --out another file or folder";
        return Err(Error::unreadable(out, reason));
    }
    Ok(())
}

/// Refuses a script that Python would refuse, because packed it fails as surely and its line numbers are gone.
fn is_python(script: &Utf8Path, source: &[u8]) -> Result<()> {
    match Module::parse(&encoding::text_of(source)) {
        Err(problem) if problem.is_syntax() => {
            Err(Error::unreadable(script, format!("{problem}; nothing was packed. Mend that line first")))
        }
        _ => Ok(()),
    }
}

/// Returns the code that the script executes: its own text, or the code that it carries where it is a wrapper.
fn inner(script: &Utf8Path, source: &[u8]) -> Unwrapped {
    let name = script.file_name().unwrap_or("train_gpt.py");
    let root = script.parent().filter(|parent| !parent.as_str().is_empty()).unwrap_or(Utf8Path::new("."));
    // Only a script that hands over to another file needs its neighbors; without them it is packed as it stands.
    let listing = caddie_files::list(root).map(|listing| listing.files).unwrap_or_default();
    let unwrapped = unwrap(source, name, &InFolder { root, files: &listing });
    match unwrapped.problems.first() {
        // A wrapper that is not understood is packed as it stands, once more.
        Some(_) => Unwrapped::plain(source),
        None => unwrapped,
    }
}

/// The report on a packing.
struct PackReport<'a> {
    args: &'a PackArgs,
    /// Bytes of the script as given.
    from: u64,
    inner: &'a Unwrapped,
    packed: &'a Smallest,
}

impl PackReport<'_> {
    fn to(&self) -> u64 {
        self.packed.packed.script.len() as u64
    }

    /// Tells whether the packing is smaller than the script and the file that it hands over to, because both ship.
    fn is_smaller(&self) -> bool {
        let other = self.inner.redirect().map_or(0, |_| self.inner.source.len() as u64);
        self.packed.is_smaller() && self.to() < self.from.saturating_add(other)
    }

    /// Lists the differences at run time, and the notes that explain the choice.
    fn notes(&self) -> Vec<String> {
        let packed = self.packed;
        let mut notes = Vec::new();
        if let Some(file) = self.inner.redirect() {
            notes.push(format!("it only executes {}; that is packed and need not ship beside it", one_line(file)));
        } else if !self.inner.layers.is_empty() {
            let bytes = thousands(self.inner.source.len() as u64);
            notes.push(format!("it was packed already; the {bytes} bytes inside were packed again"));
        }
        match &packed.minifier {
            Ok((by, kept)) if packed.minified => {
                let kept = if *kept { "; annotations stay, the script reads them" } else { "" };
                let bytes = thousands(packed.source.len() as u64);
                notes.push(format!("minified by {by} to {bytes} bytes{kept}; run it once before you ship it"));
            }
            Ok((by, _)) => notes.push(format!("{by} ran; without it the script is as small")),
            Err(why) => notes.push(format!("not minified: {why}; the source inside is the script byte for byte")),
        }
        let barred = |packing: &&Packing| packing.bytes < self.to() && packing.barred.is_some();
        if let Some(smaller) = packed.packings.iter().find(barred) {
            notes.push(format!("{} would give {} bytes; {}", kind(smaller), thousands(smaller.bytes), remedy(smaller)));
        }
        match &*packed.proven {
            [] => {
                notes.push("no Python on PATH was there to try it; caddie itself unwrapped and compared it".to_owned())
            }
            versions => notes.push(format!("CPython {} reads the same source from it", versions.join(", "))),
        }
        if let Some(package) = packed.packed.codec.needs() {
            notes.push(format!("needs the Python package {package} where it runs: name it in requirements.txt"));
        }
        if packed.packed.keeps_source {
            notes.push("its lines go to linecache, so that Triton, inspect and tracebacks find them".to_owned());
        }
        if let Some(line) = line_of(&packed.source, "__file__") {
            notes.push(format!(
                "line {line} inside uses __file__, which is now the packed script: code that is read from there, to \
                 be logged or counted, is the packed text of {} bytes",
                thousands(self.to())
            ));
        }
        notes
    }

    fn plain(&self) -> String {
        let (from, to) = (thousands(self.from), thousands(self.to()));
        let path = one_line(self.args.script.as_str());
        let (codec, writing) = (self.packed.packed.codec.name(), self.packed.packed.writing.name());
        let mut text = if self.is_smaller() {
            let same = if self.packed.minified { "the minified source" } else { "the same bytes" };
            format!("{path}: {from} -> {to} bytes ({codec}, {writing}; unwraps to {same})\n")
        } else {
            format!("{path}: packed it has {to} bytes, as it is {from}: nothing was written, ship it as it is\n")
        };
        let width = self.packed.packings.iter().map(|packing| kind(packing).len()).max().unwrap_or(0);
        for packing in &self.packed.packings {
            let minified = if packing.minified { "minified" } else { "as it is" };
            let barred = packing.barred.as_ref().map_or(String::new(), |why| format!("  not taken: {}", reason(why)));
            let (name, bytes) = (kind(packing), thousands(packing.bytes));
            text.push_str(&format!("  {name:width$}  {minified}  {bytes:>9}{barred}\n"));
        }
        self.notes().iter().for_each(|note| text.push_str(&format!("  {note}\n")));
        text
    }

    fn json(&self) -> String {
        let packed = self.packed;
        let minifier = match &packed.minifier {
            Ok((by, kept)) => json!({"program": by, "used": packed.minified, "annotations_kept": kept, "reason": null}),
            Err(why) => json!({"program": null, "used": false, "annotations_kept": null, "reason": why}),
        };
        let value = json!({
            "path": self.args.script,
            "bytes": self.from,
            "bytes_packed": self.to(),
            "smaller": self.is_smaller(),
            "bytes_inside": packed.source.len(),
            "codec": packed.packed.codec,
            "writing": packed.packed.writing,
            "proven": packed.proven,
            "needs": packed.packed.codec.needs(),
            "keeps_source": packed.packed.keeps_source,
            "minifier": minifier,
            "packings": packed.packings.iter().map(|packing| json!({
                "codec": packing.codec, "writing": packing.writing, "minified": packing.minified,
                "bytes": packing.bytes, "needs": packing.codec.needs(), "allowed": packing.barred.is_none(),
                "reason": packing.barred.as_ref().map(reason),
            })).collect::<Vec<_>>(),
            "out": self.args.out.as_ref().filter(|_| self.is_smaller()),
            "notes": self.notes(),
        });
        format!("{value:#}\n")
    }
}

/// `raw LZMA2, Latin-1`
fn kind(packing: &Packing) -> String {
    format!("{}, {}", packing.codec.name(), packing.writing.name())
}

/// Says why a packing is not taken.
fn reason(why: &Barred) -> String {
    match why {
        Barred::Package => "needs a package".to_owned(),
        Barred::ReadsItself(line) => format!("line {line} reads the script's own file as text"),
        Barred::Unproven => "no Python on PATH to prove it".to_owned(),
        Barred::Refuted(reason) => reason.clone(),
    }
}

/// Says what would allow a packing.
fn remedy(packing: &Packing) -> String {
    match &packing.barred {
        Some(Barred::Package) => {
            let package = packing.codec.needs().unwrap_or("of that name");
            format!("it needs the Python package {package}: --brotli allows it")
        }
        Some(Barred::ReadsItself(line)) => {
            format!("line {line} would have to read its own file as bytes, or with encoding=\"latin-1\"")
        }
        Some(Barred::Unproven) => "put a CPython from 3.10 on into PATH to prove it".to_owned(),
        Some(Barred::Refuted(reason)) => reason.clone(),
        None => "nothing bars it".to_owned(),
    }
}

/// The first line of the source that holds the word, 1-based.
fn line_of(source: &[u8], word: &str) -> Option<usize> {
    let text = String::from_utf8_lossy(source);
    text.lines().position(|line| line.contains(word)).map(|at| at + 1)
}
