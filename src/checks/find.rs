//! Search for the records folders below a path that a user names: a checkout, its `records`, a track, or a folder of
//! folders.

use std::collections::HashSet;

use camino::{Utf8Path, Utf8PathBuf};

use super::walk::FailedFolder;
use caddie_files::{Error, Result};

/// Most levels that are entered below one argument: a folder of repositories, a repository, `records`, a track, a group
/// of folders, a folder.
const MAX_DEPTH: usize = 5;
/// Most records folders of one command; upstream's largest set of proposals has 2,600.
const MAX_FOLDERS: usize = 20_000;
/// Most folders that the search lists.
const MAX_LISTED: usize = 100_000;
/// Most entries of one folder that the search looks at.
const MAX_ENTRIES: usize = 100_000;
/// Most subfolders that are looked at to tell a group of records from a record.
const MAX_GROUP: usize = 1_000;

/// The records folders below some paths.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub folders: Vec<Utf8PathBuf>,
    pub failures: Vec<FailedFolder>,
}

/// Finds the records folders that `paths` name: each path itself, or the folders below it when it is a repository, its
/// `records`, a track, or a folder of folders. They are sorted below each path, and each occurs once; links are not
/// followed. The folders of tracks begin with `track_prefix`, which is the rulebook's.
pub fn find(paths: &[Utf8PathBuf], track_prefix: &str) -> Found {
    let mut search =
        Search { found: Found::default(), known: HashSet::new(), listed: 0, tracks: Tracks { prefix: track_prefix } };
    for path in paths {
        search.argument(path);
    }
    search.found
}

struct Search<'a> {
    tracks: Tracks<'a>,
    found: Found,
    /// Resolved paths of `found.folders`: `records/` and `records/track_x` may both be named.
    known: HashSet<Utf8PathBuf>,
    listed: usize,
}

/// The naming of track folders, by which they are recognized.
#[derive(Clone, Copy)]
struct Tracks<'a> {
    prefix: &'a str,
}

impl Tracks<'_> {
    fn has(self, folder: &Utf8Path) -> bool {
        folder.file_name().is_some_and(|name| name.starts_with(self.prefix))
    }
}

impl Search<'_> {
    fn argument(&mut self, path: &Utf8Path) {
        match caddie_files::metadata(path, caddie_folder::NO_FOLDER) {
            Err(error) => self.fail(path, &error),
            Ok(metadata) if !metadata.is_dir() => {
                self.fail(path, &Error::unreadable(path, format!("not a folder; {}", caddie_folder::GIVE_FOLDER)));
            }
            Ok(_) if !self.below(path, FolderKind::Anywhere, 0) => self.add(path),
            Ok(_) => {}
        }
    }

    /// Adds the records folders at or below `path`, and tells whether anything was added or reported.
    fn below(&mut self, path: &Utf8Path, place: FolderKind, depth: usize) -> bool {
        if self.listed == MAX_LISTED || self.found.folders.len() == MAX_FOLDERS {
            let reason =
                format!("more than {MAX_FOLDERS} records folders or {MAX_LISTED} folders; the rest was not read");
            if self.found.failures.last().is_none_or(|last| last.reason != reason) {
                self.fail(path, &Error::unreadable(path, reason));
            }
            return true;
        }
        self.listed += 1;
        let level = match Level::read(path) {
            Ok(level) => level,
            Err(error) => {
                self.fail(path, &error);
                return true;
            }
        };
        let place = level.place(path, place, depth, self.tracks);
        if level.is_record(place, depth) {
            self.add(path);
            return true;
        }
        if depth == MAX_DEPTH {
            return false;
        }
        let mut said = level.cut;
        if level.cut {
            let reason = format!("more than {MAX_ENTRIES} entries; the rest was not read");
            self.fail(path, &Error::unreadable(path, reason));
        }
        if matches!(place, FolderKind::Records | FolderKind::Track) {
            said |= !level.links.is_empty();
            for link in &level.links {
                self.fail(
                    link,
                    &Error::unreadable(link, "a symbolic link; links are not followed, put the folder here"),
                );
            }
        }
        for inner in level.folders.iter().filter(|inner| place.leads_to(inner)) {
            let within = place.inner(inner, self.tracks);
            let mut found = self.below(inner, within, depth + 1);
            if !found && within == FolderKind::BelowTrack {
                self.add(inner);
                found = true;
            }
            said |= found;
        }
        said
    }

    fn add(&mut self, path: &Utf8Path) {
        let resolved = path.canonicalize_utf8().unwrap_or_else(|_| path.to_owned());
        if self.known.insert(resolved) {
            self.found.folders.push(path.to_owned());
        }
    }

    fn fail(&mut self, path: &Utf8Path, error: &Error) {
        self.found.failures.push(FailedFolder::new(path, error));
    }
}

