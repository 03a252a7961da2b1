//! Bits for each row by its sensitivity (docs/spec/algorithms.md#bits-by-row), PR #316's: rows whose gradients were large in
//! training get up to eight bits, the others down to four. The pull request found it worse than the same bits for all, and
//! the export's log says by how much, so that the finding can be repeated.
//!
//! The name is the pull request's, after the finite-time Lyapunov exponent; what is measured is the mean norm of a row's
//! gradient.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::checkpoint::StateDict;
use crate::model::Gpt;
use crate::optim::average::missing;
use crate::recipe::QuantRecipe;
use crate::{Error, Result, bounds};

/// `[quant.ftle]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FtleRecipe {
    /// Steps between two measurements of the gradients; the first is at step 0.
    pub ftle_every: i64,
    /// Mean bits of a row to try, in order. The first with which model and code fit is taken, or else the last.
    pub target_bits: Vec<f64>,
    /// Bytes that model and code may have together.
    pub max_total_bytes: u64,
}

impl Default for FtleRecipe {
    /// Returns PR #316's settings.
    fn default() -> Self {
        FtleRecipe {
            ftle_every: 100,
            target_bits: vec![8.0, 7.5, 7.0, 6.5, 6.0, 5.5, 5.0],
            max_total_bytes: 16_000_000,
        }
    }
}

/// Fewest and most bits of a row.
const BITS: (f64, f64) = (4.0, 8.0);

impl FtleRecipe {
    pub(crate) fn check(&self, path: &str, quant: &QuantRecipe) -> Result<()> {
        bounds::integers(path, &[("ftle_every", self.ftle_every, 1, 1 << 40)])?;
        for &target in &self.target_bits {
            bounds::numbers(path, &[("target_bits", target, BITS.0, BITS.1)])?;
        }
        if self.target_bits.is_empty() {
            return Err(Error::Recipe(format!("{path}.target_bits is empty; give at least one, for example [6.0]")));
        }
        if quant.matrix.gptq || quant.matrix.keeps_float() {
            return Err(Error::Recipe(format!(
                "[{path}] rounds the matrices to nearest with bits of each row's own; set quant.matrix.gptq = false and \
                 quant.matrix.bits to at most 8"
            )));
        }
        Ok(())
    }
}

/// Norms of the gradients' rows, added up over the measured steps.
pub struct Sensitivity {
    every: i64,
    /// By the name of a parameter with two dimensions: f32 `[rows]`.
    sums: BTreeMap<String, Tensor>,
    /// Measured steps.
    count: i64,
}

impl Sensitivity {
    pub fn new(recipe: &FtleRecipe) -> Sensitivity {
        Sensitivity { every: recipe.ftle_every, sums: BTreeMap::new(), count: 0 }
    }

    /// Takes in the gradients of step `step`, in the order of the model's parameters and before they are clipped.
    pub fn observe(&mut self, model: &Gpt, grads: &[Tensor], step: i64) {
        if step % self.every != 0 {
            return;
        }
        self.count += 1;
        tch::no_grad(|| {
            for ((name, parameter), grad) in model.parameters().iter().zip(grads) {
                if parameter.dim() != 2 || !grad.defined() {
                    continue;
                }
                let norms = grad.detach().to_kind(Kind::Float).norm_scalaropt_dim(2.0, [-1i64].as_slice(), false);
                let sum = self.sums.remove(name).map_or_else(|| norms.shallow_clone(), |sum| sum + &norms);
                self.sums.insert(name.clone(), sum);
            }
        });
    }

    /// Measured steps.
    pub fn count(&self) -> i64 {
        self.count
    }

    /// Returns the mean norms by parameter, f32 `[rows]`, on the CPU.
    pub fn scores(&self) -> StateDict {
        let mean = |sum: &Tensor| (sum / self.count.max(1) as f64).to_device(tch::Device::Cpu);
        self.sums.iter().map(|(name, sum)| (name.clone(), mean(sum))).collect()
    }

    /// Returns the tensors that a checkpoint keeps, with names that cannot collide with parameters.
    pub fn state(&self) -> StateDict {
        let sums = self.sums.iter().map(|(name, sum)| (format!("ftle.{name}"), sum.shallow_clone()));
        sums.chain([("ftle_count".to_owned(), Tensor::from_slice(&[self.count]))]).collect()
    }

    /// Restores the tensors that [`Sensitivity::state`] returned, for the parameters of `model`.
    pub fn restore(&mut self, model: &Gpt, get: impl Fn(&str) -> Option<Tensor>) -> Result<()> {
        let of = |name: &String| Some((name.clone(), get(&format!("ftle.{name}"))?.to_device(model.device())));
        self.sums = model.parameters().iter().filter_map(|(name, _)| of(name)).collect();
        self.count = get("ftle_count").ok_or_else(|| missing("ftle_count"))?.f_int64_value(&[0])?;
        Ok(())
    }
}

/// Returns the bits of each row, f32 whole numbers `[rows]`, for `scores` f32 `[rows]` and a mean of `target` bits.
///
/// Scores are spread over four to eight bits, all are shifted so that their mean is the target, and then cut off at both ends
/// and rounded, halves to even; the mean of what comes out is no longer quite the target.
pub fn bits_by_row(scores: &Tensor, target: f64) -> Result<Tensor> {
    let scores = scores.f_to_kind(Kind::Float)?;
    let (low, high) = (scores.f_min()?, scores.f_max()?);
    let spread = f64::try_from(high.f_sub(&low)?)?;
    let share = if spread > 0.0 { scores.f_sub(&low)?.f_div(&high.f_sub(&low)?)? } else { scores.f_ones_like()? };
    let bits = share.f_mul_scalar(BITS.1 - BITS.0)?.f_add_scalar(BITS.0)?;
    let shift = target - f64::try_from(bits.f_mean(Kind::Float)?)?;
    Ok(bits.f_add_scalar(shift)?.f_clamp(BITS.0, BITS.1)?.f_round()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_with_larger_gradients_get_more_bits() {
        let scores = Tensor::from_slice(&[0.1f32, 0.2, 0.3, 0.4, 0.5]);
        let bits = |target| Vec::<f32>::try_from(bits_by_row(&scores, target).unwrap()).unwrap();
        assert_eq!(bits(6.0), [4.0, 5.0, 6.0, 7.0, 8.0]);
        assert_eq!(bits(5.0), [4.0, 4.0, 5.0, 6.0, 7.0]);
        let equal = bits_by_row(&Tensor::from_slice(&[0.3f32; 3]), 6.0).unwrap();
        assert_eq!(Vec::<f32>::try_from(equal).unwrap(), [6.0; 3]);
    }
}
