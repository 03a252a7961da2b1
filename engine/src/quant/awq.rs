//! AWQ-lite: a finer grid for the columns that matter most (PR #1908; docs/spec/algorithms.md#awq-lite).
//!
//! Columns are taken in groups. A group matters as much as the inputs that it multiplies are large and its weights are: the
//! sum over its columns j of `rms(x_j)·mean_i |W_ij|`. The `awq_lite_group_top_k` groups of the whole model that matter most
//! get `awq_lite_bits` bits inside the same GPTQ pass.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::Observed;
use crate::nn::Param;
use crate::recipe::QuantRecipe;
use crate::{Result, bounds};

/// `[quant.awq]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AwqRecipe {
    /// Bits of the chosen columns.
    pub awq_lite_bits: u8,
    /// Number of groups in the whole model.
    pub awq_lite_group_top_k: i64,
    /// Columns of a group.
    pub awq_lite_group_size: i64,
}

impl Default for AwqRecipe {
    /// Returns PR #1908's settings.
    fn default() -> Self {
        AwqRecipe { awq_lite_bits: 8, awq_lite_group_top_k: 1, awq_lite_group_size: 64 }
    }
}

impl AwqRecipe {
    pub(crate) fn check(&self, path: &str) -> Result<()> {
        bounds::integers(
            path,
            &[
                ("awq_lite_bits", i64::from(self.awq_lite_bits), 3, 8),
                ("awq_lite_group_top_k", self.awq_lite_group_top_k, 1, 1 << 20),
                ("awq_lite_group_size", self.awq_lite_group_size, 1, 65_536),
            ],
        )
    }
}

/// Returns the first columns of the chosen groups by parameter, in rising order.
pub(super) fn choose(
    params: &[Param],
    state: &[(String, Tensor)],
    observed: &Observed,
    recipe: &QuantRecipe,
) -> Result<BTreeMap<String, Vec<i64>>> {
    let Some(awq) = &recipe.awq else { return Ok(BTreeMap::new()) };
    let mut groups: Vec<(f64, &str, i64)> = Vec::new();
    for (param, (name, w)) in params.iter().zip(state) {
        let coarse = recipe.rule(param.class).is_some_and(|rule| rule.gptq && rule.bits < awq.awq_lite_bits);
        let rms = param.input.and_then(|input| observed.rms.get(&input));
        let (true, Some(rms)) = (coarse && param.numel() > recipe.keep_float_max_numel && w.dim() == 2, rms) else {
            continue;
        };
        let w = w.f_detach()?.f_to_device(tch::Device::Cpu)?.f_to_kind(Kind::Float)?;
        let matters = w.f_abs()?.f_mean_dim(Some([0i64].as_slice()), false, Kind::Float)?.f_mul(rms)?;
        let matters = Vec::<f32>::try_from(matters)?;
        let whole = matters.chunks_exact(awq.awq_lite_group_size as usize).enumerate();
        groups.extend(whole.map(|(group, columns)| {
            let sum = columns.iter().map(|&x| f64::from(x)).sum();
            (sum, name.as_str(), group as i64 * awq.awq_lite_group_size)
        }));
    }
    groups.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut chosen: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for (_, name, start) in groups.into_iter().take(awq.awq_lite_group_top_k as usize) {
        chosen.entry(name.to_owned()).or_default().push(start);
    }
    chosen.values_mut().for_each(|starts| starts.sort_unstable());
    Ok(chosen)
}
