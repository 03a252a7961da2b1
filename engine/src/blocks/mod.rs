//! Blocks: what a layer of the model is made of.
//!
//! A block is a mixer, which moves information between positions, and a feed-forward part, each with a scale and around a
//! residual stream (docs/spec/algorithms.md#block). The recipe describes each kind of block once, under a letter, and the
//! layout says which kind each layer is. A new component is a file here, a field of [`BlockRecipe`] and a variant.

mod block;
pub mod gqa;
pub mod mlp;
mod query;

pub use block::{Block, LaneWeights, Lanes};

use serde::{Deserialize, Serialize};

use crate::nn::{Pass, Scope, Site};
use crate::{Error, Result, bounds};
use gqa::{Gqa, GqaRecipe};
use mlp::{Mlp, MlpRecipe};

/// One kind of block: `[model.block.A]`, with a section for each component that it has.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BlockRecipe {
    /// Scale the normalized input of layer `i` by `1/sqrt(i+1)` (docs/spec/algorithms.md#block).
    pub ln_scale: bool,
    /// Begin with a stream that is mostly the embedding in the first layers and mostly itself in the last ones
    /// (docs/spec/algorithms.md#initial-weights).
    #[serde(skip_serializing_if = "bounds::is_false")]
    pub resid_mix_phase: bool,
    /// Mixer: grouped-query attention.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gqa: Option<GqaRecipe>,
    /// Feed-forward: the squared-activation MLP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mlp: Option<MlpRecipe>,
}

impl BlockRecipe {
    /// The components in words, for example `gqa (8 heads, 4 kv heads) + mlp (×2)`.
    pub fn describe(&self) -> String {
        let mixer = self.gqa.as_ref().map(GqaRecipe::describe);
        let ffn = self.mlp.as_ref().map(MlpRecipe::describe);
        mixer.into_iter().chain(ffn).collect::<Vec<_>>().join(" + ")
    }

    /// Checks that the block can work in a model of `dim` dimensions; an error names the key under `path`.
    pub fn check(&self, path: &str, dim: i64) -> Result<()> {
        let Some(gqa) = &self.gqa else {
            return Err(Error::Recipe(format!("{path} has no mixer; give it one, for example [{path}.gqa]")));
        };
        let Some(mlp) = &self.mlp else {
            return Err(Error::Recipe(format!(
                "{path} has no feed-forward part; give it one, for example [{path}.mlp]"
            )));
        };
        gqa.check(&format!("{path}.gqa"), dim)?;
        mlp.check(&format!("{path}.mlp"), dim)
    }
}

/// The part of a block that moves information between positions.
pub enum Mixer {
    Gqa(Gqa),
}

impl Mixer {
    fn build(r: &BlockRecipe, dim: i64, scope: &mut Scope) -> Result<Mixer> {
        match &r.gqa {
            Some(gqa) => Ok(Mixer::Gqa(Gqa::build(gqa, dim, &mut scope.at("attn", gqa::NAME))?)),
            None => Err(Error::Recipe("a block has no mixer".to_owned())),
        }
    }

    /// `n`, the normalized input, is `[batch, len, dim]`; the output has the positions that [`Pass::keep`] keeps.
    fn forward(&self, n: &tch::Tensor, pass: &Pass) -> tch::Tensor {
        match self {
            Mixer::Gqa(gqa) => gqa.forward(n, pass),
        }
    }

    fn sites(&self) -> Vec<Site> {
        match self {
            Mixer::Gqa(gqa) => gqa.sites(),
        }
    }
}

/// The part of a block that treats each position by itself.
pub enum Ffn {
    Mlp(Mlp),
}

impl Ffn {
    fn build(r: &BlockRecipe, dim: i64, scope: &mut Scope) -> Result<Ffn> {
        match &r.mlp {
            Some(mlp) => Ok(Ffn::Mlp(Mlp::build(mlp, dim, &mut scope.at("mlp", mlp::NAME))?)),
            None => Err(Error::Recipe("a block has no feed-forward part".to_owned())),
        }
    }

    /// `[batch, len, dim]` in and out.
    fn forward(&self, n: &tch::Tensor, pass: &Pass) -> tch::Tensor {
        match self {
            Ffn::Mlp(mlp) => mlp.forward(n, pass),
        }
    }

    fn sites(&self) -> Vec<Site> {
        match self {
            Ffn::Mlp(mlp) => mlp.sites(),
        }
    }
}
