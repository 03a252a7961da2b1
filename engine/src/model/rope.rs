//! Normalisation and rotary positions (spec/algorithms.md §2.1, §2.2).

use tch::{Device, Kind, Tensor};

/// Added to the mean square by every RMSNorm: f32's machine epsilon, PyTorch's default when none is given.
pub const RMS_EPS: f64 = 1.192_092_9e-7;

/// `x / sqrt(mean(x²) + ε)` over the last dimension, without a gain.
pub fn rms_norm(x: &Tensor) -> Tensor {
    let last = x.size().last().copied().unwrap_or(1);
    x.rms_norm([last], None::<&Tensor>, RMS_EPS)
}

/// Cosines and sines for positions `0..len`, each `[1, 1, len, dims/2]`.
pub struct Rope {
    cos: Tensor,
    sin: Tensor,
    /// Leading dimensions of each head that rotate; the rest pass through.
    dims: i64,
}

impl Rope {
    /// Angles `position · base^(−2j/dims)`, computed in f32 and stored as `kind`.
    pub fn new(len: i64, dims: i64, base: f64, device: Device, kind: Kind) -> Rope {
        let exponents = Tensor::arange_start_step(0, dims, 2, (Kind::Float, device)) / dims as f64;
        let inv_freq = (Tensor::from(base as f32).to_device(device).pow(&exponents)).reciprocal();
        let angles = Tensor::arange(len, (Kind::Float, device)).outer(&inv_freq).view([1, 1, len, dims / 2]);
        Rope { cos: angles.cos().to_kind(kind), sin: angles.sin().to_kind(kind), dims }
    }

    /// Rotates `x` `[batch, heads, len, head_dim]`, half-split layout: `(x1 cos + x2 sin, −x1 sin + x2 cos)`.
    pub fn apply(&self, x: &Tensor) -> Tensor {
        let half = self.dims / 2;
        let (x1, x2) = (x.narrow(-1, 0, half), x.narrow(-1, half, half));
        let a = &x1 * &self.cos + &x2 * &self.sin;
        let b = &x2 * &self.cos - &x1 * &self.sin;
        let rest = x.size()[3] - self.dims;
        if rest == 0 { Tensor::cat(&[a, b], -1) } else { Tensor::cat(&[a, b, x.narrow(-1, self.dims, rest)], -1) }
    }
}
