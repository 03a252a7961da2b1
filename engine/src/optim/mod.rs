//! Optimizers: which group of parameters each one moves, one step over all of them, and their state for checkpoints.
//!
//! A new optimizer is a file with its recipe, a variant of [`Update`] and a line in [`updates`].

pub mod adam;
pub mod average;
pub mod muon;
pub mod swa;

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::bounds;
use crate::model::Gpt;
use crate::nn::Group;
use crate::{Error, Result};
use adam::{Adam, AdamRecipe};
use average::EmaRecipe;
use muon::{Muon, MuonRecipe};
use swa::SwaRecipe;

/// `[optim]`: clipping and the optimizers (docs/spec/algorithms.md#training).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimRecipe {
    /// Joint L2 norm that all gradients are scaled down to; `0` means no clipping.
    pub grad_clip_norm: f64,
    pub muon: MuonRecipe,
    pub adam: AdamRecipe,
    /// Exponential moving average of the weights, which is then exported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ema: Option<EmaRecipe>,
    /// Mean of the weights at some steps of the warmdown, which is then exported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swa: Option<SwaRecipe>,
}

impl OptimRecipe {
    /// Returns the word for the average that is exported, where there is one.
    pub fn average(&self) -> Option<&'static str> {
        if self.ema.is_some() { Some("ema") } else { self.swa.as_ref().map(|_| "swa") }
    }

    pub(crate) fn check(&self) -> Result<()> {
        bounds::numbers("optim", &[("grad_clip_norm", self.grad_clip_norm, 0.0, 1e12)])?;
        self.muon.check("optim.muon")?;
        self.adam.check("optim.adam")?;
        if self.ema.is_some() && self.swa.is_some() {
            return Err(Error::Recipe(
                "[optim.ema] and [optim.swa] are two averages, and one is exported; take one out (`--set optim.ema=`)"
                    .to_owned(),
            ));
        }
        self.swa.as_ref().map_or(Ok(()), |swa| swa.check("optim.swa"))?;
        self.ema.as_ref().map_or(Ok(()), |ema| ema.check("optim.ema"))
    }
}

/// A parameter that an optimizer moves, in the model's order.
pub struct Member {
    /// Place in the model's list of parameters.
    index: usize,
    group: Group,
    parameter: Tensor,
}

/// One optimizer with the parameters that it moves.
enum Update {
    Muon(Muon),
    Adam(Adam),
}

/// The registry: Muon moves the matrices, Adam everything else (docs/spec/algorithms.md#parameter-groups).
fn updates(model: &Gpt, r: &OptimRecipe) -> Vec<Update> {
    let tied = model.config().embedding.tie_embeddings;
    vec![
        Update::Muon(Muon::of(&r.muon, members(model, |group| group == Group::Matrix))),
        Update::Adam(Adam::of(&r.adam, tied, members(model, |group| group != Group::Matrix))),
    ]
}

fn members(model: &Gpt, wanted: impl Fn(Group) -> bool) -> Vec<Member> {
    let all = model.params().iter().zip(model.parameters()).enumerate();
    let chosen = all.filter(|(_, (param, _))| wanted(param.group));
    chosen.map(|(index, (param, (_, t)))| Member { index, group: param.group, parameter: t.shallow_clone() }).collect()
}

/// The multipliers of the recipe's settings in one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateScales {
    /// Multiplies every learning rate.
    pub lr: f64,
    /// Multiplies the matrices' weight decay.
    pub wd: f64,
}

impl From<f64> for RateScales {
    /// Scales learning rates alone.
    fn from(lr: f64) -> RateScales {
        RateScales { lr, wd: 1.0 }
    }
}

/// Every optimizer of a model.
pub struct Optimizer {
    grad_clip_norm: f64,
    updates: Vec<Update>,
}

impl Optimizer {
    pub fn new(model: &Gpt, recipe: &OptimRecipe) -> Optimizer {
        Optimizer { grad_clip_norm: recipe.grad_clip_norm, updates: updates(model, recipe) }
    }

    /// Takes one step from `grads`, in the model's parameter order; a parameter with an undefined gradient stays as it
    /// is. Returns the gradients' joint L2 norm before clipping, where they are clipped.
    pub fn step(&mut self, grads: Vec<Tensor>, step: i64, scales: impl Into<RateScales>) -> Result<Option<Tensor>> {
        let scales = scales.into();
        let (grads, norm) = match self.grad_clip_norm {
            max_norm if max_norm > 0.0 => {
                let (grads, norm) = clip(grads, max_norm);
                (grads, Some(norm))
            }
            _ => (grads, None),
        };
        for update in &mut self.updates {
            match update {
                Update::Muon(muon) => muon.step_members(&grads, step, scales)?,
                Update::Adam(adam) => adam.step_members(&grads, scales.lr),
            }
        }
        Ok(norm)
    }

    /// Returns everything that a checkpoint needs to continue, with names that cannot collide with parameters.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        let of = |update: &Update| match update {
            Update::Muon(muon) => muon.state(),
            Update::Adam(adam) => adam.state(),
        };
        self.updates.iter().flat_map(of).collect()
    }

    /// Restores the tensors that [`Optimizer::state`] returned.
    pub fn restore(&mut self, mut get: impl FnMut(&str) -> Option<Tensor>) -> Result<()> {
        let mut take = |name: String| {
            get(&name).ok_or_else(|| {
                Error::Recipe(format!("the training state has no `{name}`; it belongs to another recipe"))
            })
        };
        for update in &mut self.updates {
            match update {
                Update::Muon(muon) => muon.restore(&mut take)?,
                Update::Adam(adam) => adam.restore(&mut take)?,
            }
        }
        Ok(())
    }
}

/// Scales all gradients so that their joint L2 norm is at most `max_norm`; returns them and their norm before.
fn clip(grads: Vec<Tensor>, max_norm: f64) -> (Vec<Tensor>, Tensor) {
    tch::no_grad(|| {
        let norms: Vec<Tensor> = grads.iter().filter(|g| g.defined()).map(|g| g.norm().to_kind(Kind::Float)).collect();
        let norm = Tensor::stack(&norms, 0).norm();
        let scale = ((&norm + 1e-6).reciprocal() * max_norm).clamp_max(1.0);
        (grads.into_iter().map(|g| if g.defined() { g * &scale } else { g }).collect(), norm)
    })
}
