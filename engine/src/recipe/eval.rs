//! `[eval]`: the score (docs/spec/algorithms.md#evaluation).

use serde::{Deserialize, Serialize};

use super::StartRecipe;
use crate::bounds;
use crate::nn::lora::Choice;
use crate::{Error, Result};

/// The evaluators and their settings.
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
    /// True to keep attention within each document in the full and the sliding evaluation, as in training with the
    /// packed loader.
    pub documents_apart: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sliding: Option<SlidingRecipe>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ogd: Option<OgdRecipe>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttt: Option<TttRecipe>,
}

impl Default for EvalRecipe {
    fn default() -> Self {
        EvalRecipe {
            mode: EvalMode::Full,
            also: Vec::new(),
            eval_seq_len: 1024,
            eval_batch_seqs: 64,
            documents_apart: false,
            sliding: None,
            ogd: None,
            ttt: None,
        }
    }
}

/// `[eval.sliding]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SlidingRecipe {
    /// Step of the window, in tokens.
    pub eval_stride: i64,
}

impl Default for SlidingRecipe {
    fn default() -> Self {
        SlidingRecipe { eval_stride: 64 }
    }
}

/// `[eval.ttt]`: LoRA test-time training (docs/spec/algorithms.md#test-time-training).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TttRecipe {
    pub ttt_lora_rank: i64,
    pub ttt_lora_lr: f64,
    pub ttt_chunk_size: i64,
    /// Longest context of a chunk, in tokens.
    pub ttt_eval_seq_len: i64,
    /// Documents adapted side by side.
    pub ttt_batch_size: i64,
    /// Optimizer steps per chunk; `0` scores the same documents and contexts without learning, for a comparison that
    /// shows the gain of learning.
    pub ttt_grad_steps: i64,
    pub ttt_beta1: f64,
    pub ttt_beta2: f64,
    pub ttt_eps: f64,
    pub ttt_weight_decay: f64,
    /// Seed of the adapters' A matrices; each document draws its own from (seed, document, adapter).
    pub ttt_seed: u64,
    /// The additions of adapters are multiplied by this over the rank; 0 leaves them as they are.
    #[serde(skip_serializing_if = "is_zero")]
    pub ttt_lora_alpha: f64,
    /// Names of adapters that are left out in every layer: `["q", "v"]` for PR #1953's, `["k"]` for PR #2130's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ttt_without: Vec<String>,
    /// Smaller chunks for short documents, as `[most targets, chunk]` with rising bounds: `[[256, 8], [2000, 24]]` in PR #2014.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ttt_short_chunks: Vec<[i64; 2]>,
    /// A start of the adapters that is learnt from training documents and stored in the model file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<StartRecipe>,
}

fn is_zero(number: &f64) -> bool {
    *number == 0.0
}

impl Default for TttRecipe {
    /// Returns PR #1530's settings.
    fn default() -> Self {
        TttRecipe {
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
            ttt_lora_alpha: 0.0,
            ttt_without: Vec::new(),
            ttt_short_chunks: Vec::new(),
            start: None,
        }
    }
}

/// `[eval.ogd]`: online gradient descent on a bias over the vocabulary (docs/spec/algorithms.md#stride-ogd).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OgdRecipe {
    pub ogd_lr: f64,
    /// True to carry the bias from document to document, as PR #316 does. A score then depends on the documents before it.
    pub ogd_carried: bool,
    /// Windows between two steps of a carried bias.
    pub ogd_batch_windows: i64,
}

impl Default for OgdRecipe {
    /// Returns PR #316's settings, with a bias that begins anew in each document.
    fn default() -> Self {
        OgdRecipe { ogd_lr: 0.1, ogd_carried: false, ogd_batch_windows: 256 }
    }
}

impl OgdRecipe {
    fn check(&self, path: &str) -> Result<()> {
        bounds::integers(path, &[("ogd_batch_windows", self.ogd_batch_windows, 1, 1 << 20)])?;
        bounds::numbers(path, &[("ogd_lr", self.ogd_lr, 0.0, 1e6)])
    }
}

/// The evaluator that gives the score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EvalMode {
    /// Every target is scored with the context of its row, or of its document, in pieces of `eval_seq_len`
    /// (docs/spec/algorithms.md#full-context).
    Full,
    /// A window moves by `eval_stride`; every target is scored once, with all the context that its window has
    /// (docs/spec/algorithms.md#sliding-window).
    Sliding,
    /// A sliding window whose logits get a bias that learns from the targets already scored
    /// (docs/spec/algorithms.md#stride-ogd).
    Ogd,
    /// Document-independent, score-first LoRA test-time training (docs/spec/algorithms.md#test-time-training).
    Ttt,
}

impl EvalMode {
    /// The mode that a word on the command line means.
    pub fn from_word(word: &str) -> Result<EvalMode> {
        [EvalMode::Full, EvalMode::Sliding, EvalMode::Ogd, EvalMode::Ttt]
            .into_iter()
            .find(|mode| mode.as_str() == word)
            .ok_or_else(|| Error::Recipe(format!("unknown mode `{word}`; expected full, sliding, ogd or ttt")))
    }

    /// The word on the command line and in recipes.
    pub fn as_str(self) -> &'static str {
        match self {
            EvalMode::Full => "full",
            EvalMode::Sliding => "sliding",
            EvalMode::Ogd => "ogd",
            EvalMode::Ttt => "ttt",
        }
    }
}

impl EvalRecipe {
    /// Returns the modes to evaluate; the one that gives the score is last.
    pub fn modes(&self) -> Vec<EvalMode> {
        let others = self.also.iter().copied().filter(|&mode| mode != self.mode);
        others.chain([self.mode]).collect()
    }

