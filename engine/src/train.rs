//! The training loop of the baseline (spec/algorithms.md §3.3), resumable at every checkpoint.
//!
//! The training clock is the field's: it starts after the warm-up, whose effect is undone, and stands still while the
//! model is validated or a checkpoint is written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use tch::{Device, Tensor};

use crate::data::{DataSet, SequentialLoader, TokenStream};
use crate::evaluate::{ValData, full};
use crate::log::Event;
use crate::model::{Attend, Gpt, initial_state};
use crate::optim::{Optimizer, schedule};
use crate::run::Context;
use crate::{Error, Result, checkpoint, device, parallel};

/// What [`train`] leaves behind besides the model.
pub struct Trained {
    pub model: Gpt,
    pub steps: i64,
    pub train_time_ms: f64,
}

/// Where the loop stands; a checkpoint restores it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Progress {
    step: i64,
    /// Milliseconds on the training clock.
    train_time_ms: f64,
    loader_position: u64,
}

/// Trains `ctx.recipe` from `ctx.seed`, or goes on from the checkpoint in the run directory.
///
/// # Errors
/// [`Error::Diverged`] on a loss that is not a number, [`Error::Interrupted`] when asked to stop; the last good
/// checkpoint stays in the run directory.
pub fn train(ctx: &mut Context, data: &DataSet, val: &ValData, device: Device) -> Result<Trained> {
    let t = &ctx.recipe.train.clone();
    if data.train.is_empty() {
        let folder = data.val.first().and_then(|path| path.parent()).unwrap_or(Path::new(&data.name));
        let reason = "holds validation shards but no fineweb_train_*.bin to train on; fetch them into this folder, or point \
                      --data at a data set that has them";
        return Err(Error::format(folder, reason));
    }
    let stream = TokenStream::open(&data.train, ctx.recipe.model.vocab_size)?;
    let mut trainer = Trainer::new(ctx, stream, device)?;
    if ctx.resumed_step.is_none() {
        trainer.warm_up(ctx)?;
    }
    let mut stop_after: Option<i64> = None;
    let mut clock = Instant::now();
    loop {
        let step = trainer.progress.step;
        let last = step == t.iterations || stop_after.is_some_and(|stop| step >= stop);
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
        let step = trainer.progress.step;
        let elapsed_ms = trainer.progress.train_time_ms + ms(clock);
        trainer.report(ctx, loss, elapsed_ms, stop_after.is_some())?;
        if t.max_wallclock_seconds > 0.0 && elapsed_ms >= 1000.0 * t.max_wallclock_seconds && stop_after.is_none() {
            stop_after = Some(step);
        }
        if ctx.asked_to_stop() {
            trainer.stop_clock(clock);
            return Err(trainer.interrupt(ctx)?);
        }
        if t.checkpoint_every > 0 && step % t.checkpoint_every == 0 && step < t.iterations {
            trainer.stop_clock(clock);
            trainer.save(ctx)?;
            clock = Instant::now();
        }
    }
    trainer.check_weights(ctx)?;
    let Progress { step, train_time_ms, .. } = trainer.progress;
    if step < t.iterations {
        ctx.log(&format!(
            "stopping_early: wallclock_cap train_time:{train_time_ms:.0}ms step:{step}/{}",
            t.iterations
        ))?;
    }
    ctx.log(&format!("peak memory: {} MiB", device::peak_rss_mib()))?;
    Ok(Trained { model: trainer.model, steps: step, train_time_ms })
}

/// Milliseconds since `since` on the host's clock. A GPU may lag behind it by a few steps; [`Trainer::stop_clock`] waits.
fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

/// The state that a step changes.
struct Trainer {
    model: Gpt,
    /// One a worker: micro-steps that go on at once differentiate through different replicas.
    replicas: Vec<Gpt>,
    optimizer: Optimizer,
    loader: SequentialLoader,
    progress: Progress,
    device: Device,
}

impl Trainer {
    fn new(ctx: &mut Context, stream: TokenStream, device: Device) -> Result<Trainer> {
        let recipe = &ctx.recipe;
        let mut state = initial_state(&recipe.model, ctx.seed);
        let resumed = ctx.resume_state()?;
        let mut progress = Progress::default();
        let mut saved: BTreeMap<String, Tensor> = BTreeMap::new();
        let resuming = resumed.is_some();
        if let Some((tensors, metadata)) = resumed {
            progress = Progress::read(&metadata, &ctx.training_state_path())?;
            saved = tensors.into_iter().collect();
            for (name, tensor) in &mut state {
                *tensor = saved.remove(name).ok_or_else(|| {
                    let reason = format!("it has no `{name}`; delete the run directory to start over");
                    Error::format(ctx.training_state_path(), reason)
                })?;
            }
        }
        let model = Gpt::new(&recipe.model, state, device)?;
        let workers = parallel::workers(device).min(recipe.train.grad_accum_steps as usize);
        let replicas = (0..workers).map(|_| model.replica()).collect::<Result<_>>()?;
        let mut optimizer = Optimizer::new(&model, &recipe.optim);
        if resuming {
            optimizer.restore(|name| saved.get(name).map(Tensor::shallow_clone))?;
        }
        let mut loader = SequentialLoader::new(stream);
        loader.seek(progress.loader_position);
        Ok(Trainer { model, replicas, optimizer, loader, progress, device })
    }

