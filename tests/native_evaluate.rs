//! `caddie evaluate`: what it prints is what its ledger sums to, to the last digit.
#![cfg(feature = "engine")]

#[path = "support/native.rs"]
mod native;

use std::fs;
use std::sync::LazyLock;

use caddie::fixture::SourceReport;
use caddie_folder::ledger::{self, Ledger};
use camino::{Utf8Path, Utf8PathBuf};
use native::{Ended, caddie, data, field, folder, line};

/// A trained run that nobody writes to.
static RUN: LazyLock<Utf8PathBuf> = LazyLock::new(|| {
    let run = native::shared("run");
    native::train(&run, &["--seed", "5"]).succeeds();
    run
});

fn model() -> Utf8PathBuf {
    RUN.join("model.int8.zlib")
}

/// Scores `model` with its ledger at `ledger`.
fn evaluate(model: &Utf8Path, ledger: &Utf8Path, extra: &[&str]) -> Ended {
    let data = data();
    let mut command = native::command(&["evaluate", model.as_str(), "--data", data.as_str(), "--device", "cpu"]);
    Ended::of(command.args(["--ledger", ledger.as_str()]).args(extra))
}

/// The scores as the official lines print them, recomputed from the ledger's rows.
fn assert_agree(stdout: &str, name: &str, mode: &str, ledger: &Ledger) {
    let (val_loss, val_bpb) = (ledger.val_loss().unwrap(), ledger.val_bpb().unwrap());
    let exact = line(stdout, &format!("{name}_exact "));
    assert_eq!(field(exact, "val_loss"), format!("{val_loss:.8}"));
    assert_eq!(field(exact, "val_bpb"), format!("{val_bpb:.8}"));
    let short = line(stdout, &format!("{name} "));
    assert_eq!(field(short, "val_loss"), format!("{val_loss:.4}"));
    assert_eq!(field(short, "val_bpb"), format!("{val_bpb:.4}"));
    assert!(field(short, "eval_time").ends_with("ms"));
    let Ledger { tokens, bytes, sha256, rows, .. } = ledger;
    assert_eq!(
        line(stdout, "ledger:"),
        format!("ledger:{mode} documents:{} tokens:{tokens} bytes:{bytes} sha256:{sha256}", rows.len())
    );
}

#[test]
fn every_mode_agrees_with_its_ledger_and_scores_every_token_once() {
    let (_temp, dir) = folder();
    let report = SourceReport::find(&data()).unwrap().unwrap();
    let shard = fs::metadata(native::shards(&data()).join("fineweb_val_000000.bin")).unwrap().len();
    let stream = (shard - 1024) / 2;
    let mut scores = Vec::new();
    for (mode, name) in [
        ("full", "final_int8_zlib_roundtrip"),
        ("sliding", "final_int8_sliding_window"),
        ("ttt", "final_int8_ttt_lora"),
    ] {
        let path = dir.join(mode);
        let ended = evaluate(&model(), &path, &["--mode", mode]).succeeds();
        let ledger = ledger::read(&path).unwrap();
        assert_agree(&ended.stdout, name, mode, &ledger);
        assert_eq!(ledger.tokens, stream - 1, "{mode}");
        // The corpus's own account, written by another program, of the same documents.
        let tokens: Vec<usize> = ledger.rows.iter().map(|row| row.tokens as usize).collect();
        let bytes: Vec<u64> = ledger.rows.iter().map(|row| row.bytes).collect();
        assert_eq!((tokens, bytes), (report.doc_tokens.clone(), report.doc_bytes.clone()), "{mode}");
        scores.push(ledger.val_bpb().unwrap());
    }
    assert!(scores[0] != scores[1] && scores[1] != scores[2], "{scores:?}");
    assert!(scores.iter().all(|score| *score > report.val_bits_per_byte), "below the floor: {scores:?}");
}

/// f32 values of the tokens, added in f64 in the order of the stream, are the rows of the ledger to the last bit.
#[test]
fn the_tokens_sum_to_the_ledger() {
    let (_temp, dir) = folder();
    for mode in ["full", "sliding", "ttt"] {
        let (path, tokens) = (dir.join(mode), dir.join(format!("{mode}.tsv")));
        evaluate(&model(), &path, &["--mode", mode, "--per-token", tokens.as_str()]).succeeds();
        let text = fs::read_to_string(&tokens).unwrap();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("doc\tposition\ttoken\tbytes\tnats"));
        let mut sums = vec![(0u64, 0u64, 0.0f64); native::DOCS];
        for (k, line) in lines.enumerate() {
            let [doc, position, token, bytes, nats] = line.split('\t').collect::<Vec<_>>()[..] else {
                panic!("{line}")
            };
            assert_eq!(position.parse(), Ok(k + 1), "positions of the stream, each once");
            assert!(token.parse::<u16>().unwrap() < 506);
            let sum = &mut sums[doc.parse::<usize>().unwrap()];
            let nats = f64::from(nats.parse::<f32>().unwrap());
            *sum = (sum.0 + 1, sum.1 + bytes.parse::<u64>().unwrap(), sum.2 + nats);
        }
        let rows = ledger::read(&path).unwrap().rows;
        assert_eq!(rows.iter().map(|row| (row.tokens, row.bytes, row.nats)).collect::<Vec<_>>(), sums, "{mode}");
    }
}

