//! Two residual lanes in the last layers (docs/spec/algorithms.md#residual-lanes): attention and MLP run side by side, each
//! reading one lane and writing both.

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::loops::LoopsRecipe;
use crate::blocks::{LaneWeights, Lanes};
use crate::nn::{Scope, Start};
use crate::{Error, Result};

/// Name of the component in recipes and parameter tables.
pub const NAME: &str = "lanes";

/// `[model.lanes]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LanesRecipe {
    /// First layer with two lanes.
    pub parallel_start_layer: i64,
    pub parallel_final_lane: FinalLane,
}

/// The lane that feeds the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinalLane {
    Mean,
    Mlp,
    Attn,
}

impl Default for LanesRecipe {
    /// Returns PR #1530's settings.
    fn default() -> Self {
        LanesRecipe { parallel_start_layer: 8, parallel_final_lane: FinalLane::Mean }
    }
}

impl LanesRecipe {
    pub(super) fn check(&self, layers: i64, loops: Option<&LoopsRecipe>) -> Result<()> {
        let start = self.parallel_start_layer;
        if start < 0 || start >= layers {
            return Err(Error::Recipe(format!(
                "model.lanes.parallel_start_layer {start} must be one of the {layers} layers"
            )));
        }
        match loops {
            Some(loops) if start <= loops.loop_end => Err(Error::Recipe(format!(
                "model.lanes.parallel_start_layer {start} must come after model.loops.loop_end {}: a layer cannot run with \
                 two lanes and then with one",
                loops.loop_end
            ))),
            _ => Ok(()),
        }
    }
}

/// The lanes' weights, for all layers: upstream keeps rows for layers that do not use them.
pub struct LaneMixer {
    /// `[layers, 2 (attention, MLP), 2 (lane)]`
    post: Tensor,
    /// `[layers, 2 (lane)]`
    resid: Tensor,
    start_layer: usize,
    final_lane: FinalLane,
}

impl LaneMixer {
    pub fn build(r: &LanesRecipe, layers: i64, scope: &mut Scope) -> Result<LaneMixer> {
        let mut scope = scope.at("", NAME);
        Ok(LaneMixer {
            post: scope.control("parallel_post_lambdas", &[layers, 2, 2], Start::Constant(1.0))?,
            resid: scope.control("parallel_resid_lambdas", &[layers, 2], Start::Constant(1.1))?,
            start_layer: r.parallel_start_layer as usize,
            final_lane: r.parallel_final_lane,
        })
    }

    /// Tells whether `layer` has two lanes.
    pub fn covers(&self, layer: usize) -> bool {
        layer >= self.start_layer
    }

    /// The weights of `layer`.
    pub fn weights(&self, layer: usize) -> LaneWeights {
        LaneWeights { post: self.post.get(layer as i64), resid: self.resid.get(layer as i64) }
    }

    /// Returns the input of the head.
    pub fn join(&self, lanes: Lanes) -> Tensor {
        match self.final_lane {
            FinalLane::Mean => (lanes.attn + lanes.mlp) * 0.5,
            FinalLane::Mlp => lanes.mlp,
            FinalLane::Attn => lanes.attn,
        }
    }
}
