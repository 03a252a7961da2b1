//! The way of a folder into a pull request: how far it has come.

use camino::Utf8Path;

use super::Repository;

/// The step of a pull request that a folder has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Git knows nothing of it.
    Untracked,
    /// It is in the index, not in a commit.
    Staged,
    /// It is in HEAD, and not on the branch that the clone follows.
    Committed,
    /// It is on the default branch of the clone's origin.
    Merged,
}

/// Returns the stage of `folder`; `None` where it lies in no repository, or git is not there. Names alone are compared:
/// no file of the folder is read, and so no filter of the repository is run.
pub fn stage(folder: &Utf8Path) -> Option<Stage> {
    let repository = Repository::at(folder);
    repository.text(&["rev-parse", "--git-dir"]).ok()?;
    let is_in = |commit: &str| repository.text(&["rev-parse", "--verify", "--quiet", &format!("{commit}:./")]).is_ok();
    Some(if is_in("refs/remotes/origin/HEAD") {
        Stage::Merged
    } else if is_in("HEAD") {
        Stage::Committed
    } else if repository.text(&["ls-files", "--cached", "--", "."]).is_ok_and(|first| !first.is_empty()) {
        Stage::Staged
    } else {
        Stage::Untracked
    })
}
