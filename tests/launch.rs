//! Seeds on other machines: the jobs that `submit --on` writes, and `collect`, which takes their runs back.
//!
//! Slurm is the real one, on one node, where it is installed; SkyPilot's own parser reads its job where CADDIE_SKY_PYTHON
//! names a Python that has it. Otherwise these tests say so and pass.
#![cfg(unix)]

mod support;

#[path = "support/slurm.rs"]
mod slurm;

use std::path::Path;
use std::process::Command;

use slurm::Cluster;
use support::bench::{Bench, Said};

const ABOUT: [&str; 10] =
    ["--name", "Mine", "--author", "Ada", "--github-id", "ada", "--track", "non_record_16mb", "--date", "2026-05-01"];
const SUBJECT: [&str; 8] = ["--script", "train_gpt.py", "--data", "data", "--out", "out", "--launcher", "python"];

fn caddie(bench: &Bench, arguments: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_caddie"));
    command.args(arguments).current_dir(bench.dir.path()).env_remove("DATA_PATH").env_remove("VOCAB_SIZE");
    Said::of(command.output().expect("runs"))
}

/// `submit` with what every test here has, and more.
fn submit(bench: &Bench, more: &[&str]) -> Said {
    caddie(bench, &[&["submit"], &SUBJECT[..], &ABOUT[..], more].concat())
}

fn collect(bench: &Bench, more: &[&str]) -> Said {
    caddie(bench, &[&["collect"], &ABOUT[..], &["--out", "out", "--script", "train_gpt.py"], more].concat())
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).expect("reads")
}

#[test]
fn slurm_runs_the_array_and_collect_goes_on_to_the_folder() {
    let Some(bench) = Bench::new() else { return };
    let Some(cluster) = Cluster::start(bench.dir.path()) else { return };
    // A node without GPUs: the template is edited as a person would.
    submit(&bench, &["--on", "slurm", "--write-template"]).ends(0, &["launch/slurm.sh"]);
    submit(&bench, &["--on", "slurm", "--write-template"]).ends(2, &["launch/slurm.sh exists"]);
    let template = bench.path("launch/slurm.sh");
    let edited: Vec<String> = read(&template).lines().filter(|line| !line.contains("gpu")).map(str::to_owned).collect();
    std::fs::write(&template, edited.join("\n").replacen("{% endif %}\n", "", 1) + "\n").expect("writes");
    let job = ["--on", "slurm", "--seeds", "42,0", "--env", "STAND_IN=crash_once"];
    let said = submit(&bench, &job).ends(0, &["(from ", "start   sbatch ", "then    caddie collect "]);
    let start = said.out.lines().find_map(|line| line.strip_prefix("start   sbatch ")).expect("a command").to_owned();
    assert!(!cluster.sbatch(&[&start]), "seed 0 fails the first time");
    let said = collect(&bench, &["out/runs/Mine", "--seeds", "42,0"]);
    said.ends(1, &["seed 0: ValueError: the loss is not finite this time", "1 run kept in out/runs/Mine"]);
    assert!(cluster.sbatch(&["--array=1", &start]), "{}", cluster.log());
    collect(&bench, &["out/runs/Mine", "--seeds", "42,0"]).ends(0, &["verify       pass", "out/Mine.tar.zst"]);
    let record: serde_json::Value =
        serde_json::from_str(&read(bench.path("out/runs/Mine/seed-42/run.json"))).expect("JSON");
    assert_eq!(record["state"], "finished");
}

#[test]
fn seeds_that_were_run_apart_give_the_folder_of_one_submission() {
    let (Some(whole), Some(apart)) = (Bench::new(), Bench::new()) else { return };
    submit(&whole, &["--seeds", "42,0"]).ends(0, &["verify       pass"]);
    // Two machines, each with one seed; one sends an archive.
    for seed in ["42", "0"] {
        let said = submit(&apart, &["--seeds", seed, "--runs-only"]);
        said.ends(0, &["then      caddie collect out/runs/Mine"]);
        std::fs::rename(apart.path("out/runs/Mine"), apart.path(&format!("machine-{seed}"))).expect("renames");
    }
    assert!(!apart.path("out/records").exists());
    let mut tar = Command::new("tar");
    tar.args(["-czf", "seed.tgz", "-C", "machine-42", "seed-42"]).current_dir(apart.dir.path());
    assert!(tar.status().is_ok_and(|status| status.success()));
    collect(&apart, &["machine-0", "--seeds", "42,0"]).ends(1, &["seed 42: no run of it is here", "1 run kept"]);
    collect(&apart, &["machine-0", "seed.tgz", "--seeds", "42,0"]).ends(0, &["verify       pass"]);
    let folder = |bench: &Bench, name: &str| {
        std::fs::read(bench.path("out/records/track_non_record_16mb/2026-05-01_Mine").join(name)).expect("reads")
    };
    for name in ["README.md", "submission.json", "train_gpt.py", "train_seed42.log", "train_seed0.log"] {
        assert!(folder(&apart, name) == folder(&whole, name), "{name} differs");
    }
    // Nothing is left of the way there.
    let left = std::fs::read_dir(apart.path("out/runs")).expect("lists").flatten();
    assert_eq!(left.map(|entry| entry.file_name()).collect::<Vec<_>>(), ["Mine"]);
    collect(&apart, &["out/runs/Mine"]).ends(0, &["verify       pass"]);
}

