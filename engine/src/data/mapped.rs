//! The one place that maps a file into memory.
#![allow(unsafe_code)]

use std::fs::File;
use std::path::Path;

use memmap2::Mmap;

use crate::{Error, Result};

/// Maps `file` read-only. `path` is only for the message.
pub(super) fn map(file: &File, path: &Path) -> Result<Mmap> {
    // SAFETY: the mapping is private and read-only, and every byte pattern is a valid `u8`, so no value can be invalid.
    // What remains is a file that another process changes or shortens while we read it: data sets are written once,
    // ours through a temporary name and a rename. Reading a whole shard into memory instead would cost 200 MB each.
    unsafe { Mmap::map(file) }.map_err(Error::io(path, "mapping into memory"))
}
