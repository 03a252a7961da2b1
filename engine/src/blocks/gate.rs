//! A gate for each head on the output of attention (docs/spec/algorithms.md#attention-gate).
//!
//! Gated attention (arXiv 2505.06708; PR #1736) computes it from the whole input of the block, the sparse gate of PR #1787 from
//! its first dimensions alone: `y_h ← σ(scale·w_h·n[..gate_window])·y_h`, after XSA and before the output matrix.

use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::nn::{Scope, Start};
use crate::{Error, Result, bounds};

/// `[model.block.X.gqa.gate]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GateRecipe {
    /// Leading dimensions of the input that the gate reads; 0 for all of them.
    pub gate_window: i64,
    /// Factor of the gate's argument.
    pub gate_scale: f64,
    /// Standard deviation of the initial weights. At 0 every gate starts half open.
    pub gate_init_std: f64,
}

impl Default for GateRecipe {
    /// Returns PR #1787's settings.
    fn default() -> Self {
        GateRecipe { gate_window: 12, gate_scale: 1.0, gate_init_std: 0.0 }
    }
}

impl GateRecipe {
    pub(super) fn describe(&self) -> &'static str {
        if self.gate_window == 0 { ", gated" } else { ", sparse gate" }
    }

    pub(super) fn check(&self, path: &str, dim: i64) -> Result<()> {
        let path = format!("{path}.gate");
        if self.gate_window > dim {
            return Err(Error::Recipe(format!(
                "{path}.gate_window {} must be at most model_dim {dim}; 0 means all of it",
                self.gate_window
            )));
        }
        bounds::integers(&path, &[("gate_window", self.gate_window, 0, dim)])?;
        bounds::numbers(
            &path,
            &[("gate_scale", self.gate_scale, -1e6, 1e6), ("gate_init_std", self.gate_init_std, 0.0, 1e6)],
        )
    }
}

/// The gate of one attention layer.
pub(super) struct Gate {
    /// `[heads, gate_window]`
    weight: Tensor,
    scale: f64,
}

impl Gate {
    pub fn build(r: &GateRecipe, heads: i64, dim: i64, scope: &mut Scope) -> Result<Gate> {
        let window = if r.gate_window > 0 { r.gate_window } else { dim };
        let start = if r.gate_init_std > 0.0 { Start::Normal(r.gate_init_std) } else { Start::Zeros };
        Ok(Gate { weight: scope.gate("attn_gate_w", &[heads, window], start)?, scale: r.gate_scale })
    }

    /// Opens each head of `y` `[batch, kept, heads, head_dim]` as far as the input `n` `[batch, kept, dim]` says.
    pub fn apply(&self, y: &Tensor, n: &Tensor) -> Tensor {
        let read = n.narrow(2, 0, self.weight.size()[1]);
        let open = read.linear(&self.weight.to_kind(n.kind()), None::<&Tensor>);
        y * (open * self.scale).sigmoid().unsqueeze(3)
    }
}
