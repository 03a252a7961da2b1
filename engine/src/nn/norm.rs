//! Root-mean-square normalization (docs/spec/algorithms.md#rmsnorm).

use tch::Tensor;

/// Added to the mean square: f32's machine epsilon, PyTorch's default when none is given.
pub const RMS_EPS: f64 = 1.192_092_9e-7;

/// Computes `x / sqrt(mean(x²) + ε)` over the last dimension, without a gain.
pub fn rms_norm(x: &Tensor) -> Tensor {
    let last = x.size().last().copied().unwrap_or(1);
    x.rms_norm([last], None::<&Tensor>, RMS_EPS)
}
