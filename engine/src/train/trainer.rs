//! The state that the loop changes, with its warm-up, its reports, its validation and its checkpoints.

use std::collections::BTreeMap;
use std::time::Instant;

use tch::{Device, Tensor};

use super::progress::{TrainProgress, ms};
use super::regime::{Regime, fraction, regime};
use super::steps::Steps;
use crate::data::{Batch, Loader, PackedLoader, SequentialLoader, TokenStream};
use crate::evaluate::{ValData, full};
use crate::log::Event;
use crate::model::{Gpt, initial_state};
use crate::quant::ftle::Sensitivity;
use crate::recipe::LoaderKind;
use crate::run::{Context, Unfinished};
use crate::{Error, Result, checkpoint, device};

pub struct Trainer {
    steps: Steps,
    loader: Loader,
    pub progress: TrainProgress,
    device: Device,
}

impl Trainer {
    /// Starts with fresh weights from the seed, or with the state of the checkpoint in the run directory.
    pub fn new(ctx: &mut Context, stream: TokenStream, device: Device) -> Result<Trainer> {
        let resumed = ctx.unfinished.take();
        let recipe = &ctx.recipe;
        let mut state = initial_state(&recipe.model, ctx.seed)?;
        let mut progress = TrainProgress::default();
        let mut saved: BTreeMap<String, Tensor> = BTreeMap::new();
        let resuming = resumed.is_some();
        let path = ctx.training_state_path();
        if let Some(Unfinished { tensors, metadata }) = resumed {
            progress = TrainProgress::read(&metadata, &path)?;
            saved = tensors.into_iter().collect();
            for (name, tensor) in &mut state {
                *tensor = saved.remove(name).ok_or_else(|| {
                    Error::format(&path, format!("it has no `{name}`; delete the run directory to start over"))
                })?;
            }
        }
        let mut steps = Steps::new(recipe, state, device)?;
        let mut loader = match recipe.train.loader {
            LoaderKind::Sequential => Loader::Sequential(SequentialLoader::new(stream)),
            LoaderKind::Packed => Loader::Packed(PackedLoader::new(stream, recipe.train.train_seq_len as usize)),
        };
        if resuming {
            let get = |name: &str| saved.get(name).map(Tensor::shallow_clone);
            steps.optimizer.restore(get)?;
            if let Some(average) = &mut steps.average {
                average.restore(get)?;
            }
            if let Some(sensitivity) = &mut steps.sensitivity {
                sensitivity.restore(&steps.model, get)?;
            }
            if let Some(rings) = &mut steps.rings {
                rings.restore(get);
            }
            if !loader.restore(&progress.loader) {
                return Err(Error::format(
                    &path,
                    "its position in the data is that of another loader; delete the file",
                ));
            }
        }
        progress.loader = loader.state();
        // What is validated before the first step, and after a resumption, is the model as it is trained now.
        steps.set_looping(progress.looping);
        Ok(Trainer { steps, loader, progress, device })
    }

    /// Adds the time since `clock` was started, after all begun work is done.
    pub fn stop_clock(&mut self, clock: Instant) {
        device::synchronize(self.device);
        self.progress.train_time_ms += ms(clock);
    }

    /// Takes real steps before the clock starts, with loops and without; weights, optimizer state and data position are
    /// restored afterwards.
    pub fn warm_up(&mut self, ctx: &mut Context) -> Result<()> {
        let steps = ctx.recipe.train.warmup_steps;
        if steps <= 0 {
            return Ok(());
        }
        let keep = |state: Vec<(String, Tensor)>| -> Vec<(String, Tensor)> {
            state.into_iter().map(|(name, t)| (name, t.detach().copy())).collect()
        };
        let parameters = self.steps.model.parameters();
        let weights = keep(parameters.iter().map(|(n, t)| (n.clone(), t.shallow_clone())).collect());
        let moments: BTreeMap<String, Tensor> = keep(self.steps.optimizer.state()).into_iter().collect();
        let position = self.loader.state();
        let rounds: &[bool] = if ctx.recipe.model.loops.is_some() { &[false, true] } else { &[false] };
        for &looping in rounds {
            self.steps.set_looping(looping);
            for i in 1..=steps {
                let batches = self.batches(ctx)?;
                let (_, grads) = self.steps.gradients(&ctx.recipe.train, batches)?;
                self.steps.optimizer.step(grads, 0, 1.0)?;
                if ctx.asked_to_stop() {
                    return Err(Error::Interrupted { step: 0 });
                }
                if steps <= 20 || i % 10 == 0 || i == steps {
                    let name = if looping { "loop_warmup_step" } else { "warmup_step" };
                    ctx.log(&format!("{name}:{i}/{steps}"))?;
                }
            }
        }
        tch::no_grad(|| {
            for ((_, parameter), (_, kept)) in self.steps.model.parameters().iter().zip(&weights) {
                parameter.shallow_clone().copy_(kept);
            }
        });
        self.steps.optimizer.restore(|name| moments.get(name).map(Tensor::shallow_clone))?;
        self.steps.set_looping(false);
        self.loader.restore(&position);
        Ok(())
    }

