//! A run that is interrupted and started again ends as if it had never been interrupted.

mod common;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use caddie_engine::log::{Event, Observer, Silent};
use caddie_engine::run::{Job, Phase, State, run};
use caddie_engine::{Error, Recipe};
use common::write_data;
use tch::Device;

/// The record stack in its smallest form: loops that begin half way, an average, packed documents.
const RECIPE: &str = "name = 'resume'\n[data]\ntokenizer = 'byte260'\n[model]\nvocab_size = 260\nmodel_dim = 32\n\
    layout = 'A*4'\n[model.unet]\nskip_gates = true\n[model.loops]\nloop_start = 1\nloop_end = 1\nenable_looping_at = 0.5\n\
    [model.lanes]\nparallel_start_layer = 3\n[model.block.A.mlp]\nactivation = 'leaky_relu2'\n[model.block.A.gqa]\n\
    num_heads = 2\nnum_kv_heads = 1\n[optim.ema]\nema_decay = 0.5\n[train]\niterations = 8\nwarmup_steps = 1\n\
    warmdown_frac = 0.5\nmax_wallclock_seconds = 0\ntrain_batch_tokens = 256\ntrain_seq_len = 64\ngrad_accum_steps = 2\n\
    loader = 'packed'\nval_loss_every = 2\ntrain_log_every = 1\n[quant]\nkeep_float_max_numel = 256\n\
    [quant.matrix]\nbits = 6\nclip_sigmas = 12.85\ngptq = true\n[quant.calibration]\ngptq_calibration_batches = 2\n\
    gptq_reserve_seconds = 1\n[eval]\nmode = 'ttt'\nalso = ['full']\neval_seq_len = 64\ndocuments_apart = true\n\
    [eval.ttt]\nttt_lora_rank = 2\nttt_lora_lr = 0.01\nttt_chunk_size = 16\nttt_eval_seq_len = 48\n";

/// The stack of PR #316 with everything that it keeps from step to step: rounded matrices, sensitivities of rows, and a mean of
/// weights.
const LOWRANK_Q: &str = "name = 'lowrank-q'\n[data]\ntokenizer = 'byte260'\n[model]\nvocab_size = 260\nmodel_dim = 32\n\
    layout = 'A*3'\n[model.bigram]\nbigram_vocab_size = 64\nbigram_dim = 8\n[model.smear]\n[model.unet]\n\
    [model.block.A.mlp]\n[model.block.A.gqa]\nnum_heads = 2\nnum_kv_heads = 1\nq_rank = 8\nrope_train_seq_len = 32\n\
    [optim.swa]\nswa_start_frac = 0.9\nswa_every = 2\n[train]\niterations = 8\nwarmup_steps = 1\nwarmdown_iters = 6\n\
    max_wallclock_seconds = 0\ntrain_batch_tokens = 256\ntrain_seq_len = 64\ngrad_accum_steps = 2\n\
    [quant]\nkeep_float_max_numel = 128\ncodec = 'zstd'\n[quant.matrix]\nbits = 6\nrow_max = true\n\
    [quant.embedding]\nbits = 16\n[quant.qat]\nqat_start_frac = 0.4\nqat_bits = 6\n\
    [quant.ftle]\nftle_every = 3\ntarget_bits = [8.0, 6.0, 5.0]\nmax_total_bytes = 1\n\
    [eval]\nmode = 'ogd'\nalso = ['sliding']\neval_seq_len = 64\n[eval.sliding]\neval_stride = 16\n";

/// Asks the run to stop when `when` says so.
struct StopAt<'a, F: Fn(&Event) -> bool> {
    stop: &'a AtomicBool,
    when: F,
}

impl<F: Fn(&Event) -> bool> Observer for StopAt<'_, F> {
    fn on(&mut self, event: &Event) {
        if (self.when)(event) {
            self.stop.store(true, Ordering::Relaxed);
        }
    }
}

struct Bench {
    _folder: tempfile::TempDir,
    root: PathBuf,
    data: PathBuf,
}

