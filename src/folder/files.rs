//! The files of a folder, listed and read within bounds: what lies there may come from anybody.

use std::io::Read;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{Error, Result};

/// Files that are listed; a records folder holds about ten.
pub const MAX_FILES: usize = 10_000;
/// Folders below the records folder that are entered (`logs/`, `ngram/`, `tokenizers/` are one deep).
const MAX_DEPTH: usize = 6;
/// Longest README, JSON or script that is read whole.
pub const MAX_TEXT_BYTES: u64 = 4 << 20;

/// One regular file of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileEntry {
    /// Relative to the folder, with `/`.
    pub path: Utf8PathBuf,
    pub bytes: u64,
}

/// Something in a folder that is not read, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Relative to the folder; unreadable characters replaced.
    pub path: Utf8PathBuf,
    pub reason: String,
}

/// Everything below a folder, in sorted order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Listing {
    pub files: Vec<FileEntry>,
    pub skipped: Vec<Skipped>,
}

/// Lists `root`. Links, devices, pipes and names that are not UTF-8 are skipped with a reason and never opened.
///
/// # Errors
/// When `root` itself is not a folder that can be listed.
pub fn list(root: &Utf8Path) -> Result<Listing> {
    let mut listing = Listing::default();
    let entries = root.read_dir_utf8().map_err(Error::io(root, "listing"))?;
    walk(root, entries, 0, &mut listing);
    listing.files.sort_by(|a, b| a.path.cmp(&b.path));
    listing.skipped.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(listing)
}

fn walk(root: &Utf8Path, entries: camino::ReadDirUtf8, depth: usize, listing: &mut Listing) {
    for entry in entries {
        if listing.files.len() + listing.skipped.len() >= MAX_FILES {
            let reason = format!("more than {MAX_FILES} entries; the rest of the folder was not looked at");
            if listing.skipped.last().is_none_or(|last| last.reason != reason) {
                listing.skipped.push(Skipped { path: Utf8PathBuf::from("."), reason });
            }
            return;
        }
        let entry = match entry {
            Ok(entry) => entry,
            // A name that is not UTF-8, or an entry that vanished: the error names it.
            Err(error) => {
                listing.skipped.push(Skipped { path: Utf8PathBuf::from("."), reason: error.to_string() });
                continue;
            }
        };
        let path = entry.path().strip_prefix(root).unwrap_or(entry.path()).to_owned();
        let mut skip = |reason: &str| listing.skipped.push(Skipped { path: path.clone(), reason: reason.to_owned() });
        // `metadata` of a directory entry does not follow links.
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            Err(error) => {
                skip(&error.to_string());
                continue;
            }
        };
        if metadata.is_symlink() {
            skip("a symbolic link; links are not followed, put the file itself here");
        } else if metadata.is_file() {
            listing.files.push(FileEntry { path, bytes: metadata.len() });
        } else if !metadata.is_dir() {
            skip("neither a file nor a folder");
        } else if path.file_name() == Some(".git") {
            skip("a git directory");
        } else if depth == MAX_DEPTH {
            skip("nested too deep");
        } else {
            match entry.path().read_dir_utf8() {
                Ok(inner) => walk(root, inner, depth + 1, listing),
                Err(error) => skip(&error.to_string()),
            }
        }
    }
}

/// A path's metadata; where nothing lies there, the error is `missing`.
///
/// # Errors
/// When there is nothing, or it cannot be looked at.
pub fn metadata(path: &Utf8Path, missing: &str) -> Result<std::fs::Metadata> {
    std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::unreadable(path, missing),
        _ => Error::io(path, "opening")(error),
    })
}

/// Reads a text file whole; bytes that are not UTF-8 are replaced.
///
/// # Errors
/// When it cannot be read or is longer than [`MAX_TEXT_BYTES`].
pub fn read_text(path: &Utf8Path) -> Result<String> {
    Ok(match String::from_utf8(read_bounded(path)?) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

/// Reads a file that should be text, whole.
///
/// # Errors
/// When it cannot be read or is longer than [`MAX_TEXT_BYTES`].
pub fn read_bounded(path: &Utf8Path) -> Result<Vec<u8>> {
    let file = fs_err::File::open(path.as_std_path()).map_err(Error::io(path, "opening"))?;
    let mut bytes = Vec::new();
    file.take(MAX_TEXT_BYTES + 1).read_to_end(&mut bytes).map_err(Error::io(path, "reading"))?;
    if bytes.len() as u64 > MAX_TEXT_BYTES {
        return Err(Error::unreadable(path, format!("longer than {MAX_TEXT_BYTES} bytes; that is no text to read")));
    }
    Ok(bytes)
}

/// SHA-256 of a file in lower-case hexadecimal, read in pieces.
///
/// # Errors
/// When it cannot be read.
pub fn sha256(path: &Utf8Path) -> Result<String> {
    let mut file = fs_err::File::open(path.as_std_path()).map_err(Error::io(path, "opening"))?;
    let mut hasher = Sha256::new();
    std::io::copy(&mut file, &mut hasher).map_err(Error::io(path, "reading"))?;
    Ok(hex(&hasher.finalize()))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
