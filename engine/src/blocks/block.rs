//! One transformer block, with one residual lane or two (docs/spec/algorithms.md#block, #residual-lanes).

use tch::Tensor;

use super::{BlockRecipe, Ffn, Mixer};
use crate::Result;
use crate::nn::lora::Sites;
use crate::nn::{Pass, Scope, Start, rms_norm};

/// Name of the block's own parameters in a parameter table.
const NAME: &str = "block";

/// A mixer and a feed-forward part with their scales.
pub struct Block {
    mixer: Mixer,
    /// The feed-forward part with its scale `[dim]`, where there is one.
    ffn: Option<(Ffn, Tensor)>,
    /// `[dim]`
    attn_scale: Tensor,
    /// `[2, dim]`: weights of the residual stream and of the embedding.
    resid_mix: Tensor,
    /// `1/sqrt(layer+1)` with `ln_scale`, else 1.
    norm_scale: f64,
}

/// The two residual lanes of a parallel layer, `[batch, len, dim]` each.
pub struct Lanes {
    pub attn: Tensor,
    pub mlp: Tensor,
}

/// Returns the share of the residual stream in the input of layer `layer` at the start of training, after PR #316:
/// `σ(3·(layer/(layers−1) − ½))`, from 0.18 in the first layer to 0.82 in the last.
fn phase(layer: i64, layers: i64) -> f64 {
    let along = layer as f64 / (layers - 1).max(1) as f64;
    1.0 / (1.0 + (-3.0 * (along - 0.5)).exp())
}

/// The weights with which the outputs of a layer's two parts and the old values enter each lane.
pub struct LaneWeights {
    /// `[2 (attention, MLP), 2 (lane)]`
    pub post: Tensor,
    /// `[2 (lane)]`
    pub resid: Tensor,
}

impl Block {
    /// Layer `layer` of `layers`, counted from 0.
    pub fn build(r: &BlockRecipe, layer: i64, layers: i64, dim: i64, scope: &mut Scope) -> Result<Block> {
        let own = if r.resid_mix_phase { phase(layer, layers) } else { 1.0 };
        let mut scope = scope.at(&format!("blocks.{layer}"), NAME);
        let mut scale = |name: &str| scope.control(name, &[dim], Start::Constant(1.0));
        let attn_scale = scale("attn_scale")?;
        let mlp_scale = if r.has_ffn() { Some(scale("mlp_scale")?) } else { None };
        Ok(Block {
            attn_scale,
            resid_mix: scope.control("resid_mix", &[2, dim], Start::ResidMix { own, x0: 1.0 - own })?,
            mixer: Mixer::build(r, dim, &mut scope)?,
            ffn: Ffn::build(r, dim, &mut scope)?.zip(mlp_scale),
            norm_scale: if r.ln_scale { 1.0 / ((layer + 1) as f64).sqrt() } else { 1.0 },
        })
    }

    /// Returns the sites where adapters attach.
    pub fn sites(&self) -> Sites {
        Sites { mixer: self.mixer.sites(), ffn: self.ffn.as_ref().map(|(ffn, _)| ffn.sites()).unwrap_or_default() }
    }

    /// One lane: `x ← x_in + s_a·A(x_in)`, `x ← x + s_m·M(x)`, where `x_in` mixes `x` with the embedding.
    pub fn forward(&self, x: &Tensor, pass: &Pass) -> Tensor {
        let x_in = self.mix(x, pass);
        let x = pass.keep(&x_in) + self.mixer_branch(&x_in, pass);
        match self.ffn_branch(&x, pass) {
            Some(m) => x + m,
            None => x,
        }
    }

    /// Two lanes: the mixer reads the mixed first lane, the feed-forward part the second as it is; both write both.
    pub fn forward_lanes(&self, lanes: &Lanes, weights: &LaneWeights, pass: &Pass) -> Lanes {
        let a = self.mixer_branch(&self.mix(&lanes.attn, pass), pass);
        let old = Lanes { attn: pass.keep(&lanes.attn), mlp: pass.keep(&lanes.mlp) };
        let m = self.ffn_branch(&old.mlp, pass);
        let (post, resid) = (weights.post.to_kind(a.kind()), weights.resid.to_kind(a.kind()));
        let lane = |old: &Tensor, i: i64| {
            let x = resid.get(i) * old + post.get(0).get(i) * &a;
            match &m {
                Some(m) => x + post.get(1).get(i) * m,
                None => x,
            }
        };
        Lanes { attn: lane(&old.attn, 0), mlp: lane(&old.mlp, 1) }
    }

    fn mix(&self, x: &Tensor, pass: &Pass) -> Tensor {
        let mix = self.resid_mix.to_kind(x.kind());
        mix.get(0) * x + mix.get(1) * pass.x0
    }

    fn norm(&self, x: &Tensor) -> Tensor {
        let n = rms_norm(x);
        if self.norm_scale == 1.0 { n } else { n * self.norm_scale }
    }

    fn mixer_branch(&self, x: &Tensor, pass: &Pass) -> Tensor {
        let out = self.mixer.forward(&self.norm(x), pass);
        self.attn_scale.to_kind(out.kind()) * out
    }

    fn ffn_branch(&self, x: &Tensor, pass: &Pass) -> Option<Tensor> {
        let (ffn, scale) = self.ffn.as_ref()?;
        let out = ffn.forward(&self.norm(x), pass);
        Some(scale.to_kind(out.kind()) * out)
    }
}
