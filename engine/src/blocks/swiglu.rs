//! The gated MLP (docs/spec/q2.md#liv; Shazeer, arXiv 2002.05202): `W_down (silu(W_gate n) ⊙ W_up n)`.

use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::nn::param::Init;
use crate::nn::scope::Input;
use crate::nn::{Linear, Pass, Scope, Site, Start};
use crate::{Result, bounds};

/// Name of the component in recipes and parameter tables.
pub const NAME: &str = "swiglu";

/// `[model.block.X.swiglu]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SwigluRecipe {
    /// Hidden width as a multiple of `model_dim`.
    pub swiglu_mult: f64,
    /// The initial values of the first two matrices; the third starts at zero.
    pub init: Init,
}

impl Default for SwigluRecipe {
    fn default() -> Self {
        SwigluRecipe { swiglu_mult: 3.0, init: Init::Uniform }
    }
}

impl SwigluRecipe {
    pub(super) fn describe(&self) -> String {
        format!("{NAME} (×{})", self.swiglu_mult)
    }

    pub(super) fn check(&self, path: &str, dim: i64) -> Result<()> {
        bounds::numbers(path, &[("swiglu_mult", self.swiglu_mult, 1.0 / dim as f64, 1024.0)])
    }
}

/// One gated MLP.
pub struct Swiglu {
    gate: Linear,
    up: Linear,
    down: Linear,
    dim: i64,
    n: Input,
    hidden: Input,
}

impl Swiglu {
    pub(super) fn build(r: &SwigluRecipe, dim: i64, scope: &mut Scope) -> Result<Swiglu> {
        let width = (r.swiglu_mult * dim as f64) as i64;
        let (n, hidden) = (scope.input(), scope.input());
        Ok(Swiglu {
            gate: scope.linear("gate", [width, dim], r.init.into(), n)?,
            up: scope.linear("up", [width, dim], r.init.into(), n)?,
            down: scope.linear("down", [dim, width], Start::Zeros, hidden)?,
            dim,
            n,
            hidden,
        })
    }

    /// One adapter around the whole MLP: it reads what the MLP reads and adds to what it gives.
    pub(super) fn sites(&self) -> Vec<Site> {
        vec![Site { name: "mlp", output: self.dim }]
    }

    /// `[batch, len, dim]` in and out.
    pub(super) fn forward(&self, n: &Tensor, pass: &Pass) -> Tensor {
        pass.observe(self.n, n);
        let hidden = self.gate.forward(n).silu() * self.up.forward(n);
        pass.observe(self.hidden, &hidden);
        let out = self.down.forward(&hidden);
        match pass.ffn_adapters() {
            Some(adapters) => out + adapters.delta(0, &adapters.low(n)),
            None => out,
        }
    }
}