impl Bench {
    fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        let data = write_data(&root, 60, 8, 90);
        Bench { _folder: folder, root, data }
    }

    /// Runs the record stack with `overrides` in folder `name`, until `when` asks it to stop.
    fn run(&self, name: &str, overrides: &[&str], when: Option<&dyn Fn(&Event) -> bool>) -> Result<State, Error> {
        self.run_of(RECIPE, name, overrides, when)
    }

    fn run_of(
        &self,
        recipe: &str,
        name: &str,
        overrides: &[&str],
        when: Option<&dyn Fn(&Event) -> bool>,
    ) -> Result<State, Error> {
        let stop = AtomicBool::new(false);
        let overrides: Vec<String> = overrides.iter().map(|&o| o.to_owned()).collect();
        let job = Job {
            recipe: Recipe::parse(recipe, &overrides).unwrap(),
            seed: 3,
            dir: self.root.join(name),
            data: self.data.clone(),
            device: Device::Cpu,
            code_bytes: 1000,
            until: Phase::Evaluated,
            stop: &stop,
        };
        match when {
            None => run(&job, &mut Silent),
            Some(when) => run(&job, &mut StopAt { stop: &stop, when }),
        }
    }

    /// Lines of the log that hold no time.
    fn log(&self, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.root.join(name).join("log.txt")).unwrap();
        let untimed = |line: &str| {
            let kept: Vec<&str> = line
                .split(' ')
                .filter(|word| !["train_time:", "step_avg:", "eval_time:"].iter().any(|time| word.starts_with(time)))
                .collect();
            kept.join(" ")
        };
        let other =
            ["resumed_from_checkpoint", "ttt:resumed", "peak", "GPTQ:collected", "warmup_step", "loop_warmup_step"];
        text.lines().filter(|line| !other.iter().any(|word| line.starts_with(word))).map(untimed).collect()
    }

    fn file(&self, name: &str, file: &str) -> Vec<u8> {
        std::fs::read(self.root.join(name).join(file)).unwrap()
    }
}

#[test]
fn a_run_interrupted_at_any_step_ends_as_the_straight_one() {
    let bench = Bench::new();
    assert_eq!(bench.run("straight", &[], None).unwrap().phase, Phase::Evaluated);
    // Before loops begin, at the step before which they begin, and after it.
    for at in [1, 4, 5, 7] {
        let name = format!("stopped-{at}");
        let stopped = bench.run(&name, &[], Some(&|event| matches!(event, Event::Step { step, .. } if *step == at)));
        assert!(matches!(stopped, Err(Error::Interrupted { step }) if step == at as u64), "step {at}");
        assert_eq!(bench.run(&name, &[], None).unwrap().phase, Phase::Evaluated);
        assert_eq!(bench.log(&name), bench.log("straight"), "stopped at step {at}");
        for file in ["checkpoint.safetensors", "model.int6.zlib", "ledger.jsonl.zst"] {
            assert!(bench.file(&name, file) == bench.file("straight", file), "{file}, stopped at step {at}");
        }
    }
}

#[test]
fn rounded_matrices_sensitivities_and_a_mean_of_weights_survive_an_interruption() {
    let bench = Bench::new();
    assert_eq!(bench.run_of(LOWRANK_Q, "straight", &[], None).unwrap().phase, Phase::Evaluated);
    let log = bench.log("straight").join("\n");
    for line in [
        "step:4 QAT enabled",
        "swa:applying averaged 3 checkpoints",
        "FTLE tracked 28 tensors over 3 samples",
        "target_bits:6.0 compressed:",
        "Selected target_avg_bits=5.0",
        "FTLE compared with 5 bits for every row: compressed:",
        "quantized_sliding_window_exact val_loss:",
        "quantized_ogd_exact val_loss:",
    ] {
        assert!(log.contains(line), "{line} is not in\n{log}");
    }
    let untimed = |name: &str| -> Vec<String> {
        bench.log(name).into_iter().map(|line| line.split(" (elapsed:").next().unwrap_or_default().to_owned()).collect()
    };
    // Before the matrices are rounded, at the step before which they are, and after weights have joined the mean.
    for at in [2, 4, 7] {
        let name = format!("stopped-{at}");
        let stop = |event: &Event| matches!(event, Event::Step { step, .. } if *step == at);
        let stopped = bench.run_of(LOWRANK_Q, &name, &[], Some(&stop));
        assert!(matches!(stopped, Err(Error::Interrupted { step }) if step == at as u64), "step {at}");
        bench.run_of(LOWRANK_Q, &name, &[], None).unwrap();
        assert_eq!(untimed(&name), untimed("straight"), "stopped at step {at}");
        for file in ["checkpoint.safetensors", "sensitivity.safetensors", "model.int6.zstd", "ledger.jsonl.zst"] {
            assert!(bench.file(&name, file) == bench.file("straight", file), "{file}, stopped at step {at}");
        }
    }
}

