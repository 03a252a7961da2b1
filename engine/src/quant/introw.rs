//! Symmetric integers with one scale per row, and the two ways to choose it (docs/spec/algorithms.md#integer-rows).

use tch::{Device, Kind, Tensor};

use super::Data;
use crate::Result;
use crate::recipe::RuleRecipe;

/// libtorch's `quantile` refuses inputs of more elements than this.
const QUANTILE_MAX_NUMEL: i64 = 16 * 1024 * 1024 - 1;

/// Smallest scale that f16 holds: a row of zeros would otherwise be divided by zero.
const SMALLEST_F16: f64 = 1.0 / (1 << 24) as f64;

/// The scales of the rows of a matrix.
pub(super) struct Scales {
    /// The scale with which integers are rounded, f32 `[rows]`.
    pub rounding: Tensor,
    /// The scale that is stored, f16 `[rows]`.
    pub stored: Tensor,
    /// The bound at which the weights are clipped before they are divided, `[rows]`.
    clip: Option<Tensor>,
}

impl Scales {
    /// Chooses the scales for `w` f32 `[rows, cols]`.
    pub fn of(w: &Tensor, rule: &RuleRecipe) -> Result<Scales> {
        let range = rule.range() as f64;
        if let Some(sigmas) = rule.clip_sigmas {
            // SDClip: k standard deviations (unbiased) of the row are the largest integer.
            let std = w.f_std_dim(Some([1i64].as_slice()), true, false)?;
            let scale = std.f_mul_scalar(sigmas)?.f_div_scalar(range)?.f_clamp_min(SMALLEST_F16)?;
            let stored = scale.f_to_kind(Kind::Half)?;
            return Ok(Scales { rounding: stored.f_to_kind(Kind::Float)?, stored, clip: None });
        }
        let percentile = rule.clip_percentile.unwrap_or(100.0);
        let clip = row_quantiles(&w.f_abs()?, percentile / 100.0)?;
        // The floor keeps an all-zero row finite; it also makes 1/R the finest step (docs/spec/algorithms.md#integer-rows).
        let scale = clip.f_div_scalar(range)?.f_clamp_min(1.0 / range)?;
        // The integers come from the f32 scale while its f16 rounding is what is stored, so a weight comes back up to 2⁻¹¹
        // off the grid it was rounded to. That mismatch is the baseline's; its numbers are matched exactly, so it is kept.
        Ok(Scales { stored: scale.f_to_kind(Kind::Half)?, rounding: scale, clip: Some(clip) })
    }
}

/// Rounds `w` f32 `[rows, cols]` to the nearest integers.
pub(super) fn nearest(w: &Tensor, rule: &RuleRecipe) -> Result<Data> {
    let scales = Scales::of(w, rule)?;
    let clipped = match &scales.clip {
        None => w.shallow_clone(),
        Some(clip) => {
            let clip = clip.f_unsqueeze(1)?;
            w.f_minimum(&clip)?.f_maximum(&clip.f_neg()?)?
        }
    };
    let q = to_integers(&clipped.f_div(&scales.rounding.f_unsqueeze(1)?)?, rule.range())?;
    Ok(Data::IntRow { bits: rule.bits, q, scale: scales.stored })
}

/// Chooses one scale for the whole of `w` f32 `[…]`, which is not a matrix; it stays f32 and has no floor but 1 for a
/// tensor of zeros.
pub(super) fn per_tensor(w: &Tensor, rule: &RuleRecipe) -> Result<Data> {
    let clip = row_quantiles(&w.f_abs()?.f_reshape([1, -1])?, rule.clip_percentile.unwrap_or(100.0) / 100.0)?;
    let clip = f64::try_from(clip)?;
    let scale = if clip == 0.0 { 1.0 } else { (clip / rule.range() as f64) as f32 };
    let scale = Tensor::f_full([], f64::from(scale), (Kind::Float, Device::Cpu))?;
    let q = to_integers(&w.f_clamp(-clip, clip)?.f_div(&scale)?, rule.range())?;
    Ok(Data::PerTensor { q, scale })
}

/// The `p`-quantile of each row, linear interpolation, in f32: `[rows, cols]` to `[rows]`.
fn row_quantiles(magnitudes: &Tensor, p: f64) -> Result<Tensor> {
    let (rows, cols) = magnitudes.size2()?;
    let block = (QUANTILE_MAX_NUMEL / cols.max(1)).max(1);
    let quantiles: Vec<Tensor> = (0..rows)
        .step_by(block as usize)
        .map(|row| magnitudes.f_narrow(0, row, block.min(rows - row))?.f_quantile_scalar(p, 1, false, "linear"))
        .collect::<std::result::Result<_, _>>()?;
    Ok(Tensor::f_cat(&quantiles, 0)?)
}

fn to_integers(x: &Tensor, range: i64) -> Result<Tensor> {
    Ok(x.f_round()?.f_clamp(-(range as f64), range as f64)?.f_to_kind(Kind::Int8)?)
}
