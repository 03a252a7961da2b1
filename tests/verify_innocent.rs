//! `caddie verify` on made-up folders that look wrong and are not: what a log leaves open, or says in another line,
//! accuses nobody.

use caddie::checks::{VerifyOptions, verify};
use caddie::report::{Code, FolderReport, Severity};
use camino::Utf8PathBuf;

const SCRIPT: &str = "print(\"train\")\n";
const MODEL: u64 = 15_815_847;

/// A run's log in the form of the baseline's script, with the parts that tests change.
struct Log {
    seed: Option<i64>,
    train_ms: u64,
    tokens: u64,
    score: (f64, f64),
    world_size: u64,
    sizes: String,
    tail: String,
}

impl Log {
    fn new(seed: i64, val_bpb: f64) -> Log {
        let total = MODEL + SCRIPT.len() as u64;
        Log {
            seed: Some(seed),
            train_ms: 599_000,
            tokens: 62_021_632,
            score: (val_bpb / 0.592_257, val_bpb),
            world_size: 8,
            sizes: format!(
                "Code size: {} bytes\nSerialized model int8+zlib: {MODEL} bytes\nTotal submission size int8+zlib: {total} bytes\n",
                SCRIPT.len()
            ),
            tail: String::new(),
        }
    }

    fn text(&self) -> String {
        let Log { train_ms, tokens, world_size, sizes, tail, .. } = self;
        let (loss, bpb) = self.score;
        let seed = self.seed.map_or_else(String::new, |seed| format!("seed:{seed}\n"));
        format!(
            "hardware: cuda:0 NVIDIA H100 80GB HBM3\nval_loader:shards pattern=fineweb_val_*.bin tokens:{tokens}\n\
             world_size:{world_size} grad_accum_steps:1\n{seed}step:1/20000 train_loss:6.9370 train_time:43ms step_avg:43.21ms\n\
             step:13700/20000 val_loss:2.0606 val_bpb:1.3172 train_time:{train_ms}ms step_avg:43.54ms\n\
             stopping_early: wallclock_cap train_time:{train_ms}ms step:13700/20000\n\
             Serialized model: 67224983 bytes\n{sizes}\
             final_int8_zlib_roundtrip val_loss:{loss:.4} val_bpb:{bpb:.4} eval_time:1401ms\n\
             final_int8_zlib_roundtrip_exact val_loss:{loss:.8} val_bpb:{bpb:.8}\n{tail}"
        )
    }
}

/// A folder of these logs, whose submission.json states `claims` beside the names.
struct Folder {
    _root: tempfile::TempDir,
    path: Utf8PathBuf,
}

impl Folder {
    fn new(claims: &str, logs: &[(&str, Log)]) -> Folder {
        let root = tempfile::tempdir().expect("a temporary directory");
        let path =
            Utf8PathBuf::from_path_buf(root.path().join("records/track_10min_16mb/2026-03-17_Made_up")).expect("UTF-8");
        std::fs::create_dir_all(&path).expect("creates");
        let json = format!(
            "{{\"name\": \"Made up\", \"author\": \"a\", \"github_id\": \"a\", \"date\": \"2026-03-17\", {claims}}}\n"
        );
        let folder = Folder { _root: root, path };
        folder.write("submission.json", &json);
        folder.write("train_gpt.py", SCRIPT);
        folder.write("README.md", "# Made up\n\n    torchrun --nproc_per_node=8 train_gpt.py\n");
        for (name, log) in logs {
            folder.write(name, &log.text());
        }
        folder
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("creates");
        std::fs::write(path, text).expect("writes");
    }

    fn report(&self) -> FolderReport {
        verify(&self.path, &VerifyOptions::default()).expect("a report")
    }

    /// The errors' codes, each once, and the severities of `code`.
    fn errors(&self) -> Vec<Code> {
        let mut codes: Vec<Code> = self
            .report()
            .findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
            .filter_map(|finding| finding.code)
            .collect();
        codes.sort();
        codes.dedup();
        codes
    }

    fn severity_of(&self, code: Code) -> Option<Severity> {
        self.report().findings.iter().find(|finding| finding.code == Some(code)).map(|finding| finding.severity)
    }
}

