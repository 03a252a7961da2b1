//! Where a finding is, as GitHub names files: relative to the top of the repository, with forward slashes.

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

use super::{Code, Evidence, FolderReport};

/// The top of the repository and the working directory, both absolute. The default leaves paths as they were given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Root {
    top: Utf8PathBuf,
    here: Utf8PathBuf,
}

impl Root {
    /// The repository that holds the working directory; outside of a repository, the working directory.
    pub fn find() -> Root {
        let here = std::env::current_dir().ok().and_then(|path| Utf8PathBuf::from_path_buf(path).ok());
        let here = here.unwrap_or_default();
        let top = here.ancestors().find(|folder| folder.join(".git").exists()).unwrap_or(&here);
        Root { top: top.to_owned(), here: here.clone() }
    }

    /// A repository at `top`, seen from `here`.
    pub fn at(top: impl Into<Utf8PathBuf>, here: impl Into<Utf8PathBuf>) -> Root {
        Root { top: top.into(), here: here.into() }
    }

    /// `path` relative to the top. One outside of the repository stays absolute.
    pub(super) fn relative(&self, path: &Utf8Path) -> String {
        let whole = clean(&self.here.join(path));
        let path = whole.strip_prefix(&self.top).unwrap_or(&whole);
        if path.as_str().is_empty() { ".".to_owned() } else { path.as_str().replace('\\', "/") }
    }
}

/// Takes `.` and `..` out of a path without looking at the disk.
fn clean(path: &Utf8Path) -> Utf8PathBuf {
    let mut parts = Utf8PathBuf::new();
    for part in path.components() {
        match part {
            Utf8Component::CurDir => {}
            Utf8Component::ParentDir if parts.file_name().is_some() => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    parts
}

/// The file that stands for a folder where a finding names none: one that the folder is known to hold.
fn landmark(folder: &FolderReport) -> Utf8PathBuf {
    let lacks = |code: Code| folder.findings.iter().any(|finding| finding.code == Some(code));
    if !lacks(Code::MissingReadme) {
        "README.md".into()
    } else if !lacks(Code::MissingSubmissionJson) {
        "submission.json".into()
    } else {
        folder.runs.first().map_or_else(Utf8PathBuf::new, |run| run.log.clone())
    }
}

/// The file, below the folder, at which a finding is shown: its first evidence's, where that is a file. Evidence about
/// the folder itself (`.`) is shown at the landmark, because annotations and SARIF want a file.
pub(super) fn file_of(folder: &FolderReport, evidence: Option<&Evidence>) -> Utf8PathBuf {
    let named = evidence.map(|place| &place.file).filter(|file| !file.as_str().is_empty() && *file != ".");
    named.cloned().unwrap_or_else(|| landmark(folder))
}

/// The evidence's file and line as `train.log:21`, or `train_gpt.py, unwrapped, line 21`.
pub(super) fn short(place: &Evidence) -> String {
    match (place.line, place.inner_line) {
        (Some(line), _) => format!("{}:{line}", place.file),
        (None, Some(line)) => format!("{}, unwrapped, line {line}", place.file),
        (None, None) => place.file.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_repository() {
        let root = Root::at("/repo", "/repo/records");
        for (given, expected) in [
            ("track/a b", "records/track/a b"),
            ("./track/../x", "records/x"),
            ("/repo/records/x/README.md", "records/x/README.md"),
            ("..", "."),
            ("/elsewhere/x", "/elsewhere/x"),
        ] {
            assert_eq!(root.relative(given.into()), expected);
        }
        assert_eq!(Root::default().relative("./records//x/".into()), "records/x");
    }
}
