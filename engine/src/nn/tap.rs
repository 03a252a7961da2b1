//! Second moments of the inputs of linear layers, for GPTQ (docs/spec/algorithms.md#calibration).

use std::cell::RefCell;
use std::collections::BTreeMap;

use tch::{Kind, Tensor};

use super::scope::Input;

/// Adds up `Σ xᵀx` of every input that a forward pass shows it. Layers that multiply the same input share one sum, and a
/// layer that runs several times, as in depth recurrence, adds to it each time.
#[derive(Default)]
pub struct Tap {
    sums: RefCell<BTreeMap<Input, Tensor>>,
}

impl Tap {
    /// Adds the samples of `x` `[…, in]`.
    pub fn observe(&self, input: Input, x: &Tensor) {
        tch::no_grad(|| {
            let width = x.size().last().copied().unwrap_or(1);
            let x = x.detach().to_kind(Kind::Float).reshape([-1, width]);
            let mut sums = self.sums.borrow_mut();
            let sum = sums.entry(input).or_insert_with(|| Tensor::zeros([width, width], (Kind::Float, x.device())));
            let _ = sum.addmm_(&x.tr(), &x);
        });
    }

    /// Every sum `[in, in]`, divided by `batches`, on the CPU.
    pub fn hessians(self, batches: i64) -> BTreeMap<Input, Tensor> {
        let sums = self.sums.into_inner();
        sums.into_iter().map(|(input, sum)| (input, sum.to_device(tch::Device::Cpu) / batches as f64)).collect()
    }
}
