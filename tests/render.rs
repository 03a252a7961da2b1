//! From finished runs to a records folder, and the script that ships in it.

#[path = "render/folders.rs"]
mod folders;
mod support;

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest, Sha256};

use caddie::artifact::{Limits, UnpackLimits, Versions, unpack};
use caddie::render::ledgers::LedgerSummary;
use caddie::render::recipe::RecipeText;
use caddie::render::runs::{self, FinishedRun};
use caddie::render::{Facts, Meta, RenderOptions, Track, launcher, legality, page, render, render_runs, submission};
use caddie_folder::{Fact, Log, Logged, MetricLine, RunLog, read_log};
use caddie_rulebook::Rulebook;

const RECIPE: &str = r#"name = "NaiveBaseline"
blurb = "The challenge's baseline, scored with document-independent LoRA test-time training."

[data]
tokenizer = "sentencepiece"

[model]
vocab_size = 1024
num_layers = 9
model_dim = 512
num_heads = 8
num_kv_heads = 4
mlp_mult = 2.0
activation = "relu2"
tie_embeddings = true

[optim]
matrix_lr = 0.04
scalar_lr = 0.04
muon_wd = 0.0

[train]
iterations = 20000
train_batch_tokens = 524288
train_seq_len = 1024
warmdown_iters = 1200
max_wallclock_seconds = 600.0
val_tokens_limit = 0

[quant]
scheme = "int8_per_row"

[eval]
mode = "ttt"
ttt_lora_rank = 96
ttt_lora_lr = 0.0001
ttt_chunk_size = 32
ttt_eval_seq_len = 2048
ttt_grad_steps = 1
ttt_weight_decay = 0.5
"#;

fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
    let temp = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(temp.path().canonicalize().unwrap()).unwrap();
    (temp, path)
}

fn limits() -> Limits {
    Limits {
        rulebook: "parameter-golf-2026/1".to_owned(),
        bytes_total: 16_000_000,
        train_seconds: 600.0,
        train_tolerance_seconds: 0.25,
        eval_seconds: 600.0,
        seeds: 3,
    }
}

/// As long as the logs say; its content does not matter to them.
fn script() -> Vec<u8> {
    vec![b'#'; 47_642]
}

fn track(name: &str) -> Track {
    Track::of(&Rulebook::builtin().unwrap(), Some(name)).unwrap()
}

fn meta(name: &str) -> Meta {
    Meta {
        name: "Naive Baseline + TTT".to_owned(),
        author: "Ada L.".to_owned(),
        github_id: "ada".to_owned(),
        date: jiff::civil::date(2026, 5, 1),
        track: track(name),
    }
}

/// A fact of some line.
fn fact<T>(value: T) -> Option<Logged<T>> {
    Some(Logged::new(value, 7))
}

fn metric(name: &str, val_loss: f64, val_bpb: f64) -> MetricLine {
    MetricLine {
        name: name.to_owned(),
        val_loss: Some(val_loss),
        val_bpb,
        decimals: 8,
        eval_seconds: None,
        diagnostic: false,
        line: 9,
        log: Log::Own,
    }
}

/// A log as `read_log` gives it, of the eight-GPU kind.
fn log(seed: i64, val_loss: f64, val_bpb: f64) -> RunLog {
    let dataset = Logged::new("dataset:fineweb10B_sp1024".to_owned(), 3);
    let roundtrip = (val_loss + 0.05, val_bpb + 0.029_5);
    RunLog {
        log: format!("runs/x/seed-{seed}/log.txt").into(),
        seed: fact(seed),
        metric: fact("final_int8_ttt_lora_exact".to_owned()),
        val_bpb: fact(val_bpb),
        val_loss: fact(val_loss),
        metric_lines: vec![
            metric("final_int8_zlib_roundtrip", 2.07, 1.22),
            metric("final_int8_zlib_roundtrip_exact", roundtrip.0, roundtrip.1),
            metric("final_int8_ttt_lora", 2.02, 1.19),
            metric("final_int8_ttt_lora_exact", val_loss, val_bpb),
        ],
        pre_quant_val_bpb: fact(val_bpb + 0.024),
        pre_quant_val_loss: fact(val_loss + 0.04),
        train_seconds: fact(600.038),
        eval_seconds: fact(71.5 + seed as f64 / 1000.0),
        steps: fact(13_700 + seed as u64),
        iterations: fact(20_000),
        step_avg_ms: fact(43.55),
        world_size: fact(8),
        gpu: fact("NVIDIA H100 80GB HBM3".to_owned()),
        torch_version: fact("2.11.0".to_owned()),
        model_params: fact(17_059_912),
        bytes_model: fact(15_815_847 + seed as u64),
        bytes_code: fact(47_642),
        bytes_total: fact(15_863_489 + seed as u64),
        val_tokens: fact(62_021_846),
        peak_memory_mib: fact(10_184),
        ledger_sha256: fact(format!("{seed:064}")),
        hyperparameters: BTreeMap::from([("train_loader".to_owned(), dataset)]),
        ..RunLog::default()
    }
}

