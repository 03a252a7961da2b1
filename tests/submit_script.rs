//! `caddie submit --script`: somebody's own script, run for each seed, kept, rendered and verified.
//!
//! The scripts are stand-ins in plain Python (`fixtures/scripts`); where there is no Python, the tests say so and pass.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

#[path = "support/bench.rs"]
mod bench;

use bench::{Bench, Said, stand_in};

/// A secret that the environment of every test holds under a name that the script asks for.
const TOKEN: &str = "a-token-that-nobody-may-read";

impl Bench {
    /// The command for seeds 0 and 42, with a fault of the stand-in.
    fn command(&self, fault: &str, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_caddie"));
        command.args(["submit", "--script", "train_gpt.py", "--data", "data", "--out", "out"]);
        if !more.contains(&"--seeds") {
            command.args(["--seeds", "42,0"]);
        }
        command.args(["--name", "Mine", "--author", "Ada", "--github-id", "ada", "--track", "non_record_16mb"]);
        command.args(["--date", "2026-05-01", "--launcher", "python", "--blurb", "A stand-in."]).args(more);
        if !fault.is_empty() {
            command.args(["--env", &format!("STAND_IN={fault}")]);
        }
        command.current_dir(self.dir.path()).env("HF_TOKEN", TOKEN).env_remove("DATA_PATH").env_remove("VOCAB_SIZE");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn submit(&self, fault: &str, more: &[&str]) -> Said {
        Said::of(self.command(fault, more).output().expect("runs"))
    }

    fn folder(&self) -> PathBuf {
        self.path("out/records/track_non_record_16mb/2026-05-01_Mine")
    }

    fn json(&self, path: &str) -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(self.path(path)).expect("reads")).expect("JSON")
    }

    /// The files that are rendered, by name.
    fn rendered(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        for entry in std::fs::read_dir(self.folder()).expect("the folder") {
            let entry = entry.expect("an entry");
            files.insert(entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).expect("reads"));
        }
        for name in ["PULL_REQUEST.md", "Mine.tar.zst"] {
            files.insert(name.to_owned(), std::fs::read(self.path("out").join(name)).expect("reads"));
        }
        files
    }

    /// Processes of a run of this bench that are still there: they run in its folder.
    fn processes(&self) -> Vec<String> {
        let own = self.dir.path().canonicalize().expect("resolves");
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let here = entries.filter(|entry| {
            std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(own.join("out")))
        });
        here.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }
}

/// Every file below a folder.
fn tree(dir: &Path) -> Vec<PathBuf> {
    let (mut open, mut found) = (vec![dir.to_owned()], Vec::new());
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).expect("lists") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found
}

