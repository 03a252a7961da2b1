//! `caddie ablate`: studies of stand-in scripts (`fixtures/scripts/varied.py`, plain Python), and of what cannot be studied.
//! Where there is no Python, the tests say so and pass.
#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A data folder and a script in a folder of its own.
struct Lab {
    dir: tempfile::TempDir,
}

impl Lab {
    /// `None`, and the reason on standard error, where there is no Python.
    fn new() -> Option<Lab> {
        let python = Command::new("python3").arg("--version").output();
        if !python.is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: there is no python3 here, which the stand-in scripts need");
            return None;
        }
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(dir.path().join("data")).expect("creates");
        let header: Vec<u8> = [20_240_520_i32, 1, 500].into_iter().chain([0; 253]).flat_map(i32::to_le_bytes).collect();
        let shard: Vec<u8> = header.into_iter().chain((0..500_u16).flat_map(u16::to_le_bytes)).collect();
        std::fs::write(dir.path().join("data/fineweb_val_000000.bin"), shard).expect("writes");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/scripts/varied.py");
        std::fs::copy(script, dir.path().join("train_gpt.py")).expect("copies");
        Some(Lab { dir })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_caddie"));
        command.args(["ablate", "--script", "train_gpt.py", "--data", "data", "--out", "out", "--launcher", "python"]);
        if !more.contains(&"--name") {
            command.args(["--name", "study"]);
        }
        command.args(more).current_dir(self.dir.path());
        command.env_remove("DATA_PATH").env_remove("VOCAB_SIZE");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    #[track_caller]
    fn ablate(&self, code: i32, more: &[&str]) -> Told {
        let Output { status, stdout, stderr } = self.command(more).output().expect("runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        let told = Told { out: text(stdout), err: text(stderr) };
        assert_eq!(status.code(), Some(code), "{}\n{}", told.out, told.err);
        told
    }

    fn table(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.path("out/ablations/study.json")).expect("a table")).expect("JSON")
    }

    /// Runs that were begun.
    fn starts(&self) -> usize {
        std::fs::read_to_string(self.path("data/starts")).map_or(0, |text| text.lines().count())
    }
}

struct Told {
    out: String,
    err: String,
}

fn row<'a>(table: &'a Value, name: &str) -> &'a Value {
    let rows = table["variants"].as_array().expect("variants");
    rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name} in {table:#}"))
}

#[test]
fn a_study_of_a_script_ends_with_a_table_in_every_form() {
    let Some(lab) = Lab::new() else { return };
    let told =
        lab.ablate(0, &["--vary", "MATRIX_LR=0.03,0.05", "--vary", "WIDTH=80", "--vary", "IGNORED=1", "--jobs", "3"]);
    insta::assert_snapshot!("table_on_the_terminal", told.out);
    assert!(
        told.err.contains("15/15 ") && told.err.contains("MATRIX_LR=0.03, seed 2: val_bpb 1.24440"),
        "{}",
        told.err
    );
    let table = lab.table();
    let schema: Value = serde_json::from_str(caddie::ablate::ABLATE_SCHEMA).expect("JSON");
    let schema = jsonschema::draft202012::new(&schema).expect("a schema");
    assert_eq!(schema.iter_errors(&table).map(|error| error.to_string()).collect::<Vec<_>>(), Vec::<String>::new());
    // 0.0001 · (10 + seed) less, for seeds 0, 1, 2: mean −0.0011, s = 0.0001, half = 4.302652… · 0.0001 / √3.
    let delta = &row(&table, "MATRIX_LR=0.03")["difference"];
    assert!((delta["mean"].as_f64().unwrap() + 0.0011).abs() < 1e-9, "{delta}");
    assert!((delta["high"].as_f64().unwrap() + 0.0011 - 2.484_137_7e-4).abs() < 1e-9, "{delta}");
    assert_eq!(row(&table, "IGNORED=1")["difference"]["low"], Value::Null);
    assert_eq!(row(&table, "reference")["tokens_per_second"], 10_000.0);
    for form in ["md", "csv", "svg"] {
        let text = std::fs::read_to_string(lab.path(&format!("out/ablations/study.{form}"))).expect("a file");
        assert!(text.contains("MATRIX_LR=0.05"), "{form}: {text}");
    }
    let record: Value =
        serde_json::from_slice(&std::fs::read(lab.path("out/runs/train_gpt.MATRIX_LR=0.03/seed-1/run.json")).unwrap())
            .unwrap();
    assert_eq!(
        (record["cause"]["env"]["MATRIX_LR"].clone(), record["cause"]["env"]["SEED"].clone()),
        ("0.03".into(), "1".into())
    );
}

