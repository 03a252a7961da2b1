use super::*;
use crate::logged::{Fact, InLog};

mod clocks;
mod several;

fn runs(text: &str) -> Vec<RunLog> {
    super::read(&mut text.as_bytes()).expect("memory reads").runs
}

/// The last run.
fn read(text: &str) -> RunLog {
    runs(text).pop().unwrap_or_default()
}

#[test]
fn family_a_states_every_fact_with_its_line() {
    let run = read(&format!(
        "seed = 9\nlog0(f\"final_int8 val_loss:{{l}} val_bpb:{{b}}\")\nseed:9\n{}\r\nRunning PyTorch 2.11.0\r\n\
         hardware: cuda:0 NVIDIA H200 threads:16\n{}\nmodel_params:17059912\nworld_size:8 grad_accum_steps:1\n\
         train_batch_tokens:524288 train_seq_len:1024 iterations:20000\nseed:1337\nwarmup_step:20/20\n\
         step:13780/20000 val_loss:2.0606 val_bpb:1.2172 train_time:600038ms step_avg:43.54ms\n\
         stopping_early: wallclock_cap train_time:600038ms step:13780/20000\n\
         peak memory allocated: 10184 MiB reserved: 10200 MiB\nSerialized model: 67224983 bytes\nCode size: 47642 bytes\n\
         Total submission size: 67272625 bytes\nSerialized model int8+zlib: 15815847 bytes (payload:17178912)\n\
         Total submission size int8+zlib: 15863489 bytes\n\
         final_int8_zlib_roundtrip val_loss:2.0727 val_bpb:1.2244 eval_time:1401ms\n\
         final_int8_zlib_roundtrip_exact val_loss:2.07269931 val_bpb:1.22436570",
        "=".repeat(100),
        "=".repeat(100)
    ));
    assert_eq!((run.seed.value(), run.world_size.value(), run.steps.value()), (Some(1337), Some(8), Some(13780)));
    assert_eq!((run.val_bpb.value(), run.val_loss.value(), run.decimals), (Some(1.2243657), Some(2.07269931), Some(8)));
    assert_eq!((run.train_seconds.value(), run.eval_seconds.value()), (Some(600.038), Some(1.401)));
    assert_eq!((run.bytes_model.value(), run.bytes_code.value()), (Some(15815847), Some(47642)));
    assert_eq!(run.bytes_total.value(), Some(15863489), "not the raw weights' total");
    assert_eq!((run.gpu.text(), run.torch_version.text()), (Some("NVIDIA H200"), Some("2.11.0")));
    assert_eq!(run.hyperparameters.get("train_seq_len").map(|set| set.value.as_str()), Some("1024"));
    let line = |fact: &dyn InLog| fact.log_line().map(|place| place.line);
    assert_eq!((line(&run.seed), line(&run.bytes_total), line(&run.bytes_total_label)), (Some(11), Some(20), Some(20)));
    assert_eq!((line(&run.val_bpb), line(&run.eval_seconds), line(&run.gpu)), (Some(22), Some(21), Some(6)));
    assert_eq!(run.hyperparameters.get("train_seq_len").map(|set| set.line), Some(10));
    assert_eq!((run.pre_quant_val_bpb.value(), run.peak_memory_mib.value()), (Some(1.2172), Some(10184)));
}

#[test]
fn family_b_states_minutes_and_indented_settings() {
    let run = read(
        "Hyperparameters:\n  seed: 0\n  world_size: 8\n  artifact_dir: \n  matrix_lr: 0.026\ntrain_shards: 80\n\
         val_tokens: 40540160\n4500/20000 train_loss: 2.8674 train_time: 8.9m tok/s: 6663926\n\
         4967/20000 val_loss: 2.7681 val_bpb: 1.0716\n\
         stopping_early: wallclock_cap train_time: 596103ms step: 4967/20000\n\
         diagnostic pre-quantization post-ema val_loss:2.7668 val_bpb:1.0710 eval_time:6282ms\n\
         Code size (uncompressed): 122168 bytes\nCode size (compressed): 27610 bytes\n\
         Serialized model quantized+brotli: 15912231 bytes\nTotal submission size quantized+brotli: 15939841 bytes\n\
         diagnostic quantized val_loss:2.7999 val_bpb:1.0839 eval_time:9559ms\n\
         quantized_ttt_lora val_loss:2.76738841 val_bpb:1.07134229 eval_time:332086ms\ntotal_eval_time:332.1s",
    );
    assert_eq!((run.seed.value(), run.world_size.value(), run.val_tokens.value()), (Some(0), Some(8), Some(40540160)));
    assert_eq!((run.train_seconds.value(), run.eval_seconds.value()), (Some(596.103), Some(332.086)));
    assert_eq!((run.metric.text(), run.val_bpb.value()), (Some("quantized_ttt_lora"), Some(1.07134229)));
    assert_eq!((run.bytes_code.value(), run.bytes_code_uncompressed.value()), (Some(27610), Some(122168)));
    assert_eq!((run.bytes_total.value(), run.metrics().count()), (Some(15939841), 1));
    assert_eq!(run.hyperparameters.get("artifact_dir").map(|set| set.value.as_str()), Some(""));
}

