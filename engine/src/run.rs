//! One run of a recipe: train, quantise, evaluate what was quantised. Each phase leaves its result in the run directory,
//! and the same call continues wherever an earlier one was stopped, by Ctrl-C or by SIGKILL.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tch::Device;

use crate::checkpoint::{self, StateDict};
use crate::data::DataSet;
use crate::evaluate::{self, ValData, ledger};
use crate::log::{Event, Log, Observer, RULE};
use crate::model::{Gpt, spec};
use crate::quant::{self, container};
use crate::recipe::{EvalMode, TokenizerKind};
use crate::train::train;
use crate::{Error, Recipe, Result, atomic, device};

/// Names of the files in a run directory.
pub mod files {
    pub const LOG: &str = "log.txt";
    pub const CHECKPOINT: &str = "checkpoint.safetensors";
    /// Weights, optimiser state and position of an unfinished training.
    pub const TRAINING_STATE: &str = "training_state.safetensors";
    pub const MODEL: &str = "model.int8.zlib";
    pub const LEDGER: &str = "ledger.jsonl.zst";
    pub const STATE: &str = "state.json";
    pub const LOCK: &str = "lock";
}

/// What to do about a run directory that holds something else.
const ANOTHER_PLACE: &str = "choose another --name or --out, or delete the directory";

/// The last finished phase of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    Started,
    Trained,
    Quantised,
    Evaluated,
}

/// `state.json`: what a run directory holds, and whose it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub phase: Phase,
    pub seed: u64,
    /// SHA-256 of the resolved recipe, in hexadecimal.
    pub recipe_sha256: String,
    /// Name and shard sizes of the data, so that a run is not continued on other data.
    pub data: String,
    /// Length of the log when the phase ended; what follows belongs to the next phase.
    pub log_bytes: u64,
}

/// What a run needs to know.
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

/// What every phase of a run shares.
pub struct Context<'a> {
    pub recipe: Recipe,
    pub seed: u64,
    /// Step of the checkpoint that training goes on from.
    pub resumed_step: Option<u64>,
    dir: PathBuf,
    data: String,
    log: Log,
    stop: &'a AtomicBool,
    observer: &'a mut dyn Observer,
}

/// Does what is left of `job` and returns the directory's final state.
///
/// # Errors
/// Besides those of the phases: another process works in the directory, or it holds another recipe's, seed's or data's
/// run.
pub fn run(job: &Job, observer: &mut dyn Observer) -> Result<State> {
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
        let trained = train(&mut ctx, &data, &val, job.device)?;
        save_checkpoint(&mut ctx, &trained.model)?;
        ctx.finish(&mut state, Phase::Trained)?;
        let _ = std::fs::remove_file(ctx.training_state_path()); // no longer needed; harmless where it stays
    }
    if state.phase == Phase::Trained && job.until > Phase::Trained {
        quantise(&mut ctx, job.code_bytes)?;
        ctx.finish(&mut state, Phase::Quantised)?;
    }
    if state.phase == Phase::Quantised && job.until > Phase::Quantised {
        score(&mut ctx, &val, job.device)?;
        ctx.finish(&mut state, Phase::Evaluated)?;
    }
    Ok(state)
}

/// Creates the run directory, or refuses one that holds somebody's other files: a run would overwrite its log.txt.
fn check_folder(dir: &Path) -> Result<()> {
    if dir.exists() && !dir.is_dir() {
        return Err(Error::format(dir, "is a file, so it cannot be a run directory; name a folder"));
    }
    std::fs::create_dir_all(dir).map_err(Error::io(dir, "creating"))?;
    let empty = std::fs::read_dir(dir).map_err(Error::io(dir, "listing"))?.next().is_none();
    let ours = [files::LOCK, files::STATE].iter().any(|name| dir.join(name).exists());
    if empty || ours {
        return Ok(());
    }
    Err(Error::format(dir, "holds files but no run, and is left alone; name a new or empty folder for the run"))
}

/// Holds `dir` for this process; the system lets go when the process ends, however it ends.
///
/// # Errors
/// When another process holds it, and when the lock file cannot be created.
pub fn lock(dir: &Path) -> Result<File> {
    let path = dir.join(files::LOCK);
    let file = File::create(&path).map_err(Error::io(&path, "creating"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::format(
            dir,
            "another caddie is working in this run directory; wait until it ends, or choose another --name or --out",
        )),
        Err(TryLockError::Error(source)) => Err(Error::io(path, "locking")(source)),
    }
}

