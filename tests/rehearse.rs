//! `caddie rehearse`: a script for a GPU runs from its first line to its score, behind walls.
//!
//! What needs torch is skipped with a printed reason, unless CADDIE_REHEARSE_PYTHON names a Python that has what
//! rehearsal/requirements.txt lists.

#[path = "support/schema.rs"]
mod schema;

use assert_cmd::Command;
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

fn caddie() -> Command {
    Command::new(assert_cmd::cargo::cargo_bin!("caddie"))
}

fn python() -> Option<String> {
    let python = std::env::var("CADDIE_REHEARSE_PYTHON").ok();
    if python.is_none() {
        println!("skipped: CADDIE_REHEARSE_PYTHON names no Python with torch");
    }
    python
}

/// The script of `fixtures/rehearsal`, changed, in a folder of its own.
fn script(change: impl Fn(&str) -> String) -> (tempfile::TempDir, Utf8PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let text = include_str!("../fixtures/rehearsal/train_gpt.py");
    let path = Utf8Path::from_path(folder.path()).unwrap().join("train_gpt.py");
    std::fs::write(&path, change(text)).unwrap();
    // Behind walls the script is another user.
    #[cfg(unix)]
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    (folder, path)
}

fn rehearse(python: &str, script: &Utf8Path, more: &[&str]) -> (Option<i32>, Value) {
    let output = caddie()
        .args(["rehearse", script.as_str(), "--python", python, "--format", "json"])
        .args(more)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.stdout.is_empty(), "{said}");
    let json = serde_json::from_slice(&output.stdout).unwrap();
    schema::assert_valid("rehearse", &json);
    (output.status.code(), json)
}

#[test]
fn what_cannot_be_rehearsed_says_why() {
    let (folder, path) = script(str::to_owned);
    for (arguments, words) in [
        (vec!["missing.py"], "No such file"),
        (vec![path.as_str(), "--python", "no/such/python"], "no/such/python: starting failed"),
        (vec![path.as_str(), "--env", "LR"], "write it as KEY=VALUE"),
        (vec![path.as_str(), "--steps", "0"], "--steps"),
        (vec!["."], "holds no script"),
    ] {
        let empty = tempfile::tempdir().unwrap();
        let output = caddie().arg("rehearse").args(&arguments).current_dir(empty.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.to_lowercase().contains(&words.to_lowercase()), "{arguments:?}: {said}");
    }
    drop(folder);
}