/// The kind of folder that the search is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FolderKind {
    /// A checkout that has `records`: nothing else in it is looked at.
    Repository,
    /// `records`.
    Records,
    /// `track_…`: every folder in it is a records folder, or a group of them.
    Track,
    /// Below a track: a folder is a record unless it is a group of them, so that no file of its choice hides it from
    /// the search.
    BelowTrack,
    /// Nothing is known: submission.json or a script makes it a record.
    Anywhere,
}

impl FolderKind {
    fn leads_to(self, folder: &Utf8Path) -> bool {
        self != FolderKind::Repository || folder.file_name() == Some("records")
    }

    fn inner(self, folder: &Utf8Path, tracks: Tracks<'_>) -> FolderKind {
        match (self, folder.file_name()) {
            (FolderKind::Track | FolderKind::BelowTrack, _) => FolderKind::BelowTrack,
            (_, Some("records")) => FolderKind::Records,
            _ if tracks.has(folder) => FolderKind::Track,
            // In the wrong place, and no reason to pass over it.
            (FolderKind::Records, _) => FolderKind::BelowTrack,
            _ => FolderKind::Anywhere,
        }
    }
}

/// One folder, listed for the search.
#[derive(Debug, Default)]
struct Level {
    /// Sorted, without hidden ones.
    folders: Vec<Utf8PathBuf>,
    /// Symbolic links, sorted.
    links: Vec<Utf8PathBuf>,
    /// True if the folder has a checkout's `.git`, which git does not let into a commit.
    git: bool,
    submission: bool,
    log: bool,
    /// True if it holds a training script.
    script: bool,
    readme: bool,
    other: bool,
    /// True if it has more entries than the search looks at.
    cut: bool,
}

impl Level {
    fn read(path: &Utf8Path) -> Result<Level> {
        let mut level = Level::default();
        for (index, entry) in std::fs::read_dir(path).map_err(Error::io(path, "listing"))?.enumerate() {
            if index == MAX_ENTRIES {
                level.cut = true;
                break;
            }
            let entry = entry.map_err(Error::io(path, "listing"))?;
            let kind = entry.file_type().map_err(Error::io(path, "listing"))?;
            let name = entry.file_name();
            // A folder whose name is not UTF-8 cannot be named in a report; a file of such a name is still a file.
            let name = name.to_string_lossy();
            if name == ".git" {
                level.git = true;
            } else if kind.is_symlink() {
                level.links.push(path.join(&*name));
            } else if kind.is_dir() {
                if !name.starts_with('.') {
                    level.folders.push(path.join(&*name));
                }
            } else if !name.starts_with('.') {
                level.file(&name.to_ascii_lowercase());
            }
        }
        level.folders.sort();
        level.links.sort();
        Ok(level)
    }

    fn file(&mut self, name: &str) {
        let train = name.starts_with("train");
        if name.starts_with("submission") && name.ends_with(".json") {
            self.submission = true;
        } else if name.ends_with(".log") || (train && name.ends_with(".txt")) {
            self.log = true;
        } else if train && name.ends_with(".py") {
            self.script = true;
        } else if name == "readme.md" {
            self.readme = true;
        } else {
            self.other = true;
        }
    }

    /// Refines `place` by the folder's own name and content.
    fn place(&self, path: &Utf8Path, place: FolderKind, depth: usize, tracks: Tracks<'_>) -> FolderKind {
        if place != FolderKind::Anywhere {
            return place;
        }
        let resolved = path.canonicalize_utf8().unwrap_or_else(|_| path.to_owned());
        match resolved.file_name() {
            _ if depth == 0 && resolved.parent().is_some_and(|parent| tracks.has(parent)) => FolderKind::BelowTrack,
            _ if self.submission || self.log => place,
            Some("records") => FolderKind::Records,
            _ if tracks.has(&resolved) => FolderKind::Track,
            _ if (self.git || depth == 0) && self.has_tracks(tracks) => FolderKind::Repository,
            _ => place,
        }
    }

    fn has_tracks(&self, tracks: Tracks<'_>) -> bool {
        let records = self.folders.iter().find(|folder| folder.file_name() == Some("records"));
        let level = records.and_then(|records| Level::read(records).ok());
        level.is_some_and(|level| level.folders.iter().any(|track| tracks.has(track)))
    }

