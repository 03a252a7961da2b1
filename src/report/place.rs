//! The place of a finding as GitHub names files: relative to the top of the repository, with forward slashes.

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

use super::{Code, Evidence, FolderReport};

/// The top of the repository and the working directory, both absolute. The default leaves paths as they were given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Root {
    top: Utf8PathBuf,
    here: Utf8PathBuf,
    /// True if no repository holds the working directory, so that `top` is not a repository's either.
    alone: bool,
}

impl Root {
    /// Finds the repository that holds the working directory; outside of a repository, the working directory stands for
    /// it.
    pub fn find() -> Root {
        let here = std::env::current_dir().ok().and_then(|path| Utf8PathBuf::from_path_buf(path).ok());
        let here = here.unwrap_or_default();
        match repository_of(&here) {
            Some(top) => Root { top: top.to_owned(), here: here.clone(), alone: false },
            None => Root { top: here.clone(), here, alone: true },
        }
    }

    /// A repository at `top`, seen from `here`.
    pub fn at(top: impl Into<Utf8PathBuf>, here: impl Into<Utf8PathBuf>) -> Root {
        Root { top: top.into(), here: here.into(), alone: false }
    }

    /// Returns `path` relative to the top of the repository. A path outside it is relative to its own repository, or to
    /// the folder that holds its `records` where nothing else tells a top, so that no path seems to be of another
    /// folder; any other path stays absolute.
    pub(super) fn relative(&self, path: &Utf8Path) -> String {
        let whole = clean(&self.here.join(path));
        let inside = whole.strip_prefix(&self.top).ok();
        let elsewhere = || repository_of(&whole).or_else(|| above_records(&whole));
        let top = if inside.is_none() || self.alone { elsewhere() } else { None };
        let path = top.and_then(|top| whole.strip_prefix(top).ok()).or(inside).unwrap_or(&whole);
        if path.as_str().is_empty() { ".".to_owned() } else { path.as_str().replace('\\', "/") }
    }
}

/// The nearest folder at or above `path` that is a repository's top.
fn repository_of(path: &Utf8Path) -> Option<&Utf8Path> {
    path.ancestors().find(|folder| !folder.as_str().is_empty() && folder.join(".git").exists())
}

/// Returns the folder that holds the `records` of a path, where a track and a folder follow.
fn above_records(path: &Utf8Path) -> Option<&Utf8Path> {
    path.ancestors().skip(2).find(|folder| folder.file_name() == Some("records"))?.parent()
}

/// Removes `.` and `..` from a path without looking at the disk.
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

/// Returns the file that stands for a folder where a finding names none: a file that the folder is known to hold.
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

/// Returns the file, below the folder, at which a finding is shown: that of its first evidence, where that is a file.
/// Evidence about the folder itself (`.`) is shown at the landmark, because annotations and SARIF need a file.
pub(super) fn file_of(folder: &FolderReport, evidence: Option<&Evidence>) -> Utf8PathBuf {
    let named = evidence.map(|place| &place.file).filter(|file| !file.as_str().is_empty() && *file != ".");
    named.cloned().unwrap_or_else(|| landmark(folder))
}

/// Writes the evidence's file and line as `train.log:21`, or `train_gpt.py, unwrapped, line 21`.
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

    #[test]
    fn without_a_repository_a_path_begins_at_records() {
        let here = "/nowhere/a/records/x/y";
        let root = Root { top: here.into(), here: here.into(), alone: true };
        for (given, expected) in [
            ("../../../records/track/Name/README.md", "records/track/Name/README.md"),
            ("README.md", "records/x/y/README.md"),
            ("../../../elsewhere/README.md", "/nowhere/a/elsewhere/README.md"),
        ] {
            assert_eq!(root.relative(given.into()), expected);
        }
        let plain = Root { top: "/nowhere/b".into(), here: "/nowhere/b".into(), alone: true };
        assert_eq!(plain.relative("good/README.md".into()), "good/README.md");
    }

    #[test]
    fn a_path_of_another_repository_begins_at_its_top() {
        let dir = tempfile::tempdir().expect("a folder");
        let other = Utf8Path::from_path(dir.path()).expect("UTF-8");
        std::fs::create_dir(other.join(".git")).expect("creates");
        let root = Root::at("/repo", "/repo/records/x/y");
        assert_eq!(root.relative(&other.join("records/track/Name/README.md")), "records/track/Name/README.md");
    }
}
