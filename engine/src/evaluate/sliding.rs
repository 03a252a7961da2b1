//! Sliding window: every target is scored once, with at least `eval_seq_len − eval_stride` tokens of context where the stream
//! has them (docs/spec/algorithms.md#sliding-window).

use tch::Tensor;

use super::full::boundaries;
use super::{OnProgress, Progress, ValData};
use crate::data::BOS_ID;
use crate::data::windows::{Window, sliding_windows};
use crate::model::{Extra, Gpt};
use crate::nn::Docs;
use crate::recipe::EvalRecipe;
use crate::{Error, Result, parallel};

/// Computes the nats of every target of the stream. Only the scored positions of a window go through the vocabulary
/// projection.
pub fn score(model: &Gpt, val: &ValData, recipe: &EvalRecipe, on_progress: OnProgress) -> Result<Vec<f32>> {
    let windows = sliding_windows(val.targets(), recipe.eval_seq_len as usize, recipe.sliding().eval_stride as usize);
    let batches = batches(&windows, recipe.eval_batch_seqs as usize);
    let starts: Vec<usize> = batches.iter().map(|batch| batch[0].first_scored).collect();
    let mut progress = Progress::default();
    let apart = recipe.documents_apart;
    let work = |model: &mut Gpt, batch: &[Window]| score_batch(model, val, batch, apart);
    // The scored spans of consecutive windows adjoin, so the batches' values, one after another, are the stream's.
    let parts =
        parallel::map_with(&mut model.for_workers(recipe.eval_seq_len)?, batches, work, |batch, nats: &Vec<f32>| {
            progress.totals.add(val, starts[batch], nats);
            on_progress(&progress)
        })?;
    Ok(parts.concat())
}

/// Splits windows into runs of one shape, of at most `rows` windows.
pub(super) fn batches(windows: &[Window], rows: usize) -> Vec<&[Window]> {
    let mut batches: Vec<&[Window]> = Vec::new();
    let mut rest = windows;
    while let Some(first) = rest.first() {
        let same = |w: &&Window| w.len == first.len && w.first_scored - w.start == first.first_scored - first.start;
        let (batch, after) = rest.split_at(rest.iter().take(rows).take_while(same).count());
        batches.push(batch);
        rest = after;
    }
    batches
}

/// Computes the nats of the scored positions of windows of one shape.
fn score_batch(model: &Gpt, val: &ValData, windows: &[Window], apart: bool) -> Result<Vec<f32>> {
    let scored = tch::no_grad(|| {
        let (hidden, y) = scored_hidden(model, val, windows, apart)?;
        Ok::<Tensor, Error>(model.nll_from_hidden(&hidden, &y, None).to_device(tch::Device::Cpu).view([-1]))
    });
    Ok(Vec::<f32>::try_from(scored?)?)
}

/// Computes the hidden states `[windows, scored, dim]` of the scored positions of windows of one shape, and their targets
/// `[windows, scored]`. With `apart`, the windows lie in one packed row and attention keeps within each document of each
/// window.
pub(super) fn scored_hidden(model: &Gpt, val: &ValData, windows: &[Window], apart: bool) -> Result<(Tensor, Tensor)> {
    let (len, offset) = (windows[0].len as i64, (windows[0].first_scored - windows[0].start) as i64);
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for w in windows {
        let (inputs, targets) = val.ids(w.start, w.len);
        x.extend(inputs);
        y.extend_from_slice(&targets[offset as usize..]);
    }
    let (rows, device) = (windows.len() as i64, model.device());
    let (docs, shape) = if apart {
        let pieces: Vec<usize> = windows.iter().flat_map(|w| pieces(val, w)).collect();
        (Docs::packed(&boundaries(&pieces), device)?, [1, rows * len])
    } else {
        (Docs::Rows, [rows, len])
    };
    let x = Tensor::from_slice(&x).view(shape).to_device(device);
    let y = Tensor::from_slice(&y).view([rows, len - offset]).to_device(device);
    let hidden = model.hidden(&x, &docs, Extra::default()).view([rows, len, -1]).narrow(1, offset, len - offset);
    Ok((hidden, y))
}

/// Lengths of the documents' parts that a window holds; the first may have begun before it.
fn pieces(val: &ValData, w: &Window) -> Vec<usize> {
    let inputs = &val.tokens[w.start..w.start + w.len];
    let begins = (1..w.len).filter(|&i| inputs[i] == BOS_ID);
    let bounds: Vec<usize> = std::iter::once(0).chain(begins).chain([w.len]).collect();
    bounds.windows(2).map(|pair| pair[1] - pair[0]).collect()
}