fn finished(log: RunLog) -> FinishedRun {
    let sha256 = log.ledger_sha256.text().unwrap().to_owned();
    FinishedRun {
        seed: log.seed.value().unwrap(),
        recipe: RecipeText::parse(RECIPE).unwrap(),
        model: log.log.with_file_name("model.int8.zlib"),
        ledger: log.log.with_file_name("ledger.jsonl.zst"),
        ledger_summary: LedgerSummary {
            sha256,
            documents: 50_000,
            tokens: 62_021_845,
            bytes: 151_080_891,
            nats: 1.25e8,
        },
        log,
    }
}

fn facts_of(logs: Vec<RunLog>, track: &str) -> Facts {
    let mut runs: Vec<FinishedRun> = logs.into_iter().map(finished).collect();
    runs::agree(&mut runs).unwrap();
    let mut facts = Facts::of_runs(&runs, meta(track), limits(), &script()).unwrap();
    // A release does not change the snapshots.
    facts.versions = Versions { caddie: "0.1.0".into(), engine: "0.1.0".into(), ..facts.versions };
    facts
}

fn three_logs() -> Vec<RunLog> {
    vec![log(1234, 2.021_100_12, 1.197_900_34), log(0, 2.019_900_56, 1.196_400_78), log(42, 2.022_000_91, 1.198_100_13)]
}

#[test]
fn a_record_of_three_seeds() {
    let facts = facts_of(three_logs(), "10min_16mb");
    let statements = legality::statements(&facts);
    let pages = page::pages(&facts, &statements).unwrap();
    insta::assert_snapshot!("README.md", pages.readme);
    insta::assert_snapshot!("PULL_REQUEST.md", pages.pull_request);
    insta::assert_snapshot!("requirements.txt", pages.requirements);
    insta::assert_snapshot!("submission.json", submission::submission_json(&facts, &statements));
    insta::assert_snapshot!("ledgers.json", submission::ledgers_json(&facts));
}

/// What a log does not state is said to be missing, what breaks a rule is said to break it, and nothing is made up.
#[test]
fn one_seed_on_a_cpu_over_the_limit_that_states_little() {
    let bare = RunLog {
        metric: fact("final_int8_zlib_roundtrip_exact".to_owned()),
        metric_lines: vec![metric("final_int8_zlib_roundtrip_exact", 2.0, 1.2)],
        gpu: fact("cpu AMD EPYC threads:2".to_owned()),
        world_size: fact(1),
        bytes_model: fact(16_000_000),
        bytes_total: fact(16_047_642),
        pre_quant_val_bpb: None,
        train_seconds: None,
        eval_seconds: None,
        step_avg_ms: None,
        steps: None,
        model_params: None,
        torch_version: None,
        hyperparameters: BTreeMap::new(),
        ..log(7, 2.0, 1.2)
    };
    let facts = facts_of(vec![bare], "10min_16mb");
    let statements = legality::statements(&facts);
    let pages = page::pages(&facts, &statements).unwrap();
    insta::assert_snapshot!("bare_README.md", pages.readme);
    insta::assert_snapshot!("bare_PULL_REQUEST.md", pages.pull_request);
    insta::assert_snapshot!("bare_submission.json", submission::submission_json(&facts, &statements));
}

#[test]
fn every_score_in_the_readme_and_the_json_is_a_logs_or_made_of_them() {
    let facts = facts_of(three_logs(), "10min_16mb");
    let statements = legality::statements(&facts);
    let json: serde_json::Value = serde_json::from_str(&submission::submission_json(&facts, &statements)).unwrap();
    let readme = page::pages(&facts, &statements).unwrap().readme;
    for log in three_logs() {
        let (seed, bpb, loss) =
            (log.seed.value().unwrap(), log.val_bpb.value().unwrap(), log.val_loss.value().unwrap());
        let result = &json["seed_results"][seed.to_string()];
        assert_eq!((result["val_bpb"].as_f64(), result["val_loss"].as_f64()), (Some(bpb), Some(loss)));
        assert!(readme.contains(&format!("| {seed} | {bpb:.8} | {loss:.8} |")));
    }
    // As Python's statistics.mean and statistics.stdev give them.
    assert_eq!(json["val_bpb"], 1.197_467_08);
    assert_eq!(json["val_bpb_std"], 0.000_928_83);
    assert_eq!(json["bytes_total"], 15_864_723);
    assert_eq!(json["seeds"], serde_json::json!([0, 42, 1234]));
}

