//! `[eval.ttt.start]`: a start of the adapters that is learnt from training documents (docs/spec/algorithms.md#learnt-start).

use serde::{Deserialize, Serialize};

use super::TttRecipe;
use crate::bounds;
use crate::{Error, Result};

/// `[eval.ttt.start]`: the settings of Reptile (arXiv 1803.02999), and of what is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StartRecipe {
    /// Training documents to adapt to.
    pub start_documents: i64,
    /// Documents between two moves of the start.
    pub start_batch: i64,
    /// Targets of each document that are adapted to; shorter documents are passed over.
    pub start_tokens: i64,
    /// Share of the way from the start to the mean of the adaptations' ends that the first move takes; the shares fall linearly
    /// to 0.
    pub start_lr: f64,
    /// True to learn B too, which else starts at 0.
    pub start_b: bool,
    /// Bits of the stored integers; 16 keeps f16.
    pub start_bits: u8,
    /// Seconds of `max_wallclock_seconds` that are kept for it.
    pub start_reserve_seconds: f64,
}

impl Default for StartRecipe {
    fn default() -> Self {
        StartRecipe {
            start_documents: 128,
            start_batch: 8,
            start_tokens: 512,
            start_lr: 1.0,
            start_b: false,
            start_bits: 8,
            start_reserve_seconds: 20.0,
        }
    }
}

impl StartRecipe {
    /// Refuses settings that are out of bounds, and those with which nothing could be learnt. `runs` tells whether the recipe runs
    /// test-time training.
    pub(super) fn check(&self, ttt: &TttRecipe, runs: bool, max_wallclock_seconds: f64) -> Result<()> {
        const PATH: &str = "eval.ttt.start";
        let refuse = |reason: String| Err(Error::Recipe(reason));
        bounds::integers(
            PATH,
            &[
                ("start_documents", self.start_documents, 1, 1 << 20),
                ("start_batch", self.start_batch, 1, 1 << 20),
                ("start_tokens", self.start_tokens, 1, 1 << 20),
            ],
        )?;
        bounds::numbers(
            PATH,
            &[
                ("start_lr", self.start_lr, f64::MIN_POSITIVE, 1.0),
                ("start_reserve_seconds", self.start_reserve_seconds, 0.0, 1e9),
            ],
        )?;
        if !matches!(self.start_bits, 2..=8 | 16) {
            return refuse(format!("{PATH}.start_bits {} must be between 2 and 8, or 16 for f16", self.start_bits));
        }
        if !runs {
            return refuse(format!(
                "[{PATH}] is learnt for test-time training, which the recipe does not run; set eval.mode = \"ttt\" or take the \
                 section out"
            ));
        }
        if ttt.ttt_grad_steps == 0 || ttt.ttt_lora_lr == 0.0 {
            return refuse(format!(
                "[{PATH}] follows adapters that learn, and with eval.ttt.ttt_grad_steps or ttt_lora_lr at 0 they do not; raise it \
                 or take the section out"
            ));
        }
        let chunk = ttt.chunk(self.start_tokens as usize);
        if self.start_tokens <= chunk {
            return refuse(format!(
                "{PATH}.start_tokens {} must be more than a chunk of {chunk}, because adapters learn between chunks",
                self.start_tokens
            ));
        }
        if self.start_batch > self.start_documents {
            return refuse(format!(
                "{PATH}.start_batch {} must not exceed start_documents {}",
                self.start_batch, self.start_documents
            ));
        }
        if max_wallclock_seconds > 0.0 && self.start_reserve_seconds == 0.0 {
            return refuse(format!(
                "{PATH}.start_reserve_seconds is 0, so training would use up the whole clock and leave nothing for it; reserve \
                 the seconds that it takes"
            ));
        }
        Ok(())
    }
}
