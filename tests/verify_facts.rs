//! What logs and files say by themselves, on copies of the good folder that are spoiled one way each.

mod support;

use caddie::checks::{VerifyOptions, verify};
use caddie::report::{Code, Finding, Severity};
use support::Copy;

/// Of the good folder's runs.
const SEEDS: [i64; 3] = [0, 42, 1234];

fn findings(copy: &Copy) -> Vec<Finding> {
    verify(&copy.utf8(), &VerifyOptions::default()).expect("a report").findings
}

#[track_caller]
fn of_rule(copy: &Copy, rule: &str) -> Finding {
    let found = findings(copy);
    let mut of_rule: Vec<&Finding> = found.iter().filter(|finding| finding.rule == rule).collect();
    assert_eq!(of_rule.len(), 1, "one finding of {rule}: {found:#?}");
    of_rule.remove(0).clone()
}

/// The folder as a record of the year's form, under its track.
fn placed(copy: &Copy, track: &str, name: &str) -> camino::Utf8PathBuf {
    let path = copy.utf8().join("records").join(track).join(name);
    std::fs::create_dir_all(&path).expect("creates");
    for entry in std::fs::read_dir(&copy.path).expect("lists") {
        let entry = entry.expect("an entry");
        if entry.path().is_file() {
            std::fs::copy(entry.path(), path.join(entry.file_name().to_string_lossy().as_ref())).expect("copies");
        }
    }
    path
}

#[test]
fn clocks_of_several_runs_are_one_finding_with_a_line_each() {
    let copy = Copy::new();
    for seed in SEEDS {
        let log = format!("train_seed{seed}.log");
        let text = std::fs::read_to_string(copy.path.join(&log)).expect("reads");
        let text = text
            .replace("train_time:599000ms", "train_time:601000ms")
            .replace("train_time:599002ms", "train_time:601002ms");
        std::fs::write(copy.path.join(&log), text).expect("writes");
    }
    let finding = of_rule(&copy, "time-train-600");
    assert_eq!((finding.severity, finding.evidence.len()), (Severity::Error, SEEDS.len()));
    assert!(
        finding.message.starts_with("training of all 3 runs took 601.002 s (the longest, train_seed1234.log)"),
        "{}",
        finding.message
    );
}

#[test]
fn runs_beyond_what_is_kept_of_a_log_are_counted() {
    let copy = Copy::new();
    support::write(&copy.path, "sweep.log", &support::sweep(52));
    let found = findings(&copy);
    let dropped = found.iter().find(|finding| finding.message.contains("too many runs")).expect("a finding");
    assert_eq!((dropped.severity, dropped.code), (Severity::Unknown, Some(Code::MultiRunLog)));
    assert!(dropped.message.starts_with("sweep.log holds too many runs: 2 runs were not read"), "{}", dropped.message);
}

#[test]
fn a_run_that_only_evaluates_has_no_steps_and_no_training_time() {
    let copy = Copy::new();
    copy.edit("train_seed42.log", "step:1/20000 train_loss:6.9370 train_time:43ms step_avg:43.21ms\n", "");
    copy.edit(
        "train_seed42.log",
        "step:13700/20000 val_loss:2.0606 val_bpb:1.3172 train_time:599000ms step_avg:43.54ms\n\
         stopping_early: wallclock_cap train_time:599000ms step:13700/20000\n",
        "step:0/0 val_loss:6.9317 val_bpb:4.1054 train_time:0ms step_avg:0.01ms\n",
    );
    let report = verify(&copy.utf8(), &VerifyOptions::default()).expect("a report");
    let run = report.runs.iter().find(|run| run.seed == Some(42)).expect("the run");
    assert_eq!((run.steps, run.train_seconds, run.val_bpb), (None, None, Some(1.25667766)));
    let unknown = report.findings.iter().find(|finding| finding.code == Some(Code::TrainTimeUnknown)).expect("unknown");
    assert_eq!(unknown.severity, Severity::Unknown, "{}", unknown.message);
}

#[test]
fn settings_that_differ_between_the_runs_are_named() {
    let copy = Copy::new();
    for (seed, settings) in
        SEEDS.into_iter().zip(["matrix_lr:0.04 run_id:a", "matrix_lr:0.05 run_id:b", "matrix_lr:0.040 run_id:c"])
    {
        let (line, log) = (format!("\nseed:{seed}\n"), format!("train_seed{seed}.log"));
        copy.edit(&log, &line, &format!("\ntie_embeddings:True {settings}{line}"));
    }
    let drift: Vec<Finding> =
        findings(&copy).into_iter().filter(|finding| finding.code == Some(Code::ConfigDrift)).collect();
    assert_eq!(drift.len(), 1);
    assert_eq!(drift[0].message, "the runs differ in more than their seed: matrix_lr (0.04 / 0.05)");
    assert_eq!(drift[0].severity, Severity::Warning);
}

