//! The training loop (docs/spec/algorithms.md#training), resumable at every checkpoint.
//!
//! The training clock (docs/spec/algorithms.md#training-clock) is the field's: it starts after the warm-up, whose effect is
//! undone, and stands still while the model is validated or a checkpoint is written.

mod progress;
mod regime;
pub mod rings;
mod rounding;
mod steps;
mod trainer;

use std::path::Path;
use std::time::Instant;

use tch::{Device, Tensor};

use crate::data::{DataSet, TokenStream};
use crate::evaluate::ValData;
use crate::model::Gpt;
use crate::quant::ftle::Sensitivity;
use crate::run::Context;
use crate::{Error, Result, device};
use progress::ms;
pub use regime::{Regime, regime};
pub use steps::Steps;
use trainer::Trainer;

/// The result of [`train`].
pub struct Trained {
    /// The model, with the averaged weights where the recipe has an average.
    pub model: Gpt,
    pub train_time_ms: f64,
    /// The rows' sensitivities, where the recipe measures them.
    pub sensitivity: Option<Sensitivity>,
    /// The scales and thresholds of its symbols, for the checkpoint; empty where it has none.
    pub fits: Vec<(String, Tensor)>,
}

/// Trains `ctx.recipe` from `ctx.seed`, or continues from the checkpoint in the run directory.
///
/// # Errors
/// [`Error::Diverged`] on a loss that is not a number, [`Error::Interrupted`] when asked to stop; the last good
/// checkpoint stays in the run directory.
pub fn train(ctx: &mut Context, data: &DataSet, val: &ValData, device: Device) -> Result<Trained> {
    let t = &ctx.recipe.train.clone();
    let cap_ms = 1000.0 * ctx.recipe.training_seconds();
    let stream = open_training_data(ctx, data)?;
    let mut trainer = Trainer::new(ctx, stream, device)?;
    if ctx.resumed_step.is_none() {
        trainer.warm_up(ctx)?;
    }
    let mut clock = Instant::now();
    loop {
        let step = trainer.progress.step;
        let last = step == t.iterations || trainer.progress.capped;
        if last || (t.val_loss_every > 0 && step % t.val_loss_every == 0) {
            trainer.stop_clock(clock);
            match trainer.validate(ctx, val, last) {
                Err(Error::Stopped) => return Err(trainer.interrupt(ctx)?),
                done => done?,
            }
            clock = Instant::now();
        }
        if last {
            break;
        }
        let elapsed_ms = trainer.progress.train_time_ms + ms(clock);
        let loss = trainer.step(ctx, elapsed_ms)?;
        let elapsed_ms = trainer.progress.train_time_ms + ms(clock);
        trainer.progress.capped = cap_ms > 0.0 && elapsed_ms >= cap_ms;
        trainer.report(ctx, loss, elapsed_ms)?;
        if ctx.asked_to_stop() {
            trainer.stop_clock(clock);
            return Err(trainer.interrupt(ctx)?);
        }
        let step = trainer.progress.step;
        if t.checkpoint_every > 0 && step % t.checkpoint_every == 0 && step < t.iterations {
            trainer.stop_clock(clock);
            trainer.save(ctx)?;
            clock = Instant::now();
        }
    }
    trainer.check_weights(ctx)?;
    let (step, train_time_ms) = (trainer.progress.step, trainer.progress.train_time_ms);
    if step < t.iterations {
        ctx.log(&format!(
            "stopping_early: wallclock_cap train_time:{train_time_ms:.0}ms step:{step}/{}",
            t.iterations
        ))?;
    }
    ctx.log(&device::peak_memory(device))?;
    let fits = trainer.fits();
    let (model, sensitivity) = trainer.finish(ctx)?;
    Ok(Trained { model, train_time_ms, sensitivity, fits })
}

/// The training shards of `data`.
///
/// # Errors
/// When there are none, and whatever is wrong with one.
pub fn open_training_data(ctx: &Context, data: &DataSet) -> Result<TokenStream> {
    if data.train.is_empty() {
        let folder = data.val.first().and_then(|path| path.parent()).unwrap_or(Path::new(&data.name));
        let reason = "holds validation shards but no fineweb_train_*.bin to train on; fetch them into this folder, or point \
                      --data at a data set that has them";
        return Err(Error::format(folder, reason));
    }
    TokenStream::open(&data.train, ctx.recipe.model.vocab_size)
}