#[test]
fn finished_trials_are_kept_and_another_study_uses_them() {
    let Some(lab) = Lab::new() else { return };
    lab.ablate(0, &["--vary", "MATRIX_LR=0.03", "--seeds", "0,1"]);
    assert_eq!(lab.starts(), 4);
    let files = || {
        ["json", "md", "csv", "svg"]
            .map(|form| std::fs::read(lab.path(&format!("out/ablations/study.{form}"))).unwrap())
    };
    let first = files();
    let told = lab.ablate(0, &["--vary", "MATRIX_LR=0.03", "--seeds", "0,1"]);
    assert!(
        told.err.contains("4/4 MATRIX_LR=0.03, seed 1: val_bpb 1.23440 (finished before, and kept)"),
        "{}",
        told.err
    );
    assert!(lab.starts() == 4 && files() == first, "nothing is run again, and every file has the same bytes");
    lab.ablate(0, &["--vary", "MATRIX_LR=0.03", "--vary", "WIDTH=80", "--seeds", "0,1,2"]);
    assert_eq!(lab.starts(), 4 + 2 + 3, "a seed more of two variants, and a variant of three seeds");
    // Another script is another system: nothing of the old one is taken for it.
    let script = std::fs::read_to_string(lab.path("train_gpt.py")).unwrap();
    std::fs::write(lab.path("train_gpt.py"), script.replace("1.2244", "1.1")).unwrap();
    lab.ablate(0, &["--vary", "MATRIX_LR=0.03", "--seeds", "0,1"]);
    assert_eq!(lab.starts(), 13);
}

#[test]
fn a_rung_of_a_ladder_is_compared_with_the_one_before() {
    let Some(lab) = Lab::new() else { return };
    let told = lab.ablate(0, &["--rung", "MATRIX_LR=0.03", "--rung", "WIDTH=80 IGNORED=1", "--rung", "MATRIX_LR=0.04"]);
    assert!(told.out.contains("each row adds to the row above"), "{}", told.out);
    let table = lab.table();
    assert_eq!(table["ladder"], true);
    let bpb = |name| row(&table, name)["val_bpb"]["mean"].as_f64().unwrap();
    let names = ["reference", "MATRIX_LR=0.03", "WIDTH=80, IGNORED=1", "MATRIX_LR=0.04"];
    for (before, rung) in names.iter().zip(&names[1..]) {
        let delta = row(&table, rung)["difference"]["mean"].as_f64().unwrap();
        assert!((delta - (bpb(rung) - bpb(before))).abs() < 1e-9, "{rung}: {delta}");
    }
    assert!((bpb("MATRIX_LR=0.03") - bpb("reference") + 0.0011).abs() < 1e-9);
    let started = lab.starts();
    lab.ablate(0, &["--rung", "MATRIX_LR=0.03", "--rung", "WIDTH=80 IGNORED=1"]);
    assert_eq!(lab.starts(), started, "a shorter ladder is part of the longer one");
    let told = lab.ablate(2, &["--rung", "MATRIX_LR=0.03", "--vary", "WIDTH=80"]);
    assert!(told.err.contains("cannot be used with"), "{}", told.err);
}

#[test]
fn a_grid_runs_every_combination_and_the_same_configuration_once() {
    let Some(lab) = Lab::new() else { return };
    let told = lab.ablate(
        0,
        &[
            "--vary",
            "MATRIX_LR=0.03,0.04",
            "--vary",
            "WIDTH=80,90",
            "--grid",
            "--seeds",
            "0",
            "--env",
            "MATRIX_LR=0.04",
            "--format",
            "csv",
        ],
    );
    let names: Vec<&str> = told.out.lines().skip(1).filter_map(|line| line.split("\",").next()).collect();
    assert_eq!(names.len(), 5, "{}", told.out);
    assert!(told.out.contains("\"MATRIX_LR=0.03, WIDTH=90\",1,0,"), "{}", told.out);
    assert_eq!(lab.starts(), 5);
}

