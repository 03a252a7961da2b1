//! `x Wᵀ`, without a bias.

use tch::Tensor;

/// A matrix `[out, in]`.
pub struct Linear {
    weight: Tensor,
}

impl Linear {
    pub(super) fn new(weight: Tensor) -> Linear {
        Linear { weight }
    }

    /// Maps `x` `[…, in]` to `[…, out]`, in the precision of `x`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        x.linear(&self.weight.to_kind(x.kind()), None::<&Tensor>)
    }
}
