//! The files of a folder, listed and read within bounds: what lies there may come from anybody.

use std::io::{Read, Seek};

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::encoding::{self, Encoding};
use crate::pointer::{self, Pointer};
use crate::{Error, Result};

/// Files of a folder that are looked at; a records folder holds about ten.
pub const MAX_FILES: usize = 10_000;
/// Entries of a folder that are counted; beyond them not even the number is known.
const MAX_ENTRIES: usize = 200_000;
/// Entries that are reported as not read, one by one.
const MAX_SKIPPED: usize = 100;
/// Folders below the records folder that are entered (`logs/`, `ngram/`, `tokenizers/` are one deep).
const MAX_DEPTH: usize = 6;
/// Longest README, JSON or script that is read whole.
pub const MAX_TEXT_BYTES: u64 = 4 << 20;
/// Longest file that is opened at all: a log of 10 GB is read, a sparse one of a petabyte is not.
const MAX_FILE_BYTES: u64 = 32 << 30;

/// A regular file of a folder.
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
    let mut walk = Walk { root, listing: Listing::default(), entries: 0, skipped: 0 };
    walk.folder(Utf8Path::new(""), 0).map_err(Error::io(root, "listing"))?;
    Ok(walk.finish())
}

struct Walk<'a> {
    root: &'a Utf8Path,
    listing: Listing,
    entries: usize,
    skipped: usize,
}

impl Walk<'_> {
    fn folder(&mut self, below: &Utf8Path, depth: usize) -> std::io::Result<()> {
        for entry in std::fs::read_dir(self.root.join(below))? {
            if self.entries == MAX_ENTRIES {
                return Ok(());
            }
            self.entries += 1;
            match entry {
                Ok(entry) => self.entry(below, &entry, depth),
                Err(error) => self.skip(below.to_owned(), error.to_string()),
            }
        }
        Ok(())
    }

    fn entry(&mut self, below: &Utf8Path, entry: &std::fs::DirEntry, depth: usize) {
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            return self.skip(below.join(&*name.to_string_lossy()), "its name is not UTF-8; rename it");
        };
        let path = below.join(name);
        // `metadata` of a directory entry does not follow links.
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            Err(error) => return self.skip(path, error.to_string()),
        };
        if metadata.is_symlink() {
            self.skip(path, "a symbolic link; links are not followed, put the file itself here");
        } else if metadata.is_file() {
            self.listing.files.push(FileEntry { path, bytes: metadata.len() });
        } else if !metadata.is_dir() {
            self.skip(path, "neither a file nor a folder");
        } else if name == ".git" {
            self.skip(path, "a git directory");
        } else if depth == MAX_DEPTH {
            self.skip(path, "nested too deep");
        } else if let Err(error) = self.folder(&path, depth + 1) {
            self.skip(path, error.to_string());
        }
    }

    fn skip(&mut self, path: Utf8PathBuf, reason: impl Into<String>) {
        self.skipped += 1;
        if self.skipped <= MAX_SKIPPED {
            self.listing.skipped.push(Skipped { path, reason: reason.into() });
        }
    }

    /// Sorts, and keeps of too many files those that make a record, whatever order the disk gave them in.
    fn finish(self) -> Listing {
        let Walk { mut listing, entries, skipped, .. } = self;
        let mut whole = |reason: String| listing.skipped.push(Skipped { path: Utf8PathBuf::from("."), reason });
        if skipped > MAX_SKIPPED {
            whole(format!("{} more entries were not read", skipped - MAX_SKIPPED));
        }
        if entries == MAX_ENTRIES {
            whole(format!("it holds {MAX_ENTRIES} entries or more; the rest was not looked at"));
        } else if listing.files.len() > MAX_FILES {
            whole(format!("it holds {} files; {MAX_FILES} of them were looked at", listing.files.len()));
        }
        if listing.files.len() > MAX_FILES {
            listing.files.sort_by_cached_key(|file| (rank(&file.path), file.path.clone()));
            listing.files.truncate(MAX_FILES);
        }
        listing.files.sort_by(|a, b| a.path.cmp(&b.path));
        listing.skipped.sort_by(|a, b| a.path.cmp(&b.path));
        listing
    }
}

/// Keeps `most` files, those first that make a record; they stay sorted by path.
pub fn keep_most_telling(files: &mut Vec<&FileEntry>, most: usize) {
    if files.len() > most {
        files.sort_by_cached_key(|file| (rank(&file.path), file.path.clone()));
        files.truncate(most);
        files.sort_by(|a, b| a.path.cmp(&b.path));
    }
}

