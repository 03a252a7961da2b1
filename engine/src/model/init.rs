//! Initial weights from a seed, the same on every device (spec/algorithms.md §2.11).

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use tch::{Kind, Tensor};

use super::spec::{ParamSpec, Start, parameters};
use crate::recipe::ModelRecipe;

/// A fresh state dict, f32 on the CPU. Each parameter draws from a stream of its own, by its place in the list, so that what
/// one takes (its shape, the way it starts) changes no other.
pub fn initial_state(m: &ModelRecipe, seed: u64) -> Vec<(String, Tensor)> {
    parameters(m)
        .into_iter()
        .enumerate()
        .map(|(index, spec)| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(index as u64);
            let tensor = start(&spec, &mut rng);
            (spec.name, tensor)
        })
        .collect()
}

fn start(spec: &ParamSpec, rng: &mut ChaCha8Rng) -> Tensor {
    let shape = spec.shape.as_slice();
    let options = (Kind::Float, tch::Device::Cpu);
    match spec.start {
        Start::Zeros => Tensor::zeros(shape, options),
        Start::Constant(value) => Tensor::full(shape, value, options),
        Start::Normal(std) => normal(shape, rng) * std,
        Start::Uniform => {
            let bound = 1.0 / (shape[shape.len() - 1] as f64).sqrt();
            let values: Vec<f32> = (0..spec.numel()).map(|_| rng.random_range(-bound..bound) as f32).collect();
            Tensor::from_slice(&values).view(shape)
        }
        Start::Orthogonal => orthogonal(shape, rng),
        Start::ResidMix => {
            Tensor::cat(&[Tensor::ones([1, shape[1]], options), Tensor::zeros([1, shape[1]], options)], 0)
        }
    }
}

fn normal(shape: &[i64], rng: &mut ChaCha8Rng) -> Tensor {
    let numel: i64 = shape.iter().product();
    let values: Vec<f32> = (0..numel).map(|_| StandardNormal.sample(&mut *rng)).collect();
    Tensor::from_slice(&values).view(shape)
}

/// QR of a Gaussian matrix, signs fixed by R's diagonal so that the distribution is uniform.
fn orthogonal(shape: &[i64], rng: &mut ChaCha8Rng) -> Tensor {
    let tall = shape[0] >= shape[1];
    let (rows, cols) = if tall { (shape[0], shape[1]) } else { (shape[1], shape[0]) };
    let (q, r) = Tensor::linalg_qr(&normal(&[rows, cols], rng), "reduced");
    let q = q * r.diagonal(0, 0, 1).sign().unsqueeze(0);
    if tall { q.contiguous() } else { q.tr().contiguous() }
}
