//! Copies of the added folders, as they are in the head commit.

use camino::{Utf8Component, Utf8Path};

use super::{MAX_FINDINGS, RULE};
use crate::checks::git::{Change, Objects};
use crate::report::{Finding, Severity};
use caddie_files::pointer::{Keeper, Pointer};
use caddie_files::text::thousands;
use caddie_files::{Error, Result};
use caddie_rulebook::Rulebook;
use caddie_rulebook::finding_on;

/// Most files of the added folders that are read from git.
const MAX_FILES: usize = 10_000;
/// Most bytes of all of them, and of one: git hosts take files of up to 100 MB.
const MAX_BYTES: u64 = 1 << 30;
const MAX_FILE_BYTES: u64 = 128 << 20;

/// Copies files out of git into an empty folder.
pub(super) struct Copying<'a> {
    root: &'a Utf8Path,
    objects: Objects,
    files: usize,
    bytes: u64,
    /// Number of findings beyond those that are kept.
    more: usize,
    rulebook: &'a Rulebook,
    findings: Vec<Finding>,
}

impl<'a> Copying<'a> {
    pub(super) fn new(root: &'a Utf8Path, objects: Objects, rulebook: &'a Rulebook) -> Copying<'a> {
        Copying { root, objects, files: 0, bytes: 0, more: 0, rulebook, findings: Vec::new() }
    }

    /// Copies the files of one added folder, and notes those that it leaves out.
    ///
    /// # Errors
    /// When git or the disk fails.
    pub(super) fn folder(&mut self, folder: &Utf8Path, files: &[Change]) -> Result<()> {
        // Names come from git objects, which may hold what no checkout would write.
        if is_plain(folder) {
            create(&self.root.join(folder))?;
        }
        for file in files {
            if let Some((severity, what)) = self.file(file)? {
                if self.findings.len() == MAX_FINDINGS {
                    self.more += 1;
                    continue;
                }
                let finding = finding_on(self.rulebook, RULE, format!("{} {what}", file.path));
                self.findings.push(finding.severity(severity).at(file.path.clone(), None, what));
            }
        }
        Ok(())
    }

    /// Returns one finding for each file that was left out, and one for those beyond the limit.
    pub(super) fn findings(mut self) -> Vec<Finding> {
        if self.more > 0 {
            let message = format!("{} more files of the added folders were not read", self.more);
            self.findings.push(finding_on(self.rulebook, RULE, message).severity(Severity::Unknown));
        }
        self.findings
    }

    /// Copies one file, or says why not.
    fn file(&mut self, file: &Change) -> Result<Option<(Severity, String)>> {
        let refused = |severity, what: &str| Ok(Some((severity, what.to_owned())));
        match file.mode.as_str() {
            "160000" => return refused(Severity::Error, "is a submodule; its content is not in the pull request"),
            "120000" => {
                return refused(Severity::Warning, "is a symbolic link and was not read; put the file itself there");
            }
            "100644" | "100755" => {}
            _ => return refused(Severity::Error, "is not a regular file"),
        }
        if !file.utf8 || !is_plain(&file.path) {
            return refused(Severity::Unknown, "was not read: its name is not UTF-8, or leads out of its folder");
        }
        if self.files == MAX_FILES {
            return Ok(Some((Severity::Unknown, format!("was not read: more than {MAX_FILES} files are added"))));
        }
        let size = self.objects.size(&file.object)?;
        if size > MAX_FILE_BYTES || self.bytes.saturating_add(size) > MAX_BYTES {
            let what = format!("was not read: {size} bytes are too many, by itself or with the others");
            return Ok(Some((Severity::Unknown, what)));
        }
        (self.files, self.bytes) = (self.files + 1, self.bytes + size);
        let target = self.root.join(&file.path);
        if let Some(parent) = target.parent() {
            create(parent)?;
        }
        let mut out = std::fs::File::create_new(&target).map_err(Error::io(&target, "creating"))?;
        self.objects.copy(&file.object, &mut out)?;
        Ok(Pointer::at(&target).map(|pointer| (Severity::Unknown, in_the_request(pointer))))
    }
}

/// Returns the message for a pointer that a pull request adds. Pulling helps the reader of a checkout, not the request.
fn in_the_request(pointer: Pointer) -> String {
    let keeper = match pointer.keeper {
        Keeper::Lfs => "Git LFS",
        Keeper::Annex => "git-annex",
    };
    let length = pointer.bytes.map_or_else(String::new, |bytes| format!(" of {} bytes", thousands(bytes)));
    format!("is a {keeper} pointer; the file itself{length} is not in the pull request")
}

fn create(folder: &Utf8Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(Error::io(folder, "creating"))
}

/// Tells whether a path only leads downwards.
fn is_plain(path: &Utf8Path) -> bool {
    path.components().all(|part| matches!(part, Utf8Component::Normal(name) if !name.contains('\\')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_not_written() {
        for path in ["../x", "/etc/passwd", "a/../../b", "a\\..\\b"] {
            assert!(!is_plain(path.into()), "{path}");
        }
        assert!(is_plain("records/t/a b/é.txt".into()));
    }
}
