//! Optimisers: which parameter belongs to which group, one step over all of them, and their state for checkpoints.

pub mod adam;
pub mod muon;
pub mod schedule;

use tch::{Kind, Tensor};

use crate::model::{Gpt, names};
use crate::recipe::OptimRecipe;
use crate::{Error, Result};
use adam::{AdamStep, Moments};
use muon::{Muon, MuonStep};

/// The optimiser of one parameter (spec/algorithms.md §3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Matrices of the blocks: Muon.
    Matrix,
    /// The token embedding: Adam.
    Embedding,
    /// A head of its own: Adam.
    Head,
    /// Vectors and control tensors: Adam.
    Scalar,
}

/// The group of a parameter, by its upstream name and shape.
pub fn group(name: &str, shape: &[i64]) -> Group {
    match name {
        "tok_emb.weight" => Group::Embedding,
        "lm_head.weight" => Group::Head,
        _ if shape.len() == 2 && !names::is_control(name) => Group::Matrix,
        _ => Group::Scalar,
    }
}

/// Muon for the matrices, Adam for everything else.
pub struct Optimizer {
    recipe: OptimRecipe,
    /// Learning rate of the embedding: it differs when the head is tied.
    embedding_lr: f64,
    /// Group of each parameter, in the model's order.
    groups: Vec<Group>,
    matrices: Vec<Tensor>,
    muon: Muon,
    others: Vec<(Group, Tensor, Moments)>,
}

impl Optimizer {
    pub fn new(model: &Gpt, recipe: &OptimRecipe) -> Optimizer {
        let groups: Vec<Group> = model.parameters().iter().map(|(name, p)| group(name, &p.size())).collect();
        let mut matrices = Vec::new();
        let mut others = Vec::new();
        for ((_, parameter), &group) in model.parameters().iter().zip(&groups) {
            match group {
                Group::Matrix => matrices.push(parameter.shallow_clone()),
                other => others.push((other, parameter.shallow_clone(), Moments::new(parameter))),
            }
        }
        Optimizer {
            recipe: recipe.clone(),
            embedding_lr: if model.config().tie_embeddings { recipe.tied_embed_lr } else { recipe.embed_lr },
            groups,
            muon: Muon::new(&matrices),
            matrices,
            others,
        }
    }

    /// One step from `grads`, in the model's parameter order. `lr_scale` multiplies every learning rate. A parameter with an
    /// undefined gradient is left alone, unless it is a matrix: those all take part in every pass.
    pub fn step(&mut self, grads: Vec<Tensor>, step: i64, lr_scale: f64) -> Result<()> {
        let o = &self.recipe;
        let grads = if o.grad_clip_norm > 0.0 { clip(grads, o.grad_clip_norm) } else { grads };
        let (matrices, others): (Vec<_>, Vec<_>) =
            grads.into_iter().zip(&self.groups).partition(|(_, group)| **group == Group::Matrix);
        for ((grad, _), (group, parameter, moments)) in others.into_iter().zip(&mut self.others) {
            let (lr, weight_decay) = match group {
                Group::Embedding => (self.embedding_lr, o.embed_wd),
                Group::Head => (o.head_lr, 0.0),
                _ => (o.scalar_lr, o.adam_wd),
            };
            let adam = AdamStep { lr: lr * lr_scale, beta1: o.beta1, beta2: o.beta2, eps: o.adam_eps, weight_decay };
            if grad.defined() {
                moments.step(parameter, &grad, adam);
            }
        }
        let muon = MuonStep {
            lr: o.matrix_lr * lr_scale,
            momentum: schedule::muon_momentum(o, step),
            weight_decay: o.muon_wd,
            backend_steps: o.muon_backend_steps,
            row_normalize: o.muon_row_normalize,
        };
        let matrices: Vec<Tensor> = matrices.into_iter().map(|(grad, _)| grad).collect();
        self.muon.step(&self.matrices, &matrices, muon)
    }

    /// Everything a checkpoint needs to go on, with names that cannot collide with parameters.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        let mut out: Vec<(String, Tensor)> = Vec::new();
        for (i, buffer) in self.muon.buffers().iter().enumerate() {
            out.push((format!("optimizer.muon.{i}"), buffer.shallow_clone()));
        }
        for (i, (_, _, moments)) in self.others.iter().enumerate() {
            let (m, v, t) = moments.parts();
            out.push((format!("optimizer.adam.{i}.m"), m.shallow_clone()));
            out.push((format!("optimizer.adam.{i}.v"), v.shallow_clone()));
            out.push((format!("optimizer.adam.{i}.t"), Tensor::from_slice(&[t as f32])));
        }
        out
    }

    /// Puts back what [`Optimizer::state`] gave.
    pub fn restore(&mut self, mut get: impl FnMut(&str) -> Option<Tensor>) -> Result<()> {
        let mut take = |name: String| {
            get(&name).ok_or_else(|| {
                Error::Recipe(format!("the training state has no `{name}`; it belongs to another recipe"))
            })
        };
        let buffers: Vec<Tensor> = self.muon.buffers().iter().map(Tensor::shallow_clone).collect();
        for (i, mut buffer) in buffers.into_iter().enumerate() {
            let saved = take(format!("optimizer.muon.{i}"))?;
            tch::no_grad(|| buffer.f_copy_(&saved))?;
        }
        for (i, (_, _, moments)) in self.others.iter_mut().enumerate() {
            let (m, v) = (take(format!("optimizer.adam.{i}.m"))?, take(format!("optimizer.adam.{i}.v"))?);
            let t = take(format!("optimizer.adam.{i}.t"))?.double_value(&[0]);
            moments.restore(&m, &v, t as i32);
        }
        Ok(())
    }
}

/// Scales all gradients so that their joint L2 norm is at most `max_norm`.
fn clip(grads: Vec<Tensor>, max_norm: f64) -> Vec<Tensor> {
    tch::no_grad(|| {
        let norms: Vec<Tensor> = grads.iter().filter(|g| g.defined()).map(|g| g.norm().to_kind(Kind::Float)).collect();
        let scale = ((Tensor::stack(&norms, 0).norm() + 1e-6).reciprocal() * max_norm).clamp_max(1.0);
        grads.into_iter().map(|g| if g.defined() { g * &scale } else { g }).collect()
    })
}
