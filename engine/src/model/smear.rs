//! SmearGate (docs/spec/algorithms.md#smear-gate), as in the records of March 20 before PR #316: each position takes a learned
//! share of the token before it.
//!
//! A position without a token before it in its document stays as it is. Upstream's gate looks back over the boundary, so
//! that the last token of one document reaches the next (the fault that PR #1851 mended).

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::bigram::before;
use crate::Result;
use crate::nn::{Scope, Start};

/// Name of the component in recipes and parameter tables.
pub const NAME: &str = "smear";

/// `[model.smear]`: there is nothing to set.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmearRecipe {}

/// The gate.
pub struct Smear {
    /// `[dim]`
    gate: Tensor,
}

impl Smear {
    pub fn build(_: &SmearRecipe, dim: i64, scope: &mut Scope) -> Result<Smear> {
        Ok(Smear { gate: scope.at("smear", NAME).control("gate", &[dim], Start::Zeros)? })
    }

    /// Mixes `x` `[batch, len, dim]`: `(1 − g) ⊙ x_t + g ⊙ x_{t−1}` with `g = σ(gate)`. `first`, bool `[batch, len]`, marks
    /// the positions without a token before them.
    pub fn forward(&self, x: &Tensor, first: &Tensor) -> Tensor {
        let gate = self.gate.sigmoid().to_kind(x.kind());
        let mixed = (1.0 - &gate) * x + gate * before(x);
        x.where_self(&first.unsqueeze(2), &mixed)
    }
}
