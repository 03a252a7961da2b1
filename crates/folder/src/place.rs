//! The records folder that a path belongs to.

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

/// Most folders above a file that are examined.
const MAX_UP: usize = 4;

/// Returns the records folder that holds `path`: `records/<track>/<name>`, where the path has these parts; else the
/// nearest folder above it with a submission.json. `None` for a path in no records folder, such as `records/README.md`
/// or a script at the top of the repository. A folder belongs to itself, or to the records folder around it.
///
/// The folders of tracks begin with `track_prefix`, which is the rulebook's. Tools that hand over file names
/// (pre-commit, `git diff --name-only`) need this. Inside `records` only names are examined; nothing is opened.
pub fn folder_of(path: &Utf8Path, track_prefix: &str) -> Option<Utf8PathBuf> {
    let parts: Vec<Utf8Component<'_>> = path.components().collect();
    let records = parts.iter().position(|part| *part == Utf8Component::Normal("records"));
    let track = records.and_then(|at| parts.get(at + 1)).is_some_and(|part| part.as_str().starts_with(track_prefix));
    if let Some(records) = records.filter(|_| track) {
        let inside = parts.len() > records + 3 || (parts.len() == records + 3 && path.is_dir());
        return inside.then(|| parts.iter().take(records + 3).collect());
    }
    let first = if path.is_dir() { path } else { path.parent()? };
    let here = |folder| if folder == "" { Utf8Path::new(".") } else { folder };
    let holds = |folder: &&Utf8Path| folder.join("submission.json").is_file();
    first.ancestors().map(here).take(MAX_UP).find(holds).map(Utf8Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_leads_to_its_folder() {
        let folder = Some("records/track_10min_16mb/2026-05-01_My Entry".into());
        for file in ["train_gpt.py", "logs/train_seed42.txt", "a/b/c"] {
            let path = Utf8PathBuf::from("records/track_10min_16mb/2026-05-01_My Entry").join(file);
            assert_eq!(folder_of(&path, "track_"), folder);
        }
        for outside in ["records/README.md", "records/track_10min_16mb/README.md", "records/track_10min_16mb"] {
            assert_eq!(folder_of(outside.into(), "track_"), None, "{outside}");
        }
        let absolute = folder_of("/x/records/track_a/b/c.log".into(), "track_");
        assert_eq!(absolute, Some("/x/records/track_a/b".into()));
    }

    #[test]
    fn outside_of_records_the_nearest_folder_that_looks_like_one_counts() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let root = Utf8PathBuf::from_path_buf(dir.path().to_owned()).expect("UTF-8");
        std::fs::create_dir_all(root.join("mine/logs")).expect("creates");
        std::fs::write(root.join("mine/submission.json"), "{}").expect("writes");
        for path in ["mine/logs/a.txt", "mine/logs", "mine/new.py", "mine"] {
            assert_eq!(folder_of(&root.join(path), "track_"), Some(root.join("mine")), "{path}");
        }
        std::fs::create_dir_all(root.join("records")).expect("creates");
        std::fs::write(root.join("records/README.md"), "").expect("writes");
        for path in ["other.txt", "records/README.md"] {
            assert_eq!(folder_of(&root.join(path), "track_"), None, "{path}");
        }
    }
}
