//! Full context: the stream in rows of `eval_seq_len`, each scored whole (spec/algorithms.md §5.1).

use tch::Tensor;

use super::{OnProgress, Totals, ValData};
use crate::model::{Attend, Gpt};
use crate::recipe::EvalRecipe;
use crate::{Result, parallel};

/// Nats of the first `targets` targets of the stream. The last row is as short as what is left.
///
/// Upstream drops that last row; here it is scored, so the token count is that of the whole stream.
pub fn score(
    model: &Gpt,
    val: &ValData,
    recipe: &EvalRecipe,
    targets: usize,
    on_progress: OnProgress,
) -> Result<Vec<f32>> {
    let len = recipe.eval_seq_len as usize;
    let mut batches: Vec<(usize, usize, usize)> = Vec::new(); // first target, rows, length of a row
    let mut start = 0;
    while start < targets {
        let left = targets - start;
        let (rows, len) =
            if left >= len { ((recipe.eval_batch_seqs as usize).min(left / len), len) } else { (1, left) };
        batches.push((start, rows, len));
        start += rows * len;
    }
    let starts: Vec<usize> = batches.iter().map(|&(start, ..)| start).collect();
    let work = |model: &mut Gpt, (start, rows, len): (usize, usize, usize)| {
        let (x, y) = val.ids(start, rows * len);
        let shape = [rows as i64, len as i64];
        let to_batch = |ids: Vec<i64>| Tensor::from_slice(&ids).view(shape).to_device(model.device());
        let batch = tch::no_grad(|| model.nll(&to_batch(x), &to_batch(y), &Attend::Causal));
        Ok(Vec::<f32>::try_from(batch.to_device(tch::Device::Cpu).view([-1]))?)
    };
    let mut totals = Totals::default();
    let parts = parallel::map_with(&mut model.for_workers(), batches, work, |batch, nats: &Vec<f32>| {
        totals.add(val, starts[batch], nats);
        on_progress(&totals)
    })?;
    Ok(parts.concat())
}

/// Mean nats per token and bits per byte of the first `targets` targets: the validation inside the training loop.
pub fn validate(
    model: &Gpt,
    val: &ValData,
    recipe: &EvalRecipe,
    targets: usize,
    on_progress: OnProgress,
) -> Result<(f64, f64)> {
    let nll = score(model, val, recipe, targets, on_progress)?;
    let mut totals = Totals::default();
    totals.add(val, 0, &nll);
    Ok((totals.val_loss(), totals.val_bpb()))
}
