//! Document-independent, score-first LoRA test-time training (PR #1530; docs/spec/algorithms.md#test-time-training).
//!
//! Each document starts from fresh adapters and a fresh optimizer. Its chunks are scored in order, each before the adapters
//! learn from it. Nothing is shared between documents: not the adapters, not the moments, not a norm, not a random
//! stream, so a document's score does not depend on which others are scored, beside it or before it.

mod draw;
mod learn;

use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor};

use super::{OnProgress, Progress, ValData, ids, ledger};
use crate::data::windows::{ChunkWindow, chunk_window, ttt_batches};
use crate::data::{BOS_ID, Document};
use crate::model::{Extra, Gpt};
use crate::nn::{AdapterInit, Adapters, Docs, LearntStart, Rows};
use crate::optim::adam::{AdamStep, Moments};
use crate::recipe::TttRecipe;
use crate::{Error, Result, parallel};
pub use draw::SeededInit;
pub use learn::{Learnt, learn};

/// Computes the nats of every target of `docs`; NaN elsewhere.
///
/// On the CPU each core adapts one document at a time: that is faster than sharing small products between cores. On a GPU
/// `ttt_batch_size` documents of similar length go side by side.
pub fn score(
    model: &Gpt,
    val: &ValData,
    recipe: &TttRecipe,
    docs: &[Document],
    on_progress: OnProgress,
) -> Result<Vec<f32>> {
    let seeded = SeededInit { seed: recipe.ttt_seed };
    let places = model.adapter_places(recipe.adapters());
    let (rank, dim) = (recipe.ttt_lora_rank, model.config().model_dim);
    if recipe.start.is_some() {
        learnt_start(model)?.among(&places, rank, dim)?;
    }
    let batch_size = if model.device() == Device::Cpu { 1 } else { recipe.ttt_batch_size as usize };
    let batches = batches(recipe, docs, batch_size);
    warm_up(model, recipe);

    let mut nll = vec![f32::NAN; val.targets()];
    let mut progress = Progress::default();
    let members = batches.clone();
    let work = |model: &mut Gpt, batch: Vec<Document>| match &recipe.start {
        Some(_) => score_batch(model, val, recipe, &batch, &learnt_start(model)?.among(&places, rank, dim)?),
        None => score_batch(model, val, recipe, &batch, &seeded),
    };
    parallel::map_with(
        &mut model.for_workers(recipe.ttt_eval_seq_len)?,
        batches,
        work,
        |batch, scored: &Vec<Vec<f32>>| {
            for (d, nats) in members[batch].iter().zip(scored) {
                progress.totals.add(val, d.start, nats);
                nll[d.start..d.start + d.targets].copy_from_slice(nats);
            }
            progress.rows = members[batch].iter().map(|d| ledger::row(val, d, &nll)).collect();
            on_progress(&progress)
        },
    )?;
    Ok(nll)
}

/// The learnt start of a model whose recipe has `[eval.ttt.start]`.
fn learnt_start(model: &Gpt) -> Result<&LearntStart> {
    model.start().ok_or_else(|| {
        Error::Recipe(
            "[eval.ttt.start]: these weights come without a learnt start of the adapters, which only a model file of a recipe \
             with that section holds; take the section out (--set eval.ttt.start=)"
                .to_owned(),
        )
    })
}

/// Cuts `docs` into batches of at most `batch_size` documents of similar length; those of one batch have chunks of one size.
fn batches(recipe: &TttRecipe, docs: &[Document], batch_size: usize) -> Vec<Vec<Document>> {
    let mut by_chunk: BTreeMap<i64, Vec<Document>> = BTreeMap::new();
    for d in docs {
        by_chunk.entry(recipe.chunk(d.targets)).or_default().push(*d);
    }
    let chosen = |docs: &Vec<Document>| -> Vec<Vec<Document>> {
        ttt_batches(docs, batch_size).iter().map(|batch| batch.iter().map(|&i| docs[i]).collect()).collect()
    };
    by_chunk.values().rev().flat_map(chosen).collect()
}

/// Runs one chunk of synthetic tokens through a throw-away set of adapters: kernels are chosen and memory is reserved
/// without touching validation data (docs/spec/algorithms.md#independence-of-documents). It counts as evaluation time.
fn warm_up(model: &Gpt, recipe: &TttRecipe) {
    let len = recipe.ttt_chunk_size;
    let mut ids: Vec<i64> = (0..=len).map(|i| i % model.config().vocab_size).collect();
    ids[0] = i64::from(BOS_ID).min(model.config().vocab_size - 1);
    let device = model.device();
    let row = |ids: &[i64]| Tensor::from_slice(ids).unsqueeze(0).to_device(device);
    let rows = Rows { positions: row(&(0..len).collect::<Vec<_>>()) };
    let inputs = Inputs { x: row(&ids[..len as usize]), y: row(&ids[1..]), rows };
    let mut session = Session::new(model, recipe, &[0], &SeededInit { seed: 0 });
    session.learn(&session.nll(model, &inputs).mean(Kind::Float));
}

