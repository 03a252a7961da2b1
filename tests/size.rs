//! `caddie size`: counted bytes, limit and headroom of folders, artifacts and files.

mod support;

use std::path::Path;

use assert_cmd::Command;
use sha2::{Digest, Sha256};
use support::Copy;

fn size(directory: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::cargo_bin("caddie")
        .expect("the binary")
        .current_dir(directory)
        .arg("size")
        .args(arguments)
        .output()
        .expect("runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn folders() -> std::path::PathBuf {
    support::good().parent().expect("fixtures/folders").to_owned()
}

#[test]
fn a_folder_counts_its_script_and_its_largest_model() {
    let (code, plain, _) = size(&folders(), &["good"]);
    assert_eq!(code, Some(0));
    insta::assert_snapshot!("size_good", plain);
    let (code, plain, _) = size(&folders(), &["good", "--cap", "15815927"]);
    assert_eq!(code, Some(1));
    assert!(plain.starts_with("good: over the cap") && plain.contains("-1\n"), "{plain}");
    assert_eq!(size(&folders(), &["good", "--cap", "15815928"]).0, Some(0), "the cap is inclusive");
}

#[test]
fn a_script_that_outgrew_its_logs_is_shown_both_ways() {
    let copy = Copy::new();
    std::fs::write(copy.path.join("train_gpt.py"), vec![b'#'; 300_000]).expect("writes");
    let (code, plain, _) = size(copy.path.parent().expect("a parent"), &["good"]);
    assert_eq!(code, Some(0), "contested, so not over");
    assert!(plain.contains("as logged") && plain.contains("contested"), "{plain}");
}

/// The JSON of one folder.
fn json_of(copy: &Copy, more: &[&str]) -> serde_json::Value {
    let (_, json, error) = size(copy.path.parent().expect("a parent"), &[&["good", "--format", "json"], more].concat());
    let json: serde_json::Value = serde_json::from_str(&json).unwrap_or_else(|no| panic!("{no}: {error}"));
    json[0].clone()
}

#[test]
fn every_accounting_is_a_row_and_the_json_has_the_same_numbers() {
    let copy = Copy::new();
    let write = |name: &str, text: &[u8]| std::fs::write(copy.path.join(name), text).expect("writes");
    let script =
        format!("import subprocess, helper\nsubprocess.run(['lrzip', '-d'])\n{}", "print('a line')\n".repeat(900));
    write("train_gpt.py", script.as_bytes());
    write("helper.py", b"A = 1\n");
    write("own.model", &[7; 1_001]);
    let (code, plain, _) = size(copy.path.parent().expect("a parent"), &["good"]);
    assert_eq!(code, Some(0));
    insta::assert_snapshot!("size_accountings", plain);
    let json = json_of(&copy, &[]);
    let rows = json["accountings"].as_array().expect("rows");
    assert_eq!(rows.len(), 6, "three runs, shipped, packed, with helpers: {json:#}");
    for row in rows {
        let of = |key: &str| row[key].as_i64().unwrap_or_else(|| panic!("{key} of {row}"));
        assert_eq!(of("bytes_model") + of("bytes_code"), of("bytes_total"));
        assert_eq!(of("bytes_total") + of("headroom"), 16_000_000);
        assert!(plain.contains(&caddie_files::text::thousands(of("bytes_total"))), "{row}");
    }
    assert_eq!(json["helpers"], serde_json::json!([{"name": "helper.py", "bytes": 6}]));
    assert_eq!(json["tokenizers"], serde_json::json!([{"name": "own.model", "bytes": 1001}]));
    assert_eq!(json["programs"], serde_json::json!(["lrzip"]));
    let (code, plain, _) = size(copy.path.parent().expect("a parent"), &["good", "--cap", "15830310"]);
    assert!(code == Some(0) && plain.contains("over it with its helper files"), "{plain}");
}

#[test]
fn the_claim_is_told_by_its_accounting() {
    let claim = |json: &str| {
        let copy = Copy::new();
        std::fs::write(copy.path.join("submission.json"), json).expect("writes");
        // The script is not the one that the logs count, so that the accountings differ.
        std::fs::write(copy.path.join("train_gpt.py"), "print('a')\n".repeat(50)).expect("writes");
        std::fs::write(copy.path.join("helper.py"), "A = 1\n").expect("writes");
        json_of(&copy, &[])["claimed"].clone()
    };
    for (bytes, accounting, words) in [
        (15_815_928, "logged_max", "the largest total of the logs (seed 1234)"),
        (15_815_926, "logged_run", "the total of seed 0, not the largest"),
        (15_815_927, "logged_mean", "the mean of the logged totals"),
        (15_815_849 + 550, "model_and_script", "the model of seed 1234 with the script as shipped"),
        (15_815_849, "model_only", "the model of seed 1234 without code"),
        (15_800_000, "rounded", "a round number near the logged totals"),
        (12_345_678, "none", "no accounting of the logs gives it"),
    ] {
        let claimed = claim(&format!(r#"{{"bytes_total": {bytes}}}"#));
        assert_eq!((&claimed["accounting"], &claimed["is"]), (&accounting.into(), &words.into()), "{claimed}");
        assert_eq!((&claimed["bytes"], &claimed["file"]), (&bytes.into(), &"submission.json".into()));
    }
    let parts = claim(r#"{"bytes_model": 15000000, "bytes_code": 123, "bytes_total": 15000123}"#);
    assert_eq!(parts["accounting"], "own_parts", "{parts}");
    let by_seed = claim(r#"{"seed_results": {"0": {"artifact_bytes": 5}, "42": {"artifact_bytes": 15815926}}}"#);
    assert_eq!((&by_seed["bytes"], &by_seed["accounting"]), (&15_815_926.into(), &"logged_run".into()), "{by_seed}");
    let readme = claim("{}");
    assert_eq!((&readme["file"], &readme["accounting"]), (&"README.md".into(), &"logged_max".into()), "{readme}");
}

#[test]
fn a_stub_is_counted_with_what_it_executes() {
    let copy = Copy::new();
    std::fs::write(copy.path.join("inner.py"), "print('inner')\n".repeat(20_000)).expect("writes");
    let stub = "exec(open(__file__.replace('train_gpt.py','inner.py')).read())\n";
    std::fs::write(copy.path.join("train_gpt.py"), stub).expect("writes");
    let json = json_of(&copy, &[]);
    assert_eq!(json["counted"], 15_815_849 + 300_000 + stub.len());
    assert_eq!(json["hands_over_to"], "inner.py");
    let (_, plain, _) = size(copy.path.parent().expect("a parent"), &["good"]);
    assert!(plain.contains("train_gpt.py (by its name), which only executes inner.py"), "{plain}");
}

/// A checkout with the root's own script and two records folders, of which one cannot be sized.
fn checkout() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let track = dir.path().join("records/track_10min_16mb");
    for name in ["2026-01-01_Good", "2026-01-02_Empty"] {
        std::fs::create_dir_all(track.join(name)).expect("creates");
    }
    for entry in std::fs::read_dir(support::good()).expect("the committed folder") {
        let entry = entry.expect("an entry");
        std::fs::copy(entry.path(), track.join("2026-01-01_Good").join(entry.file_name())).expect("copies");
    }
    std::fs::write(dir.path().join("train_gpt.py"), "x".repeat(500_000)).expect("writes");
    std::fs::write(track.join("2026-01-02_Empty/README.md"), "# Empty\n").expect("writes");
    dir
}

#[test]
fn a_checkout_is_its_records_folders_and_never_its_own_script() {
    let dir = checkout();
    let (code, plain, error) = size(dir.path(), &["."]);
    assert_eq!(code, Some(2), "{plain}{error}");
    assert!(plain.contains("15,815,928   184,072  ./records/track_10min_16mb/2026-01-01_Good: within the cap\n"));
    assert!(plain.contains("1 sized, 0 over 16,000,000 bytes") && !plain.contains("16,315"), "{plain}");
    assert!(error.contains("2026-01-02_Empty: the counted bytes cannot be determined"), "{error}");
}

#[test]
fn one_folder_that_cannot_be_sized_does_not_hide_the_others() {
    let dir = checkout();
    let track = dir.path().join("records/track_10min_16mb");
    let (code, plain, error) = size(&track, &["2026-01-02_Empty", "2026-01-01_Good", "nothing"]);
    assert_eq!(code, Some(2));
    assert!(plain.starts_with("2026-01-01_Good: within the cap"), "{plain}");
    assert_eq!(error.lines().count(), 2, "{error}");
    assert!(error.contains("error: 2026-01-02_Empty: ") && error.contains("error: nothing: no such"), "{error}");
    let (code, json, _) = size(&track, &["2026-01-02_Empty", "2026-01-01_Good", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((code, json.as_array().map(Vec::len)), (Some(2), Some(1)));
}

#[test]
fn files_are_summed() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(dir.path().join("train_gpt.py"), "x".repeat(100)).expect("writes");
    std::fs::write(dir.path().join("model.int8.zlib"), vec![0; 900]).expect("writes");
    let (code, json, _) = size(dir.path(), &["train_gpt.py", "model.int8.zlib", "--cap", "1000", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((code, &json[0]["counted"], &json[0]["headroom"]), (Some(0), &1000.into(), &0.into()));
    assert_eq!(size(dir.path(), &["train_gpt.py", "model.int8.zlib", "--cap", "999"]).0, Some(1));
}

/// A tar of members under the names as they are given, past the checks of a well-meaning writer.
fn tar_of(members: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, kind, content) in members {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        header.set_cksum();
        tar.append(&header, *content).expect("appends");
    }
    tar.into_inner().expect("finishes")
}

/// What `unpack` refuses, `size` refuses with the same reason: bytes that ship unseen would pass the gate.
#[test]
fn an_artifact_is_counted_only_if_it_unpacks() {
    use tar::EntryType::{Regular, Symlink};
    let (script, small, large): (&[u8], &[u8], &[u8]) = (&[b'#'; 100], &[1; 50], &[2; 70]);
    let declared = [("train_gpt.py", script), ("seed-0/model", small), ("seed-1/model", large)];
    let member = |(path, content): &(&str, &[u8])| serde_json::json!({"path": path, "bytes": content.len(), "sha256": format!("{:x}", Sha256::digest(content))});
    let run = |seed: u64, bytes: u64| serde_json::json!({"seed": seed, "model": format!("seed-{seed}/model"), "bytes_model": bytes, "bytes_total": 100 + bytes});
    let manifest = serde_json::json!({
        "schema_version": 1, "name": "Demo", "versions": {"caddie": "0.1.0", "engine": "0.1.0", "pytorch": null},
        "limits": {"rulebook": "test", "bytes_total": 16000000, "train_seconds": 600.0, "train_tolerance_seconds": 0.25,
                   "eval_seconds": 600.0, "seeds": 3},
        "counted": {"bytes_code": 100, "bytes_model_max": 70, "bytes_total_max": 170, "runs": [run(0, 50), run(1, 70)]},
        "members": declared.iter().map(member).collect::<Vec<_>>(),
    });
    let manifest = manifest.to_string();
    let first = ("manifest.json", Regular, manifest.as_bytes());
    let sound: Vec<_> =
        std::iter::once(first).chain(declared.map(|(path, content)| (path, Regular, content))).collect();
    let more = |entry| [sound.as_slice(), &[entry]].concat();
    let mut swapped = sound.clone();
    swapped.swap(0, 1);
    let mut altered = sound.clone();
    altered[2].2 = &[3; 50];
    let mut pointer = sound.clone();
    pointer[2].2 = b"version https://git-lfs.github.com/spec/v1\nsize 55";
    let dir = tempfile::tempdir().expect("a temporary directory");
    let write = |bytes: &[u8], behind: &[u8]| {
        let packed = zstd::encode_all(bytes, 3).expect("compresses");
        std::fs::write(dir.path().join("a.tar.zst"), [&packed, behind].concat()).expect("writes");
    };
    write(&tar_of(&sound), b"");
    let (code, json, _) = size(dir.path(), &["a.tar.zst", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((code, &json[0]["counted"]), (Some(0), &170.into()), "script and largest model: {json:#}");
    assert_eq!(size(dir.path(), &["a.tar.zst", "--cap", "169"]).0, Some(1));

    let big = vec![9; 300_000];
    for (entries, behind, reason) in [
        (more(("extra.bin", Regular, &big)), &b""[..], "not declared"),
        (more(("train_gpt.py", Regular, script)), b"", "there twice"),
        (more(("link", Symlink, b"")), b"", "is a link"),
        (more(("../evil.py", Regular, b"x")), b"", "leaves its folder"),
        (sound[..3].to_vec(), b"", "is declared in manifest.json and missing"),
        (swapped, b"", "first member"),
        (altered, b"", "altered"),
        (pointer, b"", "Git LFS pointer"),
        (sound.clone(), &big, "follow the last member"),
    ] {
        write(&tar_of(&entries), behind);
        let (code, out, error) = size(dir.path(), &["a.tar.zst", "--cap", "200000"]);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{reason}");
        assert!(error.contains("a.tar.zst") && error.contains(reason), "{reason}: {error}");
        let mut unpack = Command::cargo_bin("caddie").expect("the binary");
        let unpack = unpack.current_dir(dir.path()).args(["unpack", "a.tar.zst"]).output().expect("runs");
        assert_eq!(unpack.status.code(), Some(2), "{reason}");
        assert!(String::from_utf8_lossy(&unpack.stderr).contains(reason), "unpack gives another reason than {reason}");
    }
}

#[test]
fn what_cannot_be_counted_is_an_error() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (code, _, error) = size(dir.path(), &["."]);
    assert_eq!(code, Some(2));
    assert!(error.contains("cannot be determined without a script"), "{error}");
    std::fs::write(dir.path().join("train_gpt.py"), "print('a')\n").expect("writes");
    std::fs::write(dir.path().join("submission.json"), r#"{"bytes_total": 15800123}"#).expect("writes");
    let (code, _, error) = size(dir.path(), &["."]);
    assert_eq!(code, Some(2));
    assert!(error.contains("without a model file") && error.contains("claims 15,800,123 bytes"), "{error}");
    let (code, _, error) = size(dir.path(), &["nothing"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("nothing: no such file or folder") && !error.contains("os error"), "{error}");
}
