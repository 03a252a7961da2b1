//! Clocks, sizes and names outside the two large families.

use super::read;
use crate::logged::Fact;

#[test]
fn the_reserve_is_what_the_effective_budget_leaves() {
    let run = read(
        "Hyperparameters:\n  max_wallclock_seconds: 600.0\ngptq:reserving 0s, effective=599500ms\n\
         1/20000 train_loss: 9.0 train_time: 0.0m tok/s: 100\nGPTQ:collected 67 Hessians in 3.5s\n",
    );
    let reserve = |run: &crate::RunLog, budget: f64| run.gptq_reserve_seconds(budget).value();
    assert_eq!((reserve(&run, 7200.0), run.gptq_hessian_seconds.value()), (Some(0.5), Some(3.5)));
    let run = read(
        "seed:1\nstep:1/2 train_loss:1.0\ngptq:generated 64 sequences in 196.7s\nwallclock:post_gptq total_elapsed:858.2s train_budget:600.0s",
    );
    assert_eq!((run.gptq_generate_seconds.value(), run.post_gptq_seconds.value()), (Some(196.7), Some(858.2)));
    assert_eq!(reserve(&run, 600.0), None);
    let run = read("seed:1\ngptq:reserving 0s, effective=599500ms\nstep:1/2 train_loss:1.0\n");
    assert_eq!(reserve(&run, 600.0), Some(0.5), "of the challenge's budget, where the log states none");
}

#[test]
fn a_start_that_is_learnt_after_training_adds_to_the_calibration() {
    let run = read(
        "gptq:reserving 13s, effective=567000ms\nttt_start:reserving 20s, effective=567000ms\nseed:1\nstep:1/2 train_loss:1.0\n\
         GPTQ:collected 67 Hessians in 3.5s\nttt_start:learnt from 96 of 128 documents in 12.5s\n\
         ttt_start:the clock had no time for more; raise eval.ttt.start.start_reserve_seconds\n",
    );
    assert_eq!((run.gptq_reserve_seconds(600.0).value(), run.gptq_hessian_seconds.value()), (Some(33.0), Some(16.0)));
}

#[test]
fn the_evaluation_as_a_watch_sees_it_counts_warm_up_and_every_evaluation_once() {
    let run = read(
        "1776143369.509 4832/20000 val_loss: 2.7711 val_bpb: 1.0728\n\
         1776143444.369 Total submission size quantized+brotli: 15996697 bytes\n\
         1776143444.400 diagnostic pre-quantization post-ema val_loss:2.7 val_bpb:1.07 eval_time:6424ms\n\
         1776143501.933 diagnostic quantized val_loss:2.79852399 val_bpb:1.08336093 eval_time:55851ms\n\
         1776143656.895 ttt_lora:compile warmup done (153.3s)\n1776143656.895 \n\
         1776144156.000 ttt_sliding:done val_loss=2.769515 val_bpb=1.072166 elapsed=500.0s\n\
         1776144156.999 quantized_ttt_phased val_loss:2.76951521 val_bpb:1.07216564 eval_time:500104ms\n\
         1776144156.999 total_eval_time:500.1s",
    );
    assert_eq!((run.metric.text(), run.eval_seconds.value()), (Some("quantized_ttt_phased"), Some(500.104)));
    assert_eq!((run.eval_warmup_seconds.value(), run.eval_wall_seconds.value()), (Some(153.3), Some(709.255)));
    assert_eq!(run.eval_stamped_seconds.value(), Some(712.63));
}

#[test]
fn stamps_of_other_forms_are_passed_over() {
    for stamp in ["[05:26:39] ", "[2026-04-19 12:28:15] ", "2026-04-29 18:14:16+08:00 "] {
        let run = read(&format!(
            "{stamp}Hyperparameters:\n{stamp}  seed: 999\n{stamp}stopping_early: wallclock_cap train_time: 588000ms step: 7/9\n\
             {stamp}quantized_sliding_window val_loss:2.79 val_bpb:1.08 eval_time:90539ms\n"
        ));
        assert_eq!(
            (run.seed.value(), run.steps.value(), run.val_bpb.value()),
            (Some(999), Some(7), Some(1.08)),
            "{stamp}"
        );
    }
}