    fn batches(&mut self, ctx: &Context) -> Result<Vec<Batch>> {
        let t = &ctx.recipe.train;
        (0..t.grad_accum_steps).map(|_| self.loader.next_batch(t.micro_batch_tokens() as usize)).collect()
    }

    /// Takes one step and returns its loss.
    pub fn step(&mut self, ctx: &mut Context, elapsed_ms: f64) -> Result<Tensor> {
        let step = self.progress.step;
        let now = regime(&ctx.recipe, step, elapsed_ms, self.progress.looping);
        if now.looping && !self.progress.looping {
            self.log_looping(ctx, now, elapsed_ms)?;
        }
        if now.qat && !self.progress.qat {
            ctx.log(&format!("step:{step} QAT enabled (elapsed:{elapsed_ms:.0}ms)"))?;
        }
        for line in self.steps.prepare(step, fraction(&ctx.recipe, step, elapsed_ms)) {
            ctx.log(&line)?;
        }
        let batches = self.batches(ctx)?;
        let stepped = self.steps.step(&ctx.recipe.train, batches, step, now)?;
        (self.progress.looping, self.progress.qat) = (now.looping, now.qat);
        self.progress.step += 1;
        self.progress.loader = self.loader.state();
        Ok(stepped.loss)
    }

    fn log_looping(&mut self, ctx: &mut Context, now: Regime, elapsed_ms: f64) -> Result<()> {
        let step = self.progress.step;
        let fraction = fraction(&ctx.recipe, step, elapsed_ms);
        self.steps.set_looping(now.looping);
        let order = self.steps.model.order();
        let line = format!(
            "layer_loop:enabled step:{step} frac:{fraction:.3} encoder:{:?} decoder:{:?}",
            order.encoder, order.decoder
        );
        ctx.log(&line)
    }

    /// Logs the step where the field does, tells the observer, and stops at a loss that is not a number. On a GPU the
    /// loss is read only where it is logged, because reading it makes the host wait.
    pub fn report(&mut self, ctx: &mut Context, loss: Tensor, elapsed_ms: f64) -> Result<()> {
        let t = ctx.recipe.train.clone();
        let TrainProgress { step, capped, .. } = self.progress;
        let due = t.checkpoint_every > 0 && step % t.checkpoint_every == 0;
        let logged =
            t.train_log_every > 0 && (step <= 10 || step % t.train_log_every == 0 || step == t.iterations || capped);
        if !logged && !due && self.device.is_cuda() {
            return Ok(());
        }
        let train_loss = loss.f_double_value(&[])?;
        if !train_loss.is_finite() {
            return Err(self.diverged(ctx, format!("the loss became {train_loss}")));
        }
        let average = elapsed_ms / step as f64;
        let fraction = fraction(&ctx.recipe, step, elapsed_ms).max(step as f64 / t.iterations as f64).max(1e-9);
        ctx.tell(&Event::Step {
            step,
            iterations: t.iterations,
            train_loss,
            tokens_per_second: t.train_batch_tokens as f64 * 1000.0 / average,
            seconds_left: elapsed_ms / 1000.0 * (1.0 / fraction - 1.0).max(0.0),
        });
        if logged {
            ctx.log(&format!(
                "step:{step}/{} train_loss:{train_loss:.4} train_time:{elapsed_ms:.0}ms step_avg:{average:.2}ms",
                t.iterations
            ))?;
        }
        Ok(())
    }

