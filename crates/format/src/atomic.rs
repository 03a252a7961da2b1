//! Files that are either whole or not there: written under a temporary name beside the target, synced, then renamed.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// The reason why a file was not written.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The system refused.
    #[error("{path}: {action} failed: {source}", path = path.display())]
    Io { path: PathBuf, action: &'static str, source: std::io::Error },
    /// The path cannot be written to; the reason ends with what to do.
    #[error("{path}: {reason}", path = path.display())]
    Refused { path: PathBuf, reason: String },
}

impl Failure {
    fn io(path: impl Into<PathBuf>, action: &'static str) -> impl FnOnce(std::io::Error) -> Failure {
        let path = path.into();
        move |source| Failure::Io { path, action, source }
    }

    fn refused(path: &Path, reason: impl Into<String>) -> Failure {
        Failure::Refused { path: path.to_owned(), reason: reason.into() }
    }
}

/// Writes `path` through `body` and returns the bytes written.
///
/// A crash, a kill or a full disk at any moment leaves the earlier file as it was. The temporary name is the same on
/// every try, so what a killed process left is overwritten and never piles up; the lock on the run directory sees to it
/// that one process writes at a time.
///
/// A device or a pipe (`/dev/stdout`, `/dev/null`) is written as it is: a rename would put a file in its place.
///
/// # Errors
/// [`Failure::Io`] naming `path` when it cannot be created, written, synced or renamed; whatever `body` returns.
pub fn write<E: From<Failure>>(path: &Path, body: impl FnOnce(&mut dyn Write) -> Result<(), E>) -> Result<u64, E> {
    if is_device(path) {
        let mut out = BufWriter::new(File::options().write(true).open(path).map_err(Failure::io(path, "opening"))?);
        body(&mut out)?;
        out.flush().map_err(Failure::io(path, "writing"))?;
        return Ok(0);
    }
    let part = part_name(path)?;
    write_part(path, &part, body)
        .and_then(|bytes| {
            fs::rename(&part, path).map_err(Failure::io(path, "renaming the finished file"))?;
            sync_folder(path)?;
            Ok(bytes)
        })
        // The first failure is the one worth telling; a part that cannot be removed either is overwritten next time.
        .inspect_err(|_| drop(fs::remove_file(&part)))
}

/// Checks that `path` can be written now. Call it before the long work whose result goes there.
///
/// # Errors
/// When it is a folder, or lies in one that does not exist or cannot be written.
pub fn check(path: &Path) -> Result<(), Failure> {
    if is_device(path) {
        return Ok(());
    }
    if path.is_dir() {
        return Err(Failure::refused(path, "is a folder; give the path of a file to write"));
    }
    let part = part_name(path)?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(Failure::refused(path, format!("the folder {} does not exist; create it first", folder.display())));
    }
    File::create(&part).and_then(|_| fs::remove_file(&part)).map_err(Failure::io(path, "creating"))
}

fn is_device(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

fn write_part<E: From<Failure>>(
    path: &Path,
    part: &Path,
    body: impl FnOnce(&mut dyn Write) -> Result<(), E>,
) -> Result<u64, E> {
    let file = File::create(part).map_err(Failure::io(path, "creating"))?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    body(&mut out)?;
    let file = out.into_inner().map_err(|e| Failure::io(path, "writing")(e.into_error()))?;
    file.sync_all().map_err(Failure::io(path, "syncing"))?;
    Ok(file.metadata().map_err(Failure::io(path, "measuring"))?.len())
}

/// `.name.part` beside `name`.
fn part_name(path: &Path) -> Result<PathBuf, Failure> {
    let name =
        path.file_name().ok_or_else(|| Failure::refused(path, "names no file; give the path of a file to write"))?;
    let mut part = std::ffi::OsString::from(".");
    part.push(name);
    part.push(".part");
    Ok(path.with_file_name(part))
}

/// Makes the rename itself survive a power cut. Only Unix lets a folder be opened and synced.
fn sync_folder(path: &Path) -> Result<(), Failure> {
    #[cfg(unix)]
    {
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(Failure::io(folder, "syncing the folder"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_write_that_fails_leaves_the_old_file_and_no_part() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        assert_eq!(write(&path, |out| out.write_all(b"old").map_err(Failure::io(&path, "writing"))).unwrap(), 3);
        let full = write(&path, |out| {
            out.write_all(b"half of the new").map_err(Failure::io(&path, "writing"))?;
            Err(Failure::io(&path, "writing")(std::io::ErrorKind::StorageFull.into()))
        });
        assert!(matches!(full, Err(Failure::Io { source, .. }) if source.kind() == std::io::ErrorKind::StorageFull));
        assert_eq!((fs::read(&path).unwrap(), entries(folder.path())), (b"old".to_vec(), vec!["model".to_owned()]));
    }

    #[test]
    fn the_part_of_a_killed_process_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        fs::write(folder.path().join(".model.part"), b"left by a kill, and longer than the new file").unwrap();
        write(&path, |out| out.write_all(b"new").map_err(Failure::io(&path, "writing"))).unwrap();
        assert_eq!((fs::read(&path).unwrap(), entries(folder.path())), (b"new".to_vec(), vec!["model".to_owned()]));
    }

    #[cfg(unix)]
    #[test]
    fn a_device_stays_a_device() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("null");
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        check(&path).unwrap();
        write(&path, |out| out.write_all(b"gone").map_err(Failure::io(&path, "writing"))).unwrap();
        assert_eq!((entries(folder.path()), fs::read(&path).unwrap()), (vec!["null".to_owned()], vec![]));
    }

    #[test]
    fn a_path_that_cannot_be_written_is_refused_beforehand() {
        let folder = tempfile::tempdir().unwrap();
        assert!(check(folder.path()).unwrap_err().to_string().contains("is a folder"));
        assert!(check(&folder.path().join("no/file")).unwrap_err().to_string().contains("create it first"));
        check(&folder.path().join("file")).unwrap();
        assert!(entries(folder.path()).is_empty());
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = write(Path::new("no/such/folder/model"), |_| Ok::<(), Failure>(())).unwrap_err().to_string();
        assert!(error.contains("no/such/folder/model"), "{error}");
    }
}