/// The adapters of one batch of documents and the state of their optimizer.
struct Session {
    adapters: Adapters,
    moments: Moments,
    adam: AdamStep,
}

impl Session {
    fn new(model: &Gpt, recipe: &TttRecipe, docs: &[usize], init: &dyn AdapterInit) -> Session {
        let mut adapters = model.adapters(recipe.adapters(), docs, init);
        let moments = Moments::new(adapters.flat());
        let adam = AdamStep {
            lr: recipe.ttt_lora_lr,
            beta1: recipe.ttt_beta1,
            beta2: recipe.ttt_beta2,
            eps: recipe.ttt_eps,
            weight_decay: recipe.ttt_weight_decay,
        };
        Session { adapters, moments, adam }
    }

    /// Takes one elementwise AdamW step, so that documents of a batch do not affect each other.
    fn learn(&mut self, loss: &Tensor) {
        let grad = self.adapters.gradient(loss);
        self.moments.step(self.adapters.flat(), &grad, self.adam);
    }
}

/// Computes the nats of every target of each document in `docs`, which are adapted side by side and have chunks of one size.
///
/// # Errors
/// When libtorch cannot hand the values back.
pub fn score_batch(
    model: &Gpt,
    val: &ValData,
    recipe: &TttRecipe,
    docs: &[Document],
    init: &dyn AdapterInit,
) -> Result<Vec<Vec<f32>>> {
    Ok(adapt(model, &val.tokens, recipe, docs, init)?.0)
}

/// Scores `docs` of the stream `tokens` and returns the adapters as they were when the last chunks were scored, too.
fn adapt(
    model: &Gpt,
    tokens: &[u16],
    recipe: &TttRecipe,
    docs: &[Document],
    init: &dyn AdapterInit,
) -> Result<(Vec<Vec<f32>>, Adapters)> {
    let longest = docs.iter().map(|d| d.targets).max().unwrap_or(0);
    let (chunk, context) = (recipe.chunk(longest) as usize, recipe.ttt_eval_seq_len as usize);
    let chunks: Vec<usize> = docs.iter().map(|d| d.targets.div_ceil(chunk)).collect();
    let indices: Vec<usize> = docs.iter().map(|d| d.index).collect();
    let mut session = Session::new(model, recipe, &indices, init);
    let mut nats: Vec<Vec<f32>> = docs.iter().map(|d| Vec::with_capacity(d.targets)).collect();

    for c in 0..chunks.iter().copied().max().unwrap_or(0) {
        // The width depends on the chunk's number alone, never on the neighbors: same shapes, same bits.
        let width = (chunk * (c + 1)).min(context);
        let windows: Vec<Option<ChunkWindow>> = docs
            .iter()
            .zip(&chunks)
            .map(|(d, &n)| (c < n).then(|| chunk_window(c, d.targets, n, chunk, context)))
            .collect();
        let inputs = Inputs::gather(model, tokens, docs, &windows, width, chunk);
        let learns: Vec<f32> = chunks.iter().map(|&n| if c + 1 < n { 1.0 } else { 0.0 }).collect();
        let any_learns = recipe.ttt_grad_steps > 0 && learns.contains(&1.0);

        let scored =
            if any_learns { session.nll(model, &inputs) } else { tch::no_grad(|| session.nll(model, &inputs)) };
        let values = Vec::<f32>::try_from(scored.detach().to_device(Device::Cpu).reshape([-1]))?;
        for (row, window) in windows.iter().enumerate() {
            if let Some(window) = window {
                nats[row].extend_from_slice(&values[row * chunk..row * chunk + window.chunk_len]);
            }
        }
        if any_learns {
            // A document's loss is the mean over its own chunk; the sum over documents couples nothing.
            let weight = Tensor::from_slice(&learns).to_device(model.device());
            let mean = scored.mean_dim(Some([1i64].as_slice()), false, Kind::Float);
            session.learn(&(mean * &weight).sum(Kind::Float));
            for _ in 1..recipe.ttt_grad_steps {
                let again = session.nll(model, &inputs).mean_dim(Some([1i64].as_slice()), false, Kind::Float);
                session.learn(&(again * &weight).sum(Kind::Float));
            }
        }
    }
    Ok((nats, session.adapters))
}

impl Session {
    /// Computes the nats `[docs, chunk]` of the chunk's positions. Only they go through the last layer's queries,
    /// output and MLP and through the vocabulary projection; every earlier layer feeds the keys and values of the next.
    fn nll(&self, model: &Gpt, inputs: &Inputs) -> Tensor {
        let adapters = Some(&self.adapters);
        let extra = Extra { adapters, only: Some(&inputs.rows), ..Extra::default() };
        model.nll_from_hidden(&model.hidden(&inputs.x, &Docs::Rows, extra), &inputs.y, adapters)
    }
}

/// One chunk of each document, with its context.
struct Inputs {
    /// `[docs, width]`, padded on the right with zeros: causal attention never looks there.
    x: Tensor,
    /// `[docs, chunk]` targets of the chunk.
    y: Tensor,
    /// `[docs, chunk]` positions of the chunk within the window; past its end, the last position again.
    rows: Rows,
}