#[test]
fn a_seed_that_the_name_alone_claims_is_an_error() {
    let copy = Copy::new();
    let label = |copy: &Copy| {
        let found = findings(copy);
        found.into_iter().find(|finding| finding.code == Some(Code::SeedLabelMismatch))
    };
    let renamed = |name: &str| {
        let copy = Copy::new();
        std::fs::rename(copy.path.join("train_seed42.log"), copy.path.join(name)).expect("renames");
        label(&copy).map(|finding| (finding.severity, finding.message))
    };
    let message = "train_seed77.log is seed 77 by its name, its log says seed 42".to_owned();
    assert_eq!(renamed("train_seed77.log"), Some((Severity::Error, message)));
    assert_eq!(renamed("train_seed2.log").map(|(severity, _)| severity), Some(Severity::Warning), "or the second one");
    assert_eq!(renamed("v6_seed1337_42.log"), None, "the name of a series, and the seed");
    copy.edit("train_seed0.log", "\nseed:0\n", "\nseed:1337\n");
    assert_eq!(label(&copy).map(|finding| finding.severity), Some(Severity::Error), "submission.json names seed 0");
}

#[test]
fn seeds_that_nobody_thinks_of_first_are_noted() {
    let copy = Copy::new();
    copy.edit("train_seed42.log", "\nseed:42\n", "\nseed:48213\n");
    assert_eq!(of_rule(&copy, "stat-seed-choice").severity, Severity::Info);
}

#[test]
fn files_in_no_count_are_listed_by_what_they_are() {
    let copy = Copy::new();
    support::write(&copy.path, "fineweb_8192_bpe.model", "tokens");
    support::write(&copy.path, "kernel.cpp", "int main;");
    support::write(&copy.path, "table.npz", "PK");
    for (rule, severity, name) in [
        ("size-tokenizer-free", Severity::Info, "fineweb_8192_bpe.model (6 bytes)"),
        ("pkg-minimal", Severity::Info, "kernel.cpp (9 bytes)"),
        ("size-runtime-payload", Severity::Warning, "table.npz (2 bytes)"),
    ] {
        let finding = of_rule(&copy, rule);
        assert_eq!((finding.severity, finding.code), (severity, Some(Code::ExtraFiles)), "{rule}");
        assert!(finding.message.contains(name), "{}", finding.message);
    }
}

#[test]
fn a_program_of_the_system_is_declared() {
    let copy = Copy::new();
    copy.edit("train_gpt.py", "print(\"train\")\n", "import subprocess\nsubprocess.run([\"lrzip\", \"-d\", \"m\"])\n");
    let finding = of_rule(&copy, "size-external-binary");
    assert_eq!((finding.severity, finding.code), (Severity::Warning, Some(Code::ExternalBinary)));
    assert_eq!(finding.evidence[0].line, Some(3));
    copy.edit("README.md", "A hand-made folder.", "A hand-made folder. It needs `apt-get install lrzip`.");
    assert_eq!(of_rule(&copy, "size-external-binary").severity, Severity::Info);
}

#[test]
fn a_readme_without_a_command_is_noted() {
    let copy = Copy::new();
    copy.edit("README.md", "SEED=0 torchrun --standalone --nproc_per_node=8 train_gpt.py", "as usual");
    assert_eq!(of_rule(&copy, "pkg-run-command").severity, Severity::Info);
}

#[test]
fn names_and_tracks_of_folders_are_those_of_the_year() {
    let named = |track: &str, name: &str| {
        let copy = Copy::new();
        let path = placed(&copy, track, name);
        let report = verify(&path, &VerifyOptions::default()).expect("a report");
        let of_shape = |finding: &&Finding| ["pkg-folder-name", "pkg-record-folder"].contains(&finding.rule.as_str());
        report.findings.iter().filter(of_shape).map(|finding| finding.message.clone()).collect::<Vec<_>>()
    };
    assert_eq!(named("track_10min_16mb", "2026-03-17_Good"), Vec::<String>::new());
    for (name, reason) in [("2020-04-10_Good", "its year is 2020"), ("2026-03-17_A B", "spaces"), ("Good", "a date")] {
        let messages = named("track_10min_16mb", name);
        assert!(messages.len() == 1 && messages[0].contains(reason), "{name}: {messages:?}");
    }
    let other = named("track_non_record_16mb", "2026-03-17_Good");
    assert!(other.len() == 1 && other[0].contains("names the track 10min_16mb"), "{other:?}");
}

#[test]
fn secrets_are_found_and_never_printed_whole() {
    let token = format!("hf_{}", "Zy9x".repeat(9));
    let copy = Copy::new();
    copy.edit("README.md", "A hand-made folder.", &format!("export HF_TOKEN={token}"));
    let report = verify(&copy.utf8(), &VerifyOptions::default()).expect("a report");
    let finding = of_rule(&copy, "pkg-no-secrets-paths");
    assert_eq!((finding.severity, finding.evidence[0].line), (Severity::Warning, Some(3)));
    assert!(!format!("{:?}", report.findings).contains(&token));
    let copy = Copy::new();
    copy.edit("README.md", "A hand-made folder.", "data in /home/ada/data/");
    assert_eq!(of_rule(&copy, "pkg-no-secrets-paths").severity, Severity::Info);
}
