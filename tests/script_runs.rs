//! Single runs of somebody's own script: `train --script`, `evaluate --script`, and `render` of what they leave.
//!
//! The scripts are stand-ins in plain Python; where there is no Python, the tests say so and pass.
#![cfg(unix)]

mod support;

use std::process::Command;

use support::bench::{Bench, Said, TOKEN, tree};

/// A script that evaluates a model alone when it is told so, and says which one it read.
const EVALUATES: &str = r#"import os, sys
path = os.environ.get("EVAL_ONLY_PATH", "")
if not path:
    sys.exit("this script only evaluates in this test")
size = len(open(path, "rb").read())
print(f"seed:{os.environ['SEED']}")
print(f"final_int8_zlib_roundtrip_exact val_loss:2.00000000 val_bpb:{size / 1000:.8f}")
"#;

/// A script whose switch leaves the file's name to the script.
const OWN_CHOICE: &str = r#"import os
if os.environ.get("TTT_EVAL_ONLY", "0") != "1":
    raise SystemExit("trains")
size = len(open("final_model.int6.ptz", "rb").read())
print(f"final_int8_zlib_roundtrip_exact val_loss:2.00000000 val_bpb:{size / 1000:.8f}")
"#;

fn caddie(bench: &Bench, words: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_caddie"));
    command.args(words).current_dir(bench.dir.path());
    command.env("HF_TOKEN", TOKEN).env_remove("DATA_PATH").env_remove("VOCAB_SIZE");
    Said::of(command.output().expect("runs"))
}

/// Trains the stand-in for one seed.
fn train(bench: &Bench, seed: &str, more: &[&str]) -> Said {
    let own = ["train", "--script", "train_gpt.py", "--data", "data", "--name", "Mine", "--out", "out", "--seed", seed];
    caddie(bench, &[&own[..], &["--launcher", "python"], more].concat())
}

#[test]
fn one_seed_is_trained_as_a_submission_trains_it_and_nothing_is_rendered() {
    let Some(bench) = Bench::new() else { return };
    let said = train(&bench, "42", &[]).ends(0, &["val_bpb  1.22540000 of final_int8_zlib_roundtrip_exact"]);
    assert!(said.out.contains("out/runs/Mine/seed-42/files/final_model.int8.ptz"), "{}", said.out);
    let record = bench.json("out/runs/Mine/seed-42/run.json");
    assert_eq!((record["state"].clone(), record["cause"]["env"]["SEED"].clone()), ("finished".into(), "42".into()));
    assert!(!bench.path("out/records").exists());
    train(&bench, "42", &[]).ends(0, &["seed 42: finished before, and kept"]);
    train(&bench, "0", &["--env", "STAND_IN=crash"]).ends(1, &["seed 0 failed: ValueError", "seed-0/log.txt"]);
}

#[test]
fn a_python_of_ones_own_runs_the_script() {
    let Some(bench) = Bench::new() else { return };
    let found = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().unwrap();
    let python = String::from_utf8(found.stdout).unwrap();
    let python = python.trim();
    let own =
        ["train", "--script", "train_gpt.py", "--data", "data", "--out", "out", "--python", python, "--nproc", "1"];
    caddie(&bench, &own).ends(0, &["val_bpb  1.22"]);
    let record = bench.json("out/runs/train_gpt/seed-1337/run.json");
    assert_eq!(record["cause"]["command"][0], python);
    caddie(&bench, &[&own[..], &["--launcher", "python"]].concat()).ends(2, &["cannot be used with"]);
}

