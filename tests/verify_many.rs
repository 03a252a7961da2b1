//! `caddie verify` on many folders at once, and on what a pull request adds to a repository.

#[path = "support/repository.rs"]
mod repository;
mod support;

use std::path::Path;
use std::process::Command;

use repository::{NEW, OLD, Repository, good_at, verify};
use support::Copy;

#[test]
fn records_are_walked_in_order_and_one_unreadable_folder_does_not_stop_the_rest() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let track = root.path().join("records/track_non_record_16mb");
    for name in ["2026-01-03_c", "2026-01-01_a", "2026-01-02_b"] {
        good_at(&track.join(name));
    }
    std::fs::write(root.path().join("README.md"), "a repository").expect("writes");
    for argument in [".", "records", "records/track_non_record_16mb"] {
        let ended = verify(root.path(), &["--quiet", "--fail-on", "never", argument]);
        let order: Vec<usize> = ["01_a", "02_b", "03_c"].map(|name| ended.out.find(name).expect("listed")).to_vec();
        assert!(order.is_sorted() && ended.verified() == 3, "{}", ended.out);
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{argument}");
    }
    let ended = verify(root.path(), &["--quiet", "nope", "records", "README.md", "records/track_non_record_16mb"]);
    assert_eq!((ended.code, ended.verified()), (Some(2), 3), "each once: {}", ended.out);
    let empty = verify(root.path(), &["--quiet", ""]);
    assert!(empty.err.contains("error: '': no such folder"), "{}", empty.err);
    assert!(ended.err.contains("error: nope: no such folder") && ended.err.contains("error: README.md: not a folder"));
}

#[test]
fn the_report_of_many_is_the_same_on_every_run() {
    let root = tempfile::tempdir().expect("a temporary directory");
    for index in 0..12 {
        good_at(&root.path().join(format!("records/track_10min_16mb/2026-01-{:02}_x", index + 1)));
    }
    let once = verify(root.path(), &["--format", "json", "records"]);
    assert_eq!(once.out, verify(root.path(), &["--format", "json", "records"]).out);
    assert_eq!(once.out.matches("\"path\": ").count(), 12);
}

#[cfg(unix)]
#[test]
fn links_among_records_are_named_and_not_followed() {
    let root = tempfile::tempdir().expect("a temporary directory");
    good_at(&root.path().join("records/track_10min_16mb/2026-01-01_x"));
    std::os::unix::fs::symlink("/", root.path().join("records/track_10min_16mb/root")).expect("links");
    std::os::unix::fs::symlink(root.path(), root.path().join("records/loop")).expect("links");
    let ended = verify(root.path(), &["--quiet", "records"]);
    assert_eq!((ended.code, ended.verified()), (Some(2), 1), "{}", ended.out);
    for link in ["records/loop", "records/track_10min_16mb/root"] {
        assert!(ended.err.contains(&format!("error: {link}: a symbolic link")), "{}", ended.err);
    }
}

#[test]
fn a_pull_request_that_adds_one_folder_is_verified_as_it_is_in_head() {
    let Some(repository) = Repository::new() else { return };
    good_at(&repository.path().join(NEW));
    repository.commit();
    let ended = repository.diff();
    assert_eq!(ended.verified(), 1, "{}", ended.out);
    assert!(ended.out.contains(&format!("  {NEW}  (")), "{}", ended.out);
    assert_eq!(repository.messages(), [""; 0]);
    let before = verify(repository.path(), &["--format", "json", NEW]).out;
    assert_eq!(verify(repository.path(), &["--format", "json", "--diff", "main..topic"]).out, before);

    // What lies in the work tree, or moves on in main, is not what the pull request holds.
    repository.git(&["switch", "--quiet", "main"]);
    repository.write("README.md", "moved on");
    repository.write(&format!("{OLD}/notes.txt"), "moved on");
    repository.commit();
    repository.write(&format!("{NEW}/README.md"), "in nobody's commit");
    assert_eq!(verify(repository.path(), &["--format", "json", "--diff", "main..topic"]).out, before);
    // From anywhere, and from a folder inside.
    let inside = repository.path().join("records");
    assert_eq!(verify(&inside, &["--format", "json", "--diff", "main..topic"]).out, before);
    let repo = repository.path().to_str().expect("UTF-8");
    assert_eq!(verify(Path::new("/"), &["--format", "json", "--repo", repo, "--diff", "main..topic"]).out, before);
}

