//! The folders that a range of commits adds, copied out of git so that every reader of folders can read them.

use camino::{Utf8Path, Utf8PathBuf};

use crate::checks::VerifyOptions;
use crate::checks::walk::{self, FailedFolder, Walked};
use crate::report::{Finding, FolderReport};
use crate::stop::Hook;
use caddie_files::{Error, Result};
use caddie_rulebook::Rulebook;

/// Copies of the added folders, below a temporary folder that goes when this value does.
pub struct Proposed {
    /// The added folders as they lie on disk: `root` joined with their names in the repository.
    pub folders: Vec<Utf8PathBuf>,
    /// Findings about everything else that the range changes.
    pub findings: Vec<Finding>,
    pub(super) root: Utf8PathBuf,
    _scratch: tempfile::TempDir,
    /// A signal that ends the process at once leaves no copies behind.
    _removal: Hook,
}

impl Proposed {
    /// Nothing yet, in an empty folder.
    ///
    /// # Errors
    /// When the temporary folder cannot be created, or its name is not UTF-8.
    pub(super) fn new() -> Result<Proposed> {
        let scratch =
            tempfile::tempdir().map_err(Error::io(std::env::temp_dir().to_string_lossy().as_ref(), "creating"))?;
        let Some(root) = Utf8Path::from_path(scratch.path()).map(Utf8Path::to_owned) else {
            return Err(Error::Usage("the temporary directory's name is not UTF-8; set TMPDIR to another".to_owned()));
        };
        let place = root.clone();
        let removal = Hook::new(move || {
            // The process ends: nobody could be told of a folder that stays.
            let _ = std::fs::remove_dir_all(&place);
        });
        Ok(Proposed { folders: Vec::new(), findings: Vec::new(), root, _scratch: scratch, _removal: removal })
    }

    /// Verifies the folders. Where the range does anything else than adding them, a report with that comes first and is
    /// named `range`.
    pub fn verify(
        &self,
        range: &Utf8Path,
        rulebook: &Rulebook,
        options: &VerifyOptions,
        done: impl Fn() + Sync,
    ) -> Walked {
        let mut outcome = walk::verify_all(&self.folders, rulebook, options, done);
        for report in &mut outcome.folders {
            report.path = self.named(&report.path);
        }
        outcome.failures.iter_mut().for_each(|failure| self.rename(failure));
        if !self.findings.is_empty() {
            let limit = options.cap.unwrap_or(rulebook.limits.artifact_bytes);
            outcome.folders.insert(0, FolderReport::of_findings(range.to_owned(), limit, self.findings.clone()));
        }
        outcome
    }

    /// Returns the name in the repository of a copied file or folder, and any other path as it is.
    pub fn named(&self, path: &Utf8Path) -> Utf8PathBuf {
        path.strip_prefix(&self.root).unwrap_or(path).to_owned()
    }

    /// Gives a failure the name in the repository of what it is about.
    pub fn rename(&self, failure: &mut FailedFolder) {
        failure.path = self.named(&failure.path);
        failure.reason = self.renamed(&failure.reason);
    }

    /// Returns a message with the copies named as in the repository.
    pub fn renamed(&self, message: &str) -> String {
        message.replace(self.root.join("").as_str(), "")
    }
}
