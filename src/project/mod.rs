//! An entry's working folder: its `caddie.toml` holds what every command there would be told again and again.
//!
//! The file is looked for in the current folder and in those above it, as Cargo looks for its own. A flag wins over it.

mod file;
mod from_folder;
mod ignore;
mod written;

use camino::{Utf8Path, Utf8PathBuf};

use caddie_files::{Error, Result};

pub use file::{Project, RehearseSection};
pub use from_folder::{FolderFacts, of_folder};
pub use ignore::{Ignore, set_aside};
pub use written::{Init, init};

/// Name of the file.
pub const FILE: &str = "caddie.toml";

/// Reads the nearest `caddie.toml`, in `folder` or above it; `None` where there is none.
///
/// # Errors
/// When it cannot be read or is not what it should be, or lies above `folder` and belongs to another user: it may name a
/// program to start.
pub fn find(folder: &Utf8Path) -> Result<Option<Project>> {
    let Some(path) = folder.ancestors().map(|folder| folder.join(FILE)).find(|path| path.is_file()) else {
        return Ok(None);
    };
    if path.parent() != Some(folder) && is_of_another(&path)? {
        return Err(Error::unreadable(
            &path,
            "belongs to another user, and what it names would be run: work in its folder itself, or in one outside it",
        ));
    }
    Project::read(&path).map(Some)
}

/// Tells whether a file belongs to another user than the one who runs caddie.
fn is_of_another(path: &Utf8Path) -> Result<bool> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = path.metadata().map_err(Error::io(path, "reading"))?;
        Ok(metadata.uid() != nix::unistd::geteuid().as_raw())
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        Ok(false)
    }
}

/// Returns `path` as seen from `folder`, where it lies there.
fn within(path: &Utf8Path, folder: &Utf8Path) -> Utf8PathBuf {
    path.strip_prefix(folder).map_or_else(|_| path.to_owned(), Utf8Path::to_owned)
}
