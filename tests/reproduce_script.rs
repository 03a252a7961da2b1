//! `caddie reproduce` of a folder with a script: the folder's own script runs again, behind walls, and its log is compared
//! with the folder's.
//!
//! The scripts are stand-ins in plain Python; where there is no Python, or no wall can be put up, the tests say so and pass.
#![cfg(unix)]

#[path = "support/schema.rs"]
mod schema;
mod support;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use support::bench::{Bench, Said, TOKEN, tree, wait_for};

/// A records folder of three seeds, beside data in the official layout.
struct Reviewed {
    bench: Bench,
}

impl Reviewed {
    fn new() -> Option<Reviewed> {
        let bench = Bench::new()?;
        bench.submit("", &["--seeds", "42,0,1234"]).ends(0, &["verify       pass"]);
        std::fs::rename(bench.folder(), bench.path("folder")).expect("moves");
        let reviewed = Reviewed { bench };
        if cfg!(not(target_os = "linux")) {
            eprintln!("skipped: walls are made of Linux namespaces");
            return None;
        }
        let tried = reviewed.reproduce(&["--seed", "42", "--out", "tried"]);
        if tried.err.contains("cannot be put up") {
            eprintln!("skipped: {}", tried.err);
            return None;
        }
        Some(reviewed)
    }

