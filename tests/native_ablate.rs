//! `caddie ablate` of a recipe: its trials are those of `submit`, killed at any moment it goes on, and its table goes into the
//! README of a records folder.
#![cfg(feature = "engine")]

#[path = "support/native.rs"]
mod native;

use camino::{Utf8Path, Utf8PathBuf};
use native::{Ended, Running, caddie, data, folder, logged, recipe, records, submit_command};
use serde_json::Value;

/// `caddie ablate` of the tiny recipe into `out`.
fn ablate(out: &Utf8Path, more: &[&str]) -> std::process::Command {
    let (recipe, data) = (recipe(), data());
    let mut command = native::command(&["ablate", recipe.as_str(), "--data", data.as_str(), "--out", out.as_str()]);
    command.args(["--device", "cpu", "--name", "study"]).args(more);
    command
}

fn table(out: &Utf8Path) -> Value {
    serde_json::from_slice(&std::fs::read(out.join("ablations/study.json")).expect("a table")).expect("JSON")
}

/// The scores by variant and seed, which no clock decides.
fn scores(table: &Value) -> Vec<(String, Vec<Option<f64>>)> {
    let rows = table["variants"].as_array().expect("variants");
    let of = |row: &Value| {
        let trials = row["trials"].as_array().expect("trials");
        let scores = trials.iter().map(|trial| trial["numbers"]["val_bpb"].as_f64()).collect();
        (row["name"].as_str().expect("a name").to_owned(), scores)
    };
    rows.iter().map(of).collect()
}

#[test]
fn a_submission_is_the_reference_and_its_readme_takes_the_table() {
    let (_temp, dir) = folder();
    let out = dir.join("out");
    Ended::of(&mut submit_command(&out, &[])).succeeds();
    let more = ["--seeds", "0,42,1234", "--vary", "matrix_lr=0.0001", "--drop", "ttt", "--drop", "unet"];
    let told = Ended::of(&mut ablate(&out, &more)).succeeds();
    assert!(told.stderr.contains("reference, seed 42: val_bpb") && told.stderr.contains("finished before, and kept"));
    let table = table(&out);
    let schema: Value = serde_json::from_str(caddie::ablate::ABLATE_SCHEMA).expect("JSON");
    let schema = jsonschema::draft202012::new(&schema).expect("a schema");
    assert_eq!(schema.iter_errors(&table).map(|error| error.to_string()).collect::<Vec<_>>(), Vec::<String>::new());
    let rows = table["variants"].as_array().unwrap();
    assert_eq!(scores(&table).len(), 4);
    let slow = &rows[1];
    assert!(slow["difference"]["mean"].as_f64().unwrap() > 0.0, "matrices that hardly learn are worse: {slow}");
    assert!(slow["difference"]["low"].as_f64() < slow["difference"]["mean"].as_f64(), "three seeds have an interval");
    assert!(rows[0]["tokens_per_second"].as_f64().unwrap() > 0.0);
    // The README of the same runs takes the table, and the folder still verifies.
    let ablations = out.join("ablations/study.json");
    let render = ["render", out.join("runs/tiny").as_str(), "--out", out.as_str(), "--force", "--date", "2026-05-01"]
        .map(str::to_owned);
    let mut command = native::command(&render.iter().map(String::as_str).collect::<Vec<_>>());
    command.args(["--track", "non_record_16mb", "--author", "Ada", "--github-id", "ada", "--data", data().as_str()]);
    Ended::of(command.args(["--ablations", ablations.as_str()])).succeeds();
    let readme = std::fs::read_to_string(records(&out).join("README.md")).unwrap();
    assert!(
        readme.contains("\n## Ablations\n\n| variant | val_bpb | Δ |") && readme.contains("| `without ttt` |"),
        "{readme}"
    );
    let verified = caddie(&["verify", records(&out).as_str(), "--color", "never"]);
    assert_eq!(verified.code, Some(0), "{}\n{}", verified.stdout, verified.stderr);
    assert!(verified.stdout.contains("0 errors") || verified.stdout.starts_with("pass"), "{}", verified.stdout);
}

