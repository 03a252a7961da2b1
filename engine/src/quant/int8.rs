//! `int8_clean_per_row_v1`, the baseline's export: symmetric 8-bit integers, outliers clipped at a quantile.

use tch::{Device, Kind, Tensor};

use super::Data;
use crate::Result;

/// Largest magnitude of a quantised value: symmetric, so −128 is not used.
const Q_MAX: f64 = 127.0;

/// libtorch's `quantile` refuses inputs of more elements than this.
const QUANTILE_MAX_NUMEL: i64 = 16 * 1024 * 1024 - 1;

/// One scale a row of `w` f32 `[rows, cols]`.
///
/// The integers come from the f32 scale while its f16 rounding is what is stored, so a weight comes back up to 2⁻¹¹ off
/// the grid it was rounded to. That mismatch is the baseline's; its numbers are matched exactly, so it is kept.
pub(super) fn per_row(w: &Tensor, clip_percentile: f64) -> Result<Data> {
    let clip = row_quantiles(&w.f_abs()?, clip_percentile / 100.0)?;
    // The floor keeps an all-zero row finite; it also makes 1/127 the finest step there is (spec §4.1, gotcha).
    let scale = clip.f_div_scalar(Q_MAX)?.f_clamp_min(1.0 / Q_MAX)?;
    let clip = clip.f_unsqueeze(1)?;
    let clipped = w.f_minimum(&clip)?.f_maximum(&clip.f_neg()?)?;
    let q = to_int8(&clipped.f_div(&scale.f_unsqueeze(1)?)?)?;
    Ok(Data::PerRow { q, scale: scale.f_to_kind(Kind::Half)? })
}

/// One scale for the whole of `w` f32 `[…]`; it stays f32 and has no floor but 1 for a tensor of zeros.
pub(super) fn per_tensor(w: &Tensor, clip_percentile: f64) -> Result<Data> {
    let clip = row_quantiles(&w.f_abs()?.f_reshape([1, -1])?, clip_percentile / 100.0)?;
    let clip = f64::try_from(clip)?;
    let scale = if clip == 0.0 { 1.0 } else { (clip / Q_MAX) as f32 };
    let scale = Tensor::f_full([], f64::from(scale), (Kind::Float, Device::Cpu))?;
    let q = to_int8(&w.f_clamp(-clip, clip)?.f_div(&scale)?)?;
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

fn to_int8(x: &Tensor) -> Result<Tensor> {
    Ok(x.f_round()?.f_clamp(-Q_MAX, Q_MAX)?.f_to_kind(Kind::Int8)?)
}
