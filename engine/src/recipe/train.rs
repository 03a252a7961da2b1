//! `[train]`: the loop, its batches and its clock (docs/spec/algorithms.md#training).

use serde::{Deserialize, Serialize};

use crate::bounds;
use crate::{Error, Result};

/// `[train]`: the settings of the loop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainRecipe {
    pub iterations: i64,
    /// Steps before the clock starts; their effect on weights and optimizer is undone.
    pub warmup_steps: i64,
    /// Number of last steps over which learning rates fall to zero; under a wall-clock cap, over the time that they
    /// take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warmdown_iters: Option<i64>,
    /// Last fraction of training over which learning rates fall, to `min_lr` of their values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warmdown_frac: Option<f64>,
    /// Lowest multiplier of the learning rates in a warmdown by fraction.
    pub min_lr: f64,
    /// Seconds on the training clock; `0` means no cap. The reserves for a quantizer's calibration and for the adapters' learnt start lie
    /// inside it.
    pub max_wallclock_seconds: f64,
    pub train_batch_tokens: i64,
    /// Length of a row; with the packed loader, longest piece of a document.
    pub train_seq_len: i64,
    /// Micro-steps per step (upstream: 8 / world_size).
    pub grad_accum_steps: i64,
    pub loader: LoaderKind,
    /// Steps between validations (`0`: only at the end).
    pub val_loss_every: i64,
    /// Targets of validation data read by those validations (`0`: all of it). The final score always reads all.
    pub val_tokens_limit: i64,
    pub train_log_every: i64,
    /// Steps between resumable checkpoints (`0`: only at the end).
    pub checkpoint_every: i64,
}

/// The way in which batches are cut from the training shards (docs/spec/algorithms.md#training-loaders).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LoaderKind {
    /// Rows of the stream in order; attention crosses from one document to the next.
    Sequential,
    /// One long row per micro-step, in which attention stays within each document.
    Packed,
}

impl Default for TrainRecipe {
    /// Returns NaiveBaseline's settings, without a warmdown.
    fn default() -> Self {
        TrainRecipe {
            iterations: 20_000,
            warmup_steps: 20,
            warmdown_iters: None,
            warmdown_frac: None,
            min_lr: 0.0,
            max_wallclock_seconds: 600.0,
            train_batch_tokens: 524_288,
            train_seq_len: 1024,
            grad_accum_steps: 8,
            loader: LoaderKind::Sequential,
            val_loss_every: 1000,
            val_tokens_limit: 0,
            train_log_every: 200,
            checkpoint_every: 0,
        }
    }
}

/// Bound of step counts, above anybody's budget.
const MANY: i64 = 1 << 40;

impl TrainRecipe {
    /// Tokens of one micro-step.
    pub fn micro_batch_tokens(&self) -> i64 {
        self.train_batch_tokens / self.grad_accum_steps
    }

    pub(super) fn check(&self) -> Result<()> {
        let path = "train";
        bounds::integers(
            path,
            &[
                ("iterations", self.iterations, 1, MANY),
                ("warmup_steps", self.warmup_steps, 0, MANY),
                ("train_batch_tokens", self.train_batch_tokens, 1, 1 << 30),
                ("train_seq_len", self.train_seq_len, 1, 1 << 24),
                ("grad_accum_steps", self.grad_accum_steps, 1, 1 << 20),
                ("val_loss_every", self.val_loss_every, 0, MANY),
                ("val_tokens_limit", self.val_tokens_limit, 0, MANY),
                ("train_log_every", self.train_log_every, 0, MANY),
                ("checkpoint_every", self.checkpoint_every, 0, MANY),
            ],
        )?;
        bounds::numbers(
            path,
            &[("max_wallclock_seconds", self.max_wallclock_seconds, 0.0, 1e9), ("min_lr", self.min_lr, 0.0, 1.0)],
        )?;
        match (self.warmdown_iters, self.warmdown_frac) {
            (Some(_), Some(_)) => {
                return Err(Error::Recipe(
                    "train.warmdown_iters and train.warmdown_frac are two ways to say the same; keep one (`--set \
                     train.warmdown_iters=` takes the other out)"
                        .to_owned(),
                ));
            }
            (Some(iters), None) => bounds::integers(path, &[("warmdown_iters", iters, 0, MANY)])?,
            (None, Some(frac)) => bounds::numbers(path, &[("warmdown_frac", frac, 0.0, 1.0)])?,
            (None, None) => {}
        }
        let multiple = match self.loader {
            LoaderKind::Sequential => self.grad_accum_steps * self.train_seq_len,
            LoaderKind::Packed => self.grad_accum_steps,
        };
        if self.train_batch_tokens % multiple != 0 {
            let of = match self.loader {
                LoaderKind::Sequential => "grad_accum_steps × train_seq_len",
                LoaderKind::Packed => "grad_accum_steps",
            };
            return Err(Error::Recipe(format!(
                "train.train_batch_tokens {} must be a multiple of {of} = {multiple}",
                self.train_batch_tokens
            )));
        }
        Ok(())
    }
}
