//! Second moments of the inputs of every linear layer, from training data (docs/spec/algorithms.md#calibration).

use std::collections::BTreeMap;
use std::time::Instant;

use tch::Tensor;

use super::Observed;
use crate::Result;
use crate::model::{Extra, Gpt};
use crate::nn::scope::Input;
use crate::nn::{Docs, Tap};

/// The result of calibration.
pub struct Calibration {
    /// By input: `Σ xxᵀ` over the batches' positions, divided by the number of batches; f32 `[in, in]` on the CPU.
    pub hessians: BTreeMap<Input, Tensor>,
    /// By input: the root of the mean square over the same positions; f32 `[in]` on the CPU.
    pub rms: BTreeMap<Input, Tensor>,
    pub batches: usize,
}

impl From<Calibration> for Observed {
    fn from(found: Calibration) -> Observed {
        Observed { hessians: found.hessians, rms: found.rms, row_bits: BTreeMap::new() }
    }
}

/// Runs `batches`, each i64 `[rows, len]`, through the model: rows are read whole, across documents, as upstream does.
///
/// With `seconds`, no batch is begun that would, at the pace so far, end after them; the first always is.
pub fn calibrate(model: &Gpt, batches: impl IntoIterator<Item = Tensor>, seconds: Option<f64>) -> Result<Calibration> {
    let (tap, start) = (Tap::default(), Instant::now());
    let mut done = 0usize;
    for batch in batches {
        let elapsed = start.elapsed().as_secs_f64();
        if done > 0 && seconds.is_some_and(|limit| elapsed + elapsed / done as f64 > limit) {
            break;
        }
        let batch = batch.f_to_device(model.device())?;
        let _ = tch::no_grad(|| model.hidden(&batch, &Docs::Rows, Extra { tap: Some(&tap), ..Extra::default() }));
        crate::device::synchronize(model.device());
        done += 1;
    }
    let moments = tap.moments(done.max(1) as i64);
    let rms = moments.iter().map(|(&input, (_, rms))| (input, rms.shallow_clone())).collect();
    let hessians = moments.into_iter().map(|(input, (hessian, _))| (input, hessian)).collect();
    Ok(Calibration { hessians, rms, batches: done })
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;
    use crate::Recipe;
    use crate::model::initial_state;

    #[test]
    fn batches_that_would_end_after_the_clock_are_not_begun() {
        let toml = "[model]\nvocab_size = 16\nmodel_dim = 8\nlayout = 'A'\n[model.block.A.mlp]\n[model.block.A.gqa]\n\
                    num_heads = 2\nnum_kv_heads = 1\n";
        let m = Recipe::parse(toml, &[]).unwrap().model;
        let model = Gpt::new(&m, initial_state(&m, 1).unwrap(), Device::Cpu).unwrap();
        let batches = || (0..3).map(|i| Tensor::full([2, 5], i, (Kind::Int64, Device::Cpu)));
        let hurried = calibrate(&model, batches(), Some(0.0)).unwrap();
        let whole = calibrate(&model, batches(), None).unwrap();
        assert_eq!((hurried.batches, whole.batches), (1, 3));
        // Attention's input and output, the MLP's two inputs, and the head's.
        assert_eq!(whole.hessians.len(), 5);
        let inputs = model.params().iter().filter_map(|param| param.input).collect::<std::collections::BTreeSet<_>>();
        assert!(inputs.iter().all(|input| whole.hessians.contains_key(input)));
    }
}