    /// Scores the validation set, or the beginning of it, with the current model.
    pub fn validate(&mut self, ctx: &mut Context, val: &ValData, last: bool) -> Result<()> {
        let limit = ctx.recipe.train.val_tokens_limit;
        let targets = if last || limit == 0 { val.targets() } else { val.targets().min(limit as usize) };
        // The training ends with every layer in its alphabet, wherever its clock stands.
        let fraction = if last { 1.0 } else { fraction(&ctx.recipe, self.progress.step, self.progress.train_time_ms) };
        for line in self.steps.prepare(self.progress.step, fraction) {
            ctx.log(&line)?;
        }
        let (val_loss, val_bpb) = full::validate(self.steps.acting(), val, &ctx.recipe.eval, targets, &mut |_| {
            if ctx.asked_to_stop() { Err(Error::Stopped) } else { Ok(()) }
        })?;
        if !val_loss.is_finite() {
            return Err(self.diverged(ctx, format!("the validation loss became {val_loss}")));
        }
        let TrainProgress { step, train_time_ms, .. } = self.progress;
        let average = train_time_ms / step.max(1) as f64;
        ctx.log(&format!(
            "step:{step}/{} val_loss:{val_loss:.4} val_bpb:{val_bpb:.4} train_time:{train_time_ms:.0}ms step_avg:{average:.2}ms",
            ctx.recipe.train.iterations
        ))
    }

    /// Returns the scales and thresholds of the symbols, as the checkpoint keeps them; those of an average are chosen at
    /// its export.
    pub fn fits(&self) -> Vec<(String, Tensor)> {
        let rings = self.steps.rings.as_ref().filter(|_| self.steps.average.is_none());
        rings.map(|rings| rings.state()).unwrap_or_default()
    }

    /// Returns the trained model, with the averaged weights where there is an average, and the rows' sensitivities. Depth
    /// recurrence is on.
    pub fn finish(self, ctx: &mut Context) -> Result<(Gpt, Option<Sensitivity>)> {
        let Steps { mut model, average, sensitivity, .. } = self.steps;
        if let Some(average) = &average {
            ctx.log(&average.applied())?;
        }
        match average.and_then(|average| average.weights()) {
            Some(weights) => Ok((Gpt::new(&ctx.recipe.model, weights, self.device)?, sensitivity)),
            None => {
                model.set_looping(true);
                Ok((model, sensitivity))
            }
        }
    }

    /// Saves the state and returns the error that ends the training.
    pub fn interrupt(&self, ctx: &mut Context) -> Result<Error> {
        self.save(ctx)?;
        Ok(Error::Interrupted { step: self.progress.step as u64 })
    }

    fn diverged(&self, ctx: &Context, what: String) -> Error {
        let kept = ctx.training_state_path();
        Error::Diverged { step: self.progress.step as u64, what, checkpoint: kept.exists().then_some(kept) }
    }

    /// Checks the weights after a step. A step's loss is that of the weights before it, so an update can spoil them
    /// while the loss still looks good.
    pub fn check_weights(&self, ctx: &Context) -> Result<()> {
        for (name, tensor) in self.steps.model.parameters() {
            if !bool::try_from(tensor.isfinite().all())? {
                return Err(self.diverged(ctx, format!("{name} became NaN or infinite")));
            }
        }
        Ok(())
    }

    /// Writes everything that continuing needs into one file, so that a kill leaves either the old state or the new.
    ///
    /// # Errors
    /// [`Error::Diverged`] when a weight is not a number; then the earlier file, which is good, stays.
    pub fn save(&self, ctx: &mut Context) -> Result<()> {
        self.check_weights(ctx)?;
        let parameters = self.steps.model.parameters();
        let mut tensors: Vec<(String, Tensor)> = parameters.iter().map(|(n, t)| (n.clone(), t.detach())).collect();
        tensors.extend(self.steps.optimizer.state());
        tensors.extend(self.steps.average.iter().flat_map(|average| average.state()));
        tensors.extend(self.steps.sensitivity.iter().flat_map(|sensitivity| sensitivity.state()));
        tensors.extend(self.steps.rings.iter().flat_map(|rings| rings.state()));
        let mut metadata = ctx.identity();
        self.progress.write(&mut metadata);
        metadata.insert("log_bytes".to_owned(), ctx.log_bytes()?.to_string());
        checkpoint::save(&ctx.training_state_path(), &tensors, &metadata).map(|_| ())
    }
}