#[test]
fn a_trial_that_fails_is_told_and_the_others_go_on() {
    let Some(lab) = Lab::new() else { return };
    let more = [
        "--vary",
        "MATRIX_LR=0.03",
        "--env",
        "VARIED_FAULT=no such luck",
        "--env",
        "VARIED_FAULT_SEED=1",
        "--jobs",
        "2",
    ];
    let told = lab.ablate(1, &more);
    for said in [
        "MATRIX_LR=0.03, seed 1 failed: ValueError: no such luck (exit status 1)",
        "  | step:9/20 train_loss:",
        "2 of 6 trials failed; the others are kept",
        "reference: 2 of 3 seeds finished.",
    ] {
        assert!(told.out.contains(said), "no {said:?} in:\n{}", told.out);
    }
    let table = lab.table();
    assert_eq!(row(&table, "MATRIX_LR=0.03")["difference"]["by_seed"].as_array().unwrap().len(), 2);
    assert_eq!(row(&table, "MATRIX_LR=0.03")["trials"][1]["numbers"], Value::Null);
    // What failed is run again, and only that.
    assert_eq!(lab.starts(), 6);
    lab.ablate(1, &more);
    assert_eq!(lab.starts(), 8);
}

#[test]
fn a_knob_makes_artifacts_equally_large() {
    let Some(lab) = Lab::new() else { return };
    let code = std::fs::metadata(lab.path("train_gpt.py")).unwrap().len();
    lab.ablate(0, &["--vary", "BITS=6,5", "--equal", "bytes", "--knob", "WIDTH=100", "--seeds", "0,1"]);
    let table = lab.table();
    let wanted = 100 * 8 * 20 + code;
    assert_eq!(row(&table, "reference")["bytes_total_max"], wanted);
    // 8 · 100 / 5 is a whole width, 8 · 100 / 6 is not: the nearest one is told.
    let five = row(&table, "BITS=5");
    assert_eq!((five["knob"]["value"].clone(), five["equal_bytes"].clone()), ("160".into(), true.into()));
    assert_eq!(five["bytes_total_max"], wanted);
    let six = row(&table, "BITS=6");
    assert_eq!((six["knob"]["value"].clone(), six["equal_bytes"].clone()), ("133".into(), false.into()));
    let told = lab.ablate(0, &["--vary", "BITS=6,5", "--equal", "bytes", "--knob", "WIDTH=100", "--seeds", "0,1"]);
    assert!(told.out.contains("BITS=6: WIDTH=133") && told.out.contains("no value comes nearer"), "{}", told.out);
}

#[test]
fn steps_and_time_are_made_equal_by_the_scripts_own_variables() {
    let Some(lab) = Lab::new() else { return };
    lab.ablate(0, &["--vary", "MATRIX_LR=0.03", "--equal", "steps", "--seeds", "0"]);
    lab.ablate(0, &["--vary", "MATRIX_LR=0.03", "--equal", "time", "--seeds", "0"]);
    let record = |dir: &str, name: &str| {
        let path = lab.path(&format!("out/runs/{dir}/seed-0/run.json"));
        let record: Value = serde_json::from_slice(&std::fs::read(path).expect("a run")).expect("JSON");
        record["cause"]["env"][name].clone()
    };
    assert_eq!(record("train_gpt.MAX_WALLCLOCK_SECONDS=0.MATRIX_LR=0.03", "MAX_WALLCLOCK_SECONDS"), "0");
    assert_eq!(record("train_gpt.ITERATIONS=1000000000", "ITERATIONS"), "1000000000");
}

#[test]
fn what_cannot_be_studied_is_refused_before_anything_runs() {
    let Some(lab) = Lab::new() else { return };
    for (more, said) in [
        (vec![], "nothing is varied"),
        (vec!["--vary", "MATRX_LR=1"], "does not seem to read the variable MATRX_LR (it reads MATRIX_LR"),
        (vec!["--vary", "MATRIX_LR"], "KEY=A,B,C"),
        (vec!["--vary", "MATRIX_LR=1,,2"], "is empty"),
        (vec!["--drop", "ttt"], "components are those of a recipe"),
        (vec!["--vary", "WIDTH=80", "--seeds", "1,1"], "1 twice"),
        (vec!["--vary", "WIDTH=80", "--equal", "bytes"], "name it with --knob"),
        (vec!["--vary", "WIDTH=80", "--equal", "bytes", "--knob", "BITS"], "write --knob BITS=START"),
        (vec!["--vary", "WIDTH=80", "--equal", "bytes", "--knob", "WIDTH=3"], "is varied itself"),
        (vec!["--vary", "WIDTH=80", "--knob", "BITS=8"], "--knob is for --equal bytes"),
        (vec!["--vary", "WIDTH=80", "--name", "../up"], "not usable as the name of a folder"),
        (
            vec!["--vary", "WIDTH=80", "--equal", "time", "--env", "MAX_WALLCLOCK_SECONDS=0"],
            "nothing would end a training",
        ),
    ] {
        let told = lab.ablate(2, &more);
        assert!(told.err.contains(said), "{more:?}: no {said:?} in:\n{}", told.err);
    }
    assert_eq!(lab.starts(), 0);
}

