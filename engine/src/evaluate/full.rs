//! Full context: the stream in rows of `eval_seq_len`, each scored whole (spec/algorithms.md §5.1).

use tch::Tensor;

use super::{OnProgress, Totals, ValData};
use crate::Result;
use crate::model::{Attend, Gpt};
use crate::recipe::EvalRecipe;

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
    let (len, rows) = (recipe.eval_seq_len as usize, recipe.eval_batch_seqs as usize);
    let mut nll = Vec::with_capacity(targets);
    let mut totals = Totals::default();
    while nll.len() < targets {
        let start = nll.len();
        let left = targets - start;
        let (rows, len) = if left >= len { (rows.min(left / len), len) } else { (1, left) };
        let (x, y) = val.ids(start, rows * len);
        let shape = [rows as i64, len as i64];
        let to_batch = |ids: Vec<i64>| Tensor::from_slice(&ids).view(shape).to_device(model.device());
        let batch = tch::no_grad(|| model.nll(&to_batch(x), &to_batch(y), &Attend::Causal));
        let batch = Vec::<f32>::try_from(batch.to_device(tch::Device::Cpu).view([-1]))?;
        for (i, &nats) in batch.iter().enumerate() {
            totals.nats += f64::from(nats);
            totals.bytes += val.bytes(start + i);
        }
        totals.tokens += batch.len() as u64;
        nll.extend(batch);
        on_progress(&totals)?;
    }
    Ok(nll)
}

/// Mean nats per token and bits per byte of the first `targets` targets: the validation inside the training loop.
pub fn validate(model: &Gpt, val: &ValData, recipe: &EvalRecipe, targets: usize) -> Result<(f64, f64)> {
    let mut totals = Totals::default();
    score(model, val, recipe, targets, &mut |t| {
        totals = *t;
        Ok(())
    })?;
    Ok((totals.val_loss(), totals.val_bpb()))
}
