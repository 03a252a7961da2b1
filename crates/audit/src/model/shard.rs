//! Token shards, as the challenge ships its data: 256 integers of four bytes, then tokens of two.

use std::io::Read;

use caddie_files::{Error, Result};
use camino::{Utf8Path, Utf8PathBuf};

const HEADER_BYTES: usize = 1024;
const MAGIC: i32 = 20_240_520;
const VERSION: i32 = 1;
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

/// The tokens of a shard's bytes.
///
/// # Errors
/// As [`read`].
pub fn parse(bytes: &[u8]) -> std::result::Result<Vec<u16>, String> {
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!("longer than {MAX_BYTES} bytes, the most that is read of a shard"));
    }
    let word = |at: usize| bytes.get(at..at + 4).and_then(|word| word.try_into().ok()).map(i32::from_le_bytes);
    if (word(0), word(4)) != (Some(MAGIC), Some(VERSION)) {
        return Err(format!("no token shard: it does not begin with {MAGIC} and version {VERSION}"));
    }
    let declared = word(8).and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
    let body = bytes.get(HEADER_BYTES..).ok_or("a token shard that ends in its header")?;
    if Some(body.len()) != declared.checked_mul(2) {
        return Err(format!("it declares {declared} tokens, {} bytes follow its header", body.len()));
    }
    let (pairs, _) = body.as_chunks::<2>();
    Ok(pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect())
}