#[test]
fn family_c_states_its_sizes_in_one_line() {
    let run = read(
        "--- Hyperparameters ---\niterations=10000 seed=7 vocab_size=8192 data_path=./data/fineweb10B_sp8192\n\
         params:73685840 L:10 d:768 h:8 kv:4 ws:8 ga:1 s:7\nwarmup:1/5\n\
         step:1000/10000 loss:3.3114 t:91476ms avg:91.5ms\n\
         step:6530/10000 val_loss:3.0535 val_bpb:1.1823 train_time:599602ms zero_frac:0.336\n\
         artifact:15.92MB ternary:64880640(14237274B) fp:2513744(2537376B) code:70853\n\
         budget:15992753/16000000 (15.99/16.00MB) FITS\n\
         final_ternary_roundtrip val_loss:3.0604 val_bpb:1.1850\ntemp_scaling optimal_T:0.90 eval_time:150ms\n\
         final_sliding val_loss:2.9901 val_bpb:1.1578 (stride=16, T=0.90) eval_time:429023ms",
    );
    assert_eq!(
        (run.seed.value(), run.world_size.value(), run.model_params.value()),
        (Some(7), Some(8), Some(73685840))
    );
    assert_eq!(
        (run.bytes_total.value(), run.bytes_code.value(), run.bytes_model.value()),
        (Some(15992753), Some(70853), Some(15921900))
    );
    assert_eq!((run.metric.text(), run.eval_seconds.value()), (Some("final_sliding"), Some(429.023)));
    assert_eq!(run.dataset.text(), Some("./data/fineweb10B_sp8192"));
}

#[test]
fn singletons_state_what_they_state() {
    let run = read(
        "  Resumed at step 30000, training_time=47870254ms, skipping 11796M tokens\n\
         step:30500/60000 train_loss:2.1 lr_mul:0.5 train_time:48000000ms step_avg:1.00ms\n  eval: 500 batches (limited)\n\
         INT7+zlib model: 15370972 bytes | Total submission: 15441941 bytes\n\
         final_INT7_zlib_roundtrip val_loss:2.0784 val_bpb:1.2353",
    );
    assert_eq!(
        (run.resumed_from.value(), run.bytes_model.value(), run.bytes_total.value()),
        (Some(30000), Some(15370972), Some(15441941))
    );
    assert_eq!(run.partial_validation.text(), Some("eval: 500 batches (limited)"));

    let run = read(
        "step:1500/50000 [BRIDGE 38%] train_loss:0.6771 train_time:1309594ms step_avg:873.06ms\n\
         Serialized model rdquant+zstd: 90 bytes\nCode size: 10 bytes\nTotal submission size: 100 bytes\n\
         \u{20} INT4+fp8+brotli: 15.67MB model + 0.077MB code = 15.75/16.00MB FITS",
    );
    assert_eq!(
        (run.steps.value(), run.train_seconds.value(), run.bytes_total.value()),
        (Some(1500), Some(1309.594), Some(100))
    );
    assert!(run.megabytes.text().is_some_and(|text| text.starts_with("INT4+fp8+brotli: 15.67MB")));
}

#[test]
fn settings_and_sizes_in_other_spellings_are_read() {
    let run = read(
        "lr:embed=0.035 matrix=0.025 scalar=0.025 batch:786432 wall:600s seed:42\n\
         step:1/2 train_loss:1.0 train_time:5ms step_avg:5ms\nattack seed:7\nserialized model: 149377301 bytes\n\
         code size: 99352 bytes\nserialized model int8+zlib: 13,825,009 bytes (x)\n\
         total submission size int8+zlib: 13924361 bytes\n\
         final_int8_brotli_roundtrip val_loss:2.6775 val_bpb:1.1636 eval_time:55913ms\n\
         final_int8_zlib_roundtrip_exact val_loss:2.67752839 val_bpb:1.16362299",
    );
    assert_eq!(
        (run.seed.value(), run.bytes_model.value(), run.bytes_total.value()),
        (Some(42), Some(13825009), Some(13924361))
    );
    assert_eq!((run.val_bpb.value(), run.eval_seconds.value()), (Some(1.16362299), Some(55.913)));
}

