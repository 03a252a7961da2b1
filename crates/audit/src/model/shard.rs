//! Token shards that a model is searched for.

use std::io::Read;

use caddie_files::{Error, Result};
use camino::{Utf8Path, Utf8PathBuf};

/// Longest shard that is read; the challenge's have 100 million tokens.
const MAX_BYTES: u64 = 512 << 20;

/// A shard in memory.
#[derive(Debug, Clone)]
pub struct Shard {
    pub path: Utf8PathBuf,
    pub tokens: Vec<u16>,
}

/// Reads a shard whole.
///
/// # Errors
/// When it cannot be read, or is no shard of as many tokens as it declares.
pub fn read(path: &Utf8Path) -> Result<Shard> {
    caddie_files::metadata(path, "no such shard; give a file like fineweb_val_000000.bin")?;
    let real = path.canonicalize_utf8().unwrap_or_else(|_| path.to_owned());
    let mut bytes = Vec::new();
    let open = caddie_files::open(&real).map_err(|error| error.renamed(&real, path))?;
    open.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(Error::io(path, "reading"))?;
    let tokens = parse(&bytes).map_err(|reason| Error::unreadable(path, reason))?;
    Ok(Shard { path: path.to_owned(), tokens })
}

/// Decodes the tokens of a shard's bytes.
///
/// # Errors
/// As [`read`].
pub fn parse(bytes: &[u8]) -> std::result::Result<Vec<u16>, String> {
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!("longer than {MAX_BYTES} bytes, the most that is read of a shard"));
    }
    caddie_format::shard::decode(bytes)
}
