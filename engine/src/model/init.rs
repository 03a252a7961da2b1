//! Initial weights from a seed (docs/spec/algorithms.md#initial-weights).

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use sha2::{Digest as _, Sha256};
use tch::{Kind, Tensor};

use super::{ModelRecipe, parameters};
use crate::Result;
use crate::nn::{Param, Start};

/// Draws a fresh state dict, f32, on the CPU. Each parameter draws from a stream of its own, keyed by its name. With
/// one component more or less, every other parameter starts with the same values, so that ablations are paired.
pub fn initial_state(m: &ModelRecipe, seed: u64) -> Result<Vec<(String, Tensor)>> {
    let draw = |param: Param| {
        let key = Sha256::digest(format!("{seed}/{}", param.name));
        let tensor = start(&param, &mut ChaCha8Rng::from_seed(key.into()));
        (param.name, tensor)
    };
    Ok(parameters(m)?.into_iter().map(draw).collect())
}

fn start(param: &Param, rng: &mut ChaCha8Rng) -> Tensor {
    let shape = param.shape.as_slice();
    let options = (Kind::Float, tch::Device::Cpu);
    match param.start {
        Start::Zeros => Tensor::zeros(shape, options),
        Start::Constant(value) => Tensor::full(shape, value, options),
        Start::Normal(std) => normal(shape, rng) * std,
        Start::Overtone(std) => overtone(&(normal(shape, rng) * std)),
        Start::Uniform => {
            let bound = 1.0 / (shape[shape.len() - 1] as f64).sqrt();
            let values: Vec<f32> = (0..param.numel()).map(|_| rng.random_range(-bound..bound) as f32).collect();
            Tensor::from_slice(&values).view(shape)
        }
        Start::Orthogonal => orthogonal(shape, rng),
        Start::ResidMix { own, x0 } => {
            let row = |value: f64| Tensor::full([1, shape[1]], value, options);
            Tensor::cat(&[row(own), row(x0)], 0)
        }
    }
}

fn normal(shape: &[i64], rng: &mut ChaCha8Rng) -> Tensor {
    let numel: i64 = shape.iter().product();
    let values: Vec<f32> = (0..numel).map(|_| StandardNormal.sample(&mut *rng)).collect();
    Tensor::from_slice(&values).view(shape)
}

/// Keeps the singular vectors of `w` `[rows, cols]` and its largest singular value S₁, and makes the k-th S₁/√k: the
/// spectrum of a string's overtones, with which PR #316 starts the embedding.
pub fn overtone(w: &Tensor) -> Tensor {
    let (u, s, v) = w.svd(true, true);
    let k = Tensor::arange_start(1, s.size()[0] + 1, (Kind::Float, s.device()));
    (u * (s.get(0) * k.rsqrt()).unsqueeze(0)).matmul(&v.tr())
}

/// Draws an orthogonal matrix: QR of a Gaussian matrix, with signs fixed by R's diagonal so that the distribution is
/// uniform. Another LAPACK may give other last bits.
fn orthogonal(shape: &[i64], rng: &mut ChaCha8Rng) -> Tensor {
    let tall = shape[0] >= shape[1];
    let (rows, cols) = if tall { (shape[0], shape[1]) } else { (shape[1], shape[0]) };
    let (q, r) = Tensor::linalg_qr(&normal(&[rows, cols], rng), "reduced");
    let q = q * r.diagonal(0, 0, 1).sign().unsqueeze(0);
    if tall { q.contiguous() } else { q.tr().contiguous() }
}
