//! Reads and checks many folders in parallel; a failure in one does not stop the others.

use std::panic::{AssertUnwindSafe, catch_unwind};

use camino::{Utf8Path, Utf8PathBuf};
use rayon::prelude::*;

use super::{VerifyOptions, verify_read};
use crate::report::FolderReport;
use caddie_files::named;
use caddie_files::{Error, Result};
use caddie_folder::Folder;
use caddie_rulebook::Rulebook;

/// Stack of a worker: a parser recurses as deep as a hostile script nests. Unused pages cost nothing.
const STACK_BYTES: usize = 32 << 20;

/// A folder that could not be verified, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedFolder {
    pub path: Utf8PathBuf,
    /// The error, without the path.
    pub reason: String,
    /// The exit code that this failure asks of the command: unreadable input, or an internal error.
    pub exit_code: u8,
}

/// The result of one command over its folders. Both parts keep the order in which the folders were named and found.
#[derive(Debug, Default)]
pub struct Walked {
    pub folders: Vec<FolderReport>,
    pub failures: Vec<FailedFolder>,
}

impl FailedFolder {
    pub(super) fn new(path: &Utf8Path, error: &Error) -> FailedFolder {
        let path = named(path);
        let text = error.to_string();
        let reason = text.strip_prefix(path.as_str()).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(&text);
        FailedFolder { reason: reason.to_owned(), exit_code: error.exit_code(), path }
    }
}

impl std::fmt::Display for FailedFolder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path, self.reason)
    }
}

impl Walked {
    /// The exit code that the failures demand, if there are any.
    pub fn exit_code(&self) -> Option<u8> {
        exit_code(&self.failures)
    }
}

/// Returns the gravest exit code of some failures.
pub(crate) fn exit_code(failures: &[FailedFolder]) -> Option<u8> {
    failures.iter().map(|failure| failure.exit_code).max()
}

/// Reads and checks `folders` on all cores. `done` is called after each, from any thread.
///
/// Verifies all folders. A folder that cannot be read and a check that panics are failures with the folder's name.
pub fn verify_all(
    folders: &[Utf8PathBuf],
    rulebook: &Rulebook,
    options: &VerifyOptions,
    done: impl Fn() + Sync,
) -> Walked {
    let (folders, failures) = each(folders, |folder| {
        let report = Folder::read(folder).map(|read| verify_read(&read, rulebook, options));
        done();
        report
    });
    Walked { folders, failures }
}

/// Runs `work` on every folder in parallel and keeps their order.
pub(crate) fn each<T: Send>(
    folders: &[Utf8PathBuf],
    work: impl Fn(&Utf8Path) -> Result<T> + Sync,
) -> (Vec<T>, Vec<FailedFolder>) {
    let guarded = |folder: &Utf8PathBuf| {
        catch_unwind(AssertUnwindSafe(|| work(folder))).unwrap_or_else(|panic| Err(Error::Internal(said(&*panic))))
    };
    // One folder a task: a folder may take a thousand times as long as its neighbor.
    let all = || folders.par_iter().with_max_len(1).map(guarded).collect::<Vec<_>>();
    let results = match rayon::ThreadPoolBuilder::new().stack_size(STACK_BYTES).build() {
        Ok(pool) => pool.install(all),
        // No room for threads: one folder after the other.
        Err(_) => folders.iter().map(guarded).collect(),
    };
    let (mut done, mut failures) = (Vec::new(), Vec::new());
    for (folder, result) in folders.iter().zip(results) {
        match result {
            Ok(result) => done.push(result),
            Err(error) => failures.push(FailedFolder::new(folder, &error)),
        }
    }
    (done, failures)
}

/// The message of a panic.
fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use caddie_files::exit;

    #[test]
    fn one_folder_never_stops_the_others() {
        let folders: Vec<Utf8PathBuf> = ["a", "b", "c", "d"].map(Utf8PathBuf::from).to_vec();
        let rulebook = Rulebook::builtin().expect("loads");
        let good = Utf8PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/folders/good"));
        let good = Folder::read(&good).expect("reads");
        let (reports, failures) = each(&folders, |folder| match folder.as_str() {
            "b" => panic!("index {} out of range", 7),
            "c" => Err(Error::unreadable(folder, "no such folder")),
            _ => {
                Ok(FolderReport { path: folder.to_owned(), ..verify_read(&good, &rulebook, &VerifyOptions::default()) })
            }
        });
        let paths: Vec<&str> = reports.iter().map(|report| report.path.as_str()).collect();
        assert_eq!(paths, ["a", "d"]);
        let said: Vec<String> = failures.iter().map(ToString::to_string).collect();
        let internal = "b: internal error: index 7 out of range; please report it with the command that caused it";
        assert_eq!(said, [internal, "c: no such folder"]);
        assert_eq!(exit_code(&failures), Some(exit::INTERNAL));
    }
}