fn wait_for(what: impl Fn() -> bool) -> bool {
    let until = Instant::now() + Duration::from_secs(30);
    while Instant::now() < until {
        if what() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

#[test]
fn a_script_becomes_a_folder_that_verifies_and_holds_it_byte_for_byte() {
    let Some(bench) = Bench::new() else { return };
    std::fs::write(bench.path("requirements.txt"), "numpy\n").unwrap();
    let said = bench.submit("", &["--seeds", "42,0,1234", "--env", "STAND_IN_SECONDS=0"]);
    let said = said.ends(0, &["verify       pass (0 errors, 0 warnings)", "mean    1.22540000", "out/Mine.tar.zst"]);
    assert!(!said.out.contains("note"), "{}", said.out);
    let files = bench.rendered();
    assert_eq!(files["train_gpt.py"], std::fs::read(stand_in()).unwrap());
    assert_eq!(files["requirements.txt"], b"numpy\n");
    // The script's own log has the source and the versions; what it printed has not.
    let own = std::fs::read(bench.path("out/runs/Mine/seed-42/files/logs/Mine_seed42.txt")).unwrap();
    assert_eq!(files["train_seed42.log"], own);
    let json = bench.json("out/records/track_non_record_16mb/2026-05-01_Mine/submission.json");
    assert_eq!((json["n_seeds"].clone(), json["val_bpb"].clone()), (3.into(), 1.2254.into()));
    assert_eq!(json["runs"][1]["seed"], 42);
    assert_eq!(json["bytes_code"], std::fs::metadata(stand_in()).unwrap().len());
    let readme = String::from_utf8(files["README.md"].clone()).unwrap();
    assert!(readme.contains("SEED=42 python3 train_gpt.py") && readme.contains("A stand-in."), "{readme}");
    assert!(readme.contains("| C1 causal |") && readme.contains("| unknown |"), "{readme}");
    assert!(readme.contains("export VOCAB_SIZE=1024") && readme.contains("export STAND_IN_SECONDS=0"), "{readme}");
    let place = bench.dir.path().to_str().unwrap();
    for (name, bytes) in files.iter().filter(|(name, _)| !name.ends_with(".zst")) {
        assert!(!String::from_utf8_lossy(bytes).contains(place), "{name} names a place of this machine");
    }
    let record = bench.json("out/runs/Mine/seed-42/run.json");
    assert_eq!((record["state"].clone(), record["status"].clone()), ("finished".into(), "exit status 0".into()));
    assert_eq!(record["cause"]["env"]["SEED"], "42");
    assert_eq!(record["cause"]["env"]["RUN_ID"], "Mine_seed42");
    for name in ["DATA_PATH", "DATA_DIR", "TOKENIZER_PATH"] {
        assert!(Path::new(record["cause"]["env"][name].as_str().unwrap()).exists(), "{name}");
    }
    let written: Vec<&str> = record["files"].as_array().unwrap().iter().filter_map(|f| f["path"].as_str()).collect();
    assert_eq!(written, ["final_model.int8.ptz", "final_model.pt", "logs/Mine_seed42.txt"]);
    // Done again, nothing is run and nothing changes.
    let again = bench.submit("", &["--seeds", "42,0,1234", "--env", "STAND_IN_SECONDS=0"]);
    again.ends(0, &["seed 42: finished before, and kept"]);
    assert_eq!(bench.rendered(), files);
}

#[test]
fn the_modules_that_a_script_imports_ship_with_it() {
    let Some(bench) = Bench::new() else { return };
    let text = std::fs::read_to_string(stand_in())
        .unwrap()
        .replace("import os\n", "import os\nimport helper\nfrom parts import layer\n");
    std::fs::write(bench.path("train_gpt.py"), text).unwrap();
    std::fs::create_dir(bench.path("parts")).unwrap();
    std::fs::write(bench.path("helper.py"), "A = 1\n").unwrap();
    std::fs::write(bench.path("parts/layer.py"), "B = 2\n").unwrap();
    std::fs::write(bench.path("unused.py"), "C = 3\n").unwrap();
    // What an earlier run left beside the script is no code of it.
    std::fs::write(bench.path("final_model.pt"), "old").unwrap();
    let said = bench.submit("", &["--seeds", "42"]);
    said.ends(
        0,
        &["note         helper.py, parts/layer.py ship beside train_gpt.py, which imports them: 12 bytes more"],
    );
    let shipped: Vec<String> = tree(&bench.folder())
        .iter()
        .map(|path| path.strip_prefix(bench.folder()).unwrap().display().to_string())
        .filter(|path| path.ends_with(".py") || path.ends_with(".pt"))
        .collect();
    assert_eq!(
        shipped.iter().collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>(),
        ["helper.py", "parts/layer.py", "train_gpt.py"]
    );
    let record = bench.json("out/runs/Mine/seed-42/run.json");
    assert_eq!(record["cause"]["modules"][1]["path"], "parts/layer.py");
    std::fs::write(bench.path("helper.py"), "A = 5\n").unwrap();
    bench
        .submit("", &["--seeds", "42", "--force"])
        .ends(0, &["it was run with another script, command or environment"]);
}

#[test]
fn every_family_of_logs_is_read() {
    for (family, metric) in [("b", "quantized"), ("c", "final_ternary_roundtrip")] {
        let Some(bench) = Bench::new() else { return };
        let said = bench.submit("", &["--env", &format!("STAND_IN_FAMILY={family}")]);
        said.ends(0, &["(0 errors", &format!(" of {metric}\n")]);
        // Where the script's own log says no more, what was printed is taken.
        let log = if family == "b" { "log.txt" } else { "files/logs/Mine_seed0.txt" };
        let expected = std::fs::read(bench.path("out/runs/Mine/seed-0").join(log)).unwrap();
        assert!(bench.rendered_log(0) == expected, "family {family}: not {log}");
    }
}

impl Bench {
    fn rendered_log(&self, seed: u64) -> Vec<u8> {
        std::fs::read(self.folder().join(format!("train_seed{seed}.log"))).expect("reads")
    }
}

#[test]
fn each_way_to_fail_is_told_with_the_last_lines_and_the_others_go_on() {
    let reasons = [
        ("crash", "ValueError: the loss is not finite (exit status 1)"),
        ("gpu_memory", "out of memory on the GPU"),
        ("nccl", "NCCL time-out"),
        ("killed", "killed: nobody asked it to end"),
        ("full_disk", "no space: "),
    ];
    for (fault, reason) in reasons {
        let Some(bench) = Bench::new() else { return };
        let said = bench.submit(fault, &[]);
        let both = ["seed 42 failed: ", "seed 0 failed: "].map(|seed| format!("{seed}{reason}"));
        said.ends(1, &[&both[0], &both[1], "  | step:9/20 train_loss:", "seed-42/log.txt", "2 of 2 seeds failed"]);
        assert!(!bench.folder().exists(), "{fault}: nothing is rendered of runs that failed");
        let record = bench.json("out/runs/Mine/seed-42/run.json");
        assert_eq!(record["state"], "failed");
    }
}

#[test]
fn a_seed_that_failed_is_run_again_and_the_others_are_kept() {
    let Some(bench) = Bench::new() else { return };
    bench.submit("crash_once", &[]).ends(1, &["seed 0 failed: ValueError", "1 of 2 seeds failed"]);
    let first = std::fs::read(bench.path("out/runs/Mine/seed-42/run.json")).unwrap();
    let said = bench.submit("crash_once", &[]);
    said.ends(0, &["seed 42: finished before, and kept", "seed 0: an earlier start did not finish"]);
    assert_eq!(std::fs::read(bench.path("out/runs/Mine/seed-42/run.json")).unwrap(), first);
    let log = std::fs::read_to_string(bench.path("out/runs/Mine/earlier/seed-0.unfinished/log.txt")).unwrap();
    assert!(log.contains("not finite this time"), "{log}");
}

#[test]
fn a_script_that_breaks_a_convention_is_told_and_nothing_is_made_up() {
    let Some(bench) = Bench::new() else { return };
    let said = bench.submit("seed_not_read", &[]);
    said.ends(2, &["states seed 1337, and the run was given SEED=42"]);
    assert!(!bench.path("out/runs/Mine/seed-0").exists(), "the other seeds would be runs of seed 1337 too");
    let Some(bench) = Bench::new() else { return };
    bench.submit("no_score", &[]).ends(1, &["no log of it states a score that verify reads"]);
    let Some(bench) = Bench::new() else { return };
    let said = bench.submit("no_sizes", &[]).ends(0, &["verify       unknown (0 errors", "note         no artifact: "]);
    assert!(!said.out.contains("Mine.tar.zst") && !bench.path("out/Mine.tar.zst").exists(), "{}", said.out);
    let json = bench.json("out/records/track_non_record_16mb/2026-05-01_Mine/submission.json");
    assert!(json["bytes_total"].is_null() && json["artifact"]["bytes_model"].is_null());
    let Some(bench) = Bench::new() else { return };
    bench.submit("miscounts_code", &[]).ends(0, &["note         the logs count ", "size-code-representation"]);
    let Some(bench) = Bench::new() else { return };
    bench.submit("own_log_only", &[]).ends(0, &["verify       pass"]);
    assert!(String::from_utf8(bench.rendered_log(42)).unwrap().contains("seed:42"));
}

#[test]
fn binary_output_is_kept_as_it_came() {
    let Some(bench) = Bench::new() else { return };
    bench.submit("binary_output", &[]).ends(0, &["verify       pass"]);
    let log = std::fs::read(bench.path("out/runs/Mine/seed-42/log.txt")).unwrap();
    let every: Vec<u8> = (0..=255).collect();
    assert_eq!(log.windows(256).filter(|window| *window == every).count(), 64);
    assert!(log.len() > 300_000);
}

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
fn an_interrupted_run_ends_its_script_and_the_same_command_continues() {
    let Some(bench) = Bench::new() else { return };
    let slow = ["--env", "STAND_IN_SECONDS=2"];
    let mut running = bench.command("", &slow).spawn().unwrap();
    let log = bench.path("out/runs/Mine/seed-42/log.txt");
    assert!(wait_for(|| std::fs::read_to_string(&log).is_ok_and(|text| text.contains("step:3/"))));
    let second = bench.submit("", &slow);
    second.ends(2, &["another caddie is working in this run directory"]);
    assert!(Command::new("kill").args(["-TERM", &running.id().to_string()]).status().unwrap().success());
    assert_eq!(running.wait().unwrap().code(), Some(3));
    assert_eq!(bench.processes(), Vec::<String>::new());
    bench.submit("", &slow).ends(0, &["seed 42: an earlier start did not finish", "verify       pass"]);
}

/// A submission that is killed `rounds` times at random moments ends with the bytes of one that nothing disturbed.
fn killed(rounds: u32) {
    let (Some(calm), Some(bench)) = (Bench::new(), Bench::new()) else { return };
    let slow = ["--env", "STAND_IN_SECONDS=0.6"];
    calm.submit("", &slow).ends(0, &["verify       pass"]);
    for round in 0..rounds {
        let mut running: Child = bench.command("", &slow).spawn().unwrap();
        let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos();
        std::thread::sleep(Duration::from_millis(u64::from(nanos / 7 % 2000)));
        // It may have ended by itself.
        let _ = running.kill();
        let status = running.wait().unwrap();
        assert!(status.code().is_none_or(|code| code == 0), "round {round}: {status}");
    }
    bench.submit("", &slow).ends(0, &["verify       pass"]);
    assert_eq!(bench.processes(), Vec::<String>::new());
    let (found, expected) = (bench.rendered(), calm.rendered());
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, bytes) in &expected {
        assert!(found[name] == *bytes, "{name} differs");
    }
    let staging = tree(&bench.path("out")).into_iter().filter(|path| path.to_string_lossy().contains(".caddie-render"));
    assert_eq!(staging.collect::<Vec<_>>(), Vec::<PathBuf>::new());
}

#[test]
fn killed_at_random_moments_it_ends_with_the_same_bytes() {
    killed(3);
}

#[test]
#[ignore = "long: twenty rounds take a minute"]
fn killed_at_twenty_random_moments_it_ends_with_the_same_bytes() {
    killed(20);
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

#[test]
fn another_script_or_setting_is_another_run_and_the_finished_one_is_not_lost() {
    let Some(bench) = Bench::new() else { return };
    bench.submit("", &[]).ends(0, &["verify       pass"]);
    let other = ["--env", "STAND_IN_FAMILY=b"];
    bench.submit("", &other).ends(2, &["exists and is of other runs", "--force"]);
    let forced = ["--env", "STAND_IN_FAMILY=b", "--force"];
    bench.submit("", &forced).ends(0, &["it was run with another script, command or environment", "of quantized\n"]);
    assert!(bench.path("out/runs/Mine/earlier/seed-42.1/files/final_model.int8.ptz").exists());
}

#[test]
fn no_secret_of_the_environment_is_written_anywhere() {
    let Some(bench) = Bench::new() else { return };
    let key = "another-secret-of-the-command-line";
    bench.submit("", &["--env", &format!("WANDB_API_KEY={key}")]).ends(0, &["verify       pass"]);
    bench.submit("crash", &["--env", &format!("WANDB_API_KEY={key}"), "--force"]).ends(1, &["failed"]);
    for path in tree(bench.dir.path()) {
        let bytes = std::fs::read(&path).unwrap();
        let bytes =
            if path.extension().is_some_and(|e| e == "zst") { zstd::decode_all(&bytes[..]).unwrap() } else { bytes };
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(TOKEN) && !text.contains(key), "{} shows a secret", path.display());
    }
    let withheld = bench.json("out/runs/Mine/seed-42/run.json")["cause"]["env_withheld"].clone();
    assert_eq!(withheld, serde_json::json!(["HF_TOKEN", "WANDB_API_KEY"]));
}

#[test]
fn what_cannot_work_is_refused_before_anything_runs() {
    let Some(bench) = Bench::new() else { return };
    bench.submit("", &["--seeds", "1,1"]).ends(2, &["1 twice"]);
    bench.submit("", &["--nproc", "8"]).ends(2, &["python starts one process"]);
    bench.submit("", &["--env", "NOVALUE"]).ends(2, &["KEY=VALUE"]);
    bench.submit("", &["--enforce=0"]).ends(2, &["give seconds"]);
    bench.submit("", &["--env", "VOCAB_SIZE=many"]).ends(2, &["VOCAB_SIZE=many"]);
    let mut elsewhere = bench.command("", &[]);
    elsewhere.env("PATH", "/nowhere");
    Said::of(elsewhere.output().unwrap()).ends(2, &["is on PATH"]);
    assert!(!bench.path("out/runs").join("Mine/seed-42").exists());
}