impl State {
    /// The state in `dir`, if there is one.
    pub fn read(dir: &Path) -> Result<Option<State>> {
        let path = dir.join(files::STATE);
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|e| Error::format(&path, format!("{e}; delete the run directory to start over"))),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::io(path, "reading")(e)),
        }
    }

    /// The directory's state, after checking that it belongs to `job`; a fresh one when there is none.
    fn open(job: &Job, data: &DataSet) -> Result<State> {
        let fresh = State {
            phase: Phase::Started,
            seed: job.seed,
            recipe_sha256: sha256(job.recipe.to_toml().as_bytes()),
            data: fingerprint(data)?,
            log_bytes: 0,
        };
        let Some(found) = State::read(&job.dir)? else { return Ok(fresh) };
        let differs = [
            (found.recipe_sha256 != fresh.recipe_sha256, "recipe"),
            (found.seed != fresh.seed, "seed"),
            (found.data != fresh.data, "data set"),
        ];
        match differs.iter().find(|(differs, _)| *differs) {
            None => Ok(found),
            Some((_, what)) => {
                Err(Error::format(&job.dir, format!("this run directory belongs to another {what}; {ANOTHER_PLACE}")))
            }
        }
    }

    fn write(&self, dir: &Path) -> Result<()> {
        let path = dir.join(files::STATE);
        let json = serde_json::to_vec_pretty(self).map_err(|e| Error::format(&path, e.to_string()))?;
        atomic::write(&path, |out| out.write_all(&json).map_err(Error::io(&path, "writing"))).map(|_| ())
    }
}

