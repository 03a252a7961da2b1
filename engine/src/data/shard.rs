//! One shard file, mapped into memory.

use std::fs::File;
use std::path::{Path, PathBuf};

use caddie_format::shard;
use memmap2::Mmap;

use super::mapped;
use crate::{Error, Result};

/// A mapped shard whose header agrees with the length of the file.
#[derive(Debug)]
pub(super) struct Shard {
    pub(super) path: PathBuf,
    bytes: Option<Mmap>,
    tokens: usize,
}

impl Shard {
    /// Maps `path` and checks magic, version and length.
    pub(super) fn open(path: &Path) -> Result<Shard> {
        let file = File::open(path).map_err(Error::io(path, "opening"))?;
        let size = file.metadata().map_err(Error::io(path, "reading the size"))?.len();
        // Nothing can be mapped of an empty file.
        let bytes = if size == 0 { None } else { Some(mapped::map(&file, path)?) };
        let start = bytes.as_deref().unwrap_or_default();
        let tokens = shard::count(start, size).map_err(|reason| Error::format(path, reason))?;
        Ok(Shard { path: path.to_owned(), bytes, tokens })
    }

    /// Number of tokens.
    pub(super) fn len(&self) -> usize {
        self.tokens
    }

    /// Tokens `start..start + len`, which the caller keeps within [`Shard::len`].
    pub(super) fn tokens(&self, start: usize, len: usize) -> impl Iterator<Item = u16> + '_ {
        let from = shard::HEADER_BYTES + 2 * start;
        shard::ids(&self.bytes.as_deref().unwrap_or_default()[from..from + 2 * len])
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::write;
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
        let path = write(dir.path(), "s.bin", &shard::encode(&[1, 513, 65_535]));
        let shard = Shard::open(&path).unwrap();
        assert_eq!((shard.len(), shard.tokens(1, 2).collect::<Vec<_>>()), (3, vec![513, 65_535]));
    }

    #[test]
    fn a_defect_is_told_with_the_file() {
        let good = shard::encode(&[1, 2, 3]);
        assert!(refused(&good[..good.len() - 1]).contains("but the file has 1029"));
        assert!(refused(&[]).contains("0 bytes are too few"));
    }
}
