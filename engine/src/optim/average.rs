//! Exponential moving average of the weights (docs/spec/algorithms.md#weight-average): `e ← δ·e + (1 − δ)·w` after every
//! step, from the initial weights on, without bias correction. The average is what is exported.

use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::model::Gpt;
use crate::{Error, Result, bounds};

/// `[optim.ema]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EmaRecipe {
    /// δ. For runs of n steps with n far below 1/(1−δ) the average is mostly the initial weights.
    pub ema_decay: f64,
}

impl Default for EmaRecipe {
    /// Returns PR #1530's settings.
    fn default() -> Self {
        EmaRecipe { ema_decay: 0.9965 }
    }
}

impl EmaRecipe {
    pub(super) fn check(&self, path: &str) -> Result<()> {
        bounds::numbers(path, &[("ema_decay", self.ema_decay, 0.0, bounds::BELOW_ONE)])
    }
}

/// The average of every parameter of a model, f32, in its order.
pub struct Ema {
    decay: f64,
    average: Vec<(String, Tensor)>,
}

impl Ema {
    /// Starts at the model's weights.
    pub fn new(recipe: &EmaRecipe, model: &Gpt) -> Ema {
        let average = model.parameters().iter().map(|(name, t)| (name.clone(), t.detach().copy())).collect();
        Ema { decay: recipe.ema_decay, average }
    }

    /// Adds the weights after a step to the average.
    pub fn update(&mut self, model: &Gpt) {
        tch::no_grad(|| {
            for ((_, average), (_, weight)) in self.average.iter_mut().zip(model.parameters()) {
                let _ = average.g_mul_scalar_(self.decay).g_add_(&(weight.detach() * (1.0 - self.decay)));
            }
        });
    }

    /// The averaged weights, in the model's order.
    pub fn weights(&self) -> &[(String, Tensor)] {
        &self.average
    }

    /// Returns the tensors that a checkpoint keeps, with names that cannot collide with parameters.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        self.average.iter().map(|(name, t)| (format!("ema.{name}"), t.shallow_clone())).collect()
    }

    /// Restores the tensors that [`Ema::state`] returned.
    pub fn restore(&mut self, mut get: impl FnMut(&str) -> Option<Tensor>) -> Result<()> {
        for (name, average) in &mut self.average {
            let key = format!("ema.{name}");
            let saved = get(&key).ok_or_else(|| {
                Error::Recipe(format!("the training state has no `{key}`; it belongs to another recipe"))
            })?;
            tch::no_grad(|| average.f_copy_(&saved))?;
        }
        Ok(())
    }
}