/// What the engine's construction gives is no measurement, and the JSON does not say it is one.
#[test]
fn a_flag_is_true_only_where_it_was_measured() {
    let facts = facts_of(three_logs(), "10min_16mb");
    let json = submission::submission_json(&facts, &legality::statements(&facts));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let compliance = &json["compliance"];
    let by_construction =
        serde_json::json!(["score_first_ttt", "no_pre_quant_ttt", "no_slot", "no_etlb", "no_ngram_cache"]);
    assert_eq!(compliance["by_construction"], by_construction);
    for flag in by_construction.as_array().unwrap() {
        assert!(compliance.get(flag.as_str().unwrap()).is_none(), "{flag} stands as a measurement");
    }
    for measured in ["train_under_600s", "artifact_under_16mb", "eval_under_600s", "three_seeds"] {
        assert_eq!(compliance[measured], true, "{measured}");
    }
}

/// The loop's validation is one of full context at four decimals: compared with nothing but a full-context score.
#[test]
fn the_score_before_quantization_is_compared_with_its_like_alone() {
    let row = |facts: &Facts| {
        let readme = page::pages(facts, &legality::statements(facts)).unwrap().readme;
        readme.lines().find(|line| line.starts_with("| full context, before")).unwrap().to_owned()
    };
    assert!(row(&facts_of(three_logs(), "10min_16mb")).ends_with("| 1.2215 | – |"));
    let full = RunLog { metric: fact("final_int8_zlib_roundtrip_exact".to_owned()), ..log(7, 2.0, 1.2) };
    assert!(row(&facts_of(vec![full], "10min_16mb")).ends_with("| 1.2240 | -0.0240 |"));
}

/// Elsewhere the record track's rules are told and not judged: a CPU is neither a breach nor a mystery.
#[test]
fn the_record_tracks_rules_are_not_demanded_elsewhere() {
    let on_cpu = RunLog { gpu: fact("cpu AMD EPYC threads:2".to_owned()), world_size: fact(1), ..log(7, 2.0, 1.2) };
    let facts = facts_of(vec![on_cpu], "non_record_16mb");
    let pages = page::pages(&facts, &legality::statements(&facts)).unwrap();
    let hardware = pages.readme.lines().find(|line| line.starts_with("| time-hw-8xh100-sxm")).unwrap();
    assert!(hardware.contains("| not demanded |"), "{hardware}");
    assert!(!pages.pull_request.contains("time-hw-8xh100-sxm"), "{}", pages.pull_request);
    assert!(pages.pull_request.contains("stat-seeds (no)"), "{}", pages.pull_request);
}

#[test]
fn a_small_set_is_scored_again_whole() {
    let mut facts = facts_of(three_logs(), "non_record_16mb");
    for (documents, option) in [(101, true), (100, false), (32, false)] {
        facts.scored.documents = documents;
        let pages = page::pages(&facts, &legality::statements(&facts)).unwrap();
        for page in [pages.readme, pages.pull_request] {
            assert_eq!(page.contains("--sample 100"), option, "{page}");
            assert_eq!(page.contains("scores every document"), !option, "{page}");
        }
    }
}

#[test]
fn logs_that_are_not_of_one_finished_submission_are_refused_by_name() {
    let refuse = |change: fn(&mut RunLog), reason: &str| {
        let mut logs = three_logs();
        change(&mut logs[0]);
        let runs: Vec<FinishedRun> = logs.into_iter().map(finished).collect();
        let message = Facts::of_runs(&runs, meta("10min_16mb"), limits(), &script()).expect_err(reason).to_string();
        assert!(message.contains(reason), "{message:?} does not say {reason:?}");
        assert!(message.contains("seed-"), "{message:?} names no log");
    };
    refuse(|log| log.val_bpb = None, "states no val_bpb");
    refuse(|log| log.val_loss = fact(f64::NAN), "states no val_loss");
    refuse(|log| log.bytes_total = fact(1), "are not the total 1");
    refuse(|log| log.metric = fact("final_int8_sliding_window_exact".to_owned()), "scored by");
    refuse(
        |log| (log.bytes_code, log.bytes_total) = (fact(1), fact(log.bytes_model.value().unwrap() + 1)),
        "its code size is not",
    );
    let runs: Vec<FinishedRun> = vec![log(7, 2.0, 1.2), log(7, 2.1, 1.3)].into_iter().map(finished).collect();
    assert!(Facts::of_runs(&runs, meta("10min_16mb"), limits(), &script()).unwrap_err().to_string().contains("seed 7"));
    assert!(
        Facts::of_runs(&runs[..1], meta("10min_16mb"), limits(), b"#")
            .unwrap_err()
            .to_string()
            .contains("another version")
    );

    let mut other = vec![finished(log(1, 2.0, 1.2)), finished(log(2, 2.0, 1.2))];
    other[1].recipe = RecipeText::parse("name = \"other\"").unwrap();
    assert!(runs::agree(&mut other).unwrap_err().to_string().contains("recipe is not that of"));
    let mut other = vec![finished(log(1, 2.0, 1.2)), finished(log(2, 2.0, 1.2))];
    other[1].ledger_summary.tokens += 1;
    assert!(runs::agree(&mut other).unwrap_err().to_string().contains("validation data differ"));
}
