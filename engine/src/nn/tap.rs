//! Second moments of the inputs of linear layers, for GPTQ (docs/spec/algorithms.md#calibration).

use std::cell::RefCell;
use std::collections::BTreeMap;

use tch::{Kind, Tensor};

use super::scope::Input;

/// Adds up `Σ xᵀx` of every input that a forward pass shows it. Layers that multiply the same input share one sum, and a
/// layer that runs several times, as in depth recurrence, adds to it each time.
#[derive(Default)]
pub struct Tap {
    sums: RefCell<BTreeMap<Input, (Tensor, i64)>>,
}

impl Tap {
    /// Adds the samples of `x` `[…, in]`.
    pub fn observe(&self, input: Input, x: &Tensor) {
        tch::no_grad(|| {
            let width = x.size().last().copied().unwrap_or(1);
            let x = x.detach().to_kind(Kind::Float).reshape([-1, width]);
            let mut sums = self.sums.borrow_mut();
            let zeros = || (Tensor::zeros([width, width], (Kind::Float, x.device())), 0);
            let (sum, samples) = sums.entry(input).or_insert_with(zeros);
            let _ = sum.addmm_(&x.tr(), &x);
            *samples += x.size()[0];
        });
    }

    /// Every sum `[in, in]`, divided by `batches`, and the root of the mean square of each input `[in]`, on the CPU.
    pub fn moments(self, batches: i64) -> BTreeMap<Input, (Tensor, Tensor)> {
        let moments = |(input, (sum, samples)): (Input, (Tensor, i64))| {
            let sum = sum.to_device(tch::Device::Cpu);
            let rms = (sum.diagonal(0, 0, 1) / samples.max(1) as f64).sqrt();
            (input, (sum / batches as f64, rms))
        };
        self.sums.into_inner().into_iter().map(moments).collect()
    }
}
