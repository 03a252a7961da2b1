//! The squared-activation MLP (docs/spec/algorithms.md#mlp): `proj(act(fc(x))²)`.

use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::nn::param::Init;
use crate::nn::scope::Input;
use crate::nn::{Linear, Pass, Scope, Site, Start};
use crate::{Result, bounds, shim};

/// Name of the component in recipes and parameter tables.
pub const NAME: &str = "mlp";

/// `[model.block.X.mlp]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MlpRecipe {
    /// Hidden width as a multiple of `model_dim`.
    pub mlp_mult: f64,
    pub activation: Activation,
    /// The initial values of the first matrix; the second starts at zero.
    pub init: Init,
}

impl Default for MlpRecipe {
    /// NaiveBaseline's.
    fn default() -> Self {
        MlpRecipe { mlp_mult: 2.0, activation: Activation::Relu2, init: Init::Uniform }
    }
}

/// The activation; both are squared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `relu(p)²`
    Relu2,
    /// `max(p, p/2)²`, the field's LeakyReLU(0.5)².
    LeakyRelu2,
}

impl MlpRecipe {
    pub(super) fn describe(&self) -> String {
        format!("{NAME} (×{})", self.mlp_mult)
    }

    pub(super) fn check(&self, path: &str, dim: i64) -> Result<()> {
        bounds::numbers(path, &[("mlp_mult", self.mlp_mult, 1.0 / dim as f64, 1024.0)])
    }

    /// Hidden width in a model of `dim` dimensions.
    fn hidden(&self, dim: i64) -> i64 {
        (self.mlp_mult * dim as f64) as i64
    }
}

/// One MLP.
pub struct Mlp {
    fc: Linear,
    proj: Linear,
    activation: Activation,
    dim: i64,
    /// The inputs of the two matrices.
    n: Input,
    hidden: Input,
}

impl Mlp {
    pub(super) fn build(r: &MlpRecipe, dim: i64, scope: &mut Scope) -> Result<Mlp> {
        let (n, hidden) = (scope.input(), scope.input());
        Ok(Mlp {
            fc: scope.linear("fc", [r.hidden(dim), dim], r.init.into(), n)?,
            proj: scope.linear("proj", [dim, r.hidden(dim)], Start::Zeros, hidden)?,
            activation: r.activation,
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
        let p = self.fc.forward(n);
        let a = match self.activation {
            Activation::Relu2 => p.relu(),
            Activation::LeakyRelu2 => leaky_relu(&p),
        };
        let hidden = a.square();
        pass.observe(self.hidden, &hidden);
        let out = self.proj.forward(&hidden);
        match pass.ffn_adapters() {
            Some(adapters) => out + adapters.delta(0, &adapters.low(n)),
            None => out,
        }
    }
}

/// `max(p, p/2)`.
fn leaky_relu(p: &Tensor) -> Tensor {
    // Like every other refusal of libtorch, `error::guard` turns this into an error of the run.
    shim::leaky_relu(p, 0.5).unwrap_or_else(|error| panic!("{error}"))
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;

    #[test]
    fn half_the_slope_below_zero_and_the_square_of_it() {
        let p = Tensor::from_slice(&[-2.0f32, -0.5, 0.0, 0.5, 3.0]).set_requires_grad(true);
        let a = leaky_relu(&p).square();
        a.sum(Kind::Float).backward();
        assert_eq!(Vec::<f32>::try_from(&a).unwrap(), [1.0, 0.0625, 0.0, 0.25, 9.0]);
        // a = p²/4 below zero and p² above: its slope is p/2 and 2p.
        assert_eq!(Vec::<f32>::try_from(p.grad()).unwrap(), [-1.0, -0.25, 0.0, 1.0, 6.0]);
    }
}