#[test]
fn the_score_does_not_depend_on_the_number_of_cores() {
    let (_temp, dir) = folder();
    let digests = ["1", "2", "3"].map(|cores| {
        let (path, data) = (dir.join(cores), data());
        let mut command = native::command(&["evaluate", model().as_str(), "--data", data.as_str(), "--device", "cpu"]);
        Ended::of(command.args(["--ledger", path.as_str()]).env("OMP_NUM_THREADS", cores)).succeeds();
        ledger::read(&path).unwrap().sha256
    });
    assert!(digests[0] == digests[1] && digests[1] == digests[2], "{digests:?}");
}

#[test]
fn a_checkpoint_needs_its_recipe_and_is_labelled() {
    let (_temp, dir) = folder();
    let (checkpoint, path) = (RUN.join("checkpoint.safetensors"), dir.join("ledger"));
    let without = evaluate(&checkpoint, &path, &[]);
    without.refused(2, &[checkpoint.as_str(), "needs --recipe"]);
    let recipe = native::recipe();
    let with = evaluate(&checkpoint, &path, &["--recipe", recipe.as_str(), "--mode", "full"]).succeeds();
    let ledger = ledger::read(&path).unwrap();
    assert_agree(&with.stdout, "diagnostic pre-quantization_full", "full", &ledger);
    // The last validation of the training scored the same weights the same way.
    let log = fs::read_to_string(RUN.join("log.txt")).unwrap();
    let last = log.lines().rfind(|line| line.contains(" val_bpb:")).unwrap();
    assert_eq!(field(last, "val_bpb"), format!("{:.4}", ledger.val_bpb().unwrap()));

    let wider = evaluate(&checkpoint, &path, &["--recipe", recipe.as_str(), "--set", "layout=A*3"]);
    wider.refused(2, &[checkpoint.as_str(), "blocks.2", "recipe"]);
}

#[test]
fn a_model_file_that_is_not_whole_is_refused_by_name() {
    let (_temp, dir) = folder();
    let good = fs::read(model()).unwrap();
    let path = dir.join("model.int8.zlib");
    let mut spoiled = vec![("cut", good[..good.len() / 2].to_vec()), ("longer", [&good[..], b"x"].concat())];
    // In the first line, the header, the weights, and the checksum at the end.
    for at in [4, 40, good.len() / 2, good.len() - 2] {
        let mut bytes = good.clone();
        bytes[at] ^= 0x20;
        spoiled.push(("altered", bytes));
    }
    spoiled.push(("empty", Vec::new()));
    for (how, bytes) in spoiled {
        fs::write(&path, bytes).unwrap();
        let ended = evaluate(&path, &dir.join("ledger"), &[]);
        assert_eq!(ended.code, Some(2), "{how}: {}", ended.stderr);
        ended.refused(2, &[path.as_str(), "caddie model file"]);
    }
    assert!(!dir.join("ledger").exists(), "no ledger of a model that could not be read");
    evaluate(&dir.join("none"), &dir.join("ledger"), &[]).refused(2, &[dir.join("none").as_str()]);
}

/// A ledger that lands beside the model, where it goes without --ledger, is no second model.
#[test]
fn the_ledger_lies_beside_the_model_and_a_submission_still_renders() {
    let (_temp, dir) = folder();
    Ended::of(&mut native::submit_command(&dir, &[])).succeeds();
    let (model, data) = (dir.join("runs/tiny/seed-42/model.int8.zlib"), data());
    let ended = caddie(&["evaluate", model.as_str(), "--data", data.as_str(), "--device", "cpu"]).succeeds();
    let beside = ledger::read(&dir.join("runs/tiny/seed-42/model.int8.zlib.ttt.ledger.jsonl.zst")).unwrap();
    let log = fs::read_to_string(dir.join("runs/tiny/seed-42/log.txt")).unwrap();
    assert_eq!(line(&ended.stdout, "ledger:"), line(&log, "ledger:"), "the run's own score again");
    assert!(log.contains(&beside.sha256));
    Ended::of(&mut native::submit_command(&dir, &[])).succeeds();
}

/// What could not be written is said before the work, and nothing of the user's is replaced.
#[test]
fn outputs_are_checked_before_the_scoring() {
    let (_temp, dir) = folder();
    let (before, ledger) = (fs::read(model()).unwrap(), dir.join("ledger"));
    let missing = dir.join("no/tokens.tsv");
    let refused = |extra: &[&str], parts: &[&str]| {
        let ended = evaluate(&model(), &ledger, extra).refused(2, parts);
        assert_eq!(ended.stdout, "", "refused after the scoring");
    };
    refused(&["--per-token", missing.as_str()], &[missing.as_str(), "create it first"]);
    refused(&["--per-token", dir.as_str()], &[dir.as_str(), "is a folder"]);
    refused(&["--per-token", model().as_str()], &["--per-token", model().as_str(), "name another file"]);
    refused(&["--per-token", ledger.as_str()], &["--ledger", ledger.as_str()]);
    assert!(fs::read(model()).unwrap() == before && !ledger.exists());
    let ended = evaluate(&model(), &ledger, &["--per-token", "/dev/stdout", "--mode", "full"]).succeeds();
    assert!(ended.stdout.contains("doc\tposition\ttoken\tbytes\tnats\n0\t1\t"), "{}", ended.stdout);
}
