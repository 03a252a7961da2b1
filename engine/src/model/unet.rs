//! Skip connections from the first half of the layers to the second (docs/spec/algorithms.md#u-net-skips).

use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::Result;
use crate::nn::{Scope, Start};

/// Name of the component in recipes and parameter tables.
pub const NAME: &str = "unet";

/// `[model.unet]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UnetRecipe {
    /// True to gate each skip with a learned sigmoid.
    pub skip_gates: bool,
}

/// The skip connections, one row per skip; the last encoder output meets the first decoder step.
pub struct Unet {
    /// `[skips, dim]`
    weights: Tensor,
    gates: Option<Tensor>,
}

impl Unet {
    pub fn build(r: &UnetRecipe, skips: i64, dim: i64, scope: &mut Scope) -> Result<Unet> {
        let mut scope = scope.at("", NAME);
        let weights = scope.control("skip_weights", &[skips, dim], Start::Constant(1.0))?;
        let gates = if r.skip_gates { Some(scope.control("skip_gates", &[skips, dim], Start::Zeros)?) } else { None };
        Ok(Unet { weights, gates })
    }

    /// Adds the encoder output `skip` at decoder step `step`: `x + w ⊙ skip`, or with a gate `g = σ(γ)` the mixture
    /// `g ⊙ x + (1 − g) ⊙ w ⊙ skip`.
    pub fn merge(&self, x: &Tensor, skip: &Tensor, step: usize) -> Tensor {
        let scaled = self.weights.get(step as i64).to_kind(x.kind()) * skip;
        match &self.gates {
            None => x + scaled,
            Some(gates) => {
                let gate = gates.get(step as i64).sigmoid().to_kind(x.kind());
                &gate * x + (1.0 - &gate) * scaled
            }
        }
    }
}