/// A study that is killed again and again ends with the table of one that nothing disturbed.
#[test]
fn killed_at_random_moments_it_ends_with_the_same_table() {
    let (Some(calm), Some(lab)) = (Lab::new(), Lab::new()) else { return };
    let more = ["--vary", "MATRIX_LR=0.03,0.05", "--seeds", "0,1", "--env", "VARIED_SECONDS=0.4", "--jobs", "2"];
    calm.ablate(0, &more);
    for round in 0..4 {
        let mut running = lab.command(&more).spawn().unwrap();
        let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos();
        std::thread::sleep(Duration::from_millis(u64::from(nanos / 7 % 1200)));
        // It may have ended by itself.
        let _ = running.kill();
        let status = running.wait().unwrap();
        assert!(status.code().is_none_or(|code| code == 0), "round {round}: {status}");
    }
    lab.ablate(0, &more);
    assert_eq!(lab.table(), calm.table());
    let left = |lab: &Lab| std::fs::read_dir(lab.path("out/ablations")).unwrap().count();
    assert_eq!((left(&lab), left(&calm)), (4, 4), "no half-written file stays");
}

#[test]
fn an_interrupted_study_ends_its_scripts_and_a_second_one_is_refused_meanwhile() {
    let Some(lab) = Lab::new() else { return };
    let more = ["--vary", "MATRIX_LR=0.03", "--seeds", "0,1", "--env", "VARIED_SECONDS=4", "--jobs", "2"];
    let mut running = lab.command(&more).spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(30);
    while lab.starts() < 2 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
    let told = lab.ablate(2, &more);
    assert!(told.err.contains("another caddie is working in this run directory"), "{}", told.err);
    assert!(Command::new("kill").args(["-TERM", &running.id().to_string()]).status().unwrap().success());
    assert_eq!(running.wait().unwrap().code(), Some(3));
    let own = lab.dir.path().canonicalize().unwrap().join("out");
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let left =
        entries.filter(|entry| std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(&own)));
    assert_eq!(left.count(), 0, "no script goes on");
}

/// Trials on several GPUs have devices of their own, and which ones changes nothing of a run.
#[test]
fn trials_side_by_side_have_gpus_of_their_own() {
    use std::os::unix::fs::PermissionsExt as _;
    let Some(lab) = Lab::new() else { return };
    let bin = lab.path("bin");
    std::fs::create_dir(&bin).unwrap();
    std::fs::write(bin.join("nvidia-smi"), "#!/bin/sh\nfor i in 0 1 2 3; do echo 'NVIDIA X, 1 MiB, 1'; done\n")
        .unwrap();
    std::fs::set_permissions(bin.join("nvidia-smi"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let script = std::fs::read_to_string(lab.path("train_gpt.py")).unwrap();
    let seen = "print('devices', os.environ['CUDA_VISIBLE_DEVICES'], file=(Path(os.environ['DATA_DIR']) / 'devices').open('a'))\n";
    std::fs::write(
        lab.path("train_gpt.py"),
        script.replace("print(\"world_size", &format!("{seen}print(\"world_size")),
    )
    .unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    // Two processes each, so that two trials fit on four GPUs.
    let launcher =
        ["--launcher", "python3 {script} {nproc}", "--nproc", "2", "--vary", "MATRIX_LR=0.03", "--seeds", "0,1"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_caddie"));
    command.args(["ablate", "--script", "train_gpt.py", "--data", "data", "--out", "out"]).args(launcher);
    command.args(["--env", "VARIED_SECONDS=0.3"]).current_dir(lab.dir.path()).env("PATH", path).env_remove("DATA_PATH");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let devices = std::fs::read_to_string(lab.path("data/devices")).unwrap();
    let mut seen: Vec<&str> = devices.lines().collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, ["devices 0,1", "devices 2,3"]);
    assert!(command.output().unwrap().status.success());
    assert_eq!(lab.starts(), 4, "kept, whatever devices they had");
}
