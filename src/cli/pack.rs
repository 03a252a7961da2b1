//! `caddie pack`

use camino::Utf8PathBuf;
use clap::Args;

use crate::code::pack;
use crate::error::exit;
use crate::folder::files;
use crate::report::thousands;
use crate::{Error, Result};

/// Make a script self-extracting and smaller: LZMA and base85
///
/// The packed script executes the same bytes; caddie unwraps its own output and compares before it writes. No
/// minifier is run: minify first (for example with pyminify) for a smaller script.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  caddie pack train_gpt.py -o packed/train_gpt.py
  caddie pack train_gpt.py > packed.py

A script that reads its own text (its __file__) reads the packed one.
The packed script needs Python's lzma and base64.

Exit codes:
  0  packed and compared
  2  unreadable, or it cannot be packed")]
pub struct PackArgs {
    /// The script
    #[arg(value_name = "SCRIPT")]
    pub script: Utf8PathBuf,
    /// Write the packed script to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<Utf8PathBuf>,
}

/// Packs, compares and writes.
///
/// # Errors
/// When the script cannot be read, or the packed one cannot be written or is not the same.
pub fn run(args: &PackArgs) -> Result<u8> {
    files::metadata(&args.script, "no such file; give a Python script")?;
    let source = files::read_bounded(&args.script)?;
    let packed = pack::pack(&source).map_err(|reason| Error::unreadable(&args.script, reason))?;
    match &args.out {
        Some(out) => fs_err::write(out.as_std_path(), &packed.script).map_err(Error::io(out, "writing"))?,
        None => super::print_bytes(&packed.script)?,
    }
    let (from, to) = (thousands(source.len() as u64), thousands(packed.script.len() as u64));
    eprintln!(
        "{}: {from} -> {to} bytes ({}, base85; not minified; unwraps to the same bytes)",
        args.script, packed.codec
    );
    if String::from_utf8_lossy(&source).contains("__file__") {
        eprintln!("{}: it uses __file__, which is the packed script from now on", args.script);
    }
    Ok(exit::OK)
}
