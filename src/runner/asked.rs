//! The request for a submission, checked before anything runs: its seeds, its name, its date.

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::render;
use caddie_files::{Error, Result};
use caddie_format::atomic::{self, Failure};

/// Every run needs a seed of its own.
///
/// # Errors
/// When there is none, or one comes twice.
pub fn check_seeds(seeds: &[u64]) -> Result<()> {
    match seeds.iter().enumerate().find(|(i, seed)| seeds[..*i].contains(seed)) {
        Some((_, seed)) => Err(Error::Usage(format!("--seeds names {seed} twice; each run needs a seed of its own"))),
        None if seeds.is_empty() => Err(Error::Usage("--seeds is empty; name at least one, for example 42".to_owned())),
        None => Ok(()),
    }
}

/// `name` as a folder, refusing what would lead elsewhere.
///
/// # Errors
/// When it is empty, hidden or a path.
pub fn folder_name(name: &str) -> Result<&str> {
    let plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\']);
    if plain { Ok(name) } else { Err(Error::Usage(format!("--name {name:?}: not usable as the name of a folder"))) }
}

/// The submission's date: the one given, else that of the first start, which is kept so that a run that goes on after
/// midnight still ends in the same folder.
///
/// # Errors
/// When the kept date cannot be read or written.
pub fn date_of(runs: &Utf8Path, given: Option<jiff::civil::Date>) -> Result<jiff::civil::Date> {
    let path = runs.join("date");
    if given.is_none()
        && let Ok(text) = fs::read_to_string(&path)
    {
        return text
            .trim()
            .parse()
            .map_err(|e| Error::unreadable(&path, format!("{e}; delete the file, or pass --date")));
    }
    let date = match given {
        Some(date) => date,
        None => render::default_date()?,
    };
    fs::create_dir_all(runs).map_err(Error::io(runs, "creating"))?;
    keep(&path, format!("{date}\n").as_bytes())?;
    Ok(date)
}

/// Writes a file that is whole or absent, whatever interrupts it.
pub(crate) fn keep(path: &Utf8Path, content: &[u8]) -> Result<()> {
    let body = |out: &mut dyn std::io::Write| {
        out.write_all(content).map_err(|source| Failure::Io { path: path.into(), action: "writing", source })
    };
    atomic::write(path.as_std_path(), body).map(drop).map_err(|failure| {
        let named = |path: std::path::PathBuf| Utf8PathBuf::from(path.to_string_lossy().into_owned());
        match failure {
            Failure::Io { path, action, source } => Error::Io { path: named(path), action, source },
            Failure::Refused { path, reason } => Error::unreadable(named(path), reason),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_and_names_that_cannot_work_are_refused() {
        assert!(check_seeds(&[1, 2, 1]).unwrap_err().to_string().contains("names 1 twice"));
        assert!(check_seeds(&[]).is_err());
        for name in ["", "..", "a/b", ".hidden"] {
            assert!(folder_name(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn the_date_of_the_first_start_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let runs = Utf8Path::from_path(dir.path()).unwrap().join("runs");
        let first = "2026-01-31".parse().unwrap();
        assert_eq!(date_of(&runs, Some(first)).unwrap(), first);
        assert_eq!(date_of(&runs, None).unwrap(), first);
    }
}