    /// Returns the settings of test-time training; PR #1530's where the recipe has none.
    pub fn ttt(&self) -> TttRecipe {
        self.ttt.clone().unwrap_or_default()
    }

    /// Returns the settings of the sliding window; where the recipe has none, a stride of 64, or of a whole row if that
    /// is shorter.
    pub fn sliding(&self) -> SlidingRecipe {
        let default = SlidingRecipe { eval_stride: SlidingRecipe::default().eval_stride.min(self.eval_seq_len) };
        self.sliding.clone().unwrap_or(default)
    }

    /// Returns the settings of the bias; PR #316's, anew in each document, where the recipe has none.
    pub fn ogd(&self) -> OgdRecipe {
        self.ogd.clone().unwrap_or_default()
    }

    /// Tells whether a document's score in `mode` depends on no other document, so that one can be scored without the rest.
    pub fn reads_documents_alone(&self, mode: EvalMode) -> bool {
        match mode {
            EvalMode::Full | EvalMode::Sliding => false,
            EvalMode::Ogd => !self.ogd().ogd_carried,
            EvalMode::Ttt => true,
        }
    }

    /// Gives every evaluator that the recipe uses its section, so that a resolved recipe hides no setting.
    pub(super) fn fill(&mut self) {
        let modes = self.modes();
        if modes.contains(&EvalMode::Sliding) || modes.contains(&EvalMode::Ogd) {
            self.sliding = Some(self.sliding());
        }
        if modes.contains(&EvalMode::Ogd) {
            self.ogd = Some(self.ogd());
        }
        if modes.contains(&EvalMode::Ttt) {
            self.ttt = Some(self.ttt());
        }
    }

    pub(super) fn check(&self, max_wallclock_seconds: f64) -> Result<()> {
        const LONG: i64 = 1 << 24;
        bounds::integers(
            "eval",
            &[("eval_seq_len", self.eval_seq_len, 1, LONG), ("eval_batch_seqs", self.eval_batch_seqs, 1, 1 << 20)],
        )?;
        if let Some(sliding) = &self.sliding {
            let stride = sliding.eval_stride;
            if stride < 1 || stride > self.eval_seq_len {
                return Err(Error::Recipe(format!(
                    "eval.sliding.eval_stride {stride} must be at least 1 and not exceed eval_seq_len {}",
                    self.eval_seq_len
                )));
            }
        }
        if let Some(ogd) = &self.ogd {
            ogd.check("eval.ogd")?;
        }
        match &self.ttt {
            Some(ttt) => {
                ttt.check("eval.ttt", LONG)?;
                let runs = self.modes().contains(&EvalMode::Ttt);
                ttt.start.as_ref().map_or(Ok(()), |start| start.check(ttt, runs, max_wallclock_seconds))
            }
            None => Ok(()),
        }
    }
}

impl TttRecipe {
    /// Returns the settings that shape the adapters.
    pub fn adapters(&self) -> Choice<'_> {
        let rank = self.ttt_lora_rank;
        let scale = if self.ttt_lora_alpha > 0.0 { self.ttt_lora_alpha / rank as f64 } else { 1.0 };
        Choice { rank, scale, without: &self.ttt_without }
    }

    /// Returns the chunk of a document with `targets` targets. It depends on nothing else, so documents stay independent.
    pub fn chunk(&self, targets: usize) -> i64 {
        let short = self.ttt_short_chunks.iter().find(|[most, _]| targets as i64 <= *most);
        short.map_or(self.ttt_chunk_size, |[_, chunk]| *chunk)
    }

    fn check(&self, path: &str, long: i64) -> Result<()> {
        bounds::integers(
            path,
            &[
                ("ttt_lora_rank", self.ttt_lora_rank, 1, 65_536),
                ("ttt_chunk_size", self.ttt_chunk_size, 1, long),
                ("ttt_eval_seq_len", self.ttt_eval_seq_len, 1, long),
                ("ttt_batch_size", self.ttt_batch_size, 1, 1 << 20),
                ("ttt_grad_steps", self.ttt_grad_steps, 0, 1 << 20),
            ],
        )?;
        bounds::numbers(
            path,
            &[
                ("ttt_lora_lr", self.ttt_lora_lr, 0.0, f64::MAX),
                ("ttt_weight_decay", self.ttt_weight_decay, 0.0, f64::MAX),
                ("ttt_beta1", self.ttt_beta1, 0.0, bounds::BELOW_ONE),
                ("ttt_beta2", self.ttt_beta2, 0.0, bounds::BELOW_ONE),
                ("ttt_eps", self.ttt_eps, 0.0, 1.0),
                ("ttt_lora_alpha", self.ttt_lora_alpha, 0.0, 1e12),
            ],
        )?;
        for [most, chunk] in &self.ttt_short_chunks {
            bounds::integers(path, &[("ttt_short_chunks", *most, 1, long), ("ttt_short_chunks", *chunk, 1, long)])?;
            if *chunk > self.ttt_eval_seq_len {
                return Err(Error::Recipe(format!(
                    "{path}.ttt_short_chunks: a chunk of {chunk} must not exceed ttt_eval_seq_len {}",
                    self.ttt_eval_seq_len
                )));
            }
        }
        if !self.ttt_short_chunks.is_sorted_by_key(|[most, _]| *most) {
            return Err(Error::Recipe(format!(
                "{path}.ttt_short_chunks: the bounds must rise, because the first that a document keeps to decides its chunk"
            )));
        }
        if self.ttt_chunk_size > self.ttt_eval_seq_len {
            return Err(Error::Recipe(format!(
                "{path}.ttt_chunk_size {} must not exceed ttt_eval_seq_len {}: a chunk must fit its window",
                self.ttt_chunk_size, self.ttt_eval_seq_len
            )));
        }
        Ok(())
    }
}