#[test]
fn whatever_else_a_pull_request_does_is_an_error() {
    let Some(repository) = Repository::new() else { return };
    repository.write(&format!("{NEW}/train_gpt.py"), "print('hello')\n");
    repository.write("README.md", "a better challenge");
    repository.write(&format!("{OLD}/README.md"), "a better record");
    std::fs::remove_file(repository.path().join(OLD).join("notes.txt")).expect("removes");
    std::fs::rename(repository.path().join(OLD).join("train_seed42.log"), repository.path().join("train_seed43.log"))
        .expect("renames");
    repository.write("records/loose.txt", "x");
    repository.write(&format!("{OLD}/more.txt"), "more");
    repository.commit();
    let ended = repository.diff();
    assert_eq!((ended.code, ended.verified()), (Some(1), 2), "{}", ended.out);
    let mut messages = repository.messages();
    messages.sort();
    let expected = [
        "added outside of a new folder: records/loose.txt".to_owned(),
        format!("added to another folder, which is there already: {OLD}/more.txt"),
        format!("deleted in another folder, which is there already: {OLD}/notes.txt"),
        format!("modified in another folder, which is there already: {OLD}/README.md"),
        "modified outside of a new folder: README.md".to_owned(),
        format!("renamed into train_seed43.log: {OLD}/train_seed42.log"),
    ];
    assert_eq!(messages, expected);
}

#[test]
fn several_folders_are_all_verified_and_none_is_said() {
    let Some(repository) = Repository::new() else { return };
    assert_eq!(repository.messages(), ["0 paths change, none below records/; no folder was verified"]);
    let ended = repository.diff();
    assert_eq!(ended.code, Some(0), "a change of something else is no submission");
    assert!(ended.out.starts_with("unknown "), "nothing was verified, so nothing passed: {}", ended.out);
    let twin = "records/track_10min_16mb/2026-01-02_New";
    good_at(&repository.path().join(NEW));
    good_at(&repository.path().join(twin));
    good_at(&repository.path().join("records/track_10min_16m/2026-01-03_Typo"));
    repository.commit();
    let ended = repository.diff();
    assert_eq!((ended.code, ended.verified()), (Some(1), 4), "{}", ended.out);
    let messages = repository.messages();
    assert!(messages[0].starts_with("3 folders are added, one of them in two tracks; a pull request adds one"));
    assert!(messages[1].starts_with("records/track_10min_16m/2026-01-03_Typo is in no track"), "{messages:?}");
    repository.git(&["rm", "-rq", NEW, twin, "records/track_10min_16m", &format!("{OLD}/README.md")]);
    repository.commit();
    let messages = repository.messages();
    assert!(messages.iter().any(|message| message.starts_with("no folder below records/<track>/ is added")));
}

