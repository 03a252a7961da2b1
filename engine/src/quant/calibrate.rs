//! Second moments of the inputs of every linear layer, from training data (spec/algorithms.md §4.4).

use std::collections::BTreeMap;
use std::time::Instant;

use tch::Tensor;

use crate::Result;
use crate::model::{Extra, Gpt};
use crate::nn::scope::Input;
use crate::nn::{Docs, Tap};

/// What calibration found.
pub struct Calibration {
    /// By input: `Σ xxᵀ` over the batches' positions, divided by the number of batches; f32 `[in, in]` on the CPU.
    pub hessians: BTreeMap<Input, Tensor>,
    pub batches: usize,
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
        crate::device::synchronise(model.device());
        done += 1;
    }
    Ok(Calibration { hessians: tap.hessians(done.max(1) as i64), batches: done })
}
