//! Places on disk: files that are whole or absent, and the locks of a study.

use std::fs::{File, TryLockError};

use camino::Utf8Path;
use fs_err as fs;

use crate::artifact::Staging;
use caddie_files::{Error, Result};

/// Writes a file that is whole or absent, whatever interrupts it.
pub(super) fn write(path: &Utf8Path, content: &[u8]) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(Error::io(parent, "creating"))?;
    }
    let staging = Staging::file(path, true)?;
    fs::write(staging.path(), content).map_err(Error::io(path, "writing"))?;
    staging.commit()
}

/// Locks the folder of a variant for this process, as `submit` locks that of a submission. The lock ends with the process,
/// however that ends.
pub(super) fn lock(folder: &Utf8Path) -> Result<File> {
    fs::create_dir_all(folder).map_err(Error::io(folder, "creating"))?;
    let path = folder.join("lock");
    let file = File::create(&path).map_err(Error::io(&path, "creating"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Usage(format!(
            "{folder}: another caddie is working in this run directory; wait until it ends, or choose another --out"
        ))),
        Err(TryLockError::Error(source)) => Err(Error::io(path, "locking")(source)),
    }
}
