//! `caddie train`: what a run directory holds, and that the seed alone decides it.
#![cfg(feature = "engine")]

#[path = "support/native.rs"]
mod native;

use std::fs;

use caddie_folder::{Fact, read_log};
use native::{Ended, caddie, field, folder, line, train, train_command};

const RESULTS: [&str; 2] = ["checkpoint.safetensors", "model.int8.zlib"];

fn results(dir: &camino::Utf8Path) -> [Vec<u8>; 2] {
    RESULTS.map(|name| fs::read(dir.join(name)).unwrap())
}

#[test]
fn the_seed_decides_every_bit_and_the_number_of_cores_none() {
    let (_temp, dir) = folder();
    let [first, again, one_core, other] = ["first", "again", "one-core", "other"].map(|name| dir.join(name));
    train(&first, &["--seed", "7"]).succeeds();
    Ended::of(train_command(&again, &native::data(), &["--seed", "7"]).env("OMP_NUM_THREADS", "2")).succeeds();
    Ended::of(train_command(&one_core, &native::data(), &["--seed", "7"]).env("OMP_NUM_THREADS", "1")).succeeds();
    train(&other, &["--seed", "8"]).succeeds();
    assert!(results(&first) == results(&again), "two runs of one seed differ");
    assert!(results(&first) == results(&one_core), "one core and two differ");
    let hardware =
        |dir: &camino::Utf8Path| line(&fs::read_to_string(dir.join("log.txt")).unwrap(), "hardware:").to_owned();
    assert!(hardware(&one_core).ends_with(" threads:1") && hardware(&again).ends_with(" threads:2"));
    for (a, b) in results(&first).iter().zip(&results(&other)) {
        assert!(a != b, "two seeds give the same bytes");
    }
}

#[test]
fn the_log_is_in_the_official_format_and_reads_back() {
    let (_temp, dir) = folder();
    let run = dir.join("run");
    let ended = train(&run, &["--seed", "1337"]).succeeds();
    assert_eq!(ended.stdout, "", "--quiet");
    assert!(ended.stderr.contains("caddie evaluate"), "{}", ended.stderr);
    let text = fs::read_to_string(run.join("log.txt")).unwrap();
    let order = [
        "name = \"tiny\"",
        "matrix_lr = 0.04",
        "Running caddie-engine ",
        "Running PyTorch 2.11.0",
        "hardware: cpu ",
        "val_bpb:enabled tokenizer_kind=sentencepiece tokenizer_path=fineweb_506_bpe.model",
        "train_loader:dataset:fineweb10B_sp506 train_shards:2",
        "val_loader:shards pattern=fineweb_val_*.bin tokens:",
        "model_params:",
        "world_size:1 grad_accum_steps:2",
        "attention_mode:gqa num_heads:2 num_kv_heads:1",
        "tie_embeddings:True embed_lr:0.05",
        "train_batch_tokens:512 train_seq_len:64 iterations:12 warmup_steps:1 max_wallclock_seconds:0.000",
        "seed:1337",
        "warmup_step:1/1",
        "step:0/12 val_loss:",
        "step:1/12 train_loss:",
        "step:5/12 val_loss:",
        "step:12/12 train_loss:",
        "step:12/12 val_loss:",
        "Serialized model: ",
        "Code size: ",
        "Serialized model int8+zlib: ",
        "Total submission size int8+zlib: ",
    ];
    let lines: Vec<&str> = text.lines().collect();
    let mut at = 0;
    for start in order {
        let found = lines[at..].iter().position(|line| line.starts_with(start));
        at += found.unwrap_or_else(|| panic!("{start:?} is not in its place: {text}"));
    }

    let log = read_log(&run.join("log.txt")).unwrap();
    let bytes = |name: &str| fs::metadata(run.join(name)).unwrap().len();
    assert_eq!((log.seed.value(), log.steps.value(), log.iterations.value()), (Some(1337), Some(12), Some(12)));
    assert_eq!(log.bytes_model.value(), Some(bytes("model.int8.zlib")));
    assert_eq!(log.bytes_total.value(), Some(log.bytes_model.value().unwrap() + log.bytes_code.value().unwrap()));
    let last = lines.iter().rfind(|line| line.contains("val_bpb:")).unwrap();
    assert_eq!(log.pre_quant_val_bpb.value().map(|bpb| format!("{bpb:.4}")).as_deref(), Some(field(last, "val_bpb")));
    assert_eq!(log.val_bpb, None, "a run that was not evaluated has no score");
    assert!(log.engine_version.is_some() && log.torch_version.text() == Some("2.11.0"), "{log:?}");
    assert!(text.contains(&format!("Serialized model: {} bytes", bytes("checkpoint.safetensors"))));
}

/// Everything that the log says of the resolved recipe is a recipe again: the same run comes out.
#[test]
fn the_recipe_at_the_head_of_the_log_repeats_the_run() {
    let (_temp, dir) = folder();
    let (first, second) = (dir.join("first"), dir.join("second"));
    train(&first, &["--seed", "3", "--set", "matrix_lr=0.03"]).succeeds();
    let text = fs::read_to_string(first.join("log.txt")).unwrap();
    let recipe = dir.join("from-log.toml");
    fs::write(&recipe, text.split("=====").next().unwrap()).unwrap();
    let data = native::data();
    caddie(&[
        "train",
        recipe.as_str(),
        "--data",
        data.as_str(),
        "--out",
        second.as_str(),
        "--seed",
        "3",
        "--device",
        "cpu",
        "-q",
    ])
    .succeeds();
    assert!(results(&first) == results(&second));
}

/// A second call of a finished training leaves everything as it is.
#[test]
fn a_finished_training_is_left_alone() {
    let (_temp, dir) = folder();
    let run = dir.join("run");
    train(&run, &[]).succeeds();
    let before = native::tree(&run);
    train(&run, &[]).succeeds();
    assert!(before == native::tree(&run));
}

/// The log on stdout is a copy: a reader that leaves does not end the training.
#[test]
fn a_closed_pipe_does_not_end_the_training() {
    let (_temp, dir) = folder();
    let run = dir.join("run");
    let script = r#""$0" train "$1" --data "$2" --out "$3" --device cpu | head -n 1"#;
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_caddie")]);
    let ended = Ended::of(shell.args([native::recipe(), native::data(), run.clone()])).succeeds();
    assert_eq!(ended.stdout, "name = \"tiny\"\n");
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    assert!(run.join("model.int8.zlib").is_file());
}
