//! Muon: momentum, then the nearest semi-orthogonal matrix by Newton–Schulz (docs/spec/algorithms.md#muon).

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::{Member, RateScales};
use crate::{Error, Result, bounds, parallel};

/// `[optim.muon]`: the matrices of the blocks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MuonRecipe {
    pub matrix_lr: f64,
    pub muon_momentum: f64,
    pub muon_momentum_warmup_start: f64,
    pub muon_momentum_warmup_steps: i64,
    /// Newton–Schulz iterations.
    pub muon_backend_steps: i64,
    /// Divide each row of the update by its norm before Newton–Schulz (MuonEq-R).
    pub muon_row_normalize: bool,
    pub muon_wd: f64,
    /// True to shrink the weights after the step that moves them, as PR #316 does, and not before.
    #[serde(skip_serializing_if = "bounds::is_false")]
    pub muon_wd_after: bool,
    /// True for the coefficients of Polar Express (arXiv 2505.16932; PR #1344, PR #1787), one set for each iteration.
    #[serde(skip_serializing_if = "bounds::is_false")]
    pub muon_polar_express: bool,
    /// Fraction of training from which on the weight decay falls in a line, to `wd_taper_final_mult` of it at the end
    /// (PR #1729).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wd_taper_start_frac: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wd_taper_final_mult: Option<f64>,
}

impl Default for MuonRecipe {
    /// Returns NaiveBaseline's settings.
    fn default() -> Self {
        MuonRecipe {
            matrix_lr: 0.04,
            muon_momentum: 0.95,
            muon_momentum_warmup_start: 0.85,
            muon_momentum_warmup_steps: 500,
            muon_backend_steps: 5,
            muon_row_normalize: false,
            muon_wd: 0.0,
            muon_wd_after: false,
            muon_polar_express: false,
            wd_taper_start_frac: None,
            wd_taper_final_mult: None,
        }
    }
}

impl MuonRecipe {
    pub(super) fn check(&self, path: &str) -> Result<()> {
        bounds::integers(
            path,
            &[
                ("muon_momentum_warmup_steps", self.muon_momentum_warmup_steps, 0, 1 << 40),
                ("muon_backend_steps", self.muon_backend_steps, 0, 1000),
            ],
        )?;
        bounds::numbers(
            path,
            &[
                ("matrix_lr", self.matrix_lr, 0.0, f64::MAX),
                ("muon_momentum", self.muon_momentum, 0.0, 1.0),
                ("muon_momentum_warmup_start", self.muon_momentum_warmup_start, 0.0, 1.0),
                ("muon_wd", self.muon_wd, 0.0, 1e12),
                ("wd_taper_start_frac", self.wd_taper_start_frac.unwrap_or(0.0), 0.0, bounds::BELOW_ONE),
                ("wd_taper_final_mult", self.wd_taper_final_mult.unwrap_or(0.0), 0.0, 1e12),
            ],
        )?;
        if self.wd_taper_start_frac.is_some() != self.wd_taper_final_mult.is_some() {
            return Err(Error::Recipe(format!(
                "{path}.wd_taper_start_frac and wd_taper_final_mult belong together; give both or none"
            )));
        }
        let known = POLAR_EXPRESS.len() as i64;
        if self.muon_polar_express && self.muon_backend_steps > known {
            return Err(Error::Recipe(format!(
                "{path}.muon_polar_express has coefficients for {known} iterations, not {}; set muon_backend_steps = {known}",
                self.muon_backend_steps
            )));
        }
        Ok(())
    }

    /// Returns the multiplier of the weight decay at `fraction` of training.
    pub fn wd_scale(&self, fraction: f64) -> f64 {
        match (self.wd_taper_start_frac, self.wd_taper_final_mult) {
            (Some(start), Some(last)) if fraction > start => {
                1.0 + (last - 1.0) * ((fraction - start) / (1.0 - start)).min(1.0)
            }
            _ => 1.0,
        }
    }