/// The small recipes of the Q² system on bytes, each with a few layers and its own way to store what it has.
#[test]
fn symbols_thresholds_and_states_survive_an_interruption_in_every_layout() {
    let bench = Bench::new();
    let tiny = [
        "data.tokenizer=byte260",
        "vocab_size=260",
        "model_dim=32",
        "num_heads=2",
        "num_kv_heads=1",
        "iterations=8",
        "train_batch_tokens=256",
        "train_seq_len=64",
        "grad_accum_steps=2",
        "train_log_every=1",
        "checkpoint_every=0",
        "eval.eval_seq_len=64",
        "eval_stride=16",
        "ttt_lora_rank=2",
        "ttt_chunk_size=16",
        "ttt_eval_seq_len=48",
        "refresh_every=2",
    ];
    let pairs = ["model.bigram.bigram_vocab_size=64", "model.bigram.bigram_dim=8", "quant.q2.bigram=z16"];
    for (name, text, more) in [
        ("ltc", include_str!("../../recipes/q2-ltc-small.toml"), &["model.layout=G C*2", "quant.q2.start=z16"][..]),
        ("liv", include_str!("../../recipes/q2-liv-small.toml"), &["model.layout=L G L", "quant.q2.range_coded=true"]),
        (
            "transformer",
            include_str!("../../recipes/q2-transformer-small.toml"),
            &["model.layout=G*2", "optim.ema.ema_decay=0.5"],
        ),
    ] {
        let more = more.iter().chain(pairs.iter().filter(|_| name == "transformer"));
        let set: Vec<&str> = tiny.iter().chain(more).copied().collect();
        let state = bench.run_of(text, &format!("{name}-straight"), &set, None).unwrap();
        assert_eq!(state.phase, Phase::Evaluated);
        let log = bench.log(&format!("{name}-straight")).join("\n");
        assert!(log.contains("quantized_ttt_lora_exact val_loss:"), "{log}");
        // The average is scored before it is quantized, and the file is made of it.
        assert_eq!(log.contains("diagnostic pre-quantization post-ema"), name == "transformer", "{log}");
        // While layers take their alphabets, and after the last one has.
        for at in [3, 7] {
            let stopped = format!("{name}-stopped-{at}");
            let stop = |event: &Event| matches!(event, Event::Step { step, .. } if *step == at);
            assert!(matches!(bench.run_of(text, &stopped, &set, Some(&stop)), Err(Error::Interrupted { .. })));
            bench.run_of(text, &stopped, &set, None).unwrap();
            assert_eq!(bench.log(&stopped), bench.log(&format!("{name}-straight")), "{name} stopped at step {at}");
            for file in ["checkpoint.safetensors", "model.q2bn", "ledger.jsonl.zst"] {
                let straight = bench.file(&format!("{name}-straight"), file);
                assert!(bench.file(&stopped, file) == straight, "{file} of {name}, stopped at step {at}");
            }
        }
    }
}

#[test]
fn no_step_is_taken_after_the_cap() {
    let bench = Bench::new();
    // The first step ends after the cap; it is interrupted there, before the last validation.
    let capped = ["max_wallclock_seconds=0.000002", "gptq_reserve_seconds=0.000001"];
    let stopped = bench.run("capped", &capped, Some(&|event| matches!(event, Event::Step { step: 1, .. })));
    assert!(matches!(stopped, Err(Error::Interrupted { step: 1 })));
    assert_eq!(bench.run("capped", &capped, None).unwrap().phase, Phase::Evaluated);
    let log = std::fs::read_to_string(bench.root.join("capped/log.txt")).unwrap();
    assert!(log.contains("step:1/8 val_loss:") && !log.contains("step:2/8"), "{log}");
    assert!(log.contains("stopping_early: wallclock_cap"), "{log}");
    // And the clock has nothing left for calibration: one batch is read, and the log says so with the way out.
    let calibrated =
        log.lines().find(|line| line.starts_with("GPTQ:calibrated on 1 of 2 batches")).expect("it is said");
    assert!(calibrated.contains("raise quant.calibration.gptq_reserve_seconds"), "{calibrated}");
    assert!(log.contains("s after max_wallclock_seconds"), "{log}");
}

#[test]
fn documents_that_were_scored_are_not_scored_again() {
    let bench = Bench::new();
    bench.run("straight", &[], None).unwrap();
    let halfway = |event: &Event| matches!(event, Event::Scoring { mode: "ttt", tokens, of, .. } if tokens * 2 > *of);
    assert!(matches!(bench.run("halves", &[], Some(&halfway)), Err(Error::Stopped)));
    let kept = std::fs::read_to_string(bench.root.join("halves/scoring.jsonl")).unwrap();
    assert!(kept.lines().count() >= 2, "{kept}");
    // A kill in the middle of a line costs that line alone.
    std::fs::write(bench.root.join("halves/scoring.jsonl"), &kept[..kept.len() - 20]).unwrap();
    bench.run("halves", &[], None).unwrap();
    let log = std::fs::read_to_string(bench.root.join("halves/log.txt")).unwrap();
    let resumed = log.lines().find(|line| line.starts_with("ttt:resumed documents:")).expect("the log says so");
    assert!(resumed.ends_with("of 8") && !resumed.contains(":0 "), "{resumed}");
    assert_eq!(bench.log("halves"), bench.log("straight"));
    assert_eq!(bench.file("halves", "ledger.jsonl.zst"), bench.file("straight", "ledger.jsonl.zst"));
    assert!(!bench.root.join("halves/scoring.jsonl").exists());
    assert_eq!(log.matches("quantized_exact ").count(), 1, "a mode that was finished is not scored again");
}