    fn command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_caddie"));
        command.args(["reproduce", "folder", "--data", "data"]).args(more).current_dir(self.bench.dir.path());
        command.env("HF_TOKEN", TOKEN).env_remove("DATA_PATH").env_remove("VOCAB_SIZE");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn reproduce(&self, more: &[&str]) -> Said {
        Said::of(self.command(more).output().expect("runs"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.bench.path(name)
    }

    /// Replaces text in a file of the folder.
    #[track_caller]
    fn edit(&self, name: &str, from: &str, to: &str) {
        let path = self.path("folder").join(name);
        let text = std::fs::read_to_string(&path).expect("reads");
        assert!(text.contains(from), "{from:?} is not in {name}");
        std::fs::write(path, text.replace(from, to)).expect("writes");
    }
}

#[test]
fn a_folder_is_reproduced_seed_by_seed_and_finished_seeds_are_kept() {
    let Some(folder) = Reviewed::new() else { return };
    let said = folder.reproduce(&[]);
    let said = said
        .ends(0, &["reproduced, within 0.00300000 bits per byte", "headline  1.22540000, the mean here is 1.22540000"]);
    assert!(
        said.out
            .contains("  42       1.22540000  1.22540000  +0.00000000   +0.00      0   +0.000  +0.000      0     0")
    );
    assert!(said.out.contains("VOCAB_SIZE=1024 (a command)") && said.out.contains("network, files"), "{}", said.out);
    let record = folder.bench.json("runs/reproduce-folder/seed-42/run.json");
    assert_eq!(record["cause"]["env"]["SEED"], "42");
    folder.reproduce(&["--seed", "42"]).ends(0, &["seed 42: finished before, and kept", "reproduced, within"]);
    for path in tree(folder.bench.dir.path()).iter().filter(|path| path.to_string_lossy().contains("reproduce-")) {
        let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
        assert!(!text.contains(TOKEN), "{} shows a secret", path.display());
    }
}

#[test]
fn the_result_is_json_for_programs() {
    let Some(folder) = Reviewed::new() else { return };
    let said = folder.reproduce(&["--seed", "42", "--format", "json", "--no-sandbox", "--out", "json"]).ends(0, &[]);
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    schema::assert_valid("reproduce", &json);
    assert_eq!((json["reproduced"].clone(), json["schema_version"].clone()), (true.into(), 1.into()));
    assert_eq!(json["seeds"][0]["difference"]["val_bpb"], 0.0);
    assert_eq!(json["seeds"][0]["found"]["metric"], "final_int8_zlib_roundtrip_exact");
    assert_eq!(json["walls"], serde_json::json!([]));
    assert!(json["val_bpb_mean"].is_null(), "one seed has no mean of the folder");
}

#[test]
fn a_claim_that_is_off_is_not_reproduced_in_units_of_the_claimed_std() {
    let Some(folder) = Reviewed::new() else { return };
    let off = ["val_bpb:1.2254", "val_bpb:1.2154"];
    folder.edit("train_seed42.log", off[0], off[1]);
    folder.edit("submission.json", "1.2254", "1.2154");
    let said = folder.reproduce(&["--seed", "42"]).ends(1, &["not reproduced, within 0.00300000"]);
    assert!(said.out.contains("1.21540000  1.22540000  +0.01000000   +1.71"), "{}", said.out);
    folder.reproduce(&["--seed", "0"]).ends(0, &["reproduced, within"]);
    folder.reproduce(&["--seed", "42", "--tolerance", "0.02"]).ends(0, &["reproduced, within 0.02000000"]);
}

#[test]
fn a_score_that_is_claimed_and_in_no_log_is_compared_as_claimed() {
    let Some(folder) = Reviewed::new() else { return };
    folder.edit("submission.json", "\"val_bpb\": 1.2264", "\"val_bpb\": 1.2064");
    let said = folder.reproduce(&["--seed", "1234"]).ends(1, &["not reproduced"]);
    assert!(said.out.contains("submission.json states 1.2064 for seed 1234, and its log 1.2264"), "{}", said.out);
}

#[test]
fn steps_times_and_bytes_that_differ_are_shown() {
    let Some(folder) = Reviewed::new() else { return };
    folder.edit("train_seed42.log", "step:20/20 val_loss", "step:22/22 val_loss");
    folder.edit("train_seed42.log", "train_time:2000ms", "train_time:1500ms");
    let said = folder.reproduce(&["--seed", "42"]).ends(0, &["reproduced, within"]);
    assert!(said.out.contains("-2   +0.500  +0.000"), "{}", said.out);
}

#[test]
fn a_script_that_fails_is_told_with_its_reason_and_the_others_go_on() {
    let Some(folder) = Reviewed::new() else { return };
    let said = folder.reproduce(&["--env", "STAND_IN=crash_seed_0"]);
    let said = said.ends(1, &["seed 0 failed: ValueError: the loss of seed 0 is not finite", "not reproduced"]);
    assert!(said.out.contains("1.22540000  1.22540000") && said.out.contains("  | ValueError"), "{}", said.out);
    folder.reproduce(&["--seed", "42", "--env", "STAND_IN=hang", "--limit", "1"]).ends(1, &["because of --limit"]);
    let other = folder.reproduce(&["--seed", "42", "--env", "STAND_IN=seed_not_read"]);
    other.ends(1, &["states seed 1337, and the run was given SEED=42"]);
}

#[test]
fn a_script_that_wants_a_gpu_is_told_to_be_rehearsed() {
    let Some(folder) = Reviewed::new() else { return };
    if Command::new("nvidia-smi").output().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: there is a GPU here");
        return;
    }
    folder.edit("train_gpt.py", "STEPS = 20", "raise RuntimeError(\"CUDA is required\")\nSTEPS = 20");
    let said = folder.reproduce(&["--seed", "42"]).ends(1, &["RuntimeError: CUDA is required", "no GPU here"]);
    assert!(said.out.contains("caddie reproduce folder --rehearse"), "{}", said.out);
}

#[test]
fn the_script_reaches_nothing_of_the_reviewers() {
    let Some(folder) = Reviewed::new() else { return };
    std::fs::write(folder.path("private.txt"), "mine").unwrap();
    let private = folder.path("private.txt");
    let look = format!(
        "assert HF_TOKEN == '' and not os.path.exists({:?}) and os.getuid() != 0\nimport socket\ntry:\n    socket.create_connection(('1.1.1.1', 53), 2)\nexcept OSError:\n    pass\nelse:\n    raise SystemExit('network')\nSTEPS = 20",
        private.to_str().unwrap()
    );
    folder.edit("train_gpt.py", "STEPS = 20", &look);
    folder.reproduce(&["--seed", "42"]).ends(0, &["reproduced, within"]);
}

#[test]
fn settings_of_a_log_are_those_of_the_run() {
    let Some(folder) = Reviewed::new() else { return };
    // The script's default is 0.0 here, and the run had 0.001.
    folder.edit("train_gpt.py", "STEPS = 20", "STEPS = 20\nSHIFT = float(os.environ.get(\"SHIFT\", 0.0))");
    folder.edit("train_gpt.py", "1.2244 + SEED", "1.2244 + SHIFT * 100 + SEED");
    folder.edit("train_seed42.log", "seed:42\n", "seed:42\nHyperparameters:\n  shift: 0.001\n");
    folder.edit("train_seed42.log", "val_bpb:1.2254", "val_bpb:1.3254");
    folder.edit("submission.json", "1.2254", "1.3254");
    folder.reproduce(&["--seed", "42"]).ends(0, &["SHIFT=0.001 (the log)", "reproduced, within"]);
    folder.reproduce(&["--seed", "42", "--env", "SHIFT=0"]).ends(1, &["SHIFT=0 (--env)", "not reproduced"]);
}

#[test]
fn a_log_without_a_seed_is_of_that_of_its_name() {
    let Some(folder) = Reviewed::new() else { return };
    folder.edit("train_seed42.log", "seed:42\n", "");
    folder.reproduce(&["--seed", "42"]).ends(0, &["reproduced, within"]);
}

#[test]
fn what_cannot_be_tried_is_told_before_anything_runs() {
    let Some(folder) = Reviewed::new() else { return };
    let elsewhere = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_caddie"));
        command.arg("reproduce").args(words).current_dir(folder.bench.dir.path()).env_remove("DATA_PATH");
        Said::of(command.output().expect("runs"))
    };
    elsewhere(&["folder", "--data", "nowhere"]).ends(2, &["nowhere"]);
    elsewhere(&["folder"]).ends(2, &["--data"]);
    elsewhere(&["nofolder", "--data", "data"]).ends(2, &["nofolder: there is no such"]);
    folder.reproduce(&["--seed", "7"]).ends(2, &["--seed 7: the logs are of the seeds 0, 42, 1234"]);
    folder.reproduce(&["--tolerance=-1"]).ends(2, &["--tolerance"]);
    folder.reproduce(&["--python", "/nowhere/python3"]).ends(2, &["/nowhere/python3"]);
    std::fs::create_dir(folder.path("empty")).unwrap();
    elsewhere(&["empty", "--data", "data"]).ends(2, &["holds no script"]);
    assert!(!folder.path("runs/reproduce-folder/seed-42").exists());
}

