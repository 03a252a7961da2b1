//! The average of the weights over steps (docs/spec/algorithms.md#weight-average), which is exported in their place: a running
//! one, here, or the mean of some steps ([`Swa`]).
//!
//! The running average is `e ← δ·e + (1 − δ)·w` after every step, from the initial weights on, without bias correction.

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::OptimRecipe;
use super::swa::Swa;
use crate::checkpoint::StateDict;
use crate::model::Gpt;
use crate::{Error, Result, bounds};

/// The average that a recipe asks for.
pub enum Average {
    Ema(Ema),
    Swa(Swa),
}

impl Average {
    /// Starts the average of `recipe`, where it has one.
    pub fn new(recipe: &OptimRecipe, model: &Gpt) -> Option<Average> {
        let ema = recipe.ema.as_ref().map(|ema| Average::Ema(Ema::new(ema, model)));
        ema.or_else(|| recipe.swa.as_ref().map(|swa| Average::Swa(Swa::new(swa, model))))
    }

    /// Takes in the weights after step `step`, counted from 1, whose learning rates were scaled by `lr_scale`.
    pub fn update(&mut self, model: &Gpt, step: i64, lr_scale: f64) {
        match self {
            Average::Ema(ema) => ema.update(model),
            Average::Swa(swa) => swa.update(model, step, lr_scale),
        }
    }

    /// Returns the averaged weights, in the model's order; `None` where nothing has been averaged.
    pub fn weights(&self) -> Option<StateDict> {
        match self {
            Average::Ema(ema) => {
                Some(ema.weights().iter().map(|(name, t)| (name.clone(), t.shallow_clone())).collect())
            }
            Average::Swa(swa) => swa.weights(),
        }
    }

    /// Returns the log's line about the weights that replace the trained ones.
    pub fn applied(&self) -> String {
        match self {
            Average::Ema(_) => "ema:applying EMA weights".to_owned(),
            Average::Swa(swa) if swa.count() == 0 => {
                "swa:no step came below swa_start_frac, so the last weights are exported".to_owned()
            }
            Average::Swa(swa) => format!("swa:applying averaged {} checkpoints", swa.count()),
        }
    }

    /// Returns the tensors that a checkpoint keeps, with names that cannot collide with parameters.
    pub fn state(&self) -> StateDict {
        match self {
            Average::Ema(ema) => ema.state(),
            Average::Swa(swa) => swa.state(),
        }
    }

    /// Restores the tensors that [`Average::state`] returned.
    pub fn restore(&mut self, mut get: impl FnMut(&str) -> Option<Tensor>) -> Result<()> {
        match self {
            Average::Ema(ema) => ema.restore(get),
            Average::Swa(swa) => swa.restore(&mut get),
        }
    }
}

/// Returns the error of an unfinished training that lacks a tensor of the average.
pub(crate) fn missing(key: &str) -> Error {
    Error::Recipe(format!("the training state has no `{key}`; it belongs to another recipe"))
}

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
            let saved = get(&key).ok_or_else(|| missing(&key))?;
            tch::no_grad(|| average.f_copy_(&saved))?;
        }
        Ok(())
    }
}
