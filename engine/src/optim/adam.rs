//! Adam with decoupled weight decay (spec/algorithms.md §3.2).

use tch::Tensor;

/// Hyperparameters of one step.
#[derive(Debug, Clone, Copy)]
pub struct AdamStep {
    pub lr: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub eps: f64,
    pub weight_decay: f64,
}

/// First and second moments of one tensor.
pub struct Moments {
    m: Tensor,
    v: Tensor,
    /// Steps taken.
    t: i32,
}

impl Moments {
    pub fn new(parameter: &Tensor) -> Moments {
        Moments { m: parameter.zeros_like(), v: parameter.zeros_like(), t: 0 }
    }

    /// The moments and the step count, for a checkpoint.
    pub fn parts(&self) -> (&Tensor, &Tensor, i32) {
        (&self.m, &self.v, self.t)
    }

    /// Moments from a checkpoint.
    pub fn restore(&mut self, m: &Tensor, v: &Tensor, t: i32) {
        self.m.copy_(m);
        self.v.copy_(v);
        self.t = t;
    }

    /// `p ← (1 − η·wd)·p − η·m̂/(√v̂ + ε)`, elementwise, in place.
    pub fn step(&mut self, parameter: &mut Tensor, grad: &Tensor, step: AdamStep) {
        tch::no_grad(|| {
            self.t += 1;
            if step.weight_decay != 0.0 {
                let _ = parameter.g_mul_scalar_(1.0 - step.lr * step.weight_decay);
            }
            let _ = self.m.lerp_(grad, 1.0 - step.beta1);
            let _ = self.v.g_mul_scalar_(step.beta2).g_add_(&(grad.square() * (1.0 - step.beta2)));
            let correction1 = 1.0 - step.beta1.powi(self.t);
            let correction2 = (1.0 - step.beta2.powi(self.t)).sqrt();
            let denominator = (self.v.sqrt() / correction2).g_add_scalar_(step.eps);
            let _ = parameter.g_sub_(&(self.m.divide(&denominator) * (step.lr / correction1)));
        })
    }
}