/// A Python without torch is told from one that is not there.
#[test]
fn a_python_without_torch_is_refused_with_the_way_out() {
    let Ok(found) =
        std::process::Command::new("python3").args(["-I", "-S", "-c", "import sys; print(sys.executable)"]).output()
    else {
        println!("skipped: no python3 here");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let wrapper = folder.path().join("python");
    let real = String::from_utf8(found.stdout).unwrap();
    // -S leaves site-packages out, so that no torch is found whatever is installed.
    std::fs::write(&wrapper, format!("#!/bin/sh\nexec {} -S \"$@\"\n", real.trim())).unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(&wrapper, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let (_folder, path) = script(str::to_owned);
    let output = caddie().args(["rehearse", path.as_str(), "--python", wrapper.to_str().unwrap()]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("cannot import torch") && said.contains("leave --python out"), "{said}");
}

#[test]
fn a_script_comes_to_its_score_and_verify_reads_its_log() {
    let Some(python) = python() else { return };
    let (_folder, path) = script(str::to_owned);
    let (code, report) = rehearse(&python, &path, &[]);
    assert_eq!(code, Some(0), "{report:#}");
    assert_eq!((&report["seed_matters"], &report["repeats"]), (&Value::from(true), &Value::from(true)), "{report:#}");
    assert_eq!(report["runs"].as_array().unwrap().len(), 3);
    assert_eq!(report["runs"][0]["read"]["missing"], Value::Array(Vec::new()));
    let phases: Vec<&str> = report["runs"][0]["report"]["phases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|phase| phase["name"].as_str().unwrap())
        .collect();
    assert!(phases.contains(&"training") && phases.contains(&"evaluate"), "{phases:?}");
    // Both runs make a folder that verify has nothing against but what a toy has of its own.
    let folder = &report["folder"];
    assert_eq!((&folder["findings"], folder.get("refused")), (&Value::Array(Vec::new()), None), "{folder:#}");
    assert!(folder["of_the_toy"].as_u64().unwrap() > 0, "a toy does not beat the record");
    // The model at its own sizes: an embedding of 1,024 by 512 and a matrix of 512 by 512, each with one scale.
    let sizes = &report["full_size"];
    assert_eq!(sizes["parameters"], 1024 * 512 + 512 * 512, "{report:#}");
    let bits = sizes["classes"][0]["bits"].as_f64().unwrap();
    assert!((7.9..8.1).contains(&bits), "{sizes:#}");
}

#[test]
fn a_model_that_is_not_built_at_its_own_sizes_is_said_to_be_unknown() {
    let Some(python) = python() else { return };
    let (_folder, path) = script(|text| {
        let seed = "    torch.manual_seed(args.seed)\n";
        text.replace(seed, &format!("{seed}    assert args.model_dim < 512, 'too wide'\n"))
    });
    let (code, report) = rehearse(&python, &path, &["--seeds", "1"]);
    assert_eq!(code, Some(0), "{report:#}");
    assert!(report["full_size_unknown"].as_str().unwrap().contains("too wide"), "{report:#}");
}

#[test]
fn a_seed_that_reaches_nothing_and_a_line_that_verify_misses_are_told() {
    let Some(python) = python() else { return };
    let (_folder, path) = script(|text| {
        text.replace("args.seed)", "0)").replace("Serialized model", "Model").replace("Total submission", "All of it")
    });
    let (code, report) = rehearse(&python, &path, &[]);
    assert_eq!((code, &report["seed_matters"]), (Some(1), &Value::from(false)), "{report:#}");
    assert_eq!(report["runs"][0]["read"]["missing"], serde_json::json!(["bytes of the compressed model"]));
    let findings = report["folder"]["findings"].as_array().unwrap();
    let codes: Vec<&str> = findings.iter().filter_map(|finding| finding["code"].as_str()).collect();
    assert!(codes.contains(&"SIZE_NOT_LOGGED"), "{:#}", report["folder"]);
}

#[test]
fn a_mistake_is_told_with_its_line() {
    let Some(python) = python() else { return };
    let (_folder, path) = script(|text| {
        text.replace("    optimizer.zero_grad()", "    optimizer.zero_gradients()")
            .replace("        optimizer.zero_grad()", "        optimizer.zero_gradients()")
    });
    let (code, report) = rehearse(&python, &path, &["--seeds", "1"]);
    let run = &report["runs"][0]["report"];
    assert_eq!((code, run["status"].as_str()), (Some(1), Some("stopped")), "{report:#}");
    let line =
        std::fs::read_to_string(&path).unwrap().lines().position(|line| line.contains("zero_gradients")).unwrap() + 1;
    assert_eq!(run["failure"]["where"]["line"].as_u64(), Some(line as u64), "{report:#}");
}

/// The script of a stranger tries to get out; it only comes to its score when everything is refused.
#[test]
fn the_walls_stand_around_a_rehearsed_script() {
    let Some(python) = python() else { return };
    let secret = tempfile::NamedTempFile::new().unwrap();
    let attempts = format!(
        "    import socket\n    for attempt in (lambda: open({:?}).read(), lambda: socket.create_connection(('1.1.1.1', 53), 2), lambda: open('/usr/made', 'w')):\n        \
         try:\n            attempt()\n        except Exception:\n            continue\n        raise SystemExit('not refused')\n",
        secret.path()
    );
    let (_folder, path) = script(|text| text.replace("def main():\n", &format!("def main():\n{attempts}")));
    let (code, report) = rehearse(&python, &path, &["--seeds", "1"]);
    assert_eq!(code, Some(0), "{report:#}");
}
