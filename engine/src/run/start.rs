//! The learnt start of the adapters, from training documents, within the rest of the training clock.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::Context;
use crate::data::{DataSet, beginnings};
use crate::evaluate::ttt;
use crate::model::Gpt;
use crate::nn::LearntStart;
use crate::train::open_training_data;
use crate::{Error, Result};

/// Learns a start for the adapters of `model`, the trained weights before rounding, where the recipe asks for one.
/// `spent_ms` is the time of the training clock so far.
pub(super) fn learn(ctx: &mut Context, data: &DataSet, model: &Gpt, spent_ms: f64) -> Result<Option<LearntStart>> {
    let (ttt, cap) = (ctx.recipe.eval.ttt(), ctx.recipe.train.max_wallclock_seconds);
    let Some(recipe) = &ttt.start else { return Ok(None) };
    let (began, asked) = (Instant::now(), recipe.start_documents as usize);
    let stream = open_training_data(ctx, data)?;
    let documents = beginnings(&stream, ctx.seed, asked, recipe.start_tokens as usize)?;
    if documents.is_empty() {
        let reason = format!(
            "no document of the training data has {} targets, which eval.ttt.start.start_tokens asks for; lower it",
            recipe.start_tokens
        );
        return Err(Error::format(stream.path_at(0), reason));
    }
    let clock = (cap > 0.0).then(|| cap - spent_ms / 1000.0);
    let left = clock.map(|clock| clock - began.elapsed().as_secs_f64());
    let stop = ctx.stop;
    let learnt = ttt::learn(model, &ttt, recipe, &documents, left, &|| stop.load(Ordering::Relaxed));
    let learnt = learnt.map_err(|error| match error {
        Error::Stopped => Error::Interrupted { step: ctx.recipe.train.iterations as u64 },
        other => other,
    })?;
    let seconds = began.elapsed().as_secs_f64();
    ctx.log(&format!("ttt_start:learnt from {} of {asked} documents in {seconds:.1}s", learnt.documents))?;
    if learnt.documents < documents.len() {
        ctx.log("ttt_start:the clock had no time for more; raise eval.ttt.start.start_reserve_seconds")?;
    } else if documents.len() < asked {
        ctx.log(&format!("ttt_start:no more documents with {} targets were found", recipe.start_tokens))?;
    }
    if let Some(over) = clock.map(|clock| seconds - clock).filter(|&over| over > 0.0) {
        ctx.log(&format!(
            "ttt_start:it ended {over:.1}s after max_wallclock_seconds; raise eval.ttt.start.start_reserve_seconds"
        ))?;
    }
    Ok(Some(learnt.start))
}
