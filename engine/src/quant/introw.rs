//! Symmetric integers with one scale per row, and the three ways to choose it (docs/spec/algorithms.md#integer-rows).

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
    /// Chooses the scales for `w` f32 `[rows, cols]`, whose rows have the largest integers `ranges` f32 `[rows]`.
    pub fn of(w: &Tensor, rule: &RuleRecipe, ranges: &Tensor) -> Result<Scales> {
        let extent = match rule.clip_sigmas {
            // SDClip: k standard deviations (unbiased) of the row are the largest integer.
            Some(sigmas) => Some(w.f_std_dim(Some([1i64].as_slice()), true, false)?.f_mul_scalar(sigmas)?),
            None if rule.row_max => Some(w.f_abs()?.f_amax([1i64].as_slice(), false)?),
            None => None,
        };
        if let Some(extent) = extent {
            let scale = extent.f_div(ranges)?.f_clamp_min(SMALLEST_F16)?;
            let stored = scale.f_to_kind(Kind::Half)?;
            return Ok(Scales { rounding: stored.f_to_kind(Kind::Float)?, stored, clip: None });
        }
        let percentile = rule.clip_percentile.unwrap_or(100.0);
        let clip = row_quantiles(&w.f_abs()?, percentile / 100.0)?;
        // The floor keeps an all-zero row finite; it also makes 1/R the finest step (docs/spec/algorithms.md#integer-rows).
        let scale = clip.f_div(ranges)?.f_maximum(&ranges.f_reciprocal()?)?;
        // The integers come from the f32 scale while its f16 rounding is what is stored, so a weight comes back up to 2⁻¹¹
        // off the grid it was rounded to. That mismatch is the baseline's; its numbers are matched exactly, so it is kept.
        Ok(Scales { stored: scale.f_to_kind(Kind::Half)?, rounding: scale, clip: Some(clip) })
    }
}

/// Returns the largest integer of `rule` for each row of `w`, f32 `[rows]`.
pub(super) fn uniform(w: &Tensor, rule: &RuleRecipe) -> Result<Tensor> {
    Ok(Tensor::f_full([w.size()[0]], rule.range() as f64, (Kind::Float, w.device()))?)
}

/// Rounds `w` f32 `[rows, cols]` to the nearest integers of the rule's bits.
pub(super) fn nearest(w: &Tensor, rule: &RuleRecipe) -> Result<Data> {
    round(w, rule, rule.bits, &uniform(w, rule)?)
}

/// Rounds `w` f32 `[rows, cols]` to the nearest integers of `bits` f32 `[rows]` bits; what is stored is as wide as the widest row.
pub(super) fn nearest_by_row(w: &Tensor, rule: &RuleRecipe, bits: &Tensor) -> Result<Data> {
    let ranges = bits.f_sub_scalar(1.0)?.f_exp2()?.f_sub_scalar(1.0)?;
    round(w, rule, f64::try_from(bits.f_max()?)? as u8, &ranges)
}

fn round(w: &Tensor, rule: &RuleRecipe, bits: u8, ranges: &Tensor) -> Result<Data> {
    let scales = Scales::of(w, rule, ranges)?;
    let clipped = match &scales.clip {
        None => w.shallow_clone(),
        Some(clip) => {
            let clip = clip.f_unsqueeze(1)?;
            w.f_minimum(&clip)?.f_maximum(&clip.f_neg()?)?
        }
    };
    let ranges = ranges.f_unsqueeze(1)?;
    let q =
        clipped.f_div(&scales.rounding.f_unsqueeze(1)?)?.f_round()?.f_minimum(&ranges)?.f_maximum(&ranges.f_neg()?)?;
    Ok(Data::IntRow { bits, q: q.f_to_kind(Kind::Int8)?, scale: scales.stored })
}

/// Chooses one scale for the whole of `w` f32 `[…]`, which is not a matrix; it stays f32 and has no floor but 1 for a
/// tensor of zeros.
pub(super) fn per_tensor(w: &Tensor, rule: &RuleRecipe) -> Result<Data> {
    let clip = row_quantiles(&w.f_abs()?.f_reshape([1, -1])?, rule.clip_percentile.unwrap_or(100.0) / 100.0)?;
    let clip = f64::try_from(clip)?;
    let scale = if clip == 0.0 { 1.0 } else { (clip / rule.range() as f64) as f32 };
    let scale = Tensor::f_full([], f64::from(scale), (Kind::Float, Device::Cpu))?;
    let range = rule.range() as f64;
    let q = w.f_clamp(-clip, clip)?.f_div(&scale)?.f_round()?.f_clamp(-range, range)?.f_to_kind(Kind::Int8)?;
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