/// Name and shard sizes: cheap to compute, and different for any two data sets that a run could confuse.
fn fingerprint(data: &DataSet) -> Result<String> {
    let mut text = data.name.clone();
    for path in data.train.iter().chain(&data.val) {
        let len = std::fs::metadata(path).map_err(Error::io(path, "measuring"))?.len();
        text.push_str(&format!(" {len}"));
    }
    Ok(format!("{} {}", data.name, &sha256(text.as_bytes())[..16]))
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

impl<'a> Context<'a> {
    fn open(job: &'a Job, state: &State, observer: &'a mut dyn Observer) -> Result<Context<'a>> {
        let mut ctx = Context {
            recipe: job.recipe.clone(),
            seed: job.seed,
            resumed_step: None,
            data: state.data.clone(),
            log: Log::open(&job.dir.join(files::LOG), u64::MAX)?,
            dir: job.dir.clone(),
            stop: job.stop,
            observer,
        };
        let mut keep = state.log_bytes;
        if state.phase == Phase::Started
            && let Some((_, metadata)) = ctx.resume_state()?
        {
            ctx.resumed_step = metadata.get("step").and_then(|s| s.parse().ok());
            keep = metadata.get("log_bytes").and_then(|s| s.parse().ok()).unwrap_or(0);
        }
        ctx.log = Log::open(&job.dir.join(files::LOG), keep)?;
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

    /// Whether somebody asked to stop.
    pub fn asked_to_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub fn training_state_path(&self) -> PathBuf {
        self.dir.join(files::TRAINING_STATE)
    }

    /// What a file of this run says of itself, so that it is never taken for another run's.
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
    pub fn resume_state(&self) -> Result<Option<(StateDict, BTreeMap<String, String>)>> {
        let path = self.training_state_path();
        if !path.exists() {
            return Ok(None);
        }
        let (tensors, metadata) = checkpoint::load(&path)?;
        match self.identity().iter().find(|(key, value)| metadata.get(*key) != Some(value)) {
            None => Ok(Some((tensors, metadata))),
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

/// The head of the log: the resolved recipe, versions, hardware, and the baseline's own opening lines.
fn head(ctx: &mut Context, data: &DataSet, val: &ValData, on: Device) -> Result<()> {
    let recipe = ctx.recipe.clone();
    for line in recipe.to_toml().lines() {
        ctx.log(line)?;
    }
    let (m, o, t) = (&recipe.model, &recipe.optim, &recipe.train);
    let tokenizer = match (&recipe.data.tokenizer, &data.tokenizer) {
        (TokenizerKind::Byte260, _) => "tokenizer_kind=byte260".to_owned(),
        (_, path) => {
            let name = path.as_deref().and_then(Path::file_name).unwrap_or_default();
            format!("tokenizer_kind=sentencepiece tokenizer_path={}", name.display())
        }
    };
    let (embed_lr, head_lr) = if m.tie_embeddings { (o.tied_embed_lr, 0.0) } else { (o.embed_lr, o.head_lr) };
    let tied = if m.tie_embeddings { "True" } else { "False" };
    let attention = if m.num_kv_heads == m.num_heads { "mha" } else { "gqa" };
    for line in [
        RULE.to_owned(),
        format!("Running caddie-engine {}", env!("CARGO_PKG_VERSION")),
        format!("Running PyTorch {}", crate::LIBTORCH_VERSION),
        format!("hardware: {}", device::describe(on)),
        RULE.to_owned(),
        format!("val_bpb:enabled {tokenizer}"),
        format!("train_loader:dataset:{} train_shards:{}", data.name, data.train.len()),
        format!("val_loader:shards pattern=fineweb_val_*.bin tokens:{}", val.targets()),
        format!("model_params:{}", spec::num_parameters(m)),
        format!("world_size:1 grad_accum_steps:{}", t.grad_accum_steps),
        format!("attention_mode:{attention} num_heads:{} num_kv_heads:{}", m.num_heads, m.num_kv_heads),
        format!(
            "tie_embeddings:{tied} embed_lr:{embed_lr} head_lr:{head_lr} matrix_lr:{} scalar_lr:{}",
            o.matrix_lr, o.scalar_lr
        ),
        format!(
            "train_batch_tokens:{} train_seq_len:{} iterations:{} warmup_steps:{} max_wallclock_seconds:{:.3}",
            t.train_batch_tokens, t.train_seq_len, t.iterations, t.warmup_steps, t.max_wallclock_seconds
        ),
        format!("seed:{}", ctx.seed),
    ] {
        ctx.log(&line)?;
    }
    Ok(())
}

fn save_checkpoint(ctx: &mut Context, model: &Gpt) -> Result<()> {
    let path = ctx.dir.join(files::CHECKPOINT);
    let bytes = checkpoint::save(&path, model.parameters(), &ctx.identity())?;
    ctx.log(&format!("Serialized model: {bytes} bytes"))
}

/// Quantises the checkpoint file into the model file.
fn quantise(ctx: &mut Context, code_bytes: u64) -> Result<()> {
    let from = ctx.dir.join(files::CHECKPOINT);
    let (state, _) = checkpoint::load(&from)?;
    let full_bytes = checkpoint::state_bytes(&state);
    let model = quant::quantize(&state, &ctx.recipe.quant).map_err(|error| match error {
        Error::Parameter { name, reason } => Error::Parameter { name: format!("{name} of {}", from.display()), reason },
        other => other,
    })?;
    let path = ctx.dir.join(files::MODEL);
    let bytes = container::write(&path, &model, &ctx.recipe)?;
    let payload = model.payload_bytes();
    ctx.log(&format!("Code size: {code_bytes} bytes"))?;
    ctx.log(&format!(
        "Serialized model int8+zlib: {bytes} bytes (payload:{payload} raw_torch:{full_bytes} payload_ratio:{:.2}x)",
        full_bytes as f64 / payload as f64
    ))?;
    ctx.log(&format!("Total submission size int8+zlib: {} bytes", code_bytes + bytes))
}

/// Name of the metric lines of a mode, for a model reloaded from its quantised file.
pub fn metric_name(mode: EvalMode) -> &'static str {
    match mode {
        EvalMode::Full => "final_int8_zlib_roundtrip",
        EvalMode::Sliding => "final_int8_sliding_window",
        EvalMode::Ttt => "final_int8_ttt_lora",
    }
}

/// Scores the model that the model file holds, with every mode of the recipe; the last one gives the ledger.
fn score(ctx: &mut Context, val: &ValData, on: Device) -> Result<()> {
    let (quantised, recipe) = container::read(&ctx.dir.join(files::MODEL))?;
    let model = Gpt::new(&recipe.model, quantised.dequantize()?, on)?;
    let modes: Vec<EvalMode> =
        recipe.eval.also.iter().copied().filter(|&m| m != recipe.eval.mode).chain([recipe.eval.mode]).collect();
    for mode in modes {
        let start = Instant::now();
        let of = val.targets() as u64;
        let (observer, stop) = (&mut *ctx.observer, ctx.stop);
        let scored = evaluate::evaluate(&model, val, &recipe.eval, mode, None, &mut |totals| {
            if stop.load(Ordering::Relaxed) {
                return Err(Error::Stopped);
            }
            let (tokens, val_bpb) = (totals.tokens, totals.val_bpb());
            observer.on(&Event::Scoring { mode: mode.as_str(), tokens, of, val_bpb });
            Ok(())
        })?;
        let eval_ms = start.elapsed().as_secs_f64() * 1000.0;
        let digest = if mode == recipe.eval.mode {
            Some(ledger::write(&ctx.dir.join(files::LEDGER), &scored.rows)?)
        } else {
            None
        };
        for line in score_lines(metric_name(mode), &scored, eval_ms, digest.as_deref()) {
            ctx.log(&line)?;
        }
    }
    Ok(())
}

/// The official lines of a score, and the ledger's where one was written.
pub fn score_lines(name: &str, score: &evaluate::Score, eval_ms: f64, digest: Option<&str>) -> Vec<String> {
    let totals = evaluate::Totals::of(&score.rows);
    let (val_loss, val_bpb) = (totals.val_loss(), totals.val_bpb());
    let mut lines = vec![
        format!("{name} val_loss:{val_loss:.4} val_bpb:{val_bpb:.4} eval_time:{eval_ms:.0}ms"),
        format!("{name}_exact val_loss:{val_loss:.8} val_bpb:{val_bpb:.8}"),
    ];
    if let Some(digest) = digest {
        lines.push(format!(
            "ledger:{} documents:{} tokens:{} bytes:{} sha256:{digest}",
            score.mode.as_str(),
            score.rows.len(),
            totals.tokens,
            totals.bytes
        ));
    }
    lines
}
