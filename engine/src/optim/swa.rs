//! Stochastic weight averaging (docs/spec/algorithms.md#weight-average): the plain mean of the weights at every k-th step of
//! the warmdown, f32. Records of March 20 add up 24 to 30 of them.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::average::missing;
use crate::model::Gpt;
use crate::{Result, bounds};

/// `[optim.swa]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SwaRecipe {
    /// Weights join while the multiplier of the learning rates is below this.
    pub swa_start_frac: f64,
    /// Steps between two that join.
    pub swa_every: i64,
}

impl Default for SwaRecipe {
    /// Returns the settings of the record with ten layers and an int5 MLP.
    fn default() -> Self {
        SwaRecipe { swa_start_frac: 0.4, swa_every: 50 }
    }
}

impl SwaRecipe {
    pub(super) fn check(&self, path: &str) -> Result<()> {
        bounds::integers(path, &[("swa_every", self.swa_every, 1, 1 << 40)])?;
        bounds::numbers(path, &[("swa_start_frac", self.swa_start_frac, 0.0, 1.0)])
    }
}

/// The sum of the weights that have joined.
pub struct Swa {
    recipe: SwaRecipe,
    names: Vec<String>,
    /// One per parameter, in the model's order.
    sums: Vec<Tensor>,
    /// Weights that have joined.
    count: i64,
}

impl Swa {
    pub fn new(recipe: &SwaRecipe, model: &Gpt) -> Swa {
        let names = model.parameters().iter().map(|(name, _)| name.clone()).collect();
        let sums = model.parameters().iter().map(|(_, t)| t.detach().zeros_like()).collect();
        Swa { recipe: recipe.clone(), names, sums, count: 0 }
    }

    /// Adds the weights after step `step`, counted from 1, whose learning rates were scaled by `lr_scale`.
    pub fn update(&mut self, model: &Gpt, step: i64, lr_scale: f64) {
        if lr_scale >= self.recipe.swa_start_frac || step % self.recipe.swa_every != 0 {
            return;
        }
        self.count += 1;
        tch::no_grad(|| {
            for (sum, (_, weight)) in self.sums.iter_mut().zip(model.parameters()) {
                let _ = sum.g_add_(&weight.detach());
            }
        });
    }

    /// Weights that have joined.
    pub fn count(&self) -> i64 {
        self.count
    }

    /// Returns the mean, in the model's order; `None` where no weights have joined.
    pub fn weights(&self) -> Option<Vec<(String, Tensor)>> {
        let mean = |sum: &Tensor| sum / self.count as f64;
        (self.count > 0).then(|| self.names.iter().cloned().zip(self.sums.iter().map(mean)).collect())
    }

    pub(super) fn state(&self) -> Vec<(String, Tensor)> {
        let sums = self.names.iter().zip(&self.sums).map(|(name, sum)| (format!("swa.{name}"), sum.shallow_clone()));
        sums.chain([("swa_count".to_owned(), Tensor::from_slice(&[self.count]))]).collect()
    }

    pub(super) fn restore(&mut self, get: &mut dyn FnMut(&str) -> Option<Tensor>) -> Result<()> {
        for (name, sum) in self.names.iter().zip(&mut self.sums) {
            let key = format!("swa.{name}");
            let saved = get(&key).ok_or_else(|| missing(&key))?;
            tch::no_grad(|| sum.f_copy_(&saved))?;
        }
        let count = get("swa_count").ok_or_else(|| missing("swa_count"))?;
        self.count = count.to_kind(Kind::Int64).f_int64_value(&[0])?;
        Ok(())
    }
}