#[test]
fn progress_and_wrapper_lines_are_no_scores() {
    let run = read(
        "step:1/2 train_loss:1.0 train_time:5ms step_avg:5ms\n  ttt_chunk [1891/1893] bpb=1.121468 time=409.5s\n\
         ttt_progress: batch 3/9 batch_loss:2.1 batch_bpb:1.2 running_loss:2.2 running_bpb:1.3 doc_len:7\n\
         ttp: b205/782 bl:2.3253 bb:1.1133 rl:2.3138 rb:1.0545 dl:301-302 gd:1\n---\nval_bpb:          1.1228\n\
         Final BPB: final_int6_sliding_window_exact val_loss:1.9 val_bpb:1.1\nepoch 3 val_loss:1.9 val_bpb:1.1",
    );
    assert_eq!((run.val_bpb.value(), run.metric_lines.len(), run.steps.value()), (None, 0, Some(1)));
}

#[test]
fn scores_in_bits_per_byte_alone_need_a_known_name() {
    let run =
        read("step:1/2 train_loss:1.0\nsomething val_bpb:0.5\nfinal_int6_zstd22_roundtrip_exact val_bpb:1.13343416");
    assert_eq!((run.val_bpb.value(), run.val_loss.value(), run.metric_lines.len()), (Some(1.13343416), None, 1));
    assert!(run.metrics().next().is_none());
}

#[test]
fn names_of_unknown_kinds_score_only_where_nothing_else_does() {
    let run = read("final_int6_roundtrip val_loss:2.0 val_bpb:1.2\nneural_only_sw val_loss:1.9 val_bpb:1.1");
    assert_eq!(run.val_bpb.value(), Some(1.2));
    assert_eq!(read("neural_only_sw val_loss:1.9 val_bpb:1.1").val_bpb.value(), Some(1.1));
    assert_eq!(read("pre_quant_eval val_loss:1.9 val_bpb:1.1").val_bpb, None);
}

#[test]
fn facts_in_words_of_their_own_are_read() {
    let run = read(
        "SEED=1337\nval_loader:shards pattern=fineweb_val_*.bin tokens:62021632 debug_val_docs:0\n\
         step:100/100 train_loss:2.5\n  train time  : 594.74s (9m 54s)\nmodel:13926222 code:73961 total:14000183 (14.00 MB)\n\
         final_int8_roundtrip val_loss:2.07 val_bpb:1.22",
    );
    assert_eq!((run.seed.value(), run.val_tokens.value()), (Some(1337), Some(62021632)));
    assert_eq!(run.train_seconds.value(), Some(594.74));
    assert_eq!((run.bytes_model.value(), run.bytes_code.value()), (Some(13926222), Some(73961)));
    assert_eq!(run.bytes_total.value(), Some(14000183));
    let prefix = "[2026-03-25 10:57:07] INFO: ";
    let run = read(&format!(
        "{prefix}SEED=42\n{prefix}step:9/9 train_loss:2.5\n{prefix}Training time: 589 seconds\n\
         {prefix}model:15690309 code:97894 total:15788203 (15.79 MB)\n{prefix}val_tokens: 40540160\n"
    ));
    assert_eq!((run.seed.value(), run.bytes_total.value()), (Some(42), Some(15788203)));
    assert_eq!((run.train_seconds.value(), run.val_tokens.value()), (Some(589.0), Some(40540160)));
}

#[test]
fn what_the_steps_or_the_seed_line_state_goes_before() {
    let run = read(
        "SEED=7\nseed:42\nstep:9/9 train_loss:2.5 train_time:600038ms step_avg:43.54ms\nTraining time: 700 seconds\n\
         model: a name code: none total: 3",
    );
    assert_eq!((run.seed.value(), run.train_seconds.value(), run.bytes_total.value()), (Some(42), Some(600.038), None));
}
