//! On the CPU every number is the same however many cores there are: a run of one core equals, file by file, a run of more.

mod common;

use std::path::Path;
use std::process::Command;

use common::write_data;

/// Four micro-steps and matrices of several shapes, so that two and three workers share them differently.
const RECIPE: &str = "name = 'cores'\n[data]\ntokenizer = 'byte260'\n[model]\nvocab_size = 260\nmodel_dim = 64\n\
    layout = 'A*4'\n[model.unet]\nskip_gates = true\n[model.loops]\nloop_start = 1\nloop_end = 1\n\
    [model.lanes]\nparallel_start_layer = 3\n[model.block.A.mlp]\nactivation = 'leaky_relu2'\n\
    [model.block.A.gqa]\nnum_heads = 4\nnum_kv_heads = 2\nxsa = true\n[optim]\ngrad_clip_norm = 0.3\n\
    [optim.muon]\nmuon_row_normalize = true\n[optim.ema]\nema_decay = 0.5\n[train]\niterations = 6\n\
    warmup_steps = 1\nwarmdown_iters = 3\nmax_wallclock_seconds = 0\ntrain_batch_tokens = 512\ntrain_seq_len = 64\n\
    grad_accum_steps = 4\nloader = 'packed'\n[quant]\nkeep_float_max_numel = 1024\ncodec = 'zlib'\n[quant.matrix]\n\
    bits = 6\nclip_sigmas = 12.85\ngptq = true\n[quant.calibration]\ngptq_calibration_batches = 3\n\
    [eval]\nmode = 'ttt'\nalso = ['full', 'sliding']\neval_seq_len = 64\neval_batch_seqs = 3\ndocuments_apart = true\n\
    [eval.sliding]\neval_stride = 16\n[eval.ttt]\nttt_lora_rank = 4\nttt_lora_lr = 0.01\nttt_chunk_size = 16\n\
    ttt_eval_seq_len = 48\n";

/// The files of a whole run with this many cores: checkpoint, model file and ledger, and the scores of its log.
fn run(dir: &Path, cores: usize) -> (Vec<Vec<u8>>, Vec<String>) {
    let out = dir.join(format!("run-{cores}"));
    let program = Command::new(env!("CARGO_BIN_EXE_caddie-engine"))
        .args(["run", "--device", "cpu", "--seed", "3", "--recipe"])
        .arg(dir.join("recipe.toml"))
        .arg("--data")
        .arg(dir.join("data"))
        .arg("--out")
        .arg(&out)
        // Without MKL's own settings there are never more threads than the machine has cores.
        .envs(["OMP_NUM_THREADS", "MKL_NUM_THREADS"].map(|name| (name, cores.to_string())))
        .env("MKL_DYNAMIC", "FALSE")
        .output()
        .unwrap();
    assert!(program.status.success(), "{}", String::from_utf8_lossy(&program.stderr));
    let files = ["checkpoint.safetensors", "model.int6.zlib", "ledger.jsonl.zst"];
    let log = std::fs::read_to_string(out.join("log.txt")).unwrap();
    if !log.contains(&format!(" threads:{cores}\n")) {
        assert_ne!(cores, 1, "one core was asked for:\n{log}");
        eprintln!("skipped: this libtorch does not take {cores} threads on this machine");
    }
    let scores = log.lines().filter(|line| line.contains("_exact ") || line.starts_with("ledger:"));
    (files.iter().map(|name| std::fs::read(out.join(name)).unwrap()).collect(), scores.map(str::to_owned).collect())
}

#[test]
fn one_core_and_several_give_the_same_files_and_scores() {
    let folder = tempfile::tempdir().unwrap();
    write_data(folder.path(), 80, 12, 120);
    std::fs::write(folder.path().join("recipe.toml"), RECIPE).unwrap();
    let (files, scores) = run(folder.path(), 1);
    assert_eq!(scores.len(), 4, "full, sliding, ttt and the ledger: {scores:?}");
    for cores in [2, 3] {
        let (others, other_scores) = run(folder.path(), cores);
        assert_eq!(scores, other_scores, "{cores} cores");
        for (index, (one, other)) in files.iter().zip(&others).enumerate() {
            assert!(one == other, "file {index} of {cores} cores differs from that of one");
        }
    }
}
