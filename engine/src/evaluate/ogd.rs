//! Sliding window with online gradient descent on a bias over the vocabulary (docs/spec/algorithms.md#stride-ogd; PR #241,
//! PR #316): after targets are scored, the bias takes a step down the gradient of their loss. The model does not change.
//!
//! The gradient is `softmax(z + b) − onehot(target)`, summed over scored targets, so no pass backwards is needed and only
//! scored positions go through the vocabulary projection. PR #316 differentiates the logits of whole windows instead.

use tch::{Device, Kind, Tensor};

use super::sliding::{batches, scored_hidden};
use super::{OnProgress, Progress, ValData, ledger};
use crate::data::Document;
use crate::data::windows::{Window, sliding_windows};
use crate::model::Gpt;
use crate::recipe::EvalRecipe;
use crate::{Result, parallel};

/// Computes the nats of every target of `docs`, NaN elsewhere. Each document is read by itself, with a bias that begins at
/// zero, so that its score depends on no other.
pub fn by_document(
    model: &Gpt,
    val: &ValData,
    recipe: &EvalRecipe,
    docs: &[Document],
    on_progress: OnProgress,
) -> Result<Vec<f32>> {
    let mut nll = vec![f32::NAN; val.targets()];
    let mut progress = Progress::default();
    let work = |model: &mut Gpt, d: Document| score_document(model, val, recipe, &d);
    let mut workers = model.for_workers(recipe.eval_seq_len)?;
    parallel::map_with(&mut workers, docs.to_vec(), work, |doc, nats: &Vec<f32>| {
        let d = &docs[doc];
        progress.totals.add(val, d.start, nats);
        nll[d.start..d.start + d.targets].copy_from_slice(nats);
        progress.rows = vec![ledger::row(val, d, &nll)];
        on_progress(&progress)
    })?;
    Ok(nll)
}

/// Computes the nats of a document's targets. The bias takes a step after every `eval_stride` targets.
fn score_document(model: &Gpt, val: &ValData, recipe: &EvalRecipe, d: &Document) -> Result<Vec<f32>> {
    let stride = recipe.sliding().eval_stride;
    let windows: Vec<Window> = sliding_windows(d.targets, recipe.eval_seq_len as usize, stride as usize)
        .iter()
        .map(|w| Window {
            start: w.start + d.start,
            first_scored: w.first_scored + d.start,
            end: w.end + d.start,
            ..*w
        })
        .collect();
    let mut bias = Bias::new(model, recipe);
    let mut nats = Vec::with_capacity(d.targets);
    let _guard = tch::no_grad_guard();
    for batch in batches(&windows, recipe.eval_batch_seqs as usize) {
        let (logits, y) = logits(model, val, batch, false)?;
        for row in 0..batch.len() as i64 {
            let scored = y.size()[1];
            for start in (0..scored).step_by(stride as usize) {
                let n = stride.min(scored - start);
                let part = |t: &Tensor| t.narrow(0, row, 1).narrow(1, start, n);
                let BiasStep { nats: losses, gradient } = bias.score(&part(&logits), &part(&y));
                nats.push(losses);
                bias.step(&gradient);
            }
        }
    }
    let all = Tensor::cat(&nats, 1).to_device(Device::Cpu).view([-1]);
    Ok(Vec::<f32>::try_from(all)?)
}

/// Computes the nats of every target of the stream with one bias for all of it, as PR #316 does: it is carried from document
/// to document, and takes a step after every `ogd_batch_windows` windows.
pub fn carried(model: &Gpt, val: &ValData, recipe: &EvalRecipe, on_progress: OnProgress) -> Result<Vec<f32>> {
    let stride = recipe.sliding().eval_stride as usize;
    let windows = sliding_windows(val.targets(), recipe.eval_seq_len as usize, stride);
    let mut bias = Bias::new(model, recipe);
    // Workers share the bias's storage: a step, which is taken while they rest, reaches all of them.
    let models = model.for_workers(recipe.eval_seq_len)?;
    let mut workers: Vec<(Gpt, Bias)> = models.into_iter().map(|model| (model, bias.shared())).collect();
    let mut progress = Progress::default();
    let mut nll = Vec::with_capacity(val.targets());
    for together in windows.chunks(recipe.ogd().ogd_batch_windows as usize) {
        let work = |(model, bias): &mut (Gpt, Bias), batch: &[Window]| {
            let _guard = tch::no_grad_guard();
            let (logits, y) = logits(model, val, batch, recipe.documents_apart)?;
            Ok(bias.score(&logits, &y))
        };
        let batches = batches(together, recipe.eval_batch_seqs as usize);
        let scored = parallel::map_with(&mut workers, batches, work, |_, _| Ok(()))?;
        for BiasStep { nats, gradient } in scored {
            let nats = Vec::<f32>::try_from(nats.to_device(Device::Cpu).view([-1]))?;
            progress.totals.add(val, nll.len(), &nats);
            nll.extend(nats);
            bias.step(&gradient);
        }
        on_progress(&progress)?;
    }
    Ok(nll)
}

/// Computes the logits f32 `[windows, scored, vocab]` of the scored positions of windows of one shape, and their targets.
fn logits(model: &Gpt, val: &ValData, windows: &[Window], apart: bool) -> Result<(Tensor, Tensor)> {
    let (hidden, y) = scored_hidden(model, val, windows, apart)?;
    Ok((model.logits(&hidden, None), y))
}

/// The bias over the vocabulary, which is all that learns.
struct Bias {
    /// f32 `[vocab]`
    values: Tensor,
    lr: f64,
}

/// The loss of some targets, and its gradient.
struct BiasStep {
    /// `[windows, scored]`
    nats: Tensor,
    /// Of the sum over windows of the mean over targets, `[vocab]`.
    gradient: Tensor,
}

impl Bias {
    fn new(model: &Gpt, recipe: &EvalRecipe) -> Bias {
        let values = Tensor::zeros([model.config().vocab_size], (Kind::Float, model.device()));
        Bias { values, lr: recipe.ogd().ogd_lr }
    }

    /// Returns the same bias, for another thread to read.
    fn shared(&self) -> Bias {
        Bias { values: self.values.shallow_clone(), lr: self.lr }
    }

    /// Scores targets `y` `[windows, scored]` by their `logits` and the bias as it is.
    fn score(&self, logits: &Tensor, y: &Tensor) -> BiasStep {
        let targets = y.unsqueeze(-1);
        let log_p = (logits + &self.values).log_softmax(-1, Kind::Float);
        let nats = -log_p.gather(-1, &targets, false).squeeze_dim(-1);
        let vocab = self.values.size()[0];
        let expected = log_p.exp().view([-1, vocab]).sum_dim_intlist([0i64].as_slice(), false, Kind::Float);
        let ones = Tensor::ones([y.numel() as i64], (Kind::Float, y.device()));
        let seen = self.values.zeros_like().scatter_add(0, &y.reshape([-1]), &ones);
        let gradient = (expected - seen) / y.size()[1] as f64;
        BiasStep { nats, gradient }
    }

    /// Takes one step of gradient descent.
    fn step(&mut self, gradient: &Tensor) {
        self.values -= gradient * self.lr;
    }
}
