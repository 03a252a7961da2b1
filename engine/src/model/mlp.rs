//! The squared-activation MLP (spec/algorithms.md §2.3).

use tch::Tensor;

use super::linear;
use super::weights::Weights;
use crate::Result;
use crate::recipe::{Activation, ModelRecipe};

/// `proj(act(fc(x))²)`.
pub struct Mlp {
    fc: Tensor,
    proj: Tensor,
    activation: Activation,
}

impl Mlp {
    pub(super) fn new(m: &ModelRecipe, layer: i64, weights: &Weights) -> Result<Mlp> {
        let get = |name: &str| weights.get(&format!("blocks.{layer}.mlp.{name}.weight"));
        Ok(Mlp { fc: get("fc")?, proj: get("proj")?, activation: m.activation })
    }

    pub(super) fn share(&self) -> Mlp {
        Mlp { fc: self.fc.shallow_clone(), proj: self.proj.shallow_clone(), activation: self.activation }
    }

    /// `[batch, len, dim]` in and out.
    pub(super) fn forward(&self, x: &Tensor) -> Tensor {
        let p = linear(x, &self.fc);
        let a = match self.activation {
            Activation::Relu2 => p.relu(),
            Activation::LeakyRelu2 => p.maximum(&(&p * 0.5)),
        };
        linear(&a.square(), &self.proj)
    }
}
