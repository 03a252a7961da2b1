//! `caddie audit` of scripts and records folders, as a reader meets it.

#[path = "support/scripts.rs"]
mod scripts;

use assert_cmd::Command;
use scripts::Scripts;

fn audit(arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::cargo_bin("caddie").expect("built");
    let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("audit").args(arguments).output().expect("runs");
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_script_that_learns_before_it_scores_is_shown_with_lines_calls_and_what_would_clear_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = Scripts::of(env!("CARGO_MANIFEST_DIR")).text("adapt.bad.prequant");
    let script = folder.path().join("adapt.py");
    std::fs::write(&script, &text).expect("writes");
    let script = script.to_str().expect("UTF-8");
    let (code, out) = audit(&[script, "--explain-path"]);
    // The defaults are only supposed: no error.
    assert_eq!(code, Some(0), "{out}");
    for words in [
        "warning[val-prequant-ttt] (medium confidence)",
        "optimizer.step()",
        "calls main",
        "calls prequant_ttt",
        "to clear it: take the loss of a slice before any update that uses it",
        "rule: PR #1972",
    ] {
        assert!(out.contains(words), "{words}: {out}");
    }
    assert_eq!(audit(&[script, "--fail-on", "warning"]).0, Some(1));
    let (_, json) = audit(&[script, "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let step = &json["scripts"][0]["paths"][0][0];
    let line = usize::try_from(step["line"].as_u64().expect("a line")).expect("fits");
    assert_eq!(text.lines().nth(line - 1).map(str::trim), step["text"].as_str(), "the excerpt is the line");
}

#[test]
fn the_configuration_of_the_run_decides_and_not_the_scripts_default() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let script = Scripts::of(env!("CARGO_MANIFEST_DIR")).text("adapt.bad.prequant");
    std::fs::write(folder.path().join("train_gpt.py"), script).expect("writes");
    let log = |enabled: &str| {
        let lines = [
            "Hyperparameters:",
            "  iterations: 1000",
            &format!("  ttt_enabled: {enabled}"),
            "  ttt_epochs: 3",
            "seed:1337",
            "step:1000/1000 val_loss:2.1000 val_bpb:1.2500 train_time:500000ms step_avg:500.00ms",
            "final_int8_zlib_roundtrip val_loss:2.1200 val_bpb:1.2600 eval_time:1000ms",
        ];
        std::fs::write(folder.path().join("train.log"), lines.join("\n") + "\n").expect("writes");
    };
    let path = folder.path().to_str().expect("UTF-8");
    log("True");
    let (code, out) = audit(&[path]);
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("error[val-prequant-ttt] (high confidence)") && out.contains("of train.log"), "{out}");
    log("False");
    let (code, out) = audit(&[path]);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("nothing found") && out.contains("not thereby legal"), "{out}");
}

#[test]
fn what_cannot_be_followed_says_where() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("train_gpt.py");
    std::fs::write(&path, "import torch\nprint 'Python 2'\n").expect("writes");
    let (code, out) = audit(&[path.to_str().expect("UTF-8")]);
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("error[pkg-script-runs]") && out.contains("line 2: not valid Python"), "{out}");
    assert!(out.contains("nothing could be judged"), "{out}");
}

/// The reference of the audit names every family with its sentence and its rules.
#[test]
fn the_reference_lists_every_family() {
    let page = include_str!("../docs/audit.md");
    for family in caddie_audit::script::FAMILIES {
        let rules: Vec<String> = family.ids().map(|rule| format!("`{rule}`")).collect();
        let row = format!("| `{}` | {} | {} |", family.name, family.about, rules.join(", "));
        assert!(page.contains(&row), "docs/audit.md lacks\n{row}");
    }
}
