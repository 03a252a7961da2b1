//! Small scripts of our own that keep the rules of scoring or break them, under `caddie probe`: `make probe-zoo`.
//!
//! Skipped with a printed reason, unless CADDIE_REHEARSE_PYTHON names a Python that has what rehearsal/requirements.txt lists.

#[path = "support/schema.rs"]
mod schema;

use std::fs;

use assert_cmd::Command;
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

const MAIN: &str = "\nif __name__ == \"__main__\":";

/// Those that break a rule, with the ln E that each has to reach on 2,048 targets, and how its bytes are found to be counted. Nats that
/// are honest prove nothing: there the printed rates contradict the bytes.
const STRENGTHS: [(&str, Option<f64>, &str); 12] = [
    ("illegal.adapts_first", Some(500.0), "exact"),
    ("illegal.byte_table", None, "space_twice"),
    ("illegal.byte_table_alone", Some(40.0), "unchecked"),
    ("illegal.gold_only_cache", Some(3_500.0), "exact"),
    ("illegal.hindsight_temperature", Some(500.0), "exact"),
    ("illegal.least_of_passes", Some(120.0), "exact"),
    ("illegal.off_by_one", Some(5_000.0), "exact"),
    ("illegal.prequant", Some(700.0), "exact"),
    ("illegal.second_pass", Some(400.0), "exact"),
    ("illegal.slot", Some(800.0), "exact"),
    ("illegal.slot_of_contexts", Some(400.0), "exact"),
    ("illegal.target_gate", Some(380.0), "exact"),
];

fn zoo() -> Utf8PathBuf {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/probes")
}

fn python() -> Option<String> {
    let python = std::env::var("CADDIE_REHEARSE_PYTHON").ok();
    if python.is_none() {
        println!("skipped: CADDIE_REHEARSE_PYTHON names no Python with torch");
    }
    python
}

/// The variants of the script, by name: what each of them puts before the script's last lines.
fn variants() -> Vec<(String, String)> {
    let files = zoo().read_dir_utf8().unwrap().map(|entry| entry.unwrap().into_path());
    let mut found: Vec<(String, String)> = files
        .filter(|path| path.file_name() != Some("train_gpt.py"))
        .map(|path| (path.file_stem().unwrap().to_owned(), fs::read_to_string(&path).unwrap()))
        .collect();
    found.push(("legal.plain".to_owned(), String::new()));
    found.sort();
    found
}

fn script(variant: &str) -> (tempfile::TempDir, Utf8PathBuf) {
    let base = fs::read_to_string(zoo().join("train_gpt.py")).unwrap();
    assert_eq!(base.matches(MAIN).count(), 1);
    let folder = tempfile::tempdir().unwrap();
    let path = Utf8Path::from_path(folder.path()).unwrap().join("train_gpt.py");
    fs::write(&path, base.replace(MAIN, &format!("{variant}\n{MAIN}"))).unwrap();
    // Behind walls the script is another user.
    #[cfg(unix)]
    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    (folder, path)
}

fn probe(which: &str, script: &Utf8Path, steps: &str, python: &str) -> (Option<i32>, Value) {
    let arguments = ["--tokens", "2048", "--steps", steps, "--format", "json", "--python", python];
    let output = Command::new(assert_cmd::cargo::cargo_bin!("caddie"))
        .args(["probe", which, script.as_str()])
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}")))
}

/// The names say what each is, so that none is left out of the comparison below.
#[test]
fn the_zoo_holds_both_kinds() {
    let names: Vec<String> = variants().into_iter().map(|(name, _)| name).collect();
    let of = |kind: &str| names.iter().filter(|name| name.starts_with(kind)).count();
    assert_eq!((of("legal."), of("unseen.")), (7, 1), "{names:?}");
    assert_eq!(of("legal.") + of("unseen.") + of("illegal."), names.len(), "{names:?}");
    let stated: Vec<&str> = STRENGTHS.iter().map(|(name, ..)| *name).collect();
    let illegal: Vec<&str> = names.iter().filter(|name| name.starts_with("illegal.")).map(String::as_str).collect();
    assert_eq!(stated, illegal, "each that breaks a rule has its strength stated");
}

