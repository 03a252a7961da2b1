//! Depth recurrence (docs/spec/algorithms.md#depth-recurrence): some layers run several times, from a fraction of training on.

use serde::{Deserialize, Serialize};

use crate::bounds;
use crate::{Error, Result};

/// `[model.loops]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoopsRecipe {
    /// Extra passes over the layers `loop_start..=loop_end`.
    pub num_loops: i64,
    pub loop_start: i64,
    pub loop_end: i64,
    /// Fraction of training at which the extra passes begin.
    pub enable_looping_at: f64,
}

impl Default for LoopsRecipe {
    /// Returns PR #1530's settings.
    fn default() -> Self {
        LoopsRecipe { num_loops: 2, loop_start: 3, loop_end: 5, enable_looping_at: 0.35 }
    }
}

impl LoopsRecipe {
    pub(super) fn check(&self, layers: i64) -> Result<()> {
        let path = "model.loops";
        bounds::integers(path, &[("num_loops", self.num_loops, 1, 64)])?;
        bounds::numbers(path, &[("enable_looping_at", self.enable_looping_at, 0.0, 1.0)])?;
        if self.loop_start < 0 || self.loop_end < self.loop_start || self.loop_end >= layers {
            return Err(Error::Recipe(format!(
                "{path}.loop_start {} and loop_end {} must lie within the {layers} layers",
                self.loop_start, self.loop_end
            )));
        }
        Ok(())
    }

    /// The physical layers in the order in which they run.
    pub(super) fn order(&self, layers: usize) -> Vec<usize> {
        let (start, end) = (self.loop_start as usize, self.loop_end as usize);
        let repeated = (0..=self.num_loops).flat_map(|_| start..=end);
        (0..start).chain(repeated).chain(end + 1..layers).collect()
    }
}
