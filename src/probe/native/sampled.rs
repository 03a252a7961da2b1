//! A model's own samples as a source: the engine draws token by token, and the probability of each is that of the integer
//! weights that it was drawn by (ancestral sampling).

use caddie_engine::evaluate::file::Loaded;
use caddie_engine::evaluate::next_logits;
use caddie_engine::model::Gpt;
use caddie_probe::dice::Dice;
use caddie_probe::source::drawn::{lengths, of_logits, stream};
use caddie_probe::source::{BOS, Stream};

use crate::{Error, Result};

/// Documents that are drawn side by side.
const AT_ONCE: usize = 32;

/// A document that is being drawn.
struct Draft {
    dice: Dice,
    length: usize,
    /// BOS first.
    tokens: Vec<u16>,
    /// −ln P of each token behind BOS.
    nats: Vec<f64>,
}

/// Draws a stream of `targets` tokens from a model, which sees the last `eval_seq_len` tokens of a document. `number` is that
/// of the stream of random numbers. A model of another precision or machine may draw other tokens from the same seed; what
/// is recorded is always what was drawn from.
///
/// # Errors
/// When the model gives no finite numbers, or the tensors do not fit.
pub fn draw(loaded: &Loaded, targets: usize, hazard: u64, seed: u64, number: u64) -> Result<Stream> {
    let refused = |error: caddie_probe::source::Error| Error::usage(error.to_string());
    let lengths = lengths(targets, hazard, &mut Dice::new(seed, number)).map_err(refused)?;
    let draft = |(document, length): (usize, usize)| Draft {
        // Each document has random numbers of its own, so that it does not depend on those beside it.
        dice: Dice::new(seed, ((document as u64 + 1) << 32) | number),
        length,
        tokens: vec![BOS],
        nats: Vec::with_capacity(length),
    };
    let mut drafts: Vec<Draft> = lengths.into_iter().enumerate().map(draft).collect();
    let context = loaded.recipe.eval.eval_seq_len;
    let models = loaded.model.for_workers(context)?;
    let [model, ..] = models.as_slice() else {
        return Err(Error::usage("there is no core to draw tokens on"));
    };
    for group in drafts.chunks_mut(AT_ONCE) {
        while step(model, group, context as usize)? {
            if crate::stop::flag().load(std::sync::atomic::Ordering::Relaxed) {
                return Err(caddie_engine::Error::Stopped.into());
            }
        }
    }
    let documents = drafts.into_iter().map(|draft| (draft.tokens.into_iter().skip(1).collect(), draft.nats));
    Ok(stream(hazard, documents))
}

/// Draws the next token of each document of a group; false where all are complete. All have equally many tokens.
fn step(model: &Gpt, group: &mut [Draft], context: usize) -> Result<bool> {
    let mut open: Vec<&mut Draft> = group.iter_mut().filter(|draft| draft.nats.len() < draft.length).collect();
    let Some(first) = open.first() else { return Ok(false) };
    let from = first.tokens.len().saturating_sub(context);
    let seen: Vec<&[u16]> = open.iter().map(|draft| draft.tokens.get(from..).unwrap_or_default()).collect();
    let logits = next_logits(model, &seen)?;
    for (draft, logits) in open.iter_mut().zip(&logits) {
        let weights = of_logits(logits).map_err(|error| Error::usage(error.to_string()))?;
        let drawn = weights.draw(&mut draft.dice);
        draft.nats.push(-weights.probability(drawn).ln());
        draft.tokens.push(drawn as u16);
    }
    Ok(true)
}