impl Inputs {
    fn gather(
        model: &Gpt,
        tokens: &[u16],
        docs: &[Document],
        windows: &[Option<ChunkWindow>],
        width: usize,
        chunk: usize,
    ) -> Inputs {
        let count = docs.len();
        let (mut x, mut y, mut positions) =
            (vec![0i64; count * width], vec![0i64; count * chunk], vec![0i64; count * chunk]);
        for (row, (d, window)) in docs.iter().zip(windows).enumerate() {
            let Some(w) = window else { continue };
            let (inputs, targets) = ids(tokens, d.start + w.win_start, w.win_len);
            x[row * width..row * width + w.win_len].copy_from_slice(&inputs);
            y[row * chunk..row * chunk + w.chunk_len].copy_from_slice(&targets[w.chunk_offset..]);
            for (i, position) in positions[row * chunk..(row + 1) * chunk].iter_mut().enumerate() {
                *position = (w.chunk_offset + i).min(w.win_len - 1) as i64;
            }
        }
        let tensor = |values: &[i64], columns: usize| {
            Tensor::from_slice(values).view([count as i64, columns as i64]).to_device(model.device())
        };
        let rows = Rows { positions: tensor(&positions, chunk) };
        Inputs { x: tensor(&x, width), y: tensor(&y, chunk), rows }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::data::{ByteTable, find_documents};
    use crate::model::initial_state;
    use crate::recipe::Recipe;

    /// Nats of a document of three chunks, with activations and products in `kind`.
    fn nats(kind: Kind, lr: f64) -> Vec<f32> {
        let toml = "[model]\nvocab_size = 32\nmodel_dim = 32\nlayout = 'A*2'\n[model.unet]\n[model.block.A.mlp]\n\
                    [model.block.A.gqa]\nnum_heads = 2\nnum_kv_heads = 1\n\
                    [eval.ttt]\nttt_lora_rank = 4\nttt_chunk_size = 16\nttt_eval_seq_len = 32\nttt_weight_decay = 0\n";
        let recipe = Recipe::parse(toml, &[format!("ttt_lora_lr={lr:?}")]).unwrap();
        let mut state = initial_state(&recipe.model, 3).unwrap();
        for (index, (_, tensor)) in state.iter_mut().enumerate() {
            let wave = Tensor::arange(tensor.numel() as i64, (Kind::Float, Device::Cpu)) * 0.7 + index as f64;
            *tensor += wave.sin().view_as(tensor) * 0.1;
        }
        let model = Gpt::new(&recipe.model, state, Device::Cpu).unwrap().in_precision(kind);
        let tokens: Vec<u16> = (0..49).map(|i| if i == 0 { BOS_ID } else { 4 + (i * i) % 28 }).collect();
        let documents = find_documents(&tokens, Path::new("test.bin")).unwrap();
        let val = ValData { tokens, documents, byte_table: ByteTable::byte260(), sidecar: None };
        score(&model, &val, &recipe.eval.ttt(), &val.documents, &mut |_| Ok(())).unwrap()
    }

    #[test]
    fn documents_learn_in_bf16_as_they_do_in_f32() {
        let (bare, learnt, exact) = (nats(Kind::BFloat16, 0.0), nats(Kind::BFloat16, 0.01), nats(Kind::Float, 0.01));
        let mean = |nats: &[f32]| nats.iter().sum::<f32>() / nats.len() as f32;
        assert_eq!(bare[..16], learnt[..16]);
        for chunk in [16..32, 32..48] {
            let (bare, learnt, exact) = (mean(&bare[chunk.clone()]), mean(&learnt[chunk.clone()]), mean(&exact[chunk]));
            assert!((bare - exact).abs() > 5.0 * (learnt - exact).abs(), "bare {bare}, bf16 {learnt}, f32 {exact}");
        }
    }

    #[test]
    fn a_documents_chunk_follows_from_its_own_length_and_batches_have_one_size() {
        let recipe =
            TttRecipe { ttt_short_chunks: vec![[256, 8], [2000, 24]], ttt_chunk_size: 48, ..TttRecipe::default() };
        assert_eq!([1, 256, 257, 2000, 2001].map(|targets| recipe.chunk(targets)), [8, 8, 24, 24, 48]);
        let lens = [300usize, 10, 5000, 256, 2000, 9000, 4];
        let docs: Vec<Document> =
            lens.iter().enumerate().map(|(index, &targets)| Document { index, start: 0, targets }).collect();
        let batches = batches(&recipe, &docs, 2);
        let mut seen: Vec<usize> = batches.iter().flatten().map(|d| d.index).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..lens.len()).collect::<Vec<_>>());
        for batch in &batches {
            assert!(batch.iter().all(|d| recipe.chunk(d.targets) == recipe.chunk(batch[0].targets)), "{batch:?}");
        }
        assert_eq!(batches[0].iter().map(|d| d.targets).max(), Some(9000), "the longest come first");
    }
}
