//! One run of a recipe: trains, quantizes, and evaluates the quantized model. Each phase leaves its result in the run
//! directory, and the same call continues wherever an earlier one was stopped, by Ctrl-C or by SIGKILL.

mod export;
mod phases;
mod scoring;
mod start;
mod state;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use tch::Device;

use crate::checkpoint::{self, StateDict};
use crate::data::DataSet;
use crate::error::guard;
use crate::evaluate::ValData;
use crate::log::{Event, Log, Observer};
use crate::train::train;
use crate::{Error, Recipe, Result};
use caddie_format::sha256;
use phases::{head, quantize, save_checkpoint, trained};
pub use scoring::{metric_name, model_path, score_lines};
use state::{ANOTHER_PLACE, check_folder};
pub use state::{Phase, State, lock};

/// Names of the files in a run directory.
pub mod files {
    pub const LOG: &str = "log.txt";
    pub const CHECKPOINT: &str = "checkpoint.safetensors";
    /// The rows' sensitivities, from a training that measures them.
    pub const SENSITIVITY: &str = "sensitivity.safetensors";
    /// Weights, optimizer state and position of an unfinished training.
    pub const TRAINING_STATE: &str = "training_state.safetensors";
    /// Documents scored so far by an unfinished evaluation.
    pub const SCORING: &str = "scoring.jsonl";
    pub const LEDGER: &str = "ledger.jsonl.zst";
    pub const STATE: &str = "state.json";
    pub const LOCK: &str = "lock";
}

/// The inputs of a run.
pub struct Job<'a> {
    pub recipe: Recipe,
    pub seed: u64,
    /// The run directory.
    pub dir: PathBuf,
    /// Data root or dataset folder.
    pub data: PathBuf,
    pub device: Device,
    /// Length of the `train_gpt.py` that ships with this recipe, in bytes; the log states the total.
    pub code_bytes: u64,
    /// The last phase to do.
    pub until: Phase,
    /// Set from outside to stop at the next step.
    pub stop: &'a AtomicBool,
}

/// An unfinished training from its checkpoint.
pub struct Unfinished {
    /// Weights, optimizer state and average.
    pub tensors: StateDict,
    /// Progress, position in the data, and identity of the run.
    pub metadata: BTreeMap<String, String>,
}

/// The state that every phase of a run shares.
pub struct Context<'a> {
    pub recipe: Recipe,
    pub seed: u64,
    /// Step of the checkpoint that training goes on from.
    pub resumed_step: Option<u64>,
    /// The unfinished training that the run directory held; the trainer takes it.
    pub unfinished: Option<Unfinished>,
    dir: PathBuf,
    data: String,
    log: Log,
    stop: &'a AtomicBool,
    observer: &'a mut dyn Observer,
}

/// Does the remaining work of `job` and returns the directory's final state.
///
/// # Errors
/// Besides those of the phases: another process works in the directory, or it holds another recipe's, seed's or data's
/// run.
pub fn run(job: &Job, observer: &mut dyn Observer) -> Result<State> {
    guard(|| run_phases(job, observer))
}

fn run_phases(job: &Job, observer: &mut dyn Observer) -> Result<State> {
    check_folder(&job.dir)?;
    let _lock = lock(&job.dir)?;
    let data = DataSet::locate(&job.data, &job.recipe)?;
    let mut state = State::open(job, &data)?;
    if state.phase >= job.until {
        return Ok(state);
    }
    let val = ValData::load(&job.recipe, &data)?;
    let mut ctx = Context::open(job, &state, observer)?;
    if state.phase == Phase::Started {
        if ctx.resumed_step.is_none() {
            head(&mut ctx, &data, &val, job.device)?;
        }
        let done = train(&mut ctx, &data, &val, job.device)?;
        if let Some(sensitivity) = &done.sensitivity {
            export::save_sensitivity(&ctx, sensitivity)?;
        }
        save_checkpoint(&mut ctx, &done)?;
        trained(&mut ctx, &mut state, done.train_time_ms)?;
        let _ = std::fs::remove_file(ctx.training_state_path()); // no longer needed; harmless where it stays
    }
    if state.phase == Phase::Trained && job.until > Phase::Trained {
        quantize(&mut ctx, &mut state, (&data, &val), job.device, job.code_bytes)?;
        ctx.finish(&mut state, Phase::Quantized)?;
    }
    if state.phase == Phase::Quantized && job.until > Phase::Quantized {
        scoring::score(&mut ctx, &mut state, &val, job.device)?;
        ctx.finish(&mut state, Phase::Evaluated)?;
    }
    Ok(state)
}

impl<'a> Context<'a> {
    fn open(job: &'a Job, state: &State, observer: &'a mut dyn Observer) -> Result<Context<'a>> {
        let mut ctx = Context {
            recipe: job.recipe.clone(),
            seed: job.seed,
            resumed_step: None,
            unfinished: None,
            data: state.data.clone(),
            log: Log::open(&job.dir.join(files::LOG))?,
            dir: job.dir.clone(),
            stop: job.stop,
            observer,
        };
        let mut keep = state.log_bytes;
        if state.phase == Phase::Started
            && let Some(unfinished) = ctx.read_unfinished()?
        {
            let stated = |key: &str| unfinished.metadata.get(key).and_then(|s| s.parse().ok());
            (ctx.resumed_step, keep) = (stated("step"), stated("log_bytes").unwrap_or(0));
            ctx.unfinished = Some(unfinished);
        }
        ctx.log.keep_only(keep)?;
        if let Some(step) = ctx.resumed_step {
            ctx.log(&format!("resumed_from_checkpoint step:{step}/{}", ctx.recipe.train.iterations))?;
        }
        Ok(ctx)
    }

    /// Writes a line to the log.
    pub fn log(&mut self, line: &str) -> Result<()> {
        self.log.line(self.observer, line)
    }

    /// Tells the observer.
    pub fn tell(&mut self, event: &Event) {
        self.observer.on(event);
    }

    pub fn log_bytes(&mut self) -> Result<u64> {
        self.log.bytes()
    }

    /// Tells whether somebody asked to stop.
    pub fn asked_to_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub fn training_state_path(&self) -> PathBuf {
        self.dir.join(files::TRAINING_STATE)
    }

    /// Returns the metadata that identify a file of this run, so that it is never taken for another run's.
    pub fn identity(&self) -> BTreeMap<String, String> {
        let recipe = self.recipe.to_toml();
        [("recipe_sha256", sha256(recipe.as_bytes())), ("seed", self.seed.to_string()), ("data", self.data.clone())]
            .map(|(key, value)| (key.to_owned(), value))
            .into()
    }

    /// The unfinished training in the run directory, if there is one.
    ///
    /// # Errors
    /// When it is damaged, or that of another run, whose work would be lost.
    fn read_unfinished(&self) -> Result<Option<Unfinished>> {
        let path = self.training_state_path();
        if !path.exists() {
            return Ok(None);
        }
        let (tensors, metadata) = checkpoint::load(&path)?;
        match self.identity().iter().find(|(key, value)| metadata.get(*key) != Some(value)) {
            None => Ok(Some(Unfinished { tensors, metadata })),
            Some((key, _)) => {
                let what = if key == "recipe_sha256" { "recipe" } else { key };
                Err(Error::format(&path, format!("is an unfinished training with another {what}; {ANOTHER_PLACE}")))
            }
        }
    }

    fn finish(&mut self, state: &mut State, phase: Phase) -> Result<()> {
        state.phase = phase;
        state.log_bytes = self.log_bytes()?;
        state.write(&self.dir)
    }
}
