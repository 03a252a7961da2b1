//! A recipe: everything that decides a run, as TOML with the names of `train_gpt.py`'s hyperparameters.
//!
//! The defaults are the challenge's own baseline (NaiveBaseline, spec/algorithms.md §2–§3), so a recipe file states only
//! what it changes. A key that is not known is an error that names the nearest known one.

use std::path::Path;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

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

impl Default for Recipe {
    fn default() -> Self {
        Recipe {
            name: "NaiveBaseline".to_owned(),
            blurb: "The challenge's baseline: 9 layers, 512 dimensions, tied embeddings, Muon and Adam.".to_owned(),
            data: DataRecipe::default(),
            model: ModelRecipe::default(),
            optim: OptimRecipe::default(),
            train: TrainRecipe::default(),
            quant: QuantRecipe::default(),
            eval: EvalRecipe::default(),
        }
    }
}

impl Default for DataRecipe {
    fn default() -> Self {
        DataRecipe { tokenizer: TokenizerKind::Sentencepiece }
    }
}

impl Default for ModelRecipe {
    fn default() -> Self {
        ModelRecipe {
            vocab_size: 1024,
            num_layers: 9,
            model_dim: 512,
            num_heads: 8,
            num_kv_heads: 4,
            mlp_mult: 2.0,
            activation: Activation::Relu2,
            tie_embeddings: true,
            tied_embed_init_std: 0.005,
            logit_softcap: 30.0,
            rope_base: 10_000.0,
            rope_dims: 0,
            qk_gain_init: 1.5,
            xsa_last_n: 0,
            ln_scale: false,
            skip_gates: false,
            num_loops: 0,
            loop_start: 0,
            loop_end: 0,
            parallel_start_layer: 0,
            parallel_final_lane: FinalLane::Mean,
            init: Init::Uniform,
        }
    }
}

impl Default for OptimRecipe {
    fn default() -> Self {
        OptimRecipe {
            matrix_lr: 0.04,
            scalar_lr: 0.04,
            tied_embed_lr: 0.05,
            embed_lr: 0.6,
            head_lr: 0.008,
            muon_momentum: 0.95,
            muon_momentum_warmup_start: 0.85,
            muon_momentum_warmup_steps: 500,
            muon_backend_steps: 5,
            muon_row_normalize: false,
            muon_wd: 0.0,
            embed_wd: 0.0,
            adam_wd: 0.0,
            beta1: 0.9,
            beta2: 0.95,
            adam_eps: 1e-8,
            grad_clip_norm: 0.0,
        }
    }
}

impl Default for TrainRecipe {
    fn default() -> Self {
        TrainRecipe {
            iterations: 20_000,
            warmup_steps: 20,
            warmdown_iters: 1200,
            max_wallclock_seconds: 600.0,
            train_batch_tokens: 524_288,
            train_seq_len: 1024,
            grad_accum_steps: 8,
            val_loss_every: 1000,
            val_tokens_limit: 0,
            train_log_every: 200,
            checkpoint_every: 0,
            enable_looping_at: 0.35,
        }
    }
}

impl Default for QuantRecipe {
    fn default() -> Self {
        QuantRecipe {
            scheme: QuantScheme::Int8PerRow,
            keep_float_max_numel: 65_536,
            clip_percentile: 99.99984,
            zlib_level: 9,
        }
    }
}

impl Default for EvalRecipe {
    fn default() -> Self {
        EvalRecipe {
            mode: EvalMode::Full,
            also: Vec::new(),
            eval_seq_len: 1024,
            eval_batch_seqs: 64,
            eval_stride: 64,
            ttt_lora_rank: 96,
            ttt_lora_lr: 1e-4,
            ttt_chunk_size: 32,
            ttt_eval_seq_len: 2048,
            ttt_batch_size: 64,
            ttt_grad_steps: 1,
            ttt_beta1: 0.0,
            ttt_beta2: 0.999,
            ttt_eps: 1e-10,
            ttt_weight_decay: 0.5,
            ttt_seed: 1337,
        }
    }
}

impl Recipe {
    /// Reads a recipe file. Keys it does not state keep the baseline's value.
    pub fn load(path: &Path, overrides: &[String]) -> Result<Recipe> {
        let text = std::fs::read_to_string(path).map_err(Error::io(path, "reading"))?;
        Recipe::parse(&text, overrides).map_err(|error| match error {
            Error::Recipe(reason) => Error::format(path, reason),
            other => other,
        })
    }

    /// Reads a recipe from TOML text, then applies `overrides` of the form `key=value` or `section.key=value`.
    pub fn parse(text: &str, overrides: &[String]) -> Result<Recipe> {
        let stated: Table = text.parse().map_err(|e: toml::de::Error| Error::Recipe(e.to_string()))?;
        let mut resolved = known_keys();
        overlay(&mut resolved, stated, "")?;
        for entry in overrides {
            set(&mut resolved, entry)?;
        }
        let recipe: Recipe = resolved
            .try_into()
            .map_err(|e: toml::de::Error| Error::Recipe(e.to_string().trim_end().replace('\n', " ")))?;
        recipe.check()?;
        Ok(recipe)
    }

