//! The questions that `verify --diff` puts to git: commits, changed paths, and files as they are in a commit.
//!
//! Only plumbing commands are run, without a shell. Nothing that a repository's configuration or attributes name is
//! run: no hooks, no monitors, no external diffs, no text conversion. Files come from the object store, so that no
//! filter (LFS, `export-subst`) and no checkout is between them and the reader.

mod objects;
mod stage;
mod trouble;

use std::collections::BTreeSet;
use std::io::Read;
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};

use caddie_files::{Error, Result};
pub use objects::Objects;
pub use stage::{Stage, stage};
use trouble::{OF_THE_USER, trusted_by_environment};

/// Most bytes of one command's output that are read: some 300,000 paths.
const MAX_OUTPUT: u64 = 32 << 20;

/// Git's messages about a name that it does not know.
const UNKNOWN_NAME: [&str; 4] =
    ["Needed a single revision", "unknown revision", "bad revision", "not a valid object name"];
/// A git repository.
#[derive(Debug, Clone)]
pub struct Repository {
    dir: Utf8PathBuf,
}

/// One changed path between two commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub status: Status,
    /// The path from the root of the repository; characters that are not UTF-8 are replaced.
    pub path: Utf8PathBuf,
    /// True if `path` is spelled as in the repository.
    pub utf8: bool,
    /// The old name of a renamed path.
    pub from: Option<Utf8PathBuf>,
    /// Git's mode of the new file: `100644`, `100755`, `120000` (link), `160000` (submodule).
    pub mode: String,
    /// Object id of the new file.
    pub object: String,
}

/// The kind of change of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Added,
    Modified,
    Deleted,
    Renamed,
    /// The change from a file to a link or a submodule, or back.
    TypeChanged,
}

impl Status {
    /// Returns the word that messages use.
    pub fn name(self) -> &'static str {
        match self {
            Status::Added => "added",
            Status::Modified => "modified",
            Status::Deleted => "deleted",
            Status::Renamed => "renamed",
            Status::TypeChanged => "changed in kind",
        }
    }
}

impl Repository {
    /// The repository that `dir` lies in.
    pub fn at(dir: &Utf8Path) -> Repository {
        Repository { dir: dir.to_owned() }
    }

    /// Returns the id of the commit that `name` (a branch, tag, id) stands for.
    ///
    /// # Errors
    /// When there is none.
    pub fn commit(&self, name: &str) -> Result<String> {
        let found = self.text(&["rev-parse", "--verify", "--end-of-options", &format!("{name}^{{commit}}")]);
        found.map_err(|error| match error {
            // Only where git knows no such name does fetching help.
            Error::Unreadable { path, reason } if UNKNOWN_NAME.iter().any(|words| reason.contains(words)) => {
                let advice = "fetch it first (actions/checkout: fetch-depth: 0)";
                Error::Unreadable { path, reason: format!("{name:?} is not a commit here; {advice}: {reason}") }
            }
            other => other,
        })
    }

    /// The commit from which both branched off.
    ///
    /// # Errors
    /// When there is none, as in a clone that is cut off before it.
    pub fn merge_base(&self, base: &str, head: &str) -> Result<String> {
        self.text(&["merge-base", base, head]).map_err(|error| match error {
            // Without a common commit git says nothing; what it does say is another trouble.
            Error::Unreadable { path, reason } if reason == "git merge-base: " => {
                let reason = format!("{base} and {head} have no common commit here");
                Error::Unreadable {
                    path,
                    reason: format!("{reason}; fetch the whole history (actions/checkout: fetch-depth: 0)"),
                }
            }
            other => other,
        })
    }

    /// Returns the state of the main branch before it took `head` by a merge commit: the first parent of that commit.
    /// `None` where no merge commit of `base`'s first-parent history has `head` as another parent.
    ///
    /// # Errors
    /// When git fails or says more than can be read.
    pub fn before_merge(&self, base: &str, head: &str) -> Result<Option<String>> {
        let range = format!("{head}..{base}");
        let merges = self.output(&["rev-list", "--merges", "--first-parent", "--parents", &range, "--"])?;
        let merges = String::from_utf8_lossy(&merges);
        let before = merges.lines().find_map(|line| {
            let mut ids = line.split(' ').skip(1);
            let first = ids.next()?;
            ids.any(|id| id == head).then(|| first.to_owned())
        });
        Ok(before)
    }

