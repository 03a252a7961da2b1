//! Quantization-aware training with a straight-through estimator (docs/spec/algorithms.md#quantization-aware-training).
//!
//! From a fraction of training on, losses and gradients are those of the rounded matrices Q(w), and the optimizer moves w by
//! them as if Q were not there. That equals `w + stopgrad(Q(w) − w)` in every forward pass, and rounds once a step.

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::introw::nearest;
use crate::recipe::{QuantRecipe, RuleRecipe};
use crate::{Error, Result, bounds};

/// `[quant.qat]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QatRecipe {
    /// Fraction of training at which it begins.
    pub qat_start_frac: f64,
    /// Train on a grid of its own, PR #316's: this many bits, the row's largest weight as the largest integer, f32 scales.
    /// Without it training sees the grid of `[quant.matrix]`, bit for bit as the export stores it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qat_bits: Option<u8>,
}

impl Default for QatRecipe {
    /// Returns PR #316's start, on the export's own grid.
    fn default() -> Self {
        QatRecipe { qat_start_frac: 0.1, qat_bits: None }
    }
}

impl QatRecipe {
    pub(crate) fn check(&self, path: &str, quant: &QuantRecipe) -> Result<()> {
        bounds::numbers(path, &[("qat_start_frac", self.qat_start_frac, 0.0, 1.0)])?;
        if let Some(bits) = self.qat_bits {
            return bounds::integers(path, &[("qat_bits", i64::from(bits), 2, 8)]);
        }
        let other = if quant.matrix.gptq {
            "quant.matrix.gptq chooses other integers than the nearest"
        } else if quant.ftle.is_some() {
            "[quant.ftle] gives each row bits of its own at the end"
        } else if quant.matrix.keeps_float() {
            "quant.matrix.bits 16 rounds to no grid"
        } else {
            return Ok(());
        };
        Err(Error::Recipe(format!(
            "[{path}] would train on the grid of quant.matrix, but {other}; give {path}.qat_bits to train on another grid than \
             the export's, or take one of the two out"
        )))
    }

    /// Tells whether the integers of the export are those that training saw.
    pub fn sees_the_export(&self) -> bool {
        self.qat_bits.is_none()
    }

    /// Returns Q(w) of a matrix `w` f32 `[rows, cols]`, whose export follows `rule`.
    pub fn rounded(&self, w: &Tensor, rule: &RuleRecipe) -> Result<Tensor> {
        let _guard = tch::no_grad_guard();
        let w = w.detach();
        let Some(bits) = self.qat_bits.filter(|&bits| bits < 8) else {
            return if self.qat_bits.is_some() { Ok(w) } else { nearest(&w, rule)?.dequantize() };
        };
        let range = ((1i64 << (bits - 1)) - 1) as f64;
        let largest = w.f_abs()?.f_amax([-1i64].as_slice(), true)?.f_clamp_min(1e-8)?;
        let scale = largest.f_div_scalar(range)?;
        Ok(w.f_div(&scale)?.f_round()?.f_clamp(-range, range)?.f_mul(&scale)?)
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;
    use crate::Recipe;
    use crate::nn::Class;
    use crate::quant::{Item, quantize};

    const TOML: &str = "[model]\nlayout = 'A'\n[model.block.A.gqa]\n[model.block.A.mlp]\n[quant.matrix]\nbits = 6\n\
                        row_max = true\n";

    #[test]
    fn training_sees_the_weights_that_the_export_stores_bit_for_bit() {
        let w = (Tensor::arange(24 * 40, (Kind::Float, Device::Cpu)) * 1.7).sin().view([24, 40]) * 0.05;
        for rule in ["row_max = true", "clip_sigmas = 8", "clip_percentile = 99.9"] {
            for bits in [5, 6, 7] {
                let toml = TOML.replace("row_max = true", rule).replace("bits = 6", &format!("bits = {bits}"));
                let quant = Recipe::parse(&toml, &[]).unwrap().quant;
                let seen = QatRecipe::default().rounded(&w, &quant.matrix).unwrap();
                let item = Item { name: "w", class: Class::Matrix, tensor: &w, hessian: None, row_bits: None };
                let stored = quantize(&item, &QuantRecipe { keep_float_max_numel: 0, ..quant }).unwrap();
                assert_eq!(seen, stored.data.dequantize().unwrap(), "{rule}, {bits} bits");
                assert!((seen - &w).abs().max().double_value(&[]) > 0.0);
            }
        }
    }

    #[test]
    fn a_grid_that_the_export_does_not_have_must_be_asked_for() {
        let refused = |sets: &[&str]| {
            let sets: Vec<String> = sets.iter().map(|&s| s.to_owned()).collect();
            Recipe::parse(TOML, &sets).err().map(|e| e.to_string()).unwrap_or_default()
        };
        assert_eq!(refused(&["quant.qat.qat_start_frac=0.2"]), "");
        assert!(refused(&["quant.qat.qat_start_frac=0.2", "quant.matrix.gptq=true"]).contains("other integers"));
        let ftle = ["quant.qat.qat_start_frac=0.2", "quant.ftle.ftle_every=10"];
        assert!(refused(&ftle).contains("bits of its own"));
        assert_eq!(refused(&[ftle[0], ftle[1], "quant.qat.qat_bits=7"]), "");
        assert!(refused(&["quant.qat.qat_bits=9"]).contains("between 2 and 8"));
        assert!(refused(&["quant.embedding.bits=16", "quant.embedding.gptq=true"]).contains("neither scales nor GPTQ"));
        assert!(refused(&["quant.matrix.clip_sigmas=8"]).contains("two ways"));
    }
}