#[test]
fn what_is_not_the_run_that_was_made_is_not_taken() {
    let Some(bench) = Bench::new() else { return };
    submit(&bench, &["--seeds", "42,0", "--runs-only"]).ends(0, &[]);
    std::fs::rename(bench.path("out/runs/Mine"), bench.path("back")).expect("renames");
    let refused = |texts: &[&str]| collect(&bench, &["back", "--seeds", "42,0"]).ends(1, texts);
    let model = bench.path("back/seed-0/files/final_model.int8.ptz");
    let bytes = std::fs::read(&model).expect("reads");
    std::fs::write(&model, [&bytes[..], b"!"].concat()).expect("writes");
    refused(&["seed 0: final_model.int8.ptz is not the file that the run wrote"]);
    std::fs::remove_file(&model).expect("removes");
    refused(&["seed 0: final_model.int8.ptz did not come along"]);
    std::fs::write(&model, &bytes).expect("writes");
    let log = bench.path("back/seed-0/log.txt");
    std::fs::write(&log, read(&log).replace("val_bpb:1.2", "val_bpb:1.1")).expect("writes");
    refused(&["seed 0: log.txt is not the file that the run wrote"]);
    std::fs::write(&log, read(&log).replace("val_bpb:1.1", "val_bpb:1.2")).expect("writes");
    // Another script than the one that ran, then none of the same name.
    let script = read(bench.path("train_gpt.py"));
    std::fs::write(bench.path("train_gpt.py"), script.clone() + "# changed\n").expect("writes");
    collect(&bench, &["back"]).ends(2, &["train_gpt.py: is not the script that the runs were made with"]);
    std::fs::write(bench.path("train_gpt.py"), script).expect("writes");
    collect(&bench, &["nowhere"]).ends(2, &["nowhere: no such file or folder"]);
    collect(&bench, &["data"]).ends(2, &["data: holds no run"]);
    collect(&bench, &["back"]).ends(0, &["verify       pass"]);
}

#[test]
fn a_job_says_what_it_runs_and_shows_no_secret() {
    let Some(bench) = Bench::new() else { return };
    let slurm = |more: &[&str]| submit(&bench, &[&["--on", "slurm", "--seeds", "42,0,1234"], more].concat());
    slurm(&["--env", "WANDB_API_KEY=feedbeef"]).ends(2, &["WANDB_API_KEY looks like a secret"]);
    slurm(&["--env", "WORDS=two of 'them'", "--nproc", "1"]).ends(0, &["out/runs/Mine/slurm.sh"]);
    let job = read(bench.path("out/runs/Mine/slurm.sh"));
    for line in ["#SBATCH --array=0-2", "#SBATCH --gpus-per-node=1", "#SBATCH --time=50", "seeds=(42 0 1234)"] {
        assert!(job.lines().any(|found| found == line), "{line} is not in:\n{job}");
    }
    assert!(job.contains("--env 'WORDS=two of '\\''them'\\'''"), "{job}");
    assert!(job.contains("--runs-only --seeds \"${seeds[$SLURM_ARRAY_TASK_ID]}\""), "{job}");
    std::fs::create_dir(bench.path("launch")).expect("creates");
    std::fs::write(bench.path("launch/slurm.sh"), "{{ nonsense }}\n").expect("writes");
    slurm(&[]).ends(2, &["launch/slurm.sh: ", "mend it, or delete it"]);
    submit(&bench, &["--on", "skypilot", "--seeds", "1,1"]).ends(2, &["1 twice"]);
}

#[test]
fn skypilots_parser_accepts_the_job() {
    let Some(bench) = Bench::new() else { return };
    let said = submit(&bench, &["--on", "skypilot", "--seeds", "42,0", "--nproc", "8", "--env", "A=it's: #1"]);
    said.ends(0, &["for seed in 42 0; do sky jobs launch ", "--env SEED=$seed", "then    caddie collect DIR"]);
    let job = read(bench.path("out/runs/Mine/skypilot.yaml"));
    assert!(job.contains("accelerators: H100:8") && job.contains("--script train_gpt.py"), "{job}");
    let Ok(python) = std::env::var("CADDIE_SKY_PYTHON") else {
        println!("skipped: CADDIE_SKY_PYTHON names no Python with skypilot");
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/skypilot/dry_run.py");
    let home = tempfile::tempdir().expect("a folder");
    let mut sky = Command::new(python);
    sky.arg(script).arg("out/runs/Mine/skypilot.yaml").current_dir(bench.dir.path()).env("HOME", home.path());
    let said = Said::of(sky.output().expect("runs"));
    let said = said.ends(0, &["('SEED', '42')", "gpu_8x_h100_sxm5", "H100:8", "Dryrun finished."]);
    assert!(said.out.contains("--env 'A=it'\\''s: #1'"), "{}", said.out);
}