    /// The whole recipe as TOML: what the log starts with and what the artifact carries.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_else(|e| unreachable!("a recipe is always representable in TOML: {e}"))
    }

    /// Values that contradict each other, said before a long run rather than in the middle of one.
    pub fn check(&self) -> Result<()> {
        let m = &self.model;
        let fail = |reason: String| Err(Error::Recipe(reason));
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if self.name.is_empty() || self.name.starts_with('.') || !self.name.chars().all(plain) {
            return fail(format!(
                "name {:?} cannot name a folder; use letters, digits, `_`, `-` and `.`, and do not begin with a dot",
                self.name
            ));
        }
        for (key, value) in [
            ("model.vocab_size", m.vocab_size),
            ("model.num_layers", m.num_layers),
            ("model.model_dim", m.model_dim),
            ("model.num_heads", m.num_heads),
            ("model.num_kv_heads", m.num_kv_heads),
            ("train.iterations", self.train.iterations),
            ("train.train_batch_tokens", self.train.train_batch_tokens),
            ("train.train_seq_len", self.train.train_seq_len),
            ("train.grad_accum_steps", self.train.grad_accum_steps),
            ("eval.eval_seq_len", self.eval.eval_seq_len),
            ("eval.eval_batch_seqs", self.eval.eval_batch_seqs),
            ("eval.eval_stride", self.eval.eval_stride),
            ("eval.ttt_lora_rank", self.eval.ttt_lora_rank),
            ("eval.ttt_chunk_size", self.eval.ttt_chunk_size),
            ("eval.ttt_batch_size", self.eval.ttt_batch_size),
        ] {
            if value < 1 {
                return fail(format!("{key} is {value}; it must be at least 1"));
            }
        }
        if m.vocab_size > 65_536 {
            return fail(format!("model.vocab_size is {}; shards hold 16-bit ids, so at most 65536", m.vocab_size));
        }
        if m.model_dim % m.num_heads != 0 || (m.model_dim / m.num_heads) % 2 != 0 {
            return fail(format!(
                "model.model_dim {} must be an even multiple of num_heads {}",
                m.model_dim, m.num_heads
            ));
        }
        if m.num_heads % m.num_kv_heads != 0 {
            return fail(format!(
                "model.num_heads {} must be a multiple of num_kv_heads {}",
                m.num_heads, m.num_kv_heads
            ));
        }
        if m.rope_dims < 0 || m.rope_dims % 2 != 0 || m.rope_dims > m.model_dim / m.num_heads {
            return fail(format!(
                "model.rope_dims {} must be even and at most the head's {}",
                m.rope_dims,
                m.model_dim / m.num_heads
            ));
        }
        if m.num_loops > 0 && (m.loop_start < 0 || m.loop_end < m.loop_start || m.loop_end >= m.num_layers) {
            return fail(format!(
                "model.loop_start {} and loop_end {} must lie within the {} layers",
                m.loop_start, m.loop_end, m.num_layers
            ));
        }
        let t = &self.train;
        if t.train_batch_tokens % (t.grad_accum_steps * t.train_seq_len) != 0 {
            return fail(format!(
                "train.train_batch_tokens {} must be a multiple of grad_accum_steps × train_seq_len = {}",
                t.train_batch_tokens,
                t.grad_accum_steps * t.train_seq_len
            ));
        }
        if self.eval.eval_stride > self.eval.eval_seq_len {
            return fail(format!(
                "eval.eval_stride {} must not exceed eval_seq_len {}",
                self.eval.eval_stride, self.eval.eval_seq_len
            ));
        }
        if self.eval.ttt_chunk_size > self.eval.ttt_eval_seq_len {
            return fail(format!(
                "eval.ttt_chunk_size {} must not exceed ttt_eval_seq_len {}",
                self.eval.ttt_chunk_size, self.eval.ttt_eval_seq_len
            ));
        }
        Ok(())
    }
}

/// Every known key with its default, as a table.
fn known_keys() -> Table {
    Table::try_from(Recipe::default())
        .unwrap_or_else(|e| unreachable!("the default recipe is representable in TOML: {e}"))
}

/// Copies `stated` over `resolved`, refusing keys that `resolved` does not have.
fn overlay(resolved: &mut Table, stated: Table, prefix: &str) -> Result<()> {
    for (key, value) in stated {
        let known: Vec<String> = resolved.keys().cloned().collect();
        match (resolved.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(table)) => overlay(inner, table, &format!("{prefix}{key}."))?,
            (Some(slot), value) => {
                *slot = like(slot, value).map_err(|why| mistyped(&format!("{prefix}{key}"), &why))?
            }
            (None, _) => return Err(unknown_key(&format!("{prefix}{key}"), &key, &known)),
        }
    }
    Ok(())
}

