//! Full context: every target is scored with what stands before it in its row, or in its document
//! (docs/spec/algorithms.md#full-context).

use tch::{Device, Tensor};

use super::{OnProgress, Progress, ValData};
use crate::model::Gpt;
use crate::nn::Docs;
use crate::recipe::EvalRecipe;
use crate::{Result, parallel};

/// A stretch of the stream that is scored at once: consecutive pieces that do not see each other.
struct Span {
    /// First target.
    start: usize,
    /// Lengths of the pieces.
    lens: Vec<usize>,
}

/// Computes the nats of the first `targets` targets of the stream.
///
/// The stream is read in rows of `eval_seq_len`, the last one as short as the rest; with `documents_apart` each
/// document is read by itself, in pieces of at most `eval_seq_len` from its own start. Upstream drops targets that do
/// not fill a batch; here every target is scored.
pub fn score(
    model: &Gpt,
    val: &ValData,
    recipe: &EvalRecipe,
    targets: usize,
    on_progress: OnProgress,
) -> Result<Vec<f32>> {
    let (len, rows) = (recipe.eval_seq_len as usize, recipe.eval_batch_seqs as usize);
    let spans = if recipe.documents_apart { apart(val, targets, len, rows * len) } else { rows_of(targets, len, rows) };
    let starts: Vec<usize> = spans.iter().map(|span| span.start).collect();
    let work = |model: &mut Gpt, span: Span| {
        let total: usize = span.lens.iter().sum();
        let (x, y) = val.ids(span.start, total);
        let device = model.device();
        let (docs, shape) = if recipe.documents_apart {
            (Docs::packed(&boundaries(&span.lens), device)?, [1, total as i64])
        } else {
            (Docs::Rows, [span.lens.len() as i64, -1])
        };
        let to_batch = |ids: Vec<i64>| Tensor::from_slice(&ids).view(shape).to_device(device);
        let nats = tch::no_grad(|| model.nll(&to_batch(x), &to_batch(y), &docs));
        Ok(Vec::<f32>::try_from(nats.to_device(Device::Cpu).view([-1]))?)
    };
    let mut progress = Progress::default();
    let parts =
        parallel::map_with(&mut model.for_workers(recipe.eval_seq_len)?, spans, work, |span, nats: &Vec<f32>| {
            progress.totals.add(val, starts[span], nats);
            on_progress(&progress)
        })?;
    Ok(parts.concat())
}

/// Splits targets into rows of `len`, at most `rows` at once. Rows of one batch have equal lengths.
fn rows_of(targets: usize, len: usize, rows: usize) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut start = 0;
    while start < targets {
        let left = targets - start;
        let lens = if left >= len { vec![len; rows.min(left / len)] } else { vec![left] };
        let span = Span { start, lens };
        start += span.lens.iter().sum::<usize>();
        spans.push(span);
    }
    spans
}

/// Splits documents into pieces, about `at_once` targets of them at once.
fn apart(val: &ValData, targets: usize, len: usize, at_once: usize) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for d in val.documents.iter().take_while(|d| d.start < targets) {
        let end = (d.start + d.targets).min(targets);
        for start in (d.start..end).step_by(len) {
            let piece = len.min(end - start);
            match spans.last_mut().filter(|span| span.lens.iter().sum::<usize>() + piece <= at_once) {
                Some(span) => span.lens.push(piece),
                None => spans.push(Span { start, lens: vec![piece] }),
            }
        }
    }
    spans
}

/// Returns the starts of consecutive pieces of these lengths, and the end of the last one.
pub(super) fn boundaries(lens: &[usize]) -> Vec<i32> {
    let mut end = 0;
    let ends = lens.iter().map(|&len| {
        end += len as i32;
        end
    });
    std::iter::once(0).chain(ends).collect()
}

/// Computes mean nats per token and bits per byte of the first `targets` targets: the validation inside the training
/// loop.
pub fn validate(
    model: &Gpt,
    val: &ValData,
    recipe: &EvalRecipe,
    targets: usize,
    on_progress: OnProgress,
) -> Result<(f64, f64)> {
    let nll = score(model, val, recipe, targets, on_progress)?;
    let mut totals = super::Totals::default();
    totals.add(val, 0, &nll);
    Ok((totals.val_loss(), totals.val_bpb()))
}
