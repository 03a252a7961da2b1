//! One transformer block, with one residual lane or two (spec/algorithms.md §2.4, §2.7).

use tch::Tensor;

use super::adapters::Slot;
use super::attention::{Attend, Attention};
use super::mlp::Mlp;
use super::rope::{Rope, rms_norm};
use super::weights::Weights;
use crate::Result;
use crate::recipe::ModelRecipe;

/// What every block of a forward pass shares.
pub(super) struct Pass<'a> {
    /// The normalised embedding, mixed into each block's input. `[batch, len, dim]`
    pub x0: &'a Tensor,
    pub rope: &'a Rope,
    pub attend: &'a Attend,
}

/// Attention and MLP with their scales.
pub struct Block {
    attention: Attention,
    mlp: Mlp,
    /// `[dim]` each.
    attn_scale: Tensor,
    mlp_scale: Tensor,
    /// `[2, dim]`: weights of the residual stream and of the embedding.
    resid_mix: Tensor,
    /// `1/sqrt(i+1)` with `ln_scale`, else 1.
    norm_scale: f64,
}

/// The two residual lanes of a parallel layer.
pub(super) struct Lanes {
    pub attn: Tensor,
    pub mlp: Tensor,
}

/// `[layers, 2, 2]` and `[layers, 2]`: how branch outputs and old values enter each lane.
pub(super) struct LaneWeights {
    pub post: Tensor,
    pub resid: Tensor,
}

impl Block {
    pub(super) fn new(m: &ModelRecipe, layer: i64, weights: &Weights) -> Result<Block> {
        let get = |name: &str| weights.get(&format!("blocks.{layer}.{name}"));
        Ok(Block {
            attention: Attention::new(m, layer, weights)?,
            mlp: Mlp::new(m, layer, weights)?,
            attn_scale: get("attn_scale")?,
            mlp_scale: get("mlp_scale")?,
            resid_mix: get("resid_mix")?,
            norm_scale: if m.ln_scale { 1.0 / ((layer + 1) as f64).sqrt() } else { 1.0 },
        })
    }

    pub(super) fn share(&self) -> Block {
        Block {
            attention: self.attention.share(),
            mlp: self.mlp.share(),
            attn_scale: self.attn_scale.shallow_clone(),
            mlp_scale: self.mlp_scale.shallow_clone(),
            resid_mix: self.resid_mix.shallow_clone(),
            norm_scale: self.norm_scale,
        }
    }

    /// One lane: `x ← x_in + A(x_in)`, `x ← x + M(x)`.
    pub(super) fn forward(&self, x: &Tensor, pass: &Pass, slot: Option<&Slot>) -> Tensor {
        let x_in = self.mix(x, pass);
        let x = &x_in + self.attention_branch(&x_in, pass, slot);
        &x + self.mlp_branch(&x, slot)
    }

    /// Two lanes: attention reads the mixed first lane, the MLP the second as it is; both write both.
    pub(super) fn forward_lanes(
        &self,
        lanes: &Lanes,
        layer: usize,
        weights: &LaneWeights,
        pass: &Pass,
        slot: Option<&Slot>,
    ) -> Lanes {
        let a = self.attention_branch(&self.mix(&lanes.attn, pass), pass, slot);
        let m = self.mlp_branch(&lanes.mlp, slot);
        let kind = a.kind();
        let post = weights.post.get(layer as i64).to_kind(kind);
        let resid = weights.resid.get(layer as i64).to_kind(kind);
        let lane = |old: &Tensor, i: i64| resid.get(i) * old + post.get(0).get(i) * &a + post.get(1).get(i) * &m;
        Lanes { attn: lane(&lanes.attn, 0), mlp: lane(&lanes.mlp, 1) }
    }

    fn mix(&self, x: &Tensor, pass: &Pass) -> Tensor {
        let mix = self.resid_mix.to_kind(x.kind());
        mix.get(0) * x + mix.get(1) * pass.x0
    }

    fn norm(&self, x: &Tensor) -> Tensor {
        let n = rms_norm(x);
        if self.norm_scale == 1.0 { n } else { n * self.norm_scale }
    }

    fn attention_branch(&self, x: &Tensor, pass: &Pass, slot: Option<&Slot>) -> Tensor {
        let adapters = slot.map(|slot| &slot.attention);
        let out = self.attention.forward(&self.norm(x), pass.rope, pass.attend, adapters);
        self.attn_scale.to_kind(out.kind()) * out
    }

    fn mlp_branch(&self, x: &Tensor, slot: Option<&Slot>) -> Tensor {
        let n = self.norm(x);
        let out = self.mlp.forward(&n);
        let out = match slot {
            Some(slot) => out + slot.mlp.delta(&n),
            None => out,
        };
        self.mlp_scale.to_kind(out.kind()) * out
    }
}
