//! A git repository with records folders, and caddie run in it.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// What a run of caddie ended with.
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ended {
    /// Folders that a `--quiet` report has a verdict on.
    pub fn verified(&self) -> usize {
        let verdicts = ["pass ", "warn ", "fail ", "unknown "];
        self.out.lines().filter(|line| verdicts.iter().any(|verdict| line.starts_with(verdict))).count()
    }
}

pub fn verify(dir: &Path, arguments: &[&str]) -> Ended {
    caddie(dir, &[&["verify"], arguments].concat())
}

/// Runs caddie in a folder.
pub fn caddie(dir: &Path, arguments: &[&str]) -> Ended {
    let mut command = assert_cmd::Command::cargo_bin("caddie").expect("the binary");
    // What a git hook leaves in the environment leads elsewhere.
    command.current_dir(dir).env("NO_COLOR", "1").env("GIT_DIR", "/nonexistent").args(arguments);
    let output = command.output().expect("runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// A copy of the good folder at `path`.
pub fn good_at(path: &Path) {
    std::fs::create_dir_all(path).expect("creates");
    for entry in std::fs::read_dir(crate::support::good()).expect("the committed folder") {
        let entry = entry.expect("an entry");
        std::fs::copy(entry.path(), path.join(entry.file_name())).expect("copies");
    }
}

/// A repository with one merged folder on `main`; its branches are made from there.
pub struct Repository {
    root: tempfile::TempDir,
}

pub const OLD: &str = "records/track_non_record_16mb/2026-01-01_Old";
pub const NEW: &str = "records/track_non_record_16mb/2026-01-02_New";

impl Repository {
    /// `None`, with a reason, where there is no git.
    pub fn new() -> Option<Repository> {
        if Command::new("git").arg("--version").output().is_err() {
            eprintln!("skipped: git is not installed");
            return None;
        }
        let repository = Repository { root: tempfile::tempdir().expect("a temporary directory") };
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository.write("README.md", "a challenge");
        good_at(&repository.path().join(OLD));
        repository.write(&format!("{OLD}/notes.txt"), &"of this folder alone\n".repeat(20));
        repository.commit();
        repository.git(&["switch", "--quiet", "--create", "topic"]);
        Some(repository)
    }

    pub fn path(&self) -> &Path {
        self.root.path()
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("GIT_")) {
            command.env_remove(name);
        }
        let identity = ["-c", "user.name=a", "-c", "user.email=a@b.invalid", "-c", "commit.gpgsign=false"];
        command.args(identity).args(arguments).current_dir(self.path());
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        let output = command.output().expect("git runs");
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    pub fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("creates");
        std::fs::write(&path, content).expect("writes");
        path
    }

    pub fn commit(&self) {
        self.git(&["add", "--all", "--force"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", "x"]);
    }

    pub fn diff(&self) -> Ended {
        verify(self.path(), &["--quiet", "--diff", "main..topic"])
    }

    /// The messages of the pull request's own findings.
    pub fn messages(&self) -> Vec<String> {
        let ended = verify(self.path(), &["--format", "json", "--diff", "main...topic"]);
        let report: serde_json::Value = serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{}", ended.err));
        let folder = report["folders"].as_array().expect("folders").iter().find(|folder| folder["path"] == ".");
        let findings = folder.and_then(|folder| folder["findings"].as_array()).cloned().unwrap_or_default();
        assert!(findings.iter().all(|finding| finding["rule"] == "pr-one-new-folder"));
        findings.iter().map(|finding| finding["message"].as_str().expect("text").to_owned()).collect()
    }
}
