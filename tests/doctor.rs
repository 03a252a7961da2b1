//! `caddie doctor` and `caddie submit --dry-run`: what of a submission's needs is here. And what other
//! programs read of caddie: the ladder as JSON, and the completions of a shell.

mod support;

use std::path::Path;

use serde_json::Value;

fn caddie(dir: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = assert_cmd::Command::cargo_bin("caddie").expect("the binary");
    let output = command.current_dir(dir).env_remove("DATA_PATH").args(arguments).output().expect("runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn data_at(dir: &Path) {
    for name in ["fineweb_train_000000.bin", "fineweb_val_000000.bin", "tokenizer.model"] {
        std::fs::write(dir.join(name), "x").expect("writes");
    }
}

#[test]
fn every_need_is_told_with_what_mends_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let (code, out, _) = caddie(dir.path(), &["doctor", "--format", "json"]);
    assert_eq!(code, Some(1), "the data are missing");
    let report: Value = serde_json::from_str(&out).expect("JSON");
    let schema: Value = serde_json::from_str(&caddie(dir.path(), &["schema", "doctor"]).1).expect("JSON");
    let schema = jsonschema::validator_for(&schema).expect("a schema");
    let violations: Vec<String> = schema.iter_errors(&report).map(|error| error.to_string()).collect();
    assert!(violations.is_empty(), "{violations:?}");
    let needs = report["needs"].as_array().expect("needs");
    let names: Vec<&str> = needs.iter().filter_map(|need| need["name"].as_str()).collect();
    for name in ["libtorch", "CUDA", "Python", "sandbox", "disk", "data", "track", "author"] {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    for need in needs {
        assert_eq!(need["state"] == "ok", need["remedy"].is_null(), "what is not well has a remedy: {need}");
    }
}

#[test]
fn a_submission_is_looked_at_and_nothing_is_run() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("train_gpt.py"), "raise SystemExit('it ran')\n").expect("writes");
    data_at(dir.path());
    let asked = ["submit", "--script", "train_gpt.py", "--data", ".", "--dry-run", "--track", "non_record_16mb"];
    let (_, out, err) = caddie(dir.path(), &[&asked[..], &["--author", "Ada", "--github-id", "ada"]].concat());
    let line =
        |name: &str| out.lines().find(|line| line.contains(&format!("  {name} "))).unwrap_or_default().to_owned();
    assert!(line("author").starts_with("ok ") && line("author").ends_with("Ada (ada)"), "{out}{err}");
    assert!(line("data").contains("1 training shard, 1 validation shard; tokenizer"), "{out}");
    assert!(line("track").starts_with("ok "), "{out}");
    assert!(!dir.path().join("runs").exists(), "nothing is made");
    let (code, _, err) = caddie(dir.path(), &["submit", "--script", "nope.py", "--data", ".", "--dry-run"]);
    assert!(code == Some(2) && err.contains("nope.py"), "{err}");
}

#[test]
fn a_shell_offers_rules_codes_and_tracks() {
    let (code, out, _) = caddie(Path::new("/"), &["completions", "bash"]);
    assert_eq!(code, Some(0));
    for name in ["size-cap-decimal", "TRAIN_TIME_OVER_600S", "non_record_16mb"] {
        assert!(out.contains(name), "{name}");
    }
}

#[test]
fn the_ladder_as_json_follows_its_schema() {
    let run =
        |arguments: &[&str]| -> Value { serde_json::from_str(&caddie(Path::new("/"), arguments).1).expect("JSON") };
    let ladder = run(&["ladder", "--format", "json"]);
    let schema = jsonschema::validator_for(&run(&["schema", "ladder"])).expect("a schema");
    let violations: Vec<String> = schema.iter_errors(&ladder).map(|error| error.to_string()).collect();
    assert!(violations.is_empty(), "{violations:?}");
    let rows = ladder["rows"].as_array().expect("rows");
    let row = rows.iter().find(|row| row["pr"] == 1493).expect("a row");
    assert_eq!((&row["date"], row["runs"].as_array().map(Vec::len)), (&Value::from("2026-04-09"), Some(3)));
    assert!(rows.iter().any(|row| row["pr"] == 640 && row["frontier"] == false), "the row that was no record");
}

#[test]
fn colors_are_for_terminals_and_for_who_asks() {
    let dir = tempfile::tempdir().expect("a folder");
    let colored = |variables: &[(&str, &str)]| {
        let mut command = assert_cmd::Command::cargo_bin("caddie").expect("the binary");
        command.current_dir(dir.path()).env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").args(["doctor"]);
        let output = command.envs(variables.iter().copied()).output().expect("runs");
        String::from_utf8(output.stdout).expect("UTF-8").contains('\u{1b}')
    };
    assert!(!colored(&[]), "a pipe");
    assert!(colored(&[("CLICOLOR_FORCE", "1")]) && !colored(&[("CLICOLOR_FORCE", "0")]));
    assert!(!colored(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]), "no color wins");
}