    /// Returns the lines `KEY VALUE` of the configuration whose keys match an expression; empty where there are none.
    ///
    /// # Errors
    /// When `dir` is in no repository, or git fails.
    pub fn settings(&self, keys: &str) -> Result<String> {
        // `git config` fails where nothing matches, so the repository itself is asked about first.
        self.text(&["rev-parse", "--git-dir"])?;
        let found = self.output(&["config", "--get-regexp", keys]).unwrap_or_default();
        Ok(String::from_utf8_lossy(&found).into_owned())
    }

    /// Returns the path of a file of the repository's own folder, such as `FETCH_HEAD`.
    ///
    /// # Errors
    /// When `dir` is in no repository, or git fails.
    pub fn path(&self, name: &str) -> Result<Utf8PathBuf> {
        Ok(self.dir.join(self.text(&["rev-parse", "--git-path", name])?))
    }

    /// Lists the differences between two commits, by path.
    ///
    /// # Errors
    /// When git fails or says more than can be read.
    pub fn changes(&self, base: &str, head: &str) -> Result<Vec<Change>> {
        // Trees that share trees may name a billion files in a kilobyte. This command writes as it goes and is stopped;
        // diff-tree would gather them all in memory first.
        self.output(&["ls-tree", "-r", "-z", "--name-only", "--full-tree", head])?;
        let options = ["--raw", "--no-abbrev", "--no-relative", "--no-ext-diff", "--no-textconv", "-l1000"];
        let mut arguments = vec!["diff-tree", "-r", "-z", "-M", "--ignore-submodules=none"];
        arguments.extend(options);
        arguments.extend([base, head, "--"]);
        let mut changes = parse_changes(&self.output(&arguments)?).ok_or_else(|| {
            Error::unreadable(
                &self.dir,
                "git diff-tree printed output that caddie does not understand; is this a recent git?",
            )
        })?;
        changes.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(changes)
    }

    /// Lists the folders at or below `top` in a commit, as paths from the root of the repository.
    ///
    /// # Errors
    /// When git fails or says more than can be read.
    pub fn folders(&self, commit: &str, top: &str) -> Result<BTreeSet<Utf8PathBuf>> {
        let listing = self.output(&["ls-tree", "-r", "-d", "-z", "--name-only", "--full-tree", commit, "--", top])?;
        let names = listing.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        Ok(names.map(|name| Utf8PathBuf::from(String::from_utf8_lossy(name).as_ref())).collect())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        // A hook that calls caddie sets GIT_DIR and others, which would lead to another repository than `dir`.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("GIT_") && !OF_THE_USER.contains(&&*text) {
                command.env_remove(name);
            }
        }
        command.envs(trusted_by_environment(|name| std::env::var(name).ok()));
        command.envs([
            ("LC_ALL", "C"),
            ("GIT_OPTIONAL_LOCKS", "0"),
            ("GIT_NO_LAZY_FETCH", "1"),
            ("GIT_NO_REPLACE_OBJECTS", "1"),
            ("GIT_TERMINAL_PROMPT", "0"),
        ]);
        for setting in ["core.fsmonitor=false", "core.hooksPath=/dev/null", "diff.external=", "protocol.allow=never"] {
            command.args(["-c", setting]);
        }
        command.arg("--no-pager").args(arguments).current_dir(&self.dir);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Returns git's message, or its meaning with a remedy where that is known.
    fn explained(&self, said: &str) -> String {
        trouble::explained(said, &self.dir, || self.filter())
    }

    /// The filter of a partial clone; `None` where every object was fetched.
    fn filter(&self) -> Option<String> {
        let asked =
            ["config", "--get-regexp", r"^(remote\..*\.(partialclonefilter|promisor)|extensions\.partialclone)$"];
        let output = self.command(&asked).output().ok().filter(|output| output.status.success())?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let filter = text.lines().find_map(|line| line.split_once("partialclonefilter ").map(|(_, filter)| filter));
        Some(filter.unwrap_or("…").trim().to_owned())
    }

    fn not_started(&self, error: &std::io::Error) -> Error {
        match std::fs::metadata(&self.dir) {
            Ok(_) if error.kind() == std::io::ErrorKind::NotFound => {
                Error::Usage("this needs git, which was not found; install it, or give folders".to_owned())
            }
            Ok(_) => Error::unreadable(&self.dir, format!("git cannot be started: {error}")),
            Err(error) => Error::io(&self.dir, "opening")(error),
        }
    }

    /// One line of output.
    fn text(&self, arguments: &[&str]) -> Result<String> {
        let output = self.output(arguments)?;
        Ok(String::from_utf8_lossy(&output).lines().next().unwrap_or("").trim().to_owned())
    }

    fn output(&self, arguments: &[&str]) -> Result<Vec<u8>> {
        let mut child = self.command(arguments).spawn().map_err(|error| self.not_started(&error))?;
        let said = child.stderr.take().map(|stderr| std::thread::spawn(move || first_line(stderr)));
        let mut bytes = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            let read = stdout.take(MAX_OUTPUT + 1).read_to_end(&mut bytes);
            if bytes.len() as u64 > MAX_OUTPUT || read.is_err() {
                let _ = child.kill();
            }
        }
        let status = child.wait().map_err(Error::io(&self.dir, "running git"))?;
        let said = said.and_then(|thread| thread.join().ok()).unwrap_or_default();
        let command = arguments.first().unwrap_or(&"");
        if bytes.len() as u64 > MAX_OUTPUT {
            Err(Error::unreadable(&self.dir, format!("git {command} printed more than {MAX_OUTPUT} bytes")))
        } else if !status.success() {
            Err(Error::unreadable(&self.dir, self.explained(&format!("git {command}: {said}"))))
        } else {
            Ok(bytes)
        }
    }
}