#[test]
fn runs_of_several_seeds_are_rendered_and_verify() {
    let Some(bench) = Bench::new() else { return };
    for seed in ["0", "42", "1234"] {
        train(&bench, seed, &[]).ends(0, &[]);
    }
    let render =
        ["render", "out/runs/Mine", "--out", "out", "--author", "Ada", "--github-id", "ada", "--date", "2026-05-01"];
    let render = [&render[..], &["--track", "non_record_16mb", "--blurb", "A stand-in."]].concat();
    caddie(&bench, &render).ends(0, &["val_bpb 1.2254", "out/Mine.tar.zst"]);
    let one_by_one = bench.rendered();
    // A late author needs no --force; the README and the artifact stay what they were.
    let late = render.iter().map(|word| if *word == "Ada" { "Grace" } else { word }).collect::<Vec<_>>();
    caddie(&bench, &late).ends(0, &["val_bpb 1.2254"]);
    let named = bench.rendered();
    assert!(String::from_utf8_lossy(&named["submission.json"]).contains("\"author\": \"Grace\""));
    assert_eq!(named["README.md"], one_by_one["README.md"]);
    caddie(&bench, &render).ends(0, &["val_bpb 1.2254"]);
    let edited = bench.folder().join("README.md");
    let readme = std::fs::read(&edited).unwrap();
    std::fs::write(&edited, "mine\n").unwrap();
    caddie(&bench, &late).ends(2, &["README.md differs", "--force"]);
    std::fs::write(&edited, readme).unwrap();
    caddie(&bench, &["verify", bench.folder().to_str().unwrap()]).ends(0, &["pass"]);
    // A submission of the same seeds is the same folder.
    let Some(other) = Bench::new() else { return };
    other.submit("", &["--seeds", "0,42,1234"]).ends(0, &["verify       pass"]);
    let at_once = other.rendered();
    for name in ["README.md", "submission.json", "train_gpt.py", "train_seed42.log"] {
        assert_eq!(String::from_utf8_lossy(&one_by_one[name]), String::from_utf8_lossy(&at_once[name]), "{name}");
    }
    for path in tree(bench.dir.path()) {
        let bytes = std::fs::read(&path).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains(TOKEN), "{} shows a secret", path.display());
    }
}

#[test]
fn runs_that_are_not_of_one_entry_are_not_rendered() {
    let Some(bench) = Bench::new() else { return };
    let render = ["render", "out/runs/Mine", "--out", "out"];
    train(&bench, "42", &[]).ends(0, &[]);
    train(&bench, "0", &["--env", "STAND_IN_SECONDS=0"]).ends(0, &[]);
    caddie(&bench, &render).ends(2, &["is of another script, or of other settings"]);
    train(&bench, "0", &["--env", "STAND_IN=crash"]).ends(1, &[]);
    caddie(&bench, &render).ends(2, &["seed-0: is no finished run"]);
    train(&bench, "0", &[]).ends(0, &[]);
    std::fs::write(bench.path("train_gpt.py"), "print(1)\n").unwrap();
    caddie(&bench, &render).ends(2, &["train_gpt.py: was changed since the runs"]);
}

#[test]
fn a_script_evaluates_a_model_by_the_switch_that_it_reads() {
    let Some(bench) = Bench::new() else { return };
    std::fs::write(bench.path("train_gpt.py"), EVALUATES).unwrap();
    std::fs::write(bench.path("final_model.int6.ptz"), [7; 1200]).unwrap();
    let own = ["evaluate", "--script", "train_gpt.py", "--data", "data", "--out", "out", "--launcher", "python"];
    let evaluate = [&own[..], &["--checkpoint", "final_model.int6.ptz"]].concat();
    caddie(&bench, &evaluate).ends(0, &["by EVAL_ONLY_PATH=", "PR #1530", "val_bpb  1.20000000"]);
    caddie(&bench, &evaluate).ends(0, &["finished before, and kept"]);
    // Another model is another evaluation.
    std::fs::write(bench.path("final_model.int6.ptz"), [7; 1300]).unwrap();
    caddie(&bench, &evaluate).ends(0, &["val_bpb  1.30000000"]);
    std::fs::write(bench.path("train_gpt.py"), OWN_CHOICE).unwrap();
    caddie(&bench, &evaluate).ends(0, &["by TTT_EVAL_ONLY=1", "lies in the folder of the run", "val_bpb  1.30000000"]);
}

#[test]
fn a_script_that_can_only_train_is_told_so() {
    let Some(bench) = Bench::new() else { return };
    std::fs::write(bench.path("model.ptz"), [7; 12]).unwrap();
    let own = ["evaluate", "--script", "train_gpt.py", "--data", "data", "--out", "out", "--launcher", "python"];
    let said = caddie(&bench, &[&own[..], &["--checkpoint", "model.ptz"]].concat());
    said.ends(2, &["cannot evaluate alone", "EVAL_ONLY_PATH"]);
    caddie(&bench, &[&own[..], &["--checkpoint", "nowhere.ptz"]].concat()).ends(2, &["nowhere.ptz"]);
    caddie(&bench, &own).ends(2, &["--checkpoint"]);
}
