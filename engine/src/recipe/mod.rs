//! A recipe: everything that decides a run, as TOML with the names of `train_gpt.py`'s hyperparameters.
//!
//! The defaults are the challenge's own baseline (NaiveBaseline, spec/algorithms.md §2–§3), so a recipe file states only
//! what it changes. A key that is not known is an error that names the nearest known one.

mod check;
mod defaults;
mod resolve;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A complete, resolved recipe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// Short name, used for the run directory and the records folder: letters, digits, `_`, `-`, `.`.
    pub name: String,
    /// One or two sentences on the method, for `submission.json` and the README.
    pub blurb: String,
    pub data: DataRecipe,
    pub model: ModelRecipe,
    pub optim: OptimRecipe,
    pub train: TrainRecipe,
    pub quant: QuantRecipe,
    pub eval: EvalRecipe,
}

/// Which text the model reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataRecipe {
    /// `sentencepiece` (byte counts from the `.model` file) or `byte260` (id = byte + 4).
    pub tokenizer: TokenizerKind,
}

/// How token ids map to bytes (spec/algorithms.md §1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenizerKind {
    Sentencepiece,
    Byte260,
}

/// Architecture (spec/algorithms.md §2). `0` turns an optional component off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelRecipe {
    pub vocab_size: i64,
    pub num_layers: i64,
    pub model_dim: i64,
    pub num_heads: i64,
    pub num_kv_heads: i64,
    /// Hidden width of the MLP as a multiple of `model_dim`.
    pub mlp_mult: f64,
    pub activation: Activation,
    pub tie_embeddings: bool,
    /// Standard deviation of the initial token embedding.
    pub tied_embed_init_std: f64,
    pub logit_softcap: f64,
    pub rope_base: f64,
    /// Leading dimensions of each head that rotate; `0` means all of them.
    pub rope_dims: i64,
    /// Initial per-head query gain.
    pub qk_gain_init: f64,
    /// Exclusive self attention on the last so many layers (§2.2).
    pub xsa_last_n: i64,
    /// Scale the normalised input of layer `i` by `1/sqrt(i+1)` (§2.4).
    pub ln_scale: bool,
    /// Gate each U-Net skip with a learnt sigmoid (§2.5).
    pub skip_gates: bool,
    /// Depth recurrence: extra passes over layers `loop_start..=loop_end` (§2.6).
    pub num_loops: i64,
    pub loop_start: i64,
    pub loop_end: i64,
    /// First physical layer with two residual lanes (§2.7); `0` means none.
    pub parallel_start_layer: i64,
    pub parallel_final_lane: FinalLane,
    pub init: Init,
}

/// The MLP's activation; both are squared (§2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `relu(p)²`
    Relu2,
    /// `max(p, p/2)²`
    LeakyRelu2,
}

/// Which residual lane feeds the head when lanes are parallel (§2.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinalLane {
    Mean,
    Mlp,
    Attn,
}

/// Initialisation of the matrices that do not start at zero (§2.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Init {
    /// `U(±1/√in)`, the framework's default for a linear layer.
    Uniform,
    /// Orthogonal with gain 1.
    Orthogonal,
}

/// Optimiser groups and their schedules (spec/algorithms.md §3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimRecipe {
    pub matrix_lr: f64,
    pub scalar_lr: f64,
    /// Token embedding when it is tied to the head.
    pub tied_embed_lr: f64,
    /// Token embedding when the head is separate.
    pub embed_lr: f64,
    pub head_lr: f64,
    pub muon_momentum: f64,
    pub muon_momentum_warmup_start: f64,
    pub muon_momentum_warmup_steps: i64,
    pub muon_backend_steps: i64,
    /// Divide each row of the update by its norm before Newton–Schulz (MuonEq-R).
    pub muon_row_normalize: bool,
    pub muon_wd: f64,
    pub embed_wd: f64,
    pub adam_wd: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub adam_eps: f64,
    /// Global L2 norm; `0` means no clipping.
    pub grad_clip_norm: f64,
}

/// The loop (spec/algorithms.md §3.3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainRecipe {
    pub iterations: i64,
    /// Steps that run before the clock starts and whose effect on weights and optimiser is undone.
    pub warmup_steps: i64,
    pub warmdown_iters: i64,
    /// Seconds on the training clock; `0` means no cap.
    pub max_wallclock_seconds: f64,
    pub train_batch_tokens: i64,
    pub train_seq_len: i64,
    /// Micro-steps a step (upstream: 8 / world_size).
    pub grad_accum_steps: i64,
    /// Validate every so many steps (`0`: only at the end).
    pub val_loss_every: i64,
    /// Targets of validation data read by those validations (`0`: all of it). The final score always reads all.
    pub val_tokens_limit: i64,
    pub train_log_every: i64,
    /// Write a resumable checkpoint every so many steps (`0`: only at the end).
    pub checkpoint_every: i64,
    /// Fraction of training at which depth recurrence starts.
    pub enable_looping_at: f64,
}

/// Export (spec/algorithms.md §4).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuantRecipe {
    pub scheme: QuantScheme,
    /// Tensors with at most so many elements are kept as f16 (control tensors as f32).
    pub keep_float_max_numel: i64,
    /// Largest quantile of |row| that is represented without clipping.
    pub clip_percentile: f64,
    pub zlib_level: u32,
}

/// How weights become integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuantScheme {
    /// One f16 scale a row, ±127, zlib (NaiveBaseline, §4.1).
    Int8PerRow,
}

/// The score (spec/algorithms.md §5).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvalRecipe {
    pub mode: EvalMode,
    /// Further modes to evaluate before the one that gives the score, for comparison in the log and the README.
    pub also: Vec<EvalMode>,
    /// Context of the full and the sliding evaluation, in tokens.
    pub eval_seq_len: i64,
    /// Rows scored at once.
    pub eval_batch_seqs: i64,
    /// Step of the sliding window, in tokens.
    pub eval_stride: i64,
    pub ttt_lora_rank: i64,
    pub ttt_lora_lr: f64,
    pub ttt_chunk_size: i64,
    /// Longest context of a chunk, in tokens.
    pub ttt_eval_seq_len: i64,
    /// Documents adapted side by side.
    pub ttt_batch_size: i64,
    /// Optimiser steps a chunk; `0` scores the same documents and contexts without learning, the comparison that shows
    /// what learning brings.
    pub ttt_grad_steps: i64,
    pub ttt_beta1: f64,
    pub ttt_beta2: f64,
    pub ttt_eps: f64,
    pub ttt_weight_decay: f64,
    /// Seed of the adapters' A matrices; each document draws its own from (seed, document, adapter).
    pub ttt_seed: u64,
}

/// Which evaluator gives the score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EvalMode {
    /// Non-overlapping rows of `eval_seq_len`, each scored whole (§5.1).
    Full,
    /// A window that moves by `eval_stride`; every target is scored once, with all the context there is (§5.2).
    Sliding,
    /// Document-independent, score-first LoRA test-time training (§5.3).
    Ttt,
}

impl EvalMode {
    /// The mode that a word on the command line means.
    pub fn from_word(word: &str) -> Result<EvalMode> {
        [EvalMode::Full, EvalMode::Sliding, EvalMode::Ttt]
            .into_iter()
            .find(|mode| mode.as_str() == word)
            .ok_or_else(|| Error::Recipe(format!("unknown mode `{word}`; expected full, sliding or ttt")))
    }

    /// The word on the command line and in recipes.
    pub fn as_str(self) -> &'static str {
        match self {
            EvalMode::Full => "full",
            EvalMode::Sliding => "sliding",
            EvalMode::Ttt => "ttt",
        }
    }
}
