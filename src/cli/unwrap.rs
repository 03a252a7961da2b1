//! `caddie unwrap`

use camino::{Utf8Path, Utf8PathBuf};
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::checks::find;
use caddie_files::exit;
use caddie_files::text::{one_line, thousands};
use caddie_files::{Error, Result};
use caddie_python::{InFolder, Unwrapped, unwrap};
use caddie_rulebook::Rulebook;

/// Show the source that a script carries, without running it
///
/// Literals are read through a Python parser and decoded: base85, base64, hexadecimal, LZMA (.xz, .lzma, raw), zlib,
/// gzip, bz2, brotli and zstd, one in another up to 8 layers, and files beside the script that it executes. The script is
/// read in the encoding that its coding line names; a zip with a __main__.py is unpacked as Python would run it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  caddie unwrap records/track_10min_16mb/2026-05-01_Mine > inner.py
  caddie unwrap train_gpt.py --layers
  caddie unwrap train_gpt.py --layers --format json

The source goes to standard output, what was unwrapped to standard error. On a
terminal, control characters are shown as \\x1b; a file or a pipe gets every byte.
A script without a wrapper is printed as it is.

Exit codes:
  0  unwrapped, or nothing to unwrap
  1  something is executed, or packed, that could not be followed
  2  unreadable")]
pub struct UnwrapArgs {
    /// A script, or a records folder
    #[arg(value_name = "SCRIPT|FOLDER")]
    pub path: Utf8PathBuf,
    /// Print the layers instead of the source
    #[arg(long)]
    pub layers: bool,
    /// Write the source to this file
    #[arg(short, long, visible_alias = "output", value_name = "FILE")]
    pub out: Option<Utf8PathBuf>,
    /// Format of the layers
    #[arg(long, value_enum, default_value = "plain")]
    pub format: LayersFormat,
}

/// The format of layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LayersFormat {
    Plain,
    Json,
}

/// Unwraps and prints.
///
/// # Errors
/// When there is no script, or it cannot be read.
pub fn run(args: &UnwrapArgs) -> Result<u8> {
    let (path, unwrapped) = read(&args.path)?;
    if let Some(out) = &args.out {
        fs_err::write(out.as_std_path(), &unwrapped.source).map_err(Error::io(out, "writing"))?;
    }
    if args.layers || args.format == LayersFormat::Json {
        match args.format {
            LayersFormat::Plain => super::terminal::show(&plain(&path, &unwrapped))?,
            LayersFormat::Json => super::print(&json(&path, &unwrapped))?,
        }
    } else {
        eprint!("{}", plain(&path, &unwrapped));
        if args.out.is_none() {
            super::print_source(&unwrapped.source)?;
        }
    }
    Ok(if unwrapped.problems.is_empty() { exit::OK } else { exit::FINDINGS })
}

/// Returns the script of a folder, or the script itself with the folder that it lies in.
fn read(path: &Utf8Path) -> Result<(Utf8PathBuf, Unwrapped)> {
    let metadata = caddie_files::metadata(path, "no such file or folder; give a script or a records folder")?;
    let (root, listing, name) = if metadata.is_dir() {
        one_folder(path)?;
        let folder = caddie_folder::Folder::read(path)?;
        let Some(script) = folder.script else {
            return Err(Error::unreadable(path, "holds no Python script; give the script itself"));
        };
        (path.to_owned(), folder.files, script.path)
    } else {
        let Some(name) = path.file_name() else { return Err(Error::unreadable(path, "not a file")) };
        let root = path.parent().filter(|parent| !parent.as_str().is_empty()).unwrap_or(Utf8Path::new(".")).to_owned();
        let listing = caddie_files::list(&root)?.files;
        (root, listing, Utf8PathBuf::from(name))
    };
    let script = root.join(&name);
    let source = caddie_files::read_bounded(&script)?;
    let unwrapped = unwrap(&source, name.as_str(), &InFolder { root: &root, files: &listing });
    Ok((if metadata.is_dir() { script } else { path.to_owned() }, unwrapped))
}

/// Refuses a checkout or a track, because no script beside the records is theirs.
fn one_folder(path: &Utf8Path) -> Result<()> {
    let folders = find::find(&[path.to_owned()], &Rulebook::builtin()?.track_prefix).folders;
    match folders.first() {
        Some(first) if folders != [path.to_owned()] => {
            let many = folders.len();
            let reason = format!("not a records folder; it holds {many} of them, give one, e.g. {first}, or a script");
            Err(Error::unreadable(path, reason))
        }
        _ => Ok(()),
    }
}

fn plain(path: &Utf8Path, unwrapped: &Unwrapped) -> String {
    let path = one_line(path.as_str());
    let mut text = match unwrapped.layers.len() {
        0 => format!("{path}: no wrapper, {} bytes\n", thousands(unwrapped.source.len() as u64)),
        count => {
            let plural = if count == 1 { "" } else { "s" };
            format!("{path}: {count} layer{plural}, {} bytes inside\n", thousands(unwrapped.source.len() as u64))
        }
    };
    for (index, layer) in unwrapped.layers.iter().enumerate() {
        text.push_str(&format!("  {}  line {}: {}\n", index + 1, layer.line, one_line(&layer.kind())));
        let width = layer.steps.iter().map(|step| step.codec.len()).max().unwrap_or(0);
        for step in &layer.steps {
            let (from, to) = (thousands(step.bytes_in), thousands(step.bytes_out));
            text.push_str(&format!("       {:width$}  {from:>9} -> {to:>9}\n", step.codec));
        }
        if layer.steps.is_empty() {
            text.push_str(&format!("       {} bytes as they stand\n", thousands(layer.bytes_out)));
        }
    }
    for problem in &unwrapped.problems {
        text.push_str(&format!("{path}: {}\n", one_line(&problem.to_string())));
    }
    text
}

fn json(path: &Utf8Path, unwrapped: &Unwrapped) -> String {
    let value = json!({
        "path": path,
        "layers": unwrapped.layers.iter().map(|layer| json!({
            "kind": layer.kind(), "line": layer.line, "file": layer.file, "steps": layer.steps,
            "bytes_in": layer.bytes_in, "bytes_out": layer.bytes_out,
        })).collect::<Vec<_>>(),
        "bytes": unwrapped.source.len(),
        "problems": unwrapped.problems,
    });
    format!("{value:#}\n")
}
