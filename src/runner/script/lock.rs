//! Who may work in a run directory.

use std::fs::{File, TryLockError};

use camino::Utf8Path;
use fs_err as fs;

use caddie_files::{Error, Result};

/// A hold on the runs of a submission; it ends with the process, however that ends.
#[derive(Debug)]
pub struct Lock {
    _files: Vec<File>,
}

impl Lock {
    /// Holds `runs` alone; or, where `seeds` are given, beside others that hold other seeds.
    ///
    /// # Errors
    /// When another caddie has a hold that excludes this one, or the disk refuses.
    pub fn of(runs: &Utf8Path, seeds: Option<&[u64]>) -> Result<Lock> {
        fs::create_dir_all(runs).map_err(Error::io(runs, "creating"))?;
        let mut files = vec![hold(runs, "lock", seeds.is_none())?];
        for seed in seeds.unwrap_or_default() {
            files.push(hold(runs, &format!("lock-{seed}"), true)?);
        }
        Ok(Lock { _files: files })
    }
}

fn hold(runs: &Utf8Path, name: &str, alone: bool) -> Result<File> {
    let path = runs.join(name);
    let file = File::create(&path).map_err(Error::io(&path, "creating"))?;
    match if alone { file.try_lock() } else { file.try_lock_shared() } {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Usage(format!(
            "{runs}: another caddie is working in this run directory; wait until it ends, or choose another --out"
        ))),
        Err(TryLockError::Error(source)) => Err(Error::io(path, "locking")(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_may_be_run_side_by_side_and_nobody_renders_meanwhile() {
        let dir = tempfile::tempdir().unwrap();
        let runs = Utf8Path::from_path(dir.path()).unwrap();
        let first = Lock::of(runs, Some(&[1])).unwrap();
        let second = Lock::of(runs, Some(&[2])).unwrap();
        assert!(Lock::of(runs, Some(&[2])).is_err());
        assert!(Lock::of(runs, None).is_err());
        drop((first, second));
        let _alone = Lock::of(runs, None).unwrap();
        assert!(Lock::of(runs, Some(&[1])).is_err());
    }
}
