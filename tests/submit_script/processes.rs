//! The processes of a run: all of them end with it.

use std::process::Command;

use crate::support::bench::{Bench, Said, wait_for};

#[test]
fn enforce_ends_a_run_and_everything_that_it_started() {
    let reasons = [
        ("hang", "still running after 1 s"),
        ("children_hang", "still running after 1 s"),
        ("ignores_sigterm", "still running after 1 s"),
        ("slow_clock", "its training clock passed 600.25 s"),
    ];
    for (fault, reason) in reasons {
        let Some(bench) = Bench::new() else { return };
        let enforce = if fault == "slow_clock" { "--enforce" } else { "--enforce=1" };
        bench.submit(fault, &["--seeds", "42", enforce]).ends(1, &["seed 42 failed: wall clock: ", reason]);
        assert_eq!(bench.processes(), Vec::<String>::new(), "{fault}");
    }
}

#[test]
fn processes_that_outlive_the_script_end_with_its_run() {
    let Some(bench) = Bench::new() else { return };
    let said = bench.submit("leaves_children", &["--seeds", "42"]);
    let left = if cfg!(target_os = "linux") { "2" } else { "1" };
    said.ends(0, &[&format!("seed 42: processes that the script left behind, and that were ended: {left}")]);
    assert_eq!(bench.processes(), Vec::<String>::new());
}

/// A torchrun that does what the real one does to its workers: sessions of their own.
#[test]
fn torchrun_is_started_as_the_challenge_does_and_its_workers_end_too() {
    use std::os::unix::fs::PermissionsExt as _;
    let Some(bench) = Bench::new() else { return };
    let bin = bench.path("bin");
    std::fs::create_dir(&bin).unwrap();
    let torchrun = bin.join("torchrun");
    let text = "#!/bin/sh\necho \"$1 $2\" > arguments\nsetsid python3 \"$3\"\n";
    std::fs::write(&torchrun, text).unwrap();
    std::fs::set_permissions(&torchrun, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    // Without --launcher, it is the torchrun on PATH.
    let mut command = Command::new(env!("CARGO_BIN_EXE_caddie"));
    command.args(["submit", "--script", "train_gpt.py", "--data", "data", "--out", "out", "--seeds", "42"]);
    command.args(["--track", "non_record_16mb", "--name", "Mine", "--date", "2026-05-01", "--nproc", "8"]);
    command.current_dir(bench.dir.path()).env("PATH", &path).env_remove("DATA_PATH").env_remove("VOCAB_SIZE");
    Said::of(command.output().unwrap()).ends(0, &["(0 errors"]);
    let arguments = std::fs::read_to_string(bench.path("out/runs/Mine/seed-42/files/arguments")).unwrap();
    assert_eq!(arguments.trim(), "--standalone --nproc_per_node=8");
    let readme = std::fs::read_to_string(bench.folder().join("README.md")).unwrap();
    assert!(readme.contains("SEED=42 torchrun --standalone --nproc_per_node=8 train_gpt.py"), "{readme}");
    command.args(["--env", "STAND_IN=hang", "--enforce=1", "--force"]);
    Said::of(command.output().unwrap()).ends(1, &["wall clock"]);
    assert_eq!(bench.processes(), Vec::<String>::new());
}

#[test]
fn what_a_killed_caddie_leaves_running_ends_with_the_next_start() {
    let Some(bench) = Bench::new() else { return };
    let mut running = bench.command("hang", &["--seeds", "42"]).spawn().unwrap();
    let log = bench.path("out/runs/Mine/seed-42/log.txt");
    assert!(wait_for(|| std::fs::read_to_string(&log).is_ok_and(|text| text.contains("step:9/"))));
    running.kill().unwrap();
    running.wait().unwrap();
    if cfg!(target_os = "linux") {
        assert_eq!(bench.processes().len(), 1, "a script that prints nothing goes on");
        let mut next = bench.command("hang", &["--seeds", "42", "--enforce=1"]);
        Said::of(next.output().unwrap()).ends(1, &["an earlier start did not finish"]);
        assert_eq!(bench.processes(), Vec::<String>::new());
    }
}