#[cfg(unix)]
#[test]
fn nothing_of_a_hostile_head_is_followed_filtered_or_run() {
    let Some(repository) = Repository::new() else { return };
    let new = repository.path().join(NEW);
    good_at(&new);
    let script = std::fs::read_to_string(new.join("train_gpt.py")).expect("reads");
    std::os::unix::fs::symlink("/etc/passwd", new.join("passwd.txt")).expect("links");
    std::os::unix::fs::symlink("../2026-01-01_Old", new.join("logs")).expect("links");
    repository.write(&format!("{NEW}/a\u{1b}[31m\nb.log"), "x");
    repository.write(&format!("{NEW}/model.bin"), "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
    let object = repository.git(&["rev-parse", "HEAD"]);
    repository.git(&["add", "--all"]);
    repository.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{},{NEW}/sub", object.trim())]);
    repository.git(&["commit", "--quiet", "--message", "x"]);

    // Settings and attributes that would run a program or change what is read.
    let touched = repository.path().join("touched");
    let run = format!("touch {}", touched.display());
    repository.write(".git/info/attributes", "* filter=evil diff=evil ident export-subst eol=crlf\n");
    for key in [
        "filter.evil.smudge",
        "filter.evil.clean",
        "diff.evil.textconv",
        "diff.evil.command",
        "diff.external",
        "core.fsmonitor",
        "core.pager",
        "pager.diff-tree",
    ] {
        repository.git(&["config", key, &run]);
    }
    repository.git(&["config", "diff.renames", "copies"]);
    repository.git(&["config", "diff.relative", "true"]);
    let ended = repository.diff();
    assert!(!touched.exists(), "a program of the repository's configuration was run");
    assert_eq!(ended.code, Some(1), "{}{}", ended.out, ended.err);
    let messages = repository.messages();
    let has = |text: &str| assert!(messages.iter().any(|message| message.contains(text)), "{text}: {messages:#?}");
    has("sub is a submodule");
    has("passwd.txt is a symbolic link");
    has("logs is a symbolic link");
    has("model.bin is a Git LFS pointer");
    assert_eq!(messages.len(), 4, "{messages:#?}");
    let plain = verify(repository.path(), &["--diff", "main..topic"]).out;
    assert!(!plain.contains('\u{1b}'), "a file's name reaches the terminal");
    assert!(!plain.contains("CODE_SIZE_NE_COMMITTED"), "{} bytes are shipped: {plain}", script.len());
}

#[test]
fn a_tree_of_a_billion_files_and_a_folder_of_many_end_in_time() {
    let Some(repository) = Repository::new() else { return };
    for index in 0..10_100 {
        repository.write(&format!("{NEW}/a{index}"), "x");
    }
    repository.commit();
    let messages = repository.messages();
    assert!(
        messages.iter().any(|message| message == "50 more files of the added folders were not read"),
        "{messages:?}"
    );
    assert!(messages.len() == 51 && messages[0].contains("more than 10000 files are added"), "{messages:?}");

    let mut object = repository.git(&["hash-object", "-w", "README.md"]).trim().to_owned();
    let mut kind = "100644 blob";
    for _ in 0..10 {
        let list = repository.path().join(".git/list");
        let entries: Vec<String> = (0..10).map(|index| format!("{kind} {object}\t{index}\n")).collect();
        std::fs::write(&list, entries.concat()).expect("writes");
        let mut command = Command::new("git");
        command.arg("mktree").current_dir(repository.path()).stdin(std::fs::File::open(&list).expect("opens"));
        let output = command.output().expect("runs");
        object = String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned();
        kind = "040000 tree";
    }
    let bomb = repository.git(&["commit-tree", "-p", "main", "-m", "x", &object]);
    let ended = verify(repository.path(), &["--diff", &format!("main..{}", bomb.trim())]);
    assert!(ended.code == Some(2) && ended.err.contains("git ls-tree printed more than"), "{}", ended.err);
}

#[test]
fn a_range_that_cannot_be_read_says_what_to_do() {
    let Some(repository) = Repository::new() else { return };
    let refused = |arguments: &[&str]| {
        let ended = verify(repository.path(), arguments);
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{}", ended.err);
        ended.err
    };
    assert!(refused(&["--diff", "origin/main..HEAD"]).contains("\"origin/main\" is not a commit here; fetch it first"));
    assert!(refused(&["--diff", "main"]).contains("write BASE..HEAD"));
    assert!(refused(&["--diff=--output=x..HEAD"]).contains("is an option, not a commit"));
    assert!(refused(&["--diff", "main..HEAD", "records"]).contains("cannot be used with"));
    repository.git(&["switch", "--quiet", "--orphan", "other"]);
    repository.commit();
    assert!(refused(&["--diff", "main..other"]).contains("have no common commit here; fetch the whole history"));
    let nowhere = tempfile::tempdir().expect("a temporary directory");
    let ended = verify(nowhere.path(), &["--diff", "main..HEAD"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("not a git repository"), "{}", ended.err);
    let ended = verify(nowhere.path(), &["--repo", "nope", "--diff", "main..HEAD"]);
    assert!(ended.err.contains("nope: opening failed"), "{}", ended.err);
}

#[test]
fn a_folder_of_a_copy_stays_readable_by_name() {
    // Copies in tests are named `good`: no record, no track, no README needed to be found as given.
    let copy = Copy::new();
    copy.remove("README.md").remove("submission.json");
    let ended = verify(copy.path.parent().expect("a parent"), &["--quiet", "good"]);
    assert!(ended.code == Some(1) && ended.out.contains("  good  ("), "{}{}", ended.out, ended.err);
}

/// A clone made with a filter lacks what `--diff` reads; saying "fetch it first" would send its owner the wrong way.
#[test]
fn a_partial_clone_is_told_as_one() {
    let Some(repository) = Repository::new() else { return };
    good_at(&repository.path().join(NEW));
    repository.commit();
    repository.git(&["config", "uploadpack.allowFilter", "true"]);
    let away = tempfile::tempdir().expect("a temporary directory");
    let from = format!("file://{}", repository.path().display());
    for (name, filter) in [("partial", "blob:none"), ("treeless", "tree:0")] {
        let filter = format!("--filter={filter}");
        let mut clone = Command::new("git");
        clone.current_dir(away.path()).args(["clone", "--quiet", "--no-checkout", &filter, &from, name]);
        if !clone.status().is_ok_and(|status| status.success()) {
            return; // A git without filters.
        }
        let ended = verify(away.path(), &["--diff", "origin/main..origin/topic", "--repo", name]);
        assert_eq!(ended.code, Some(2), "{}{}", ended.out, ended.err);
        assert!(ended.err.contains(&format!("made with {filter} and lacks objects")), "{}", ended.err);
        assert!(ended.err.contains("clone it without --filter"), "{}", ended.err);
    }
}

/// A range that submits nothing passes no rule of a folder.
#[test]
fn a_range_without_a_folder_has_no_cases_of_folders() {
    let Some(repository) = Repository::new() else { return };
    repository.write("README.md", "changed");
    repository.commit();
    let junit = verify(repository.path(), &["--diff", "main..topic", "--format", "junit"]).out;
    assert_eq!(junit.matches("<testcase ").count(), 1, "{junit}");
    assert!(junit.contains("pr-one-new-folder") && junit.contains("<skipped"), "{junit}");
}

#[test]
fn without_an_argument_the_folder_that_one_stands_in_is_verified() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    good_at(folder.path());
    let ended = verify(folder.path(), &["--quiet"]);
    assert_eq!((ended.code, ended.verified()), (Some(0), 1), "{}{}", ended.out, ended.err);
    let empty = tempfile::tempdir().expect("a temporary directory");
    let ended = verify(empty.path(), &[]);
    assert_eq!(ended.code, Some(1), "{}{}", ended.out, ended.err);
    assert!(ended.out.contains("MISSING_SUBMISSION_JSON"), "{}", ended.out);
}
