//! `caddie size`: counted bytes, limit and headroom of folders, artifacts and files.

mod support;

use std::path::Path;

use assert_cmd::Command;
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
        assert!(plain.contains(&caddie::report::thousands(of("bytes_total"))), "{row}");
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

#[test]
fn an_artifact_counts_what_lies_in_it_not_what_it_says() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let manifest = r#"{"counted": {"bytes_code": 1, "bytes_total_max": 2, "runs": [
        {"seed": 0, "model": "models/0"}, {"seed": 1, "model": "models/1"}]}}"#;
    let archive = |members: &[(&str, usize)]| {
        let mut tar = tar::Builder::new(Vec::new());
        let mut add = |name: &str, content: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, name, content).expect("appends");
        };
        add("manifest.json", manifest.as_bytes());
        members.iter().for_each(|(name, bytes)| add(name, &vec![7; *bytes]));
        let bytes = zstd::encode_all(tar.into_inner().expect("finishes").as_slice(), 3).expect("compresses");
        std::fs::write(dir.path().join("a.tar.zst"), bytes).expect("writes");
    };
    archive(&[("train_gpt.py", 100), ("models/0", 50), ("models/1", 70), ("tokenizer.json", 999)]);
    let (code, json, _) = size(dir.path(), &["a.tar.zst", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((code, &json[0]["counted"]), (Some(0), &170.into()));
    assert!(json[0]["method"].as_str().is_some_and(|method| method.contains("hashes not checked")), "{json}");
    archive(&[("train_gpt.py", 100)]);
    let (code, _, error) = size(dir.path(), &["a.tar.zst"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("a.tar.zst") && error.contains("lacks"), "{error}");
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

#[test]
fn an_artifact_whose_member_was_altered_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let model = "54f3f9a5f7b1d1b5fd6e0e0a6f2ad4d8f1e0f6a0f0c4c3b1d1a0b2c3d4e5f607";
    let manifest = format!(
        r#"{{"counted": {{"runs": [{{"model": "models/0"}}]}}, "members": [{{"path": "models/0", "sha256": "{model}"}}]}}"#
    );
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in [("manifest.json", manifest.as_bytes()), ("train_gpt.py", b"x"), ("models/0", b"y")] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, content).expect("appends");
    }
    let bytes = zstd::encode_all(tar.into_inner().expect("finishes").as_slice(), 3).expect("compresses");
    std::fs::write(dir.path().join("a.tar.zst"), bytes).expect("writes");
    let (code, _, error) = size(dir.path(), &["a.tar.zst"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("models/0 is not what manifest.json states"), "{error}");
}