#[test]
fn killed_at_any_moment_it_ends_with_the_same_scores() {
    let (_temp, dir) = folder();
    let (calm, out) = (dir.join("calm"), dir.join("out"));
    let more = ["--seeds", "0,1", "--drop", "ttt", "--jobs", "2"];
    Ended::of(&mut ablate(&calm, &more)).succeeds();
    let log = |out: &Utf8Path| -> Utf8PathBuf { out.join("runs/tiny/seed-0/log.txt") };
    for moment in ["step:4/12", "Serialized model", "final_int8_zlib_roundtrip_exact"] {
        let mut running = Running::start(&mut ablate(&out, &more));
        running.wait_for(|| logged(&log(&out), moment));
        running.kill();
    }
    Ended::of(&mut ablate(&out, &more)).succeeds();
    assert_eq!(scores(&table(&out)), scores(&table(&calm)));
    let consoles = native::tree(&out).into_keys().filter(|name| name.contains("console-")).collect::<Vec<_>>();
    assert_eq!(consoles, Vec::<String>::new());
}

#[test]
fn a_variant_that_diverges_is_told_and_the_others_go_on() {
    let (_temp, dir) = folder();
    let out = dir.join("out");
    let told =
        Ended::of(&mut ablate(&out, &["--seeds", "0", "--vary", "matrix_lr=1e30,0.02", "--set", "train.iterations=6"]));
    assert_eq!(told.code, Some(1), "{}\n{}", told.stdout, told.stderr);
    assert!(told.stdout.contains("matrix_lr=1e30, seed 0 failed: ") && told.stdout.contains("log "), "{}", told.stdout);
    let scores = scores(&table(&out));
    assert_eq!(scores.iter().map(|(_, scores)| scores[0].is_some()).collect::<Vec<_>>(), [true, false, true]);
    assert!(out.join("runs/tiny.train.iterations=6.optim.muon.matrix_lr=0.02/seed-0/ledger.jsonl.zst").exists());
}

#[test]
fn a_knob_of_the_recipe_makes_artifacts_equally_large() {
    let (_temp, dir) = folder();
    let out = dir.join("out");
    let more = ["--seeds", "0", "--vary", "layout=A*3", "--equal", "bytes", "--knob", "mlp_mult", "--drop", "unet"];
    let told = Ended::of(&mut ablate(&out, &more)).succeeds();
    assert!(told.stdout.contains("Equal bytes: mlp_mult is turned"), "{}", told.stdout);
    let table = table(&out);
    let row = &table["variants"][1];
    assert_eq!(row["knob"]["key"], "mlp_mult");
    assert!(row["equal_bytes"].is_boolean(), "{row}");
}

#[test]
fn what_a_recipe_cannot_be_is_refused_before_anything_runs() {
    let (_temp, dir) = folder();
    let out = dir.join("out");
    for (more, said) in [
        (vec!["--vary", "matrx_lr=1"], "keys of the recipe near it: optim.muon.matrix_lr"),
        (vec!["--vary", "num_loops=1"], "write its whole key, model.loops.num_loops"),
        (vec!["--vary", "iterations=many"], "train.iterations: invalid type: string \"many\", expected an integer"),
        (vec!["--vary", "eval.mode=ful"], "the nearest known one is `full`"),
        (vec!["--drop", "muon"], "--drop muon: Muon is the engine's only optimizer"),
        (vec!["--drop", "gqa"], "no mixer"),
        (vec!["--drop", "flux"], "it can do without ttt, softcap"),
        (vec!["--vary", "matrix_lr=1", "--equal", "time"], "has no clock"),
        (vec!["--vary", "matrix_lr=1", "--equal", "bytes", "--knob", "codec"], "zlib, is not a number"),
    ] {
        let told = Ended::of(&mut ablate(&out, &more));
        told.refused(2, &[said]);
    }
    assert!(!out.join("runs").exists());
    let told = caddie(&["ablate", "varlen-ttt", "--components"]).succeeds();
    for part in ["loops", "[model.loops] is taken out", "cannot be dropped: Muon is"] {
        assert!(told.stdout.contains(part), "{part}: {}", told.stdout);
    }
}
