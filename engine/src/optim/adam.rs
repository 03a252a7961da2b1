//! Adam with decoupled weight decay (docs/spec/algorithms.md#adam).

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::Member;
use crate::nn::Group;
use crate::{Result, bounds};

/// `[optim.adam]`: embeddings, heads, and every parameter that is not a matrix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamRecipe {
    pub scalar_lr: f64,
    /// Learning rate of the token embedding when it is tied to the head.
    pub tied_embed_lr: f64,
    /// Learning rate of the token embedding when the head is separate.
    pub embed_lr: f64,
    pub head_lr: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub adam_eps: f64,
    /// Weight decay of the embedding.
    pub embed_wd: f64,
    /// Weight decay of the scalars.
    pub adam_wd: f64,
}

impl Default for AdamRecipe {
    /// Returns NaiveBaseline's settings.
    fn default() -> Self {
        AdamRecipe {
            scalar_lr: 0.04,
            tied_embed_lr: 0.05,
            embed_lr: 0.6,
            head_lr: 0.008,
            beta1: 0.9,
            beta2: 0.95,
            adam_eps: 1e-8,
            embed_wd: 0.0,
            adam_wd: 0.0,
        }
    }
}

impl AdamRecipe {
    pub(super) fn check(&self, path: &str) -> Result<()> {
        const FAST: f64 = f64::MAX;
        bounds::numbers(
            path,
            &[
                ("scalar_lr", self.scalar_lr, 0.0, FAST),
                ("tied_embed_lr", self.tied_embed_lr, 0.0, FAST),
                ("embed_lr", self.embed_lr, 0.0, FAST),
                ("head_lr", self.head_lr, 0.0, FAST),
                ("beta1", self.beta1, 0.0, bounds::BELOW_ONE),
                ("beta2", self.beta2, 0.0, bounds::BELOW_ONE),
                ("adam_eps", self.adam_eps, 0.0, 1.0),
                ("embed_wd", self.embed_wd, 0.0, FAST),
                ("adam_wd", self.adam_wd, 0.0, FAST),
            ],
        )
    }
}

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
    /// `None` until it is needed: without β1 the first moment is the gradient.
    m: Option<Tensor>,
    v: Tensor,
    /// Steps taken.
    t: i32,
}

impl Moments {
    pub fn new(parameter: &Tensor) -> Moments {
        Moments { m: None, v: parameter.zeros_like(), t: 0 }
    }

    /// Takes a step elementwise, in place: `p ← (1 − η·wd)·p − η·m̂/(√v̂ + ε)`.
    pub fn step(&mut self, parameter: &mut Tensor, grad: &Tensor, step: AdamStep) {
        tch::no_grad(|| {
            self.t += 1;
            if step.weight_decay != 0.0 {
                let _ = parameter.g_mul_scalar_(1.0 - step.lr * step.weight_decay);
            }
            let _ = self.v.g_mul_scalar_(step.beta2).g_add_(&(grad.square() * (1.0 - step.beta2)));
            let correction1 = 1.0 - step.beta1.powi(self.t);
            let correction2 = (1.0 - step.beta2.powi(self.t)).sqrt();
            let denominator = (self.v.sqrt() / correction2).g_add_scalar_(step.eps);
            let update = if step.beta1 == 0.0 {
                grad.divide(&denominator)
            } else {
                let m = self.m.get_or_insert_with(|| grad.zeros_like());
                let _ = m.lerp_(grad, 1.0 - step.beta1);
                m.divide(&denominator)
            };
            let _ = parameter.g_sub_(&(update * (step.lr / correction1)));
        })
    }
}

/// Adam over a list of parameters.
pub struct Adam {
    recipe: AdamRecipe,
    /// Learning rate of the embedding: it differs when the head is tied.
    embedding_lr: f64,
    members: Vec<(Member, Moments)>,
}

impl Adam {
    pub(super) fn of(recipe: &AdamRecipe, tied: bool, members: Vec<Member>) -> Adam {
        let with_moments = |member: Member| {
            let moments = Moments::new(&member.parameter);
            (member, moments)
        };
        Adam {
            embedding_lr: if tied { recipe.tied_embed_lr } else { recipe.embed_lr },
            recipe: recipe.clone(),
            members: members.into_iter().map(with_moments).collect(),
        }
    }

    pub(super) fn step_members(&mut self, grads: &[Tensor], lr_scale: f64) {
        let r = &self.recipe;
        for (member, moments) in &mut self.members {
            let (lr, weight_decay) = match member.group {
                Group::Embedding => (self.embedding_lr, r.embed_wd),
                Group::Head => (r.head_lr, 0.0),
                Group::Scalar | Group::Matrix => (r.scalar_lr, r.adam_wd),
            };
            let step = AdamStep { lr: lr * lr_scale, beta1: r.beta1, beta2: r.beta2, eps: r.adam_eps, weight_decay };
            let grad = &grads[member.index];
            if grad.defined() {
                moments.step(&mut member.parameter, grad, step);
            }
        }
    }

    pub(super) fn state(&self) -> Vec<(String, Tensor)> {
        let parts = |(i, (_, moments)): (usize, &(Member, Moments))| {
            let Moments { m, v, t } = moments;
            let m = m.as_ref().map_or_else(|| v.zeros_like(), Tensor::shallow_clone);
            [("m", m), ("v", v.shallow_clone()), ("t", Tensor::from_slice(&[*t as f32]))]
                .map(|(part, tensor)| (format!("optimizer.adam.{i}.{part}"), tensor))
        };
        self.members.iter().enumerate().flat_map(parts).collect()
    }

    pub(super) fn restore(&mut self, take: &mut dyn FnMut(String) -> Result<Tensor>) -> Result<()> {
        for (i, (_, moments)) in self.members.iter_mut().enumerate() {
            let mut part = |name: &str| take(format!("optimizer.adam.{i}.{name}"));
            let device = moments.v.device();
            moments.m = Some(part("m")?.f_to_device(device)?.copy());
            moments.v = part("v")?.f_to_device(device)?.copy();
            moments.t = part("t")?.f_double_value(&[0])? as i32;
        }
        Ok(())
    }
}
