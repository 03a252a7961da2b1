//! A start of the adapters, learnt from training documents by Reptile (docs/spec/algorithms.md#learnt-start).
//!
//! Reptile (Nichol, Achiam, Schulman, arXiv 1803.02999) moves a start φ towards where learning from it ends: with the ends ψ of n
//! documents, `φ ← φ + ε·(mean(ψ) − φ)`. It needs no second derivatives. Adaptation is that of the evaluation, chunk by chunk.

use std::time::Instant;

use tch::{Device, Kind, Tensor};

use super::{SeededInit, adapt};
use crate::data::Document;
use crate::model::Gpt;
use crate::nn::LearntStart;
use crate::recipe::{StartRecipe, TttRecipe};
use crate::{Error, Result, parallel};

/// The result of [`learn`].
pub struct Learnt {
    /// f32 on the model's device.
    pub start: LearntStart,
    /// Documents that it was learnt from.
    pub documents: usize,
}

/// Learns a start for `model`'s adapters from `documents`, each a BOS and as many tokens as every other.
///
/// On the CPU the result does not depend on the number of cores. With `seconds`, no batch of documents is begun that would, at
/// the pace so far, end after them; the first always is.
///
/// # Errors
/// [`Error::Stopped`] where `stop` says so, or what libtorch objects to.
pub fn learn(
    model: &Gpt,
    ttt: &TttRecipe,
    recipe: &StartRecipe,
    documents: &[Vec<u16>],
    seconds: Option<f64>,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Learnt> {
    let (rank, dim, began) = (ttt.ttt_lora_rank, model.config().model_dim, Instant::now());
    let places = model.adapter_places(ttt.adapters());
    let mut start = drawn(model, ttt, recipe, &places);
    let mut workers = model.for_workers(ttt.ttt_eval_seq_len)?;
    let side_by_side = if model.device() == Device::Cpu { 1 } else { ttt.ttt_batch_size as usize };
    let batches: Vec<&[Vec<u16>]> = documents.chunks(recipe.start_batch as usize).collect();
    let mut done = 0;
    for (k, batch) in batches.iter().enumerate() {
        let elapsed = began.elapsed().as_secs_f64();
        if k > 0 && seconds.is_some_and(|limit| elapsed + elapsed / k as f64 > limit) {
            break;
        }
        workers = workers.into_iter().map(|worker| worker.with_start(Some(start.share()))).collect();
        let work = |model: &mut Gpt, group: &[Vec<u16>]| {
            let Some(start) = model.start().filter(|_| !stop()) else { return Err(Error::Stopped) };
            let (tokens, docs) = stream(group);
            let (_, adapters) = adapt(model, &tokens, ttt, &docs, &start.among(&places, rank, dim)?)?;
            Ok(adapters.matrices().map(|ends| ends.sum_dim_intlist([0i64].as_slice(), false, Kind::Float)))
        };
        let groups = batch.chunks(side_by_side).collect();
        let sums = parallel::map_with(&mut workers, groups, work, |_, _| Ok(()))?;
        let mean = |i: usize| sums.iter().map(|sums| &sums[i]).sum::<Tensor>() / batch.len() as f64;
        start.move_towards(&[mean(0), mean(1)], recipe.start_lr * (1.0 - k as f64 / batches.len() as f64));
        done += batch.len();
    }
    Ok(Learnt { start, documents: done })
}

/// The start before anything was learnt: A drawn as for a document, B = 0.
fn drawn(model: &Gpt, ttt: &TttRecipe, recipe: &StartRecipe, places: &[(String, i64)]) -> LearntStart {
    let (rank, dim, device) = (ttt.ttt_lora_rank, model.config().model_dim, model.device());
    let names: Vec<String> = places.iter().map(|(name, _)| name.clone()).collect();
    let a = SeededInit { seed: ttt.ttt_seed }.shared(&names, rank, dim, device);
    let outputs: i64 = places.iter().map(|(_, output)| output).sum();
    let b = recipe.start_b.then(|| Tensor::zeros([outputs, rank], (Kind::Float, device)));
    LearntStart { a, b }
}

/// Puts documents one behind the other.
fn stream(documents: &[Vec<u16>]) -> (Vec<u16>, Vec<Document>) {
    let mut first = 0;
    let mut place = |(index, tokens): (usize, &Vec<u16>)| {
        let document = Document { index, start: first, targets: tokens.len() - 1 };
        first += tokens.len();
        document
    };
    let docs = documents.iter().enumerate().map(&mut place).collect();
    (documents.concat(), docs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::initial_state;
    use crate::recipe::Recipe;

    const TOML: &str = "[model]\nvocab_size = 32\nmodel_dim = 32\nlayout = 'A*2'\n[model.block.A.mlp]\n[model.block.A.gqa]\n\
                        num_heads = 2\nnum_kv_heads = 1\n[eval]\nmode = 'ttt'\n[eval.ttt]\nttt_lora_rank = 4\n\
                        ttt_chunk_size = 16\nttt_eval_seq_len = 32\nttt_lora_lr = 0.01\nttt_weight_decay = 0\n\
                        [eval.ttt.start]\nstart_documents = 2\nstart_batch = 2\nstart_tokens = 40\nstart_lr = 0.5\n";

    #[test]
    fn a_move_is_the_share_of_the_way_to_the_mean_of_the_ends() {
        let recipe = Recipe::parse(TOML, &["eval.ttt.start.start_b=true".to_owned()]).unwrap();
        let (ttt, settings) = (recipe.eval.ttt(), recipe.learnt_start().unwrap());
        let mut state = initial_state(&recipe.model, 3).unwrap();
        for (_, tensor) in &mut state {
            let wave = Tensor::arange(tensor.numel() as i64, (Kind::Float, Device::Cpu)).sin();
            *tensor += wave.view_as(tensor) * 0.1;
        }
        let model = Gpt::new(&recipe.model, state, Device::Cpu).unwrap();
        let documents: Vec<Vec<u16>> =
            (0..4).map(|d: u16| (0..41).map(|i| if i == 0 { 1 } else { 4 + (i * i + d * i) % 28 }).collect()).collect();
        let places = model.adapter_places(ttt.adapters());
        let first = drawn(&model, &ttt, settings, &places);
        let end = |start: &LearntStart, document: &Vec<u16>| {
            let (tokens, docs) = stream(std::slice::from_ref(document));
            let init = start.among(&places, 4, 32).unwrap();
            adapt(&model, &tokens, &ttt, &docs, &init).unwrap().1.matrices().map(|ends| ends.squeeze_dim(0))
        };
        // The second of two moves takes half of the first one's share.
        let mut expected = first.share();
        for (pair, share) in documents.chunks(2).zip([0.5, 0.25]) {
            let [x, y] = [&pair[0], &pair[1]].map(|document| end(&expected, document));
            let mean = [0, 1].map(|i| (&x[i] + &y[i]) / 2.0);
            expected = LearntStart {
                a: &expected.a * (1.0 - share) + &mean[0] * share,
                b: expected.b.map(|b| b * (1.0 - share) + &mean[1] * share),
            };
        }
        let learnt = learn(&model, &ttt, settings, &documents, None, &|| false).unwrap().start;
        let off = |a: &Tensor, b: &Tensor| (a - b).abs().max().double_value(&[]);
        assert!(off(&learnt.a, &expected.a) < 1e-6 && off(&learnt.a, &first.a) > 1e-3);
        let (b, expected) = (learnt.b.unwrap(), expected.b.unwrap());
        assert!(off(&b, &expected) < 1e-6 && b.abs().max().double_value(&[]) > 1e-3);
    }
}