    /// Adds what has passed since `clock` was started, after everything that was begun has been done.
    fn stop_clock(&mut self, clock: Instant) {
        device::synchronise(self.device);
        self.progress.train_time_ms += ms(clock);
    }

    /// Real steps before the clock starts; weights, optimiser state and data position are put back afterwards.
    fn warm_up(&mut self, ctx: &mut Context) -> Result<()> {
        let steps = ctx.recipe.train.warmup_steps;
        if steps <= 0 {
            return Ok(());
        }
        let keep = |state: Vec<(String, Tensor)>| -> Vec<(String, Tensor)> {
            state.into_iter().map(|(name, t)| (name, t.detach().copy())).collect()
        };
        let weights = keep(self.model.parameters().iter().map(|(n, t)| (n.clone(), t.shallow_clone())).collect());
        let moments: BTreeMap<String, Tensor> = keep(self.optimizer.state()).into_iter().collect();
        for i in 1..=steps {
            let (_, grads) = self.gradients(ctx)?;
            self.optimizer.step(grads, 0, 1.0)?;
            if ctx.asked_to_stop() {
                return Err(Error::Interrupted { step: 0 });
            }
            if steps <= 20 || i % 10 == 0 || i == steps {
                ctx.log(&format!("warmup_step:{i}/{steps}"))?;
            }
        }
        tch::no_grad(|| {
            for ((_, parameter), (_, kept)) in self.model.parameters().iter().zip(&weights) {
                parameter.shallow_clone().copy_(kept);
            }
        });
        self.optimizer.restore(|name| moments.get(name).map(Tensor::shallow_clone))?;
        self.loader.seek(0);
        Ok(())
    }

    /// Mean loss in nats per token and its gradients over one step's micro-steps, added up in their order.
    fn gradients(&mut self, ctx: &Context) -> Result<(Tensor, Vec<Tensor>)> {
        let t = &ctx.recipe.train;
        let tokens = (t.train_batch_tokens / t.grad_accum_steps) as usize;
        let (shape, share, device) = ([-1, t.train_seq_len], 1.0 / t.grad_accum_steps as f64, self.device);
        let batches: Vec<_> = (0..t.grad_accum_steps).map(|_| self.loader.next_batch(tokens)).collect::<Result<_>>()?;
        let micro_step = |replica: &mut Gpt, (x, y): (Vec<i64>, Vec<i64>)| {
            let x = Tensor::from_slice(&x).view(shape).to_device(device);
            let y = Tensor::from_slice(&y).view(shape).to_device(device);
            let loss = replica.loss(&x, &y, &Attend::Causal) * share;
            let grads = replica.gradients(&loss);
            Ok((loss.detach(), grads))
        };
        let parts = parallel::map_with(&mut self.replicas, batches, micro_step, |_, _| Ok(()))?;
        let mut parts = parts.into_iter();
        let Some(mut sum) = parts.next() else { unreachable!("grad_accum_steps is at least 1") };
        for (loss, grads) in parts {
            sum.0 += loss;
            for (total, grad) in sum.1.iter_mut().zip(grads).filter(|(_, grad)| grad.defined()) {
                *total += grad;
            }
        }
        Ok(sum)
    }

    fn step(&mut self, ctx: &Context, elapsed_ms: f64) -> Result<Tensor> {
        let t = &ctx.recipe.train;
        let step = self.progress.step;
        let looping = self.fraction(ctx, elapsed_ms) >= t.enable_looping_at;
        self.model.set_looping(looping);
        self.replicas.iter_mut().for_each(|replica| replica.set_looping(looping));
        let lr_scale = schedule::lr_scale(t, step, elapsed_ms);
        let (loss, grads) = self.gradients(ctx)?;
        self.optimizer.step(grads, step, lr_scale)?;
        self.progress.step += 1;
        self.progress.loader_position = self.loader.position();
        Ok(loss)
    }

    /// How much of training is over, by the clock under a cap and by steps without.
    fn fraction(&self, ctx: &Context, elapsed_ms: f64) -> f64 {
        let t = &ctx.recipe.train;
        if t.max_wallclock_seconds > 0.0 {
            elapsed_ms / (1000.0 * t.max_wallclock_seconds)
        } else {
            self.progress.step as f64 / t.iterations as f64
        }
    }