#[test]
fn a_native_log_takes_the_metric_before_its_ledger() {
    let digest = "ab".repeat(32);
    let run = read(&format!(
        "final_int8_ttt_lora val_loss:2.1 val_bpb:1.3 eval_time:900ms\n\
         final_int8_ttt_lora_exact val_loss:2.10000000 val_bpb:1.30000000\n\
         ledger:ttt documents:64 tokens:12344 bytes:34567 sha256:{digest}\n\
         final_int8_zlib_roundtrip_exact val_loss:2.00000000 val_bpb:1.20000000"
    ));
    assert_eq!((run.val_bpb.value(), run.eval_seconds.value()), (Some(1.3), Some(0.9)));
    assert_eq!((run.ledger_sha256.text(), run.ledger_documents.value()), (Some(digest.as_str()), Some(64)));
}

#[test]
fn a_score_may_follow_its_name_without_a_space() {
    let run = read(
        "ngram:val_loss:0.1586 val_bpb:0.0939 eval_time:243106ms\n\
         ngram_exact:val_loss:0.15860211 val_bpb:0.09393310\n\
         step:900 of:val_loss:9.0 val_bpb:9.0",
    );
    assert_eq!((run.metric.text(), run.val_bpb.value()), (Some("ngram_exact"), Some(0.0939331)));
    assert_eq!((run.val_loss.value(), run.metrics().count()), (Some(0.15860211), 2));
}

#[test]
fn a_second_run_in_the_file_replaces_the_first() {
    let run = read(
        "seed:1\nstep:50/50 train_loss:2.0 train_time:700ms step_avg:1ms\nSerialized model int8+zlib: 10 bytes\n\
         final_int8_zlib_roundtrip_exact val_loss:2.0 val_bpb:1.0\nseed:2\n\
         step:1/50 train_loss:3.0 train_time:10ms step_avg:1ms",
    );
    assert_eq!((run.seed.value(), run.val_bpb.value(), run.bytes_model.value()), (Some(2), None, None));
    assert_eq!(run.train_seconds.value(), Some(0.01));
}

#[test]
fn format_strings_and_nonsense_state_nothing() {
    let run = read(
        "log0(f\"seed:{args.seed}\")\nseed:abc\nfinal_x val_loss:nan val_bpb:inf\nstep:1/x train_loss:1\n\
         val_bpb:enabled tokenizer_kind=sentencepiece\n\u{fffd}\u{fffd}\nTotal submission size int8+zlib: many bytes",
    );
    assert_eq!(run, RunLog::default());
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,200}|(step:|final_x |ledger:|budget:|  seed: |\\||[0-9./: a-z=\n\r]){0,40}") {
        let _ = read(&text);
    }

    /// Whatever follows whatever: runs lie in the file, and so do the scripts dumped into it.
    #[test]
    fn runs_and_scripts_lie_in_the_file(
        text in "((step:1/9 train_loss:1|step:9/9 loss:2|final_x val_loss:1 val_bpb:1|seed:7|seed:8|={60}|import os|\"\"\"|#|\
                 def f\\(\\):|        a = 1|Hyperparameters:|Running Python 3|warmup_step:1/2|val_bpb:enabled|x)\n){0,60}"
    ) {
        let lines = text.lines().count() as u64;
        for run in runs(&text) {
            proptest::prop_assert!((1..=lines).contains(&run.span.0) && run.span.0 <= run.span.1 && run.span.1 <= lines);
            if let Some(source) = &run.source {
                proptest::prop_assert!(source.first_line <= source.last_line && source.last_line <= lines);
                proptest::prop_assert!(source.bytes <= text.len() as u64);
            }
        }
    }
}
