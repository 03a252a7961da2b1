//! One shard file: 256 little-endian `i32` of header, then the tokens as little-endian `u16` (§1.1).

use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use super::mapped;
use crate::{Error, Result};

const HEADER_BYTES: u64 = 256 * 4;
const MAGIC: i32 = 20_240_520;
const VERSION: i32 = 1;

/// A mapped shard whose header agrees with the length of the file.
#[derive(Debug)]
pub(super) struct Shard {
    pub(super) path: PathBuf,
    bytes: Mmap,
    tokens: usize,
}

impl Shard {
    /// Maps `path` and checks magic, version and length.
    pub(super) fn open(path: &Path) -> Result<Shard> {
        let file = File::open(path).map_err(Error::io(path, "opening"))?;
        let size = file.metadata().map_err(Error::io(path, "reading the size"))?.len();
        if size < HEADER_BYTES {
            return Err(Error::format(
                path,
                format!("{size} bytes are too few for the {HEADER_BYTES}-byte header of a shard; fetch the file again"),
            ));
        }
        let bytes = mapped::map(&file, path)?;
        let tokens = check_header(&bytes, size).map_err(|reason| Error::format(path, reason))?;
        Ok(Shard { path: path.to_owned(), bytes, tokens })
    }

    /// Number of tokens.
    pub(super) fn len(&self) -> usize {
        self.tokens
    }

    /// Tokens `start..start + len`, which the caller keeps within [`Shard::len`].
    pub(super) fn tokens(&self, start: usize, len: usize) -> impl Iterator<Item = u16> + '_ {
        let from = HEADER_BYTES as usize + 2 * start;
        self.bytes[from..from + 2 * len].chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
    }
}

/// The number of tokens that the header states, once everything else in it is right.
fn check_header(bytes: &[u8], size: u64) -> std::result::Result<usize, String> {
    let mut words = bytes.chunks_exact(4).map(|word| i32::from_le_bytes([word[0], word[1], word[2], word[3]]));
    let (magic, version, tokens) =
        (words.next().unwrap_or_default(), words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if magic != MAGIC {
        return Err(format!(
            "the magic number is {magic}, not {MAGIC}: this is not a FineWeb shard; fetch it again, or take it away from the shards"
        ));
    }
    if version != VERSION {
        return Err(format!(
            "the shard's format version is {version}; only version {VERSION} is known; fetch the data set in that version"
        ));
    }
    let tokens =
        u64::try_from(tokens).map_err(|_| format!("the header states {tokens} tokens; fetch the file again"))?;
    let expected = HEADER_BYTES + 2 * tokens;
    if size != expected {
        return Err(format!(
            "the header states {tokens} tokens, so {expected} bytes, but the file has {size}; fetch the file again"
        ));
    }
    usize::try_from(tokens).map_err(|_| format!("{tokens} tokens do not fit this machine's address space"))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{shard_bytes, write};
    use super::*;

    fn refused(bytes: &[u8]) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = write(dir.path(), "fineweb_val_000000.bin", bytes);
        let message = Shard::open(&path).unwrap_err().to_string();
        assert!(message.contains("fineweb_val_000000.bin"), "{message}");
        message
    }

    #[test]
    fn a_good_shard_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = write(dir.path(), "s.bin", &shard_bytes(&[1, 513, 65_535]));
        let shard = Shard::open(&path).unwrap();
        assert_eq!((shard.len(), shard.tokens(1, 2).collect::<Vec<_>>()), (3, vec![513, 65_535]));
    }

    #[test]
    fn each_defect_is_named() {
        let good = shard_bytes(&[1, 2, 3]);
        let with = |word: usize, value: i32| {
            let mut bytes = good.clone();
            bytes[4 * word..4 * word + 4].copy_from_slice(&value.to_le_bytes());
            bytes
        };
        assert!(refused(&with(0, 20_240_801)).contains("magic number is 20240801, not 20240520"));
        assert!(refused(&with(1, 7)).contains("version is 7"));
        assert!(refused(&with(2, -1)).contains("states -1 tokens"));
        assert!(refused(&with(2, 4)).contains("4 tokens, so 1032 bytes, but the file has 1030"));
        assert!(refused(&good[..good.len() - 1]).contains("but the file has 1029"));
        assert!(refused(&good[..1023]).contains("1023 bytes are too few"));
        assert!(refused(&[]).contains("0 bytes are too few"));
    }
}
