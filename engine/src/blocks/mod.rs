//! Blocks: what a layer of the model is made of.
//!
//! A block is a mixer, which moves information between positions, and a feed-forward part, each with a scale and around a
//! residual stream (docs/spec/algorithms.md#block). The recipe describes each kind of block once, under a letter, and the
//! layout says which kind each layer is. A new component is a file here, a field of [`BlockRecipe`] and a variant.

mod block;
pub mod cfc;
mod gate;
pub mod gqa;
pub mod liv;
pub mod mlp;
mod query;
pub mod swiglu;

pub use block::{Block, LaneWeights, Lanes};
pub use gate::GateRecipe;

use serde::{Deserialize, Serialize};

use crate::nn::{Pass, Scope, Site};
use crate::{Error, Result, bounds};
use cfc::{Cfc, CfcRecipe};
use gqa::{Gqa, GqaRecipe};
use liv::{Liv, LivRecipe};
use mlp::{Mlp, MlpRecipe};
use swiglu::{Swiglu, SwigluRecipe};

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
    /// Mixer: closed-form continuous-time cells, a diagonal recurrence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cfc: Option<CfcRecipe>,
    /// Mixer: a gated short convolution.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liv: Option<LivRecipe>,
    /// Feed-forward: the squared-activation MLP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mlp: Option<MlpRecipe>,
    /// Feed-forward: the MLP whose activation is gated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swiglu: Option<SwigluRecipe>,
}

impl BlockRecipe {
    /// The components in words, for example `gqa (8 heads, 4 kv heads) + mlp (×2)`.
    pub fn describe(&self) -> String {
        let mixer = [
            self.gqa.as_ref().map(GqaRecipe::describe),
            self.cfc.as_ref().map(CfcRecipe::describe),
            self.liv.as_ref().map(LivRecipe::describe),
        ];
        let ffn = [self.mlp.as_ref().map(MlpRecipe::describe), self.swiglu.as_ref().map(SwigluRecipe::describe)];
        mixer.into_iter().chain(ffn).flatten().collect::<Vec<_>>().join(" + ")
    }

    /// True if the block has a feed-forward part.
    pub fn has_ffn(&self) -> bool {
        self.mlp.is_some() || self.swiglu.is_some()
    }

    /// Checks that the block can work in a model of `dim` dimensions; an error names the key under `path`.
    pub fn check(&self, path: &str, dim: i64) -> Result<()> {
        let fail = |reason: String| Err(Error::Recipe(format!("{path} {reason}")));
        match [self.gqa.is_some(), self.cfc.is_some(), self.liv.is_some()].iter().filter(|there| **there).count() {
            0 => return fail(format!("has no mixer; give it one, for example [{path}.gqa]")),
            1 => {}
            _ => return fail("has several mixers; keep one of gqa, cfc and liv".to_owned()),
        }
        if self.mlp.is_some() && self.swiglu.is_some() {
            return fail("has several feed-forward parts; keep one of mlp and swiglu".to_owned());
        }
        // A CfC layer may stand alone, as in the system that it comes from.
        if !self.has_ffn() && self.cfc.is_none() {
            return fail(format!("has no feed-forward part; give it one, for example [{path}.mlp]"));
        }
        let at = |part: &str| format!("{path}.{part}");
        self.gqa.as_ref().map_or(Ok(()), |r| r.check(&at("gqa"), dim))?;
        self.cfc.as_ref().map_or(Ok(()), |r| r.check(&at("cfc")))?;
        self.liv.as_ref().map_or(Ok(()), |r| r.check(&at("liv")))?;
        self.mlp.as_ref().map_or(Ok(()), |r| r.check(&at("mlp"), dim))?;
        self.swiglu.as_ref().map_or(Ok(()), |r| r.check(&at("swiglu"), dim))
    }
}

/// The part of a block that moves information between positions.
pub enum Mixer {
    Gqa(Gqa),
    Cfc(Cfc),
    Liv(Liv),
}

impl Mixer {
    fn build(r: &BlockRecipe, dim: i64, scope: &mut Scope) -> Result<Mixer> {
        match r {
            BlockRecipe { gqa: Some(gqa), .. } => {
                Ok(Mixer::Gqa(Gqa::build(gqa, dim, &mut scope.at("attn", gqa::NAME))?))
            }
            BlockRecipe { cfc: Some(cfc), .. } => {
                Ok(Mixer::Cfc(Cfc::build(cfc, dim, &mut scope.at("cfc", cfc::NAME))?))
            }
            BlockRecipe { liv: Some(liv), .. } => {
                Ok(Mixer::Liv(Liv::build(liv, dim, &mut scope.at("liv", liv::NAME))?))
            }
            _ => Err(Error::Recipe("a block has no mixer".to_owned())),
        }
    }

    /// `n`, the normalized input, is `[batch, len, dim]`; the output has the positions that [`Pass::keep`] keeps.
    fn forward(&self, n: &tch::Tensor, pass: &Pass) -> tch::Tensor {
        match self {
            Mixer::Gqa(gqa) => gqa.forward(n, pass),
            Mixer::Cfc(cfc) => cfc.forward(n, pass),
            Mixer::Liv(liv) => liv.forward(n, pass),
        }
    }

    fn sites(&self) -> Vec<Site> {
        match self {
            Mixer::Gqa(gqa) => gqa.sites(),
            Mixer::Cfc(cfc) => cfc.sites(),
            Mixer::Liv(liv) => liv.sites(),
        }
    }
}

/// The part of a block that treats each position by itself.
pub enum Ffn {
    Mlp(Mlp),
    Swiglu(Swiglu),
}

impl Ffn {
    /// `None` for a block without one.
    fn build(r: &BlockRecipe, dim: i64, scope: &mut Scope) -> Result<Option<Ffn>> {
        let mut scope = scope.at("mlp", if r.swiglu.is_some() { swiglu::NAME } else { mlp::NAME });
        Ok(match (&r.mlp, &r.swiglu) {
            (Some(mlp), _) => Some(Ffn::Mlp(Mlp::build(mlp, dim, &mut scope)?)),
            (None, Some(swiglu)) => Some(Ffn::Swiglu(Swiglu::build(swiglu, dim, &mut scope)?)),
            (None, None) => None,
        })
    }

    /// `[batch, len, dim]` in and out.
    fn forward(&self, n: &tch::Tensor, pass: &Pass) -> tch::Tensor {
        match self {
            Ffn::Mlp(mlp) => mlp.forward(n, pass),
            Ffn::Swiglu(swiglu) => swiglu.forward(n, pass),
        }
    }

    fn sites(&self) -> Vec<Site> {
        match self {
            Ffn::Mlp(mlp) => mlp.sites(),
            Ffn::Swiglu(swiglu) => swiglu.sites(),
        }
    }
}