/// Ranks the files of a folder with too many: those near the top that a record consists of are looked at first.
fn rank(path: &Utf8Path) -> (usize, bool) {
    let name = path.file_name().unwrap_or("").to_ascii_lowercase();
    let of_a_record = name == "readme.md"
        || (name.starts_with("submission") && name.ends_with(".json"))
        || (name.starts_with("train") && [".py", ".log", ".txt"].iter().any(|end| name.ends_with(end)));
    (path.components().count(), !of_a_record)
}

/// Opens a regular file of a stranger's folder, to be read up to the length that it has now: a file that grows
/// meanwhile ends there. Nothing that took the file's place since it was listed is followed or waited for.
///
/// # Errors
/// When it cannot be opened, is a link, a pipe or a device by now, is too long, or is a pointer to the real file.
pub fn open(path: &Utf8Path) -> Result<std::io::Take<std::fs::File>> {
    let mut options = std::fs::OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32);
    }
    let mut file = options.open(path).map_err(|error| match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => Error::unreadable(path, "a symbolic link; links are not followed"),
        _ => Error::io(path, "opening")(error),
    })?;
    let metadata = file.metadata().map_err(Error::io(path, "opening"))?;
    if !metadata.is_file() {
        return Err(Error::unreadable(path, "not a regular file"));
    }
    if metadata.len() > MAX_FILE_BYTES {
        return Err(Error::unreadable(
            path,
            format!("{} bytes long; {MAX_FILE_BYTES} are read at most", metadata.len()),
        ));
    }
    refuse_pointer(path, &mut file, metadata.len())?;
    Ok(file.take(metadata.len()))
}

/// Refuses a file whose place a pointer has taken: its few bytes are not what the name promises.
fn refuse_pointer(path: &Utf8Path, file: &mut std::fs::File, bytes: u64) -> Result<()> {
    if bytes > pointer::MAX_BYTES {
        return Ok(());
    }
    let mut content = Vec::new();
    file.take(bytes).read_to_end(&mut content).map_err(Error::io(path, "reading"))?;
    file.rewind().map_err(Error::io(path, "reading"))?;
    match Pointer::parse(&content) {
        Some(pointer) => Err(Error::unreadable(path, pointer.to_string())),
        None => Ok(()),
    }
}

/// Refuses a path that a user names and that is no regular file: a read of a pipe would wait, and a read of a device
/// would not end. Follows a link, because the user named it.
///
/// # Errors
/// When nothing lies at `path`, or it is a folder, a pipe, a socket or a device.
pub fn regular(path: &Utf8Path) -> Result<()> {
    let metadata = metadata(path, "no such file; check the path")?;
    match metadata.is_file() {
        true => Ok(()),
        false if metadata.is_dir() => Err(Error::unreadable(path, "a folder; name a file")),
        false => Err(Error::unreadable(path, "not a regular file; name a file on disk")),
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

/// Reads a text file whole, in whatever encoding it is, and replaces bytes that are no text.
///
/// # Errors
/// When it cannot be read or is longer than [`MAX_TEXT_BYTES`].
pub fn read_text(path: &Utf8Path) -> Result<String> {
    read_encoded(path).map(|(text, _)| text)
}

/// Reads a text file as [`read_text`] does, and says in which encoding it is.
///
/// # Errors
/// As [`read_text`].
pub fn read_encoded(path: &Utf8Path) -> Result<(String, Encoding)> {
    read_bounded(path).map(encoding::decode)
}

/// Reads a file that should be text, whole.
///
/// # Errors
/// When it cannot be read or is longer than [`MAX_TEXT_BYTES`].
pub fn read_bounded(path: &Utf8Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(MAX_TEXT_BYTES + 1).read_to_end(&mut bytes).map_err(Error::io(path, "reading"))?;
    if bytes.len() as u64 > MAX_TEXT_BYTES {
        return Err(Error::unreadable(path, format!("longer than {MAX_TEXT_BYTES} bytes; that is not a text to read")));
    }
    Ok(bytes)
}

/// SHA-256 of a file in lower-case hexadecimal, read in pieces.
///
/// # Errors
/// When it cannot be read.
pub fn sha256(path: &Utf8Path) -> Result<String> {
    let mut file = open(path)?;
    let mut hasher = Sha256::new();
    std::io::copy(&mut file, &mut hasher).map_err(Error::io(path, "reading"))?;
    Ok(caddie_format::hex(&hasher.finalize()))
}