    /// Logs the step where the field does, tells the observer, and stops at a loss that is not a number. On a GPU the loss is
    /// read only where it is logged: reading it makes the host wait.
    fn report(&mut self, ctx: &mut Context, loss: Tensor, elapsed_ms: f64, stopping: bool) -> Result<()> {
        let t = ctx.recipe.train.clone();
        let step = self.progress.step;
        let due = t.checkpoint_every > 0 && step % t.checkpoint_every == 0;
        let logged =
            t.train_log_every > 0 && (step <= 10 || step % t.train_log_every == 0 || step == t.iterations || stopping);
        if !logged && !due && self.device.is_cuda() {
            return Ok(());
        }
        let train_loss = loss.double_value(&[]);
        if !train_loss.is_finite() {
            return Err(self.diverged(ctx, format!("the loss became {train_loss}")));
        }
        let average = elapsed_ms / step as f64;
        let fraction = self.fraction(ctx, elapsed_ms).max(step as f64 / t.iterations as f64).max(1e-9);
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

    fn validate(&mut self, ctx: &mut Context, val: &ValData, last: bool) -> Result<()> {
        let limit = ctx.recipe.train.val_tokens_limit;
        let targets = if last || limit == 0 { val.targets() } else { val.targets().min(limit as usize) };
        let (val_loss, val_bpb) = full::validate(&self.model, val, &ctx.recipe.eval, targets, &mut |_| {
            if ctx.asked_to_stop() { Err(Error::Stopped) } else { Ok(()) }
        })?;
        if !val_loss.is_finite() {
            return Err(self.diverged(ctx, format!("the validation loss became {val_loss}")));
        }
        let Progress { step, train_time_ms, .. } = self.progress;
        let average = train_time_ms / step.max(1) as f64;
        ctx.log(&format!(
            "step:{step}/{} val_loss:{val_loss:.4} val_bpb:{val_bpb:.4} train_time:{train_time_ms:.0}ms step_avg:{average:.2}ms",
            ctx.recipe.train.iterations
        ))
    }

    /// Saves the state and returns the error that ends the training.
    fn interrupt(&self, ctx: &mut Context) -> Result<Error> {
        self.save(ctx)?;
        Ok(Error::Interrupted { step: self.progress.step as u64 })
    }

    fn diverged(&self, ctx: &Context, what: String) -> Error {
        let kept = ctx.training_state_path();
        Error::Diverged { step: self.progress.step as u64, what, checkpoint: kept.exists().then_some(kept) }
    }

    /// A step's loss is that of the weights before it: an update can spoil them while the loss still looks good.
    fn check_weights(&self, ctx: &Context) -> Result<()> {
        for (name, tensor) in self.model.parameters() {
            if !bool::try_from(tensor.isfinite().all())? {
                return Err(self.diverged(ctx, format!("{name} became NaN or infinite")));
            }
        }
        Ok(())
    }

    /// Writes everything that going on needs into one file, so that a kill leaves either the old state or the new.
    ///
    /// # Errors
    /// [`Error::Diverged`] when a weight is not a number; then the earlier file, which is good, stays.
    fn save(&self, ctx: &mut Context) -> Result<()> {
        self.check_weights(ctx)?;
        let mut tensors: Vec<(String, Tensor)> =
            self.model.parameters().iter().map(|(n, t)| (n.clone(), t.detach())).collect();
        tensors.extend(self.optimizer.state());
        let mut metadata = ctx.identity();
        metadata.insert("step".to_owned(), self.progress.step.to_string());
        metadata.insert("train_time_ms".to_owned(), self.progress.train_time_ms.to_string());
        metadata.insert("loader_position".to_owned(), self.progress.loader_position.to_string());
        metadata.insert("log_bytes".to_owned(), ctx.log_bytes()?.to_string());
        checkpoint::save(&ctx.training_state_path(), &tensors, &metadata).map(|_| ())
    }
}

impl Progress {
    fn read(metadata: &BTreeMap<String, String>, path: &PathBuf) -> Result<Progress> {
        fn field<T: std::str::FromStr>(metadata: &BTreeMap<String, String>, path: &PathBuf, key: &str) -> Result<T> {
            let value = metadata.get(key).and_then(|text| text.parse().ok());
            value.ok_or_else(|| {
                Error::format(path, format!("its metadata has no usable `{key}`; delete the file to start over"))
            })
        }
        Ok(Progress {
            step: field(metadata, path, "step")?,
            train_time_ms: field(metadata, path, "train_time_ms")?,
            loader_position: field(metadata, path, "loader_position")?,
        })
    }
}