fn three() -> [(&'static str, Log); 3] {
    [
        ("train_seed1.log", Log::new(1, 1.21)),
        ("train_seed2.log", Log::new(2, 1.22)),
        ("train_seed3.log", Log::new(3, 1.23)),
    ]
}

const SEEDS: &str = "\"val_bpb\": 1.22, \"seed_results\": {\"1\": {\"val_bpb\": 1.21}, \"2\": {\"val_bpb\": 1.22}, \
                     \"3\": {\"val_bpb\": 1.23}}";

#[test]
fn a_log_that_states_no_seed_contradicts_no_label() {
    let mut logs = three();
    logs.iter_mut().for_each(|(_, log)| log.seed = None);
    let folder = Folder::new(SEEDS, &logs);
    assert_eq!(folder.errors(), []);
    let mut logs = three();
    logs[2].1.seed = Some(7);
    assert_eq!(Folder::new(SEEDS, &logs).errors(), [Code::SeedLabelMismatch], "a log that states another does");
}

#[test]
fn less_than_a_second_over_is_no_error() {
    let over = |train_ms: u64| {
        let mut logs = three();
        logs[0].1.train_ms = train_ms;
        Folder::new(SEEDS, &logs).severity_of(Code::TrainTimeOver600s)
    };
    assert_eq!(over(599_999), None);
    assert_eq!(over(600_137), Some(Severity::Info), "one step");
    assert_eq!(over(600_365), Some(Severity::Warning), "the clock is read every few steps");
    assert_eq!(over(601_153), Some(Severity::Error));
}

#[test]
fn a_total_with_a_further_part_adds_up_where_the_log_states_the_part() {
    let folder = |prefix: &str, more: i64| {
        let mut logs = three();
        let (code, total) = (SCRIPT.len(), MODEL as i64 + SCRIPT.len() as i64 + more);
        logs[0].1.sizes = format!(
            "Code size: {code} bytes\nSerialized model int8+zlib: {MODEL} bytes\n{prefix}Total submission size int8+zlib: {total} bytes\n"
        );
        Folder::new(SEEDS, &logs).severity_of(Code::SizePartsNeTotal)
    };
    assert_eq!(folder("Paid prefix blob: 40472 bytes\n", 40_472), None);
    assert_eq!(folder("", 40_472), Some(Severity::Warning), "who counts more gains nothing");
    assert_eq!(folder("", -40_472), Some(Severity::Error));
}

#[test]
fn the_last_total_is_that_of_the_artifact_that_is_packed_last() {
    let mut logs = three();
    for (_, log) in &mut logs {
        log.sizes = "Code size: 79 bytes\nSerialized model int8+zlib: 24650958 bytes\n\
                     Total submission size int8+zlib: 24651037 bytes\n"
            .to_owned();
        log.tail = "Serialized model GPTQ+brotli: 15693944 bytes\nTotal mixed submission: 15694023 bytes (FITS 16MB)\n"
            .to_owned();
    }
    let folder = Folder::new(SEEDS, &logs);
    assert_eq!(folder.errors(), []);
    assert_eq!(folder.report().runs[0].bytes_total, Some(15_694_023));
}

#[test]
fn what_is_called_a_baseline_or_a_trial_is_not_the_submissions_run() {
    let trial = || Log { world_size: 1, train_ms: 1_066_705, ..Log::new(1, 3.58) };
    for name in ["train_log_baseline.log", "dry_run.log", "wandb/run-1/files/output.log", "reference/train_seed1.log"] {
        let mut logs: Vec<(&str, Log)> = three().into();
        logs.push((name, trial()));
        let folder = Folder::new(SEEDS, &logs);
        assert_eq!(folder.errors(), [], "{name}");
        assert_eq!(folder.report().runs.len(), 3, "{name}");
    }
    // Alone it is no log of the submission; where its score is the claim, it is.
    let alone = |claim: &str| Folder::new(claim, &[("reference/train.log", trial())]);
    assert_eq!(alone("\"val_bpb\": 1.22").errors(), [Code::MissingLog]);
    assert_eq!(alone("\"val_bpb\": 3.58").report().runs.len(), 1);
}

#[test]
fn an_evaluation_that_packs_again_states_the_size_of_what_it_scored() {
    let evaluation = |total: u64, bpb: f64| {
        format!(
            "val_loader:shards pattern=fineweb_val_*.bin tokens:62021632\nworld_size:8 grad_accum_steps:1\nseed:42\n\
             Code size: 15 bytes\nSerialized model int6+brotli: {} bytes\nTotal submission size int6+brotli: {total} bytes\n\
             final_int6_sliding_window_exact val_loss:{:.8} val_bpb:{bpb:.8}\n",
            total - 15,
            bpb / 0.592_257
        )
    };
    let claims = "\"val_bpb\": 1.215, \"seed_results\": {\"1\": {\"val_bpb\": 1.21, \"artifact_bytes\": 15000015}, \
                  \"42\": {\"val_bpb\": 1.22, \"artifact_bytes\": 15000016}}";
    let folder =
        Folder::new(claims, &[("train_seed1.log", Log::new(1, 1.21)), ("train_seed42.log", Log::new(42, 1.22))]);
    for seed in [1, 42] {
        let log = Log::new(seed, 1.0).text();
        let training: Vec<&str> = log.lines().filter(|line| !line.starts_with("final_")).collect();
        folder.write(&format!("train_seed{seed}.log"), &(training.join("\n") + "\n"));
    }
    // Both evaluations print the seed of their settings; the claimed scores tell whose model each scored.
    folder.write("eval_seed1.log", &evaluation(15_000_015, 1.21));
    folder.write("eval_seed42.log", &evaluation(15_000_016, 1.22));
    assert_eq!(folder.errors(), []);
    let runs = folder.report().runs;
    let sizes: Vec<_> = runs.iter().map(|run| (run.seed, run.val_bpb, run.bytes_total)).collect();
    assert_eq!(sizes, [(Some(1), Some(1.21), Some(15_000_015)), (Some(42), Some(1.22), Some(15_000_016))]);
}

#[test]
fn a_score_over_the_right_bytes_is_no_false_claim_of_logs_that_divide_by_others() {
    // The case sentinels counted as text: 8.9 % more bytes.
    let run = |seed: i64, loss: f64| Log { tokens: 47_851_520, score: (loss, loss * 0.419_427), ..Log::new(seed, 1.0) };
    let logs =
        || [("train_seed1.log", run(1, 2.33)), ("train_seed2.log", run(2, 2.34)), ("train_seed3.log", run(3, 2.35))];
    let right = Folder::new(
        "\"val_bpb\": 1.06929, \"seed_results\": {\"1\": {\"val_bpb\": 1.06472}, \"2\": {\"val_bpb\": 1.06929}}",
        &logs(),
    );
    // Of the logs alone, so no discrepancy of submission.json.
    let divides = |folder: &Folder| {
        let found = folder.report().findings.into_iter().filter(|finding| finding.rule == "bpb-sidecar");
        found.map(|finding| (finding.severity, finding.code)).collect::<Vec<_>>()
    };
    assert_eq!(right.errors(), []);
    assert_eq!(divides(&right), [(Severity::Warning, None)]);
    let as_logged = Folder::new("\"val_bpb\": 0.98145918", &logs());
    assert_eq!(divides(&as_logged), [(Severity::Error, None)]);
}

#[test]
fn a_seeds_score_of_another_evaluation_is_called_by_its_name() {
    // 1.3172 is the last validation in training, and 1.42 the mean of the artifacts.
    let folder = |headline: &str, first: &str| {
        let claims = format!("\"val_bpb\": {headline}, \"seed_results\": {{\"1\": {{\"val_bpb\": {first}}}}}");
        let mut logs = three();
        logs.iter_mut().for_each(|(_, log)| log.score = (log.score.0 + 0.2 / 0.592_257, log.score.1 + 0.2));
        Folder::new(&claims, &logs)
    };
    assert_eq!(folder("1.42", "1.41").severity_of(Code::PreQuantScore), None);
    assert_eq!(folder("1.42", "1.3172").severity_of(Code::PreQuantScore), Some(Severity::Warning));
    assert_eq!(folder("1.3172", "1.3172").severity_of(Code::PreQuantScore), Some(Severity::Error));
    assert_eq!(folder("1.42", "1.1").errors(), [Code::SeedScoreNeLog]);
    let worse = Folder::new("\"val_bpb\": 1.3172", &three());
    assert_eq!(worse.severity_of(Code::PreQuantScore), Some(Severity::Warning), "it is worse than the artifacts'");
}

#[test]
fn a_readme_that_quotes_a_score_before_quantization_quotes_the_log() {
    let folder = Folder::new(SEEDS, &three());
    let quote = |score: &str| {
        folder.write("README.md", &format!("# Made up\n\n- Pre-quant eval: `val_loss:2.0606`, `val_bpb:{score}`\n"));
        folder.severity_of(Code::ReadmeDiagNeLog)
    };
    assert_eq!(quote("1.3172"), None);
    assert_eq!(quote("1.3129"), Some(Severity::Warning));
}

#[test]
fn a_dump_without_the_scripts_last_line_feed_is_the_script() {
    let body =
        "import os\n\n\ndef main():\n    print(os.environ)\n\n\nif __name__ == '__main__':\n    main()\n".repeat(9);
    let folder = Folder::new(SEEDS, &three());
    let dumping = |script: &str| {
        for (name, log) in three() {
            folder.write(name, &format!("{script}\n{}\n{}", "=".repeat(100), log.text()));
        }
        folder.severity_of(Code::ScriptIsNotTheRun)
    };
    folder.write("train_gpt.py", &format!("{body}\n"));
    assert_eq!(dumping(&body), None, "the log's own line feed is the script's last");
    assert_eq!(dumping(&body.replacen("print", "pprint", 2)), Some(Severity::Warning));
    let (first, second) = ("import os\n", "import sys\n");
    folder.write("train_gpt.py", &format!("{first}{second}{body}"));
    assert_eq!(dumping(&format!("{second}{first}{body}")), Some(Severity::Warning), "the same lines in another order");
}

#[test]
fn code_in_a_folder_of_its_own_is_not_missing() {
    let folder = Folder::new(SEEDS, &three());
    std::fs::remove_file(folder.path.join("train_gpt.py")).expect("removes");
    assert_eq!(folder.errors(), [Code::MissingTrainScript]);
    folder.write("code/train.py", SCRIPT);
    assert_eq!(folder.errors(), []);
    assert_eq!(folder.severity_of(Code::NonstandardScriptName), Some(Severity::Warning));
}
