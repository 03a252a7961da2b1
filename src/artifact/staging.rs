//! All or nothing: output is written under a temporary name beside its target, then renamed.

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use caddie_files::{Error, Result};

/// A file or folder in the making. Dropped before [`Staging::commit`], it removes its temporary and leaves the target
/// as it was.
#[derive(Debug)]
pub struct Staging {
    target: Utf8PathBuf,
    partial: Utf8PathBuf,
    force: bool,
}

impl Staging {
    /// Starts a temporary folder beside `target`. Only a folder that is empty or holds the file `marker` is ever
    /// replaced: `--force` with a mistyped path must not remove somebody's work.
    ///
    /// # Errors
    /// When `target` exists and `force` is not given, or is another kind of folder, or when its parent cannot be written.
    pub fn folder(target: &Utf8Path, marker: &str, force: bool) -> Result<Staging> {
        refuse_existing(target, force)?;
        let replaceable =
            || Ok(target.is_dir() && (target.join(marker).is_file() || target.read_dir()?.next().is_none()));
        if target.symlink_metadata().is_ok() && !replaceable().map_err(Error::io(target, "reading"))? {
            return Err(Error::Usage(format!("{target} is not replaced even with --force: it holds no {marker}")));
        }
        let staging = Staging::open(target, force)?;
        fs::create_dir(&staging.partial).map_err(Error::io(&staging.partial, "creating"))?;
        Ok(staging)
    }

    /// A temporary file beside `target`, which the caller creates at [`Staging::path`].
    ///
    /// # Errors
    /// As [`Staging::folder`]; a folder is never replaced by a file.
    pub fn file(target: &Utf8Path, force: bool) -> Result<Staging> {
        if target.is_dir() {
            return Err(Error::Usage(format!("{target} is a folder; name another place for the file")));
        }
        Staging::open(target, force)
    }

    fn open(target: &Utf8Path, force: bool) -> Result<Staging> {
        let name = target.file_name().ok_or_else(|| Error::Usage(format!("{target}: not the name of an output")))?;
        refuse_existing(target, force)?;
        let parent = parent(target);
        fs::create_dir_all(parent).map_err(Error::io(parent, "creating"))?;
        let partial = parent.join(format!(".{name}.partial"));
        // What an interrupted command has left.
        remove(&partial)?;
        Ok(Staging { target: target.to_owned(), partial, force })
    }

    /// Returns the path to write to for now.
    pub fn path(&self) -> &Utf8Path {
        &self.partial
    }

    /// Gives the output its name. The earlier output is removed only after the new one is in place.
    ///
    /// # Errors
    /// When renaming fails; then the target is what it was.
    pub fn commit(self) -> Result<()> {
        refuse_existing(&self.target, self.force)?;
        let replaced = self.partial.with_extension("replaced");
        remove(&replaced)?;
        let had_one = self.target.symlink_metadata().is_ok();
        if had_one {
            fs::rename(&self.target, &replaced).map_err(Error::io(&self.target, "moving it aside"))?;
        }
        if let Err(error) = fs::rename(&self.partial, &self.target) {
            if had_one {
                fs::rename(&replaced, &self.target).map_err(Error::io(&replaced, "moving it back"))?;
            }
            return Err(Error::io(&self.target, "renaming the finished output to it")(error));
        }
        remove(&replaced)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // Best effort: the next run at this place removes it otherwise.
        let _ = remove(&self.partial);
    }
}

/// # Errors
/// When `path` exists and may not be replaced.
pub fn refuse_existing(path: &Utf8Path, force: bool) -> Result<()> {
    if !force && path.symlink_metadata().is_ok() {
        return Err(Error::Usage(format!("{path} exists; pass --force to replace it, or name another place")));
    }
    Ok(())
}

fn parent(path: &Utf8Path) -> &Utf8Path {
    match path.parent() {
        Some(parent) if !parent.as_str().is_empty() => parent,
        _ => Utf8Path::new("."),
    }
}

fn remove(path: &Utf8Path) -> Result<()> {
    let done = match path.symlink_metadata() {
        Err(_) => Ok(()),
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
    };
    done.map_err(Error::io(path, "removing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
        let temp = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(temp.path().to_owned()).unwrap();
        (temp, path)
    }

    fn names(dir: &Utf8Path) -> Vec<String> {
        let mut names: Vec<_> = dir.read_dir_utf8().unwrap().map(|e| e.unwrap().file_name().to_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn an_existing_target_is_replaced_whole_and_only_with_force() {
        let (_temp, dir) = folder();
        let target = dir.join("out");
        std::fs::create_dir(&target).unwrap();
        std::fs::write(target.join("old"), "old").unwrap();
        assert!(Staging::folder(&target, "old", false).unwrap_err().to_string().contains("pass --force"));
        assert!(Staging::folder(&target, "other", true).unwrap_err().to_string().contains("even with --force"));

        let staging = Staging::folder(&target, "old", true).unwrap();
        std::fs::write(staging.path().join("new"), "new").unwrap();
        assert_eq!(names(&target), ["old"]);
        staging.commit().unwrap();
        assert_eq!((names(&target), names(&dir)), (vec!["new".to_owned()], vec!["out".to_owned()]));
    }

    #[test]
    fn a_failure_and_an_interruption_leave_the_target_as_it_was() {
        let (_temp, dir) = folder();
        let target = dir.join("out");
        std::fs::write(&target, "old").unwrap();
        let staging = Staging::file(&target, true).unwrap();
        std::fs::write(staging.path(), "half").unwrap();
        std::mem::forget(staging); // as SIGKILL would
        assert!(Staging::file(&dir, true).unwrap_err().to_string().contains("is a folder"));
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "old");

        let staging = Staging::file(&target, true).unwrap();
        assert!(!staging.path().exists());
        std::fs::write(staging.path(), "half").unwrap();
        drop(staging);
        assert_eq!((std::fs::read_to_string(&target).unwrap().as_str(), names(&dir)), ("old", vec!["out".to_owned()]));
    }
}