    /// Returns the momentum at `step`: it grows linearly from the warm-up's start to its final value
    /// (docs/spec/algorithms.md#muon).
    fn momentum(&self, step: i64) -> f64 {
        if self.muon_momentum_warmup_steps <= 0 {
            return self.muon_momentum;
        }
        let f = (step as f64 / self.muon_momentum_warmup_steps as f64).min(1.0);
        (1.0 - f) * self.muon_momentum_warmup_start + f * self.muon_momentum
    }
}

/// Coefficients of the quintic iteration.
const NS5: (f64, f64, f64) = (3.4445, -4.7750, 2.0315);

/// The coefficients of Polar Express, by iteration, as PR #1344 has them.
const POLAR_EXPRESS: [(f64, f64, f64); 5] = [
    (8.156554524902461, -22.48329292557795, 15.878769915207462),
    (4.042929935166739, -2.808917465908714, 0.5000178451051316),
    (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
    (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
    (2.3465413258596377, -1.7097828382687081, 0.42323551169305323),
];

/// Returns the coefficients of `steps` iterations.
fn coefficients(steps: i64, polar_express: bool) -> Vec<(f64, f64, f64)> {
    let steps = steps.max(0) as usize;
    if polar_express { POLAR_EXPRESS.into_iter().take(steps).collect() } else { vec![NS5; steps] }
}

/// Hyperparameters of one step.
#[derive(Debug, Clone, Copy)]
pub struct MuonStep {
    pub lr: f64,
    pub momentum: f64,
    pub weight_decay: f64,
    /// Shrink the weights after the update instead of before it.
    pub decay_after: bool,
    /// Newton–Schulz iterations.
    pub backend_steps: i64,
    /// Divide each row of the update by its norm first (MuonEq-R).
    pub row_normalize: bool,
    /// Take the coefficients of Polar Express.
    pub polar_express: bool,
}

/// Momentum buffers for a list of matrices. Matrices of one shape are a bank: they are orthogonalised together.
pub struct Muon {
    recipe: MuonRecipe,
    members: Vec<Member>,
    /// Members of one shape, by their place in the list.
    banks: Vec<Vec<usize>>,
    buffers: Vec<Tensor>,
}

impl Muon {
    pub(super) fn of(recipe: &MuonRecipe, members: Vec<Member>) -> Muon {
        let mut banks: Vec<Vec<usize>> = Vec::new();
        for (index, member) in members.iter().enumerate() {
            match banks.iter_mut().find(|bank| members[bank[0]].parameter.size() == member.parameter.size()) {
                Some(bank) => bank.push(index),
                None => banks.push(vec![index]),
            }
        }
        let buffers = members.iter().map(|member| member.parameter.zeros_like()).collect();
        Muon { recipe: recipe.clone(), members, banks, buffers }
    }

    /// Makes buffers for matrices outside a model, in the order of their gradients.
    pub fn new(parameters: &[Tensor]) -> Muon {
        let member = |(index, p): (usize, &Tensor)| Member {
            index,
            group: crate::nn::Group::Matrix,
            parameter: p.shallow_clone(),
        };
        Muon::of(&MuonRecipe::default(), parameters.iter().enumerate().map(member).collect())
    }

    pub(super) fn step_members(&mut self, grads: &[Tensor], step: i64, scales: RateScales) -> Result<()> {
        let r = &self.recipe;
        let now = MuonStep {
            lr: r.matrix_lr * scales.lr,
            momentum: r.momentum(step),
            weight_decay: r.muon_wd * scales.wd,
            decay_after: r.muon_wd_after,
            backend_steps: r.muon_backend_steps,
            row_normalize: r.muon_row_normalize,
            polar_express: r.muon_polar_express,
        };
        self.step(grads, now)
    }

    /// Takes one step from the gradients of all parameters: `W ← (1 − η·wd)·W − η·√max(1, rows/cols)·NS5(g + μ·buf)`, or with
    /// `decay_after` `W ← (1 − η·wd)·(W − …)`.
    pub fn step(&mut self, grads: &[Tensor], step: MuonStep) -> Result<()> {
        tch::no_grad(|| {
            for bank in &self.banks {
                let moved: Vec<usize> =
                    bank.iter().copied().filter(|&i| grads[self.members[i].index].defined()).collect();
                if moved.is_empty() {
                    continue;
                }
                let nesterov = |&i: &usize| {
                    let (grad, buffer) = (&grads[self.members[i].index], &mut self.buffers[i]);
                    let _ = buffer.g_mul_scalar_(step.momentum).g_add_(grad);
                    grad + &*buffer * step.momentum
                };
                let mut update = Tensor::stack(&moved.iter().map(nesterov).collect::<Vec<_>>(), 0);
                if step.row_normalize {
                    let norms = update.square().sum_dim_intlist([-1i64].as_slice(), true, Kind::Float).sqrt();
                    update = &update / norms.clamp_min(1e-7);
                }
                let update = orthogonalise(update, &coefficients(step.backend_steps, step.polar_express))?;
                let size = update.size();
                let scale = (size[1] as f64 / size[2] as f64).max(1.0).sqrt();
                for (row, &i) in moved.iter().enumerate() {
                    let parameter = &mut self.members[i].parameter;
                    let kept = 1.0 - step.lr * step.weight_decay;
                    if step.weight_decay != 0.0 && !step.decay_after {
                        let _ = parameter.g_mul_scalar_(kept);
                    }
                    let _ = parameter.g_sub_(&(update.get(row as i64) * (step.lr * scale)));
                    if step.weight_decay != 0.0 && step.decay_after {
                        let _ = parameter.g_mul_scalar_(kept);
                    }
                }
            }
            Ok(())
        })
    }

    pub(super) fn state(&self) -> Vec<(String, Tensor)> {
        let named = |(i, buffer): (usize, &Tensor)| (format!("optimizer.muon.{i}"), buffer.shallow_clone());
        self.buffers.iter().enumerate().map(named).collect()
    }

    pub(super) fn restore(&mut self, take: &mut dyn FnMut(String) -> Result<Tensor>) -> Result<()> {
        for (i, buffer) in self.buffers.iter_mut().enumerate() {
            let saved = take(format!("optimizer.muon.{i}"))?;
            tch::no_grad(|| buffer.f_copy_(&saved))?;
        }
        Ok(())
    }
}

/// Orthogonalizes with the matrices dealt out to the cores.
fn orthogonalise(update: Tensor, coefficients: &[(f64, f64, f64)]) -> Result<Tensor> {
    let workers = parallel::workers(update.device());
    let parts = update.chunk(workers as i64, 0);
    let work = |(): &mut (), part: Tensor| Ok(tch::no_grad(|| iterate(&part, coefficients)));
    let parts = parallel::map_with(&mut vec![(); workers], parts, work, |_, _| Ok(()))?;
    Ok(Tensor::cat(&parts, 0))
}

/// Orthogonalises each matrix of `g` `[matrices, rows, cols]`: bf16 on CUDA, f32 on the CPU.
pub fn newton_schulz(g: &Tensor, steps: i64) -> Tensor {
    iterate(g, &coefficients(steps, false))
}

fn iterate(g: &Tensor, coefficients: &[(f64, f64, f64)]) -> Tensor {
    let size = g.size();
    let tall = size[1] > size[2];
    let kind = if g.device().is_cuda() { Kind::BFloat16 } else { Kind::Float };
    let mut x = g.to_kind(kind);
    x = &x / (x.square().sum_dim_intlist([1i64, 2].as_slice(), true, kind).sqrt() + 1e-7);
    if tall {
        x = x.transpose(1, 2);
    }
    for &(a, b, c) in coefficients {
        let gram = x.bmm(&x.transpose(1, 2));
        let poly = &gram * b + gram.bmm(&gram) * c;
        x = &x * a + poly.bmm(&x);
    }
    if tall {
        x = x.transpose(1, 2);
    }
    x.to_kind(Kind::Float)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn momentum_warms_up_linearly() {
        let r = MuonRecipe::default();
        assert_eq!((r.momentum(0), r.momentum(500), r.momentum(9999)), (0.85, 0.95, 0.95));
        assert!((r.momentum(250) - 0.90).abs() < 1e-12);
    }
}
