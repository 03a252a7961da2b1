//! The gated short convolution of LFM2, a linear input-varying operator (docs/spec/q2.md#liv).
//!
//! `[b; c; v] = W_in n`, a causal convolution of `taps` positions over `b ⊙ v` channel by channel, and `W_out (c ⊙ y)`; no
//! activation and no bias. Inputs before the beginning of a document count as zeros.

use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::nn::param::Init;
use crate::nn::scope::Input;
use crate::nn::{Linear, Pass, Scope, Site, Start};
use crate::{Result, bounds};

/// Name of the component in recipes and parameter tables.
pub const NAME: &str = "liv";

/// `[model.block.X.liv]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LivRecipe {
    /// Positions that the convolution sees, its own included.
    pub taps: i64,
    /// The initial values of the input matrix; the output matrix starts at zero.
    pub init: Init,
}

impl Default for LivRecipe {
    fn default() -> Self {
        LivRecipe { taps: 3, init: Init::Uniform }
    }
}

impl LivRecipe {
    pub(super) fn describe(&self) -> String {
        format!("{NAME} ({} taps)", self.taps)
    }

    pub(super) fn check(&self, path: &str) -> Result<()> {
        bounds::integers(path, &[("taps", self.taps, 1, 64)])
    }
}

/// One convolutional layer.
pub struct Liv {
    /// `[3·dim, dim]`: b, c and v.
    input: Linear,
    output: Linear,
    /// `[dim, taps]`, the position's own tap last.
    conv: Tensor,
    taps: i64,
    dim: i64,
    n: Input,
    y: Input,
}

/// Places of the adapters, as [`Liv::sites`] lists them.
const IN: usize = 0;
const OUT: usize = 1;

impl Liv {
    pub(super) fn build(r: &LivRecipe, dim: i64, scope: &mut Scope) -> Result<Liv> {
        let (n, y) = (scope.input(), scope.input());
        Ok(Liv {
            conv: scope.control("conv", &[dim, r.taps], Start::Uniform)?,
            input: scope.linear("in_proj", [3 * dim, dim], r.init.into(), n)?,
            output: scope.linear("proj", [dim, dim], Start::Zeros, y)?,
            taps: r.taps,
            dim,
            n,
            y,
        })
    }

    /// The input's adapter adds before the gates; the output's reads the layer's input and adds to the result.
    pub(super) fn sites(&self) -> Vec<Site> {
        vec![Site { name: "in", output: 3 * self.dim }, Site { name: "o", output: self.dim }]
    }

    /// `n` is the normalized input `[batch, len, dim]`; the output is that of the positions that [`Pass::keep`] keeps.
    pub(super) fn forward(&self, n: &Tensor, pass: &Pass) -> Tensor {
        pass.observe(self.n, n);
        let mut bcv = self.input.forward(n);
        let mut output_delta = None;
        if let Some(adapters) = pass.mixer_adapters() {
            let low = adapters.low(n);
            bcv += adapters.delta(IN, &low);
            output_delta = Some(adapters.delta(OUT, &pass.keep(&low)));
        }
        let part = |i: i64| bcv.narrow(2, i * self.dim, self.dim);
        let y = pass.keep(&(part(1) * self.convolve(&(part(0) * part(2)), pass)));
        pass.observe(self.y, &y);
        let out = self.output.forward(&y);
        match output_delta {
            Some(delta) => out + delta,
            None => out,
        }
    }

    /// The causal convolution of `u` `[batch, len, dim]` within documents, as a sum over the taps.
    fn convolve(&self, u: &Tensor, pass: &Pass) -> Tensor {
        let weight = |back: i64| self.conv.select(1, self.taps - 1 - back).to_kind(u.kind());
        let len = u.size()[1];
        let positions = pass.docs.positions(u.device());
        let mut sum = u * weight(0);
        for back in 1..self.taps.min(len) {
            let mut earlier = u.narrow(1, 0, len - back).constant_pad_nd([0, 0, back, 0]);
            if let Some(positions) = &positions {
                earlier = positions.ge(back).to_kind(u.kind()).unsqueeze(1) * earlier;
            }
            sum += earlier * weight(back);
        }
        sum
    }
}