/// Returns the first line of git's error output; the rest is read so that git does not wait for a reader.
fn first_line(mut stderr: impl Read) -> String {
    let mut bytes = Vec::new();
    let _ = stderr.by_ref().take(4096).read_to_end(&mut bytes);
    let _ = std::io::copy(&mut stderr, &mut std::io::sink());
    String::from_utf8_lossy(&bytes).lines().next().unwrap_or("").trim_start_matches("fatal: ").to_owned()
}

/// Parses `:100644 100755 <id> <id> M` NUL path NUL, with a second path where the first was renamed.
fn parse_changes(raw: &[u8]) -> Option<Vec<Change>> {
    let mut fields = raw.split(|byte| *byte == 0);
    let mut changes = Vec::new();
    while let Some(head) = fields.next().filter(|head| !head.is_empty()) {
        let head = std::str::from_utf8(head).ok()?.strip_prefix(':')?;
        let words: Vec<&str> = head.split(' ').collect();
        let [_, mode, _, object, letter] = words.as_slice() else { return None };
        let status = match letter.chars().next()? {
            'A' | 'C' => Status::Added,
            'D' => Status::Deleted,
            'R' => Status::Renamed,
            'T' => Status::TypeChanged,
            _ => Status::Modified,
        };
        let mut path = || fields.next().filter(|path| !path.is_empty());
        let first = path()?;
        let (from, path) = if letter.starts_with(['R', 'C']) { (Some(first), path()?) } else { (None, first) };
        let lossy = |path: &[u8]| Utf8PathBuf::from(String::from_utf8_lossy(path).as_ref());
        changes.push(Change {
            status,
            path: lossy(path),
            utf8: std::str::from_utf8(path).is_ok(),
            from: from.map(lossy),
            mode: (*mode).to_owned(),
            object: (*object).to_owned(),
        });
    }
    Some(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_output_is_read_and_anything_else_refused() {
        let raw = b":000000 100644 0000 aaaa A\0records/t/n\xff\0:100644 100644 bbbb bbbb R100\0old\0new\0:100644 000000 c 0 D\0x y\0";
        let changes = parse_changes(raw).expect("understood");
        let seen: Vec<_> = changes.iter().map(|change| (change.status, change.path.as_str(), change.utf8)).collect();
        assert_eq!(
            seen,
            [
                (Status::Added, "records/t/n\u{fffd}", false),
                (Status::Renamed, "new", true),
                (Status::Deleted, "x y", true)
            ]
        );
        assert_eq!((changes[1].from.as_deref(), changes[0].object.as_str()), (Some(Utf8Path::new("old")), "aaaa"));
        assert_eq!(parse_changes(b""), Some(Vec::new()));
        for broken in [&b"x"[..], b":100644 1 2 M\0a\0", b":1 2 3 4 M\0", b":1 2 3 4 R1\0a\0", b":\xff 2 3 4 M\0a\0"] {
            assert_eq!(parse_changes(broken), None, "{broken:?}");
        }
    }
}
