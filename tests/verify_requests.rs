//! Pull requests by their number: `caddie verify '#7'` and its like, in a clone that has fetched them.

#[path = "support/repository.rs"]
mod repository;
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use repository::{Ended, NEW, Repository, caddie, good_at, verify};

/// The challenge with a pull request of a new folder, and a clone of it that may fetch the request.
struct Challenge {
    upstream: Repository,
    away: tempfile::TempDir,
}

impl Challenge {
    /// `None` where there is no git.
    fn new() -> Option<Challenge> {
        let upstream = Repository::new()?;
        good_at(&upstream.path().join(NEW));
        upstream.commit();
        upstream.git(&["update-ref", "refs/pull/7/head", "topic"]);
        upstream.git(&["switch", "--quiet", "main"]);
        upstream.git(&["branch", "-D", "topic"]);
        let away = tempfile::tempdir().expect("a temporary directory");
        let challenge = Challenge { upstream, away };
        let from = challenge.upstream.path().to_str().expect("UTF-8").to_owned();
        challenge.git(challenge.away.path(), &["clone", "--quiet", &from, "clone"]);
        Some(challenge)
    }

    fn clone(&self) -> PathBuf {
        self.away.path().join("clone")
    }

    fn git(&self, dir: &Path, arguments: &[&str]) {
        let mut command = Command::new("git");
        command.current_dir(dir).env("GIT_CONFIG_GLOBAL", "/dev/null").args(arguments);
        assert!(command.status().expect("git runs").success(), "git {arguments:?}");
    }

    fn fetch(&self) {
        self.git(&self.clone(), &["fetch", "--quiet", "origin", "pull/7/head"]);
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        caddie(&self.clone(), arguments)
    }
}

#[test]
fn a_request_is_read_as_it_was_fetched_by_every_form_of_its_name() {
    let Some(challenge) = Challenge::new() else { return };
    let unfetched = verify(&challenge.clone(), &["7"]);
    assert_eq!((unfetched.code, unfetched.out.as_str()), (Some(2), ""));
    let said = "pull request #7 is not in this clone; git fetch origin pull/7/head";
    assert!(unfetched.err.contains(said), "{}", unfetched.err);

    challenge.fetch();
    let address = "https://github.com/openai/parameter-golf/pull/7/files";
    for name in ["7", "#7", address] {
        let ended = verify(&challenge.clone(), &["--quiet", name]);
        assert_eq!((ended.code, ended.verified()), (Some(0), 1), "{name}: {}{}", ended.out, ended.err);
        assert!(ended.out.contains(&format!("  {NEW}  (")), "{}", ended.out);
        assert!(ended.err.contains("note: pull request #7 is "), "{}", ended.err);
    }
    let sized = challenge.run(&["size", "--format", "json", "7"]);
    let sized: serde_json::Value = serde_json::from_str(&sized.out).expect("JSON");
    assert_eq!(sized[0]["path"], NEW);
    let audited = challenge.run(&["audit", "#7"]);
    assert!(audited.out.starts_with(&format!("{NEW}/train_gpt.py: ")), "{}{}", audited.out, audited.err);

    // A file or folder of that name is what is meant.
    good_at(&challenge.clone().join("7"));
    assert!(verify(&challenge.clone(), &["--quiet", "7"]).out.contains("  7  ("));
}

#[test]
fn a_mirror_has_its_requests_without_fetching() {
    let Some(challenge) = Challenge::new() else { return };
    let ended = verify(challenge.upstream.path(), &["--quiet", "#7"]);
    assert_eq!((ended.code, ended.verified()), (Some(0), 1), "{}{}", ended.out, ended.err);
    assert!(ended.err.contains("of refs/pull/7/head"), "{}", ended.err);
}

/// After a merge the head is part of the main branch, and nothing lies between them.
#[test]
fn a_request_that_was_merged_is_compared_with_what_was_there_before() {
    let Some(challenge) = Challenge::new() else { return };
    challenge.upstream.git(&["merge", "--quiet", "--no-ff", "-m", "Merge pull request #7", "refs/pull/7/head"]);
    challenge.git(&challenge.clone(), &["fetch", "--quiet", "origin"]);
    challenge.fetch();
    let ended = verify(&challenge.clone(), &["--quiet", "7"]);
    assert_eq!((ended.code, ended.verified()), (Some(0), 1), "{}{}", ended.out, ended.err);
}

#[test]
fn what_else_a_request_does_is_reported_under_its_number() {
    let Some(challenge) = Challenge::new() else { return };
    let upstream = &challenge.upstream;
    upstream.git(&["switch", "--quiet", "--detach", "main"]);
    upstream.write("README.md", "a better challenge");
    upstream.commit();
    upstream.git(&["update-ref", "refs/pull/7/head", "HEAD"]);
    challenge.fetch();
    let ended = verify(&challenge.clone(), &["--quiet", "7"]);
    assert!(
        ended.out.starts_with("unknown ") && ended.out.contains("  pull/7  ("),
        "nothing was verified: {}{}",
        ended.out,
        ended.err
    );
    let sized = challenge.run(&["size", "7"]);
    assert_eq!(sized.code, Some(2));
    assert!(sized.err.contains("pull request #7 adds no folder below records/<track>/"), "{}", sized.err);
}

#[test]
fn outside_of_a_clone_the_way_to_one_is_told() {
    if Command::new("git").arg("--version").output().is_err() {
        return;
    }
    let nowhere = tempfile::tempdir().expect("a temporary directory");
    let ended = verify(nowhere.path(), &["#1530"]);
    assert_eq!(ended.code, Some(2));
    let way = "git clone https://github.com/openai/parameter-golf, and in it git fetch origin pull/1530/head";
    assert!(ended.err.contains(way), "{}", ended.err);
    let fixed = verify(nowhere.path(), &["--fix", "#1530"]);
    assert!(fixed.code == Some(2) && fixed.err.contains("is a pull request, check it out first"), "{}", fixed.err);
}
