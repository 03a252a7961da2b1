//! SmearGate (docs/spec/algorithms.md#smear-gate): each position takes a learned share of the token before it.
//!
//! There are two of them. That of the records of March 20 before PR #316 has one share for each dimension and mixes the
//! normalized embedding. That of PR #1667, `gate_window` above 0, computes the share from the position's own first dimensions
//! and adds to the embedding before it is normalized.
//!
//! A position without a token before it in its document stays as it is. Upstream's first gates look back over the boundary,
//! so that the last token of one document reaches the next (the fault that PR #1851 mended).

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::bigram::before;
use crate::data::BOS_ID;
use crate::nn::{Scope, Start};
use crate::{Error, Result, bounds};

/// Name of the component in recipes and parameter tables.
pub const NAME: &str = "smear";

/// `[model.smear]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SmearRecipe {
    /// Leading dimensions that the share is computed from, as in PR #1667; 0 for one learned share a dimension.
    #[serde(skip_serializing_if = "bounds::is_zero")]
    pub gate_window: i64,
}

impl SmearRecipe {
    pub(super) fn check(&self, dim: i64) -> Result<()> {
        if (0..=dim).contains(&self.gate_window) {
            return Ok(());
        }
        Err(Error::Recipe(format!("model.smear.gate_window {} must be within 0 and model_dim {dim}", self.gate_window)))
    }
}

/// The gate.
pub enum Smear {
    /// One share for each dimension: `[dim]`.
    Learned(Tensor),
    /// A share for each position.
    Computed {
        /// `[1, gate_window]`
        weight: Tensor,
        /// `[1]`
        lambda: Tensor,
    },
}

impl Smear {
    pub fn build(r: &SmearRecipe, dim: i64, scope: &mut Scope) -> Result<Smear> {
        if r.gate_window == 0 {
            return Ok(Smear::Learned(scope.at("smear", NAME).control("gate", &[dim], Start::Zeros)?));
        }
        let mut scope = scope.at("", NAME);
        Ok(Smear::Computed {
            lambda: scope.control("smear_lambda", &[1], Start::Zeros)?,
            weight: scope.control("smear_gate.weight", &[1, r.gate_window], Start::Zeros)?,
        })
    }

    /// Adds to the embedding `x` `[batch, len, dim]` of `ids` before it is normalized: `x_t + λ·σ(w·x_t[..window])·x_{t−1}`,
    /// except at a BOS and at the start of a row.
    pub fn before_norm(&self, x: Tensor, ids: &Tensor) -> Tensor {
        let Smear::Computed { weight, lambda } = self else { return x };
        let (len, kind) = (x.size()[1], x.kind());
        let head = x.narrow(2, 0, weight.size()[1]);
        let share = head.linear(&weight.to_kind(kind), None::<&Tensor>).sigmoid() * lambda.to_kind(kind);
        let continues = ids.ne(i64::from(BOS_ID)).to_kind(kind).unsqueeze(2);
        let earlier = share * before(&x) * continues;
        Tensor::cat(&[x.narrow(1, 0, 1), x.narrow(1, 1, len - 1) + earlier.narrow(1, 1, len - 1)], 1)
    }

    /// Mixes the normalized `x` `[batch, len, dim]`: `(1 − g) ⊙ x_t + g ⊙ x_{t−1}` with `g = σ(gate)`. `first`, bool `[batch,
    /// len]`, marks the positions without a token before them.
    pub fn after_norm(&self, x: Tensor, first: &Tensor) -> Tensor {
        let Smear::Learned(gate) = self else { return x };
        let gate = gate.sigmoid().to_kind(x.kind());
        let mixed = (1.0 - &gate) * &x + gate * before(&x);
        x.where_self(&first.unsqueeze(2), &mixed)
    }
}
