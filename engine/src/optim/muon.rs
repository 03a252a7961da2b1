//! Muon: momentum, then the nearest semi-orthogonal matrix by Newton–Schulz (spec/algorithms.md §3.1).

use tch::{Kind, Tensor};

use crate::{Result, parallel};

/// Coefficients of the quintic iteration.
const NS5: (f64, f64, f64) = (3.4445, -4.7750, 2.0315);

/// Hyperparameters of one step.
#[derive(Debug, Clone, Copy)]
pub struct MuonStep {
    pub lr: f64,
    pub momentum: f64,
    pub weight_decay: f64,
    /// Newton–Schulz iterations.
    pub backend_steps: i64,
    /// Divide each row of the update by its norm first (MuonEq-R).
    pub row_normalize: bool,
}

/// Momentum buffers for a list of matrices. Matrices of one shape are orthogonalised together.
pub struct Muon {
    /// Indices into the parameter list, grouped by shape.
    groups: Vec<Vec<usize>>,
    buffers: Vec<Tensor>,
}

impl Muon {
    pub fn new(parameters: &[Tensor]) -> Muon {
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for (index, parameter) in parameters.iter().enumerate() {
            match groups.iter_mut().find(|g| parameters[g[0]].size() == parameter.size()) {
                Some(group) => group.push(index),
                None => groups.push(vec![index]),
            }
        }
        Muon { groups, buffers: parameters.iter().map(Tensor::zeros_like).collect() }
    }

    /// The momentum buffers, in parameter order, for a checkpoint.
    pub fn buffers(&self) -> &[Tensor] {
        &self.buffers
    }

    /// One step from the gradients, in parameter order: `W ← (1 − η·wd)·W − η·√max(1, rows/cols)·NS5(g + μ·buf)`.
    pub fn step(&mut self, parameters: &[Tensor], grads: &[Tensor], step: MuonStep) -> Result<()> {
        tch::no_grad(|| {
            for group in &self.groups {
                let updates: Vec<Tensor> = group
                    .iter()
                    .map(|&i| {
                        let buffer = &mut self.buffers[i];
                        let _ = buffer.g_mul_scalar_(step.momentum).g_add_(&grads[i]);
                        &grads[i] + &*buffer * step.momentum
                    })
                    .collect();
                let mut update = Tensor::stack(&updates, 0);
                if step.row_normalize {
                    let norms = update.square().sum_dim_intlist([-1i64].as_slice(), true, Kind::Float).sqrt();
                    update = &update / norms.clamp_min(1e-7);
                }
                let update = orthogonalise(update, step.backend_steps)?;
                let size = update.size();
                let scale = (size[1] as f64 / size[2] as f64).max(1.0).sqrt();
                for (row, &i) in group.iter().enumerate() {
                    let mut parameter = parameters[i].shallow_clone();
                    if step.weight_decay != 0.0 {
                        let _ = parameter.g_mul_scalar_(1.0 - step.lr * step.weight_decay);
                    }
                    let _ = parameter.g_sub_(&(update.get(row as i64) * (step.lr * scale)));
                }
            }
            Ok(())
        })
    }
}

/// [`newton_schulz`] with the matrices dealt out to the cores.
fn orthogonalise(update: Tensor, steps: i64) -> Result<Tensor> {
    let workers = parallel::workers(update.device());
    let parts = update.chunk(workers as i64, 0);
    let work = |(): &mut (), part: Tensor| Ok(tch::no_grad(|| newton_schulz(&part, steps)));
    let parts = parallel::map_with(&mut vec![(); workers], parts, work, |_, _| Ok(()))?;
    Ok(Tensor::cat(&parts, 0))
}

/// Orthogonalises each matrix of `g` `[matrices, rows, cols]`: bf16 on CUDA, f32 on the CPU.
pub fn newton_schulz(g: &Tensor, steps: i64) -> Tensor {
    let (a, b, c) = NS5;
    let size = g.size();
    let tall = size[1] > size[2];
    let kind = if g.device().is_cuda() { Kind::BFloat16 } else { Kind::Float };
    let mut x = g.to_kind(kind);
    x = &x / (x.square().sum_dim_intlist([1i64, 2].as_slice(), true, kind).sqrt() + 1e-7);
    if tall {
        x = x.transpose(1, 2);
    }
    for _ in 0..steps {
        let gram = x.bmm(&x.transpose(1, 2));
        let poly = &gram * b + gram.bmm(&gram) * c;
        x = &x * a + poly.bmm(&x);
    }
    if tall {
        x = x.transpose(1, 2);
    }
    x.to_kind(Kind::Float)
}
