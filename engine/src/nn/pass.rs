//! The state that all components of one forward pass share.

use tch::Tensor;

use super::docs::Docs;
use super::lora::{SlotAdapters, Stack};
use super::rope::RopeTables;
use super::scope::Input;
use super::tap::Tap;

/// One forward pass, as a component sees it. It is copied for each layer, with the fields that differ between layers.
#[derive(Clone, Copy)]
pub struct Pass<'a> {
    /// The normalized embedding, mixed into each block's input. `[batch, len, dim]`
    pub x0: &'a Tensor,
    /// The division of positions into documents.
    pub docs: &'a Docs,
    pub ropes: &'a RopeTables,
    /// Tokens of context that an evaluation grants; `0` in training.
    pub context: i64,
    /// The observer of inputs, while the quantizer calibrates.
    pub tap: Option<&'a Tap>,
    /// The adapters of this virtual layer, in test-time training.
    pub slot: Option<&'a SlotAdapters>,
    /// The positions whose hidden states are requested, in the last layer of test-time training.
    pub only: Option<&'a Rows>,
}

impl Pass<'_> {
    /// Shows `x` `[…, in]` to the quantizer's calibration as a sample of `input`.
    pub fn observe(&self, input: Input, x: &Tensor) {
        if let Some(tap) = self.tap {
            tap.observe(input, x);
        }
    }

    /// Returns the requested positions of `x` `[batch, len, dim]`: all of them, or [`Pass::only`].
    pub fn keep(&self, x: &Tensor) -> Tensor {
        match self.only {
            None => x.shallow_clone(),
            Some(rows) => rows.of(x),
        }
    }

    /// The adapters around the mixer of this layer.
    pub fn mixer_adapters(&self) -> Option<&Stack> {
        self.slot.map(|slot| &slot.mixer)
    }

    /// The adapters around the feed-forward part of this layer.
    pub fn ffn_adapters(&self) -> Option<&Stack> {
        self.slot.map(|slot| &slot.ffn)
    }
}

/// A choice of positions for each row of a batch.
pub struct Rows {
    /// `[batch, kept]`, i64.
    pub positions: Tensor,
}

impl Rows {
    /// Returns the chosen positions of `x` `[batch, len, width]`: `[batch, kept, width]`.
    pub fn of(&self, x: &Tensor) -> Tensor {
        let width = x.size()[2];
        x.gather(1, &self.positions.unsqueeze(2).expand([-1, -1, width], false), false)
    }

    /// Returns the keys among `0..len` that each chosen position may see, itself included: boolean `[batch, 1, kept,
    /// len]`.
    pub fn causal_mask(&self, len: i64) -> Tensor {
        let keys = Tensor::arange(len, (tch::Kind::Int64, self.positions.device()));
        self.positions.unsqueeze(2).ge_tensor(&keys).unsqueeze(1)
    }
}