    /// Tells whether this folder is a record, not a place of records.
    fn is_record(&self, place: FolderKind, depth: usize) -> bool {
        let whole = self.submission || self.script;
        match place {
            FolderKind::Repository | FolderKind::Records | FolderKind::Track => false,
            FolderKind::BelowTrack => whole || self.log || self.other || !self.is_group(),
            // A log alone is a record where it was asked for, and may be anything (`logs/`) where it was found.
            FolderKind::Anywhere => whole || (depth == 0 && (self.log || (self.readme && self.folders.is_empty()))),
        }
    }

    /// Tells whether a folder in this one is a record of its own, not the logs of this one.
    fn is_group(&self) -> bool {
        let inner = self.folders.iter().take(MAX_GROUP).filter_map(|folder| Level::read(folder).ok());
        inner.into_iter().any(|level| level.submission || level.script)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree of empty files.
    fn tree(paths: &[&str]) -> (tempfile::TempDir, Utf8PathBuf) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let root = Utf8PathBuf::from_path_buf(dir.path().to_owned()).expect("UTF-8");
        for path in paths {
            let path = root.join(path);
            if path.as_str().ends_with('/') {
                std::fs::create_dir_all(&path).expect("creates");
            } else {
                std::fs::create_dir_all(path.parent().expect("a parent")).expect("creates");
                std::fs::write(&path, "").expect("writes");
            }
        }
        (dir, root)
    }

    fn found(root: &Utf8Path, below: &[&str]) -> Vec<String> {
        let found = find(&below.iter().map(|path| root.join(path)).collect::<Vec<_>>(), "track_");
        assert_eq!(found.failures, [], "no failures");
        found.folders.iter().map(|path| path.strip_prefix(root).expect("below").to_string()).collect()
    }

    #[test]
    fn a_repository_records_a_track_and_a_folder_lead_to_the_same_folders() {
        let (_dir, root) = tree(&[
            "README.md",
            "train_gpt.py",
            "data/train_gpt.py",
            "records/README.md",
            "records/track_a/2026-01-01_One/submission.json",
            "records/track_a/2026-01-01_One/logs/train.log",
            "records/track_a/2026-01-02_Only a tokenizer/x.model",
            "records/track_a/2026-01-03_empty/",
            "records/track_b/group/2026-01-04_Two/train_gpt.py",
            "records/track_b/group/README.md",
            "records/misplaced/train.log",
            "records/track_b/logs below/README.md",
            "records/track_b/logs below/logs/train.log",
        ]);
        let all = [
            "records/misplaced",
            "records/track_a/2026-01-01_One",
            "records/track_a/2026-01-02_Only a tokenizer",
            "records/track_a/2026-01-03_empty",
            "records/track_b/group/2026-01-04_Two",
            "records/track_b/logs below",
        ];
        for argument in ["", "records", "records/../records/"] {
            let found: Vec<String> =
                found(&root, &[argument]).iter().map(|path| path.replace("records/../", "")).collect();
            assert_eq!(found, all, "{argument}");
        }
        assert_eq!(found(&root, &["records/track_a"]), all[1..4]);
        assert_eq!(
            found(&root, &["records/track_b", all[1], "records/track_a", all[1]]),
            [all[4], all[5], all[1], all[2], all[3]]
        );
        for folder in all {
            assert_eq!(found(&root, &[folder]), [folder], "a folder leads to itself");
        }
    }

    #[test]
    fn a_folder_cannot_hide_behind_a_record_inside_of_it() {
        let inner = "records/track_a/2026-01-01_Good/submission.json";
        for disguise in ["README.md", ".git/HEAD", "x.txt"] {
            let evil = "records/track_a/2026-05-05_Evil";
            let (_dir, root) = tree(&[
                &format!("{evil}/{inner}"),
                &format!("{evil}/{disguise}"),
                &format!("{evil}/submission.json"),
                "records/track_a/2026-05-06_Next/train.log",
            ]);
            let expected = [evil, "records/track_a/2026-05-06_Next"];
            assert_eq!(found(&root, &["records"]), expected, "{disguise}");
            assert_eq!(found(&root, &[evil]), [evil], "{disguise}");
        }
    }

    #[test]
    fn a_heap_of_checkouts_is_walked_and_a_folder_of_nothing_is_itself() {
        let (_dir, root) = tree(&[
            "heads/12/records/track_a/x/train.log",
            "heads/7/records/track_a/y/README.md",
            "heads/index.tsv",
            "nothing/at/all/",
            "alone/README.md",
            "alone/logs/train.log",
        ]);
        assert_eq!(found(&root, &["heads"]), ["heads/12/records/track_a/x", "heads/7/records/track_a/y"]);
        assert_eq!(found(&root, &["nothing"]), ["nothing"]);
        assert_eq!(found(&root, &["alone"]), ["alone"]);
        assert_eq!(found(&root, &["alone/logs"]), ["alone/logs"], "as asked for");
    }
}