/// Applies one `key=value`. A bare key is looked up in every section; it must be found in exactly one.
fn set(resolved: &mut Table, entry: &str) -> Result<()> {
    let (path, text) = entry
        .split_once('=')
        .ok_or_else(|| Error::Recipe(format!("--set {entry}: expected key=value, for example --set iterations=100")))?;
    let (path, text) = (path.trim(), text.trim());
    // A value that is not TOML by itself (a bare word such as ttt) is taken as a string.
    let value = format!("v = {text}")
        .parse::<Table>()
        .ok()
        .and_then(|mut t| t.remove("v"))
        .unwrap_or_else(|| Value::String(text.to_owned()));
    let mut leaves = Vec::new();
    leaf_paths(resolved, "", &mut leaves);
    let full = match leaves
        .iter()
        .filter(|leaf| *leaf == path || leaf.rsplit('.').next() == Some(path))
        .collect::<Vec<_>>()[..]
    {
        [one] => one.clone(),
        [] => {
            let last: Vec<String> = leaves.iter().map(|l| l.rsplit('.').next().unwrap_or(l).to_owned()).collect();
            return Err(unknown_key(path, path.rsplit('.').next().unwrap_or(path), &last));
        }
        _ => {
            return Err(Error::Recipe(format!(
                "--set {path}: more than one section has this key; write section.{path}"
            )));
        }
    };
    let (section, key) = full.rsplit_once('.').unwrap_or(("", &full));
    let mut table = resolved;
    for part in section.split('.').filter(|part| !part.is_empty()) {
        table = match table.get_mut(part) {
            Some(Value::Table(inner)) => inner,
            _ => unreachable!("{full} was found in this table"),
        };
    }
    if let Some(slot) = table.get_mut(key) {
        *slot = like(slot, value).map_err(|why| mistyped(&format!("--set {entry}: {full}"), &why))?;
    }
    Ok(())
}

/// `value` with the type of the default. An integer where that is a float is meant as a float: `matrix_lr = 1`.
fn like(default: &Value, value: Value) -> std::result::Result<Value, String> {
    match (default, value) {
        (Value::Float(_), Value::Integer(i)) => Ok(Value::Float(i as f64)),
        (_, value) if value.same_type(default) => Ok(value),
        (_, value) => Err(format!("it must be of type {}, not the {} {value}", default.type_str(), value.type_str())),
    }
}

fn mistyped(key: &str, why: &str) -> Error {
    Error::Recipe(format!("{key}: {why}"))
}

fn leaf_paths(table: &Table, prefix: &str, out: &mut Vec<String>) {
    for (key, value) in table {
        match value {
            Value::Table(inner) => leaf_paths(inner, &format!("{prefix}{key}."), out),
            _ => out.push(format!("{prefix}{key}")),
        }
    }
}

fn unknown_key(path: &str, key: &str, known: &[String]) -> Error {
    let nearest = known.iter().max_by(|a, b| strsim::jaro_winkler(key, a).total_cmp(&strsim::jaro_winkler(key, b)));
    Error::Recipe(match nearest {
        Some(nearest) => format!("unknown key `{path}`; the nearest known key is `{nearest}`"),
        None => format!("unknown key `{path}`"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_recipe_is_the_baseline_and_survives_a_round_trip() {
        let recipe = Recipe::parse("", &[]).unwrap();
        assert_eq!(recipe, Recipe::default());
        assert_eq!(Recipe::parse(&recipe.to_toml(), &[]).unwrap(), recipe);
    }

    #[test]
    fn overrides_find_their_section_and_coerce_integers() {
        let recipe =
            Recipe::parse("[optim]\nmatrix_lr = 1\n", &["iterations=7".into(), "eval.mode=ttt".into()]).unwrap();
        assert_eq!((recipe.optim.matrix_lr, recipe.train.iterations, recipe.eval.mode), (1.0, 7, EvalMode::Ttt));
    }

    #[test]
    fn an_unknown_key_names_the_nearest_one() {
        for error in [
            Recipe::parse("[train]\nitertions = 3\n", &[]).unwrap_err(),
            Recipe::parse("", &["itertions=3".into()]).unwrap_err(),
        ] {
            assert!(error.to_string().contains("`iterations`"), "{error}");
        }
    }

    #[test]
    fn a_value_of_the_wrong_type_names_its_key_and_the_type() {
        for error in [
            Recipe::parse("[train]\niterations = 'many'\n", &[]).unwrap_err(),
            Recipe::parse("", &["iterations=many".into()]).unwrap_err(),
        ] {
            let text = error.to_string();
            assert!(text.contains("train.iterations: it must be of type integer, not the string"), "{text}");
        }
        assert!(Recipe::parse("", &["name=../up".into()]).unwrap_err().to_string().contains("cannot name a folder"));
    }

    #[test]
    fn contradictions_are_refused_before_the_run() {
        for set in ["num_heads=7", "train_batch_tokens=1000", "eval_stride=4096", "rope_dims=3", "iterations=0"] {
            assert!(Recipe::parse("", &[set.into()]).is_err(), "{set} was accepted");
        }
    }
}