#[test]
fn an_interrupted_reproduction_continues() {
    let Some(folder) = Reviewed::new() else { return };
    let slow = ["--seed", "0,42", "--env", "STAND_IN_SECONDS=2"];
    let mut running: Child = folder.command(&slow).spawn().unwrap();
    let log = folder.path("runs/reproduce-folder/seed-42/log.txt");
    assert!(wait_for(|| std::fs::read_to_string(&log).is_ok_and(|text| text.contains("step:3/"))));
    assert!(Command::new("kill").args(["-TERM", &running.id().to_string()]).status().unwrap().success());
    assert_eq!(running.wait().unwrap().code(), Some(3));
    std::thread::sleep(Duration::from_millis(200));
    let said = folder.reproduce(&slow);
    said.ends(
        0,
        &["seed 0: finished before, and kept", "seed 42: an earlier start did not finish", "reproduced, within"],
    );
}

/// A folder whose log is that of a rehearsal of the project's own PyTorch script: what a GPU would have logged.
#[test]
fn without_a_gpu_the_lines_of_a_rehearsal_are_compared_with_those_of_the_logs() {
    let Ok(python) = std::env::var("CADDIE_REHEARSE_PYTHON") else {
        eprintln!("skipped: CADDIE_REHEARSE_PYTHON names no Python with torch");
        return;
    };
    let place = tempfile::tempdir().unwrap();
    std::fs::set_permissions(place.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let folder = place.path().join("folder");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("train_gpt.py"), include_str!("../fixtures/rehearsal/train_gpt.py")).unwrap();
    let caddie = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_caddie"));
        command.args(words).args(["--python", python.as_str()]).current_dir(place.path());
        Said::of(command.output().expect("runs"))
    };
    caddie(&["rehearse", "folder", "--seeds", "42", "--keep", "kept"]).ends(0, &[]);
    let logs = tree(&place.path().join("kept/seed-42/work"));
    let printed = logs.iter().find(|path| path.ends_with("output.txt")).expect("what the script printed");
    let log = std::fs::read_to_string(printed).unwrap();
    std::fs::write(folder.join("train_seed42.log"), &log).unwrap();
    caddie(&["reproduce", "folder", "--rehearse"]).ends(0, &["runs to its score   yes", "rehearsed; speed"]);
    // Epochs over the validation tokens that the shipped script does not have.
    let (before, after) = log.rsplit_once("step:").expect("a step");
    let added = format!("{before}adapt_epoch:1/3 val_loss:2.0\nadapt_epoch:2/3 val_loss:1.9\nstep:{after}");
    std::fs::write(folder.join("train_seed42.log"), added).unwrap();
    let said = caddie(&["reproduce", "folder", "--rehearse"]).ends(1, &["LOG_LINE_NOT_OF_SCRIPT", "adapt_epoch:1/3"]);
    assert!(said.out.contains("not as the folder says"), "{}", said.out);
}

/// What only a script or only a model has is refused for the other, before anything is read.
#[test]
fn options_of_a_script_are_refused_for_a_model_and_an_empty_word_for_a_draw() {
    let bench = tempfile::tempdir().unwrap();
    std::fs::write(bench.path().join("mine.tar.zst"), "an artifact").unwrap();
    let refused = |more: &[&str]| {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("caddie"));
        let said = command.args(["reproduce", "mine.tar.zst", "--data", "."]).args(more).current_dir(bench.path());
        let said = said.output().unwrap();
        (said.status.code(), String::from_utf8_lossy(&said.stderr).into_owned())
    };
    for option in [&["--seed", "7"][..], &["--env", "A=1"], &["--nproc", "2"]] {
        let (code, text) = refused(option);
        assert!(code == Some(2) && text.contains(&format!("{} is for a folder's script", option[0])), "{text}");
    }
    if cfg!(feature = "engine") {
        let (code, text) = refused(&["--sample", "3", "--nonce", " "]);
        assert!(code == Some(2) && text.contains("--nonce is empty"), "{text}");
    }
}
