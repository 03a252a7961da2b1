//! LQER: a low-rank correction of the error that rounding leaves (arXiv 2402.02446; PR #1797; docs/spec/algorithms.md#lqer).
//!
//! The `lqer_top_k` matrices with the largest error E = W − Q(W), by its Frobenius norm, get the best approximation of rank r,
//! E ≈ A B with A = U S and B = Vᵀ of E's singular values. A has two bits and one scale, B four bits and a scale for each
//! group: both reach one further below zero than above it.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::{Data, QuantizedTensor, parts};
use crate::{Result, bounds};

/// `[quant.lqer]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LqerRecipe {
    pub lqer_rank: i64,
    /// Number of matrices that are corrected.
    pub lqer_top_k: i64,
    /// Values of B that share a scale; a row of B where it does not divide all of them.
    pub lqer_asym_group: i64,
}

impl Default for LqerRecipe {
    /// Returns PR #1797's settings.
    fn default() -> Self {
        LqerRecipe { lqer_rank: 4, lqer_top_k: 3, lqer_asym_group: 64 }
    }
}

/// Bits that B's integers are stored with: −8 needs one more than 7.
const B_BITS: u8 = 5;

impl LqerRecipe {
    pub(crate) fn check(&self, path: &str) -> Result<()> {
        bounds::integers(
            path,
            &[
                ("lqer_rank", self.lqer_rank, 1, 4096),
                ("lqer_top_k", self.lqer_top_k, 1, 4096),
                ("lqer_asym_group", self.lqer_asym_group, 1, 1 << 20),
            ],
        )
    }

    /// Values of B that share a scale in a matrix of `cols` columns.
    fn group(&self, rank: i64, cols: i64) -> i64 {
        if rank * cols % self.lqer_asym_group == 0 { self.lqer_asym_group } else { cols }
    }

    /// Bytes that the correction of a matrix `[rows, cols]` has at two and four bits a value, with its scales.
    pub fn bytes(&self, rows: i64, cols: i64) -> u64 {
        let rank = self.lqer_rank.min(rows).min(cols);
        let scales = rank * cols / self.group(rank, cols);
        (rank * rows / 4 + rank * cols / 2 + 2 * scales + 4) as u64
    }
}

/// Returns the corrections of the matrices with the largest errors. `errors` lists what can be corrected, by name, and
/// computes W − Q(W).
pub(super) fn correct(
    names: &[String],
    error: impl Fn(usize) -> Result<Tensor>,
    r: &LqerRecipe,
) -> Result<Vec<QuantizedTensor>> {
    let mut norms: Vec<(usize, f64)> = Vec::new();
    for index in 0..names.len() {
        norms.push((index, f64::try_from(error(index)?.f_norm()?)?));
    }
    norms.sort_by(|a, b| b.1.total_cmp(&a.1));
    let mut found = Vec::new();
    for (index, _) in norms.into_iter().take(r.lqer_top_k as usize).filter(|(_, norm)| *norm > 0.0) {
        found.extend(parts::factors(&names[index], factors(&error(index)?, r)?));
    }
    Ok(found)
}

/// Approximates `e` f32 `[rows, cols]` by rounded factors.
fn factors(e: &Tensor, r: &LqerRecipe) -> Result<[Data; 2]> {
    let (u, s, v) = e.f_svd(true, true)?;
    let rank = r.lqer_rank.min(s.size1()?);
    let s = s.f_narrow(0, 0, rank)?;
    let (a, b) = (u.f_narrow(1, 0, rank)?.f_mul(&s)?, v.f_narrow(1, 0, rank)?.f_tr()?.f_contiguous()?);
    let groups = b.f_reshape([-1, r.group(rank, e.size2()?.1)])?;

    let scale = |largest: Tensor, levels: f64| -> Result<Tensor> {
        Ok(largest.f_clamp_min(1e-10)?.f_div_scalar(levels)?.f_to_kind(Kind::Half)?)
    };
    let rounded = |values: &Tensor, scale: &Tensor, low: i64, high: i64| -> Result<Tensor> {
        let q = values.f_div(&scale.f_to_kind(Kind::Float)?)?.f_round()?;
        Ok(q.f_clamp(low, high)?.f_to_kind(Kind::Int8)?)
    };
    let a_scale = scale(a.f_abs()?.f_max()?, 1.5)?;
    let b_scale = scale(groups.f_abs()?.f_amax([1i64].as_slice(), false)?, 7.5)?;
    let a = Data::PerTensor { q: rounded(&a, &a_scale, -2, 1)?, scale: a_scale.f_to_kind(Kind::Float)? };
    let q = rounded(&groups, &b_scale.f_unsqueeze(1)?, -8, 7)?;
    Ok([a, Data::IntRow { bits: B_BITS, q, scale: b_scale }])
}