#[test]
fn each_that_breaks_a_rule_is_proven_and_none_that_keeps_them() {
    let Some(python) = python() else { return };
    for (name, variant) in variants() {
        let (_folder, path) = script(&variant);
        let (code, report) = probe("entropy", &path, "40", &python);
        let log_e = report["log_e"].as_f64().unwrap();
        println!("{name}: ln E = {log_e:.0}, bytes {}", report["tries"][0]["outcome"]["bytes"]);
        let stated = STRENGTHS.iter().find(|(known, ..)| *known == name);
        let (code_wanted, verdict, bytes) = match stated {
            Some((_, None, bytes)) => (1, "no_evidence", *bytes),
            Some((_, Some(_), bytes)) => (1, "leak_proven", *bytes),
            None => (0, "no_evidence", "exact"),
        };
        assert_eq!((code, report["verdict"].as_str().unwrap()), (Some(code_wanted), verdict), "{name}: {report:#}");
        let found = &report["tries"][0]["outcome"]["bytes"];
        assert_eq!(found.as_str().or(found["wrong"].as_str()), Some(bytes), "{name}: {report:#}");
        if let Some((_, Some(at_least), _)) = stated {
            assert!(log_e >= *at_least, "{name}: ln E = {log_e}, less than {at_least}");
        }
    }
}

/// What is carried from one document to the next is causal, so no e-value shows it. That a document's score depends on others shows
/// where they are in another order, or have other tokens.
#[test]
fn what_is_carried_between_documents_shows_in_another_order() {
    let Some(python) = python() else { return };
    let moved = |name: &str| {
        let (_, variant) = variants().into_iter().find(|(known, _)| known == name).unwrap();
        let (_folder, path) = script(&variant);
        let (code, report) = probe("invariance", &path, "6", &python);
        assert_eq!((code, &report["compared"]), (Some(0), &"each_target".into()), "{name}: {report:#}");
        let of = |wanted: &str| {
            report["found"].as_array().unwrap().iter().find(|one| one["name"] == wanted).unwrap().clone()
        };
        let moved = ["order", "other_documents"].map(|wanted| of(wanted)["largest"].as_f64().unwrap());
        println!("{name}: {:.4} in another order, {:.4} beside other documents", moved[0], moved[1]);
        (moved, of("other_documents")["holds"].clone())
    };
    let (apart, alone) = moved("legal.documents_apart");
    let (carried, leaning) = moved("unseen.documents_carried");
    assert_eq!((alone, leaning), (Value::Bool(true), Value::Null));
    // In reverse order one target, a BOS, is another document's: that alone moves a mean of 2,048 by less than 0.005.
    assert!(apart[0] < 0.005 && carried[0] > 5.0 * apart[0], "{apart:?} {carried:?}");
    assert!(apart[1] < 1e-3 && carried[1] > 0.1, "{apart:?} {carried:?}");
}

/// Single targets are compared where the script's losses are PyTorch's, and a mean alone shows nothing of them.
#[test]
fn later_tokens_move_the_scores_of_those_that_look_at_them() {
    let Some(python) = python() else { return };
    for (name, compared, later) in [
        ("legal.sliding", "each_target", Value::Bool(true)),
        ("legal.score_first", "each_target", Value::Bool(true)),
        ("illegal.slot", "each_target", Value::Bool(false)),
        ("illegal.prequant", "each_target", Value::Bool(false)),
        ("illegal.gold_only_cache", "printed_mean", Value::Null),
    ] {
        let (_, variant) = variants().into_iter().find(|(known, _)| known == name).unwrap();
        let (_folder, path) = script(&variant);
        let (code, report) = probe("invariance", &path, "6", &python);
        schema::assert_valid("probe-invariance", &report);
        let found = report["found"].as_array().unwrap();
        let holds = |wanted: &str| found.iter().find(|one| one["name"] == wanted).unwrap()["holds"].clone();
        assert_eq!(
            (&report["compared"], holds("later_tokens")),
            (&compared.into(), later.clone()),
            "{name}: {report:#}"
        );
        assert_eq!(holds("repetition"), true, "{name}: {report:#}");
        assert_eq!(code, Some(i32::from(later == Value::Bool(false))), "{name}: {report:#}");
    }
}
