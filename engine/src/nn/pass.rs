//! What all components of one forward pass share.

use tch::Tensor;

use super::docs::Docs;
use super::lora::{SlotAdapters, Stack};
use super::rope::RopeTables;
use super::scope::Input;
use super::tap::Tap;

/// One forward pass, as a component sees it. Copied for each layer, with the fields that change from one to the next.
#[derive(Clone, Copy)]
pub struct Pass<'a> {
    /// The normalized embedding, mixed into each block's input. `[batch, len, dim]`
    pub x0: &'a Tensor,
    /// Which positions belong to one document.
    pub docs: &'a Docs,
    pub ropes: &'a RopeTables,
    /// Where inputs are observed, while the quantizer calibrates.
    pub tap: Option<&'a Tap>,
    /// The adapters of this virtual layer, in test-time training.
    pub slot: Option<&'a SlotAdapters>,
    /// In the last layer of test-time training: the positions whose hidden states are asked for.
    pub only: Option<&'a Rows>,
}

impl Pass<'_> {
    /// Shows `x` `[…, in]` to the quantizer's calibration as a sample of `input`.
    pub fn observe(&self, input: Input, x: &Tensor) {
        if let Some(tap) = self.tap {
            tap.observe(input, x);
        }
    }

    /// The positions of `x` `[batch, len, dim]` that are asked for: all of them, or [`Pass::only`].
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
    /// The chosen positions of `x` `[batch, len, width]`: `[batch, kept, width]`.
    pub fn of(&self, x: &Tensor) -> Tensor {
        let width = x.size()[2];
        x.gather(1, &self.positions.unsqueeze(2).expand([-1, -1, width], false), false)
    }

    /// Which of the keys `0..len` each chosen position may see, itself included: boolean `[batch, 1, kept, len]`.
    pub fn causal_mask(&self, len: i64) -> Tensor {
        let keys = Tensor::arange(len, (tch::Kind::Int64, self.positions.device()));
        self.positions.unsqueeze(2).ge_tensor(&keys).unsqueeze(1)
    }
}
