//! Probes of what the engine runs: a recipe, which is trained at toy size on a source, and a model, which is scored on one.
//!
//! The engine tells nats of every target, so nothing about the denominator is open, and the e-value runs by documents.

mod invariance;
mod sampled;
mod score;
mod toy;

use std::time::{Duration, Instant};

use caddie_engine::Recipe;
use caddie_engine::device::Device;
use caddie_engine::evaluate::file::FileJob;
use caddie_engine::log::{Event, Observer};
use caddie_engine::recipe::EvalMode;
use caddie_engine::run::{Job, Phase};
use caddie_probe::evalue::{self, PROVEN_NATS, Verdict};
use caddie_probe::source::Kind;
use camino::{Utf8Path, Utf8PathBuf};

pub use self::invariance::invariance;
use self::score::EngineScore;
use self::toy::ToyRecipe;
use super::corpus::{self, SourceRequest, WrittenSource};
use super::outcome::{Entropy, ProbeSubject, ProbeSubjectKind, Tried, TryOutcome, mean};
use crate::{Error, Result};

/// Mean length of a document.
const HAZARD: u64 = caddie_probe::source::HAZARD;
/// Factors of the learning rates of an evaluation that learns.
const RATES: [f64; 2] = [30.0, 1000.0];

/// What is probed.
#[derive(Debug, Clone)]
pub enum NativeTarget {
    /// A recipe, by the name that it was asked for.
    Recipe { name: String, recipe: Box<Recipe> },
    /// A model file, or a checkpoint with its recipe.
    Model { path: Utf8PathBuf, recipe: Option<Box<Recipe>> },
}

/// How it is probed.
#[derive(Debug, Clone)]
pub struct NativeOptions {
    /// For a model [`Kind::Model`] is the model itself.
    pub sources: Vec<Kind>,
    /// Validation targets.
    pub targets: usize,
    /// Training steps of a recipe.
    pub steps: u32,
    pub seed: u64,
    /// Whether learning rates of the evaluation are searched in which a leak shows more.
    pub amplify: bool,
    /// Time for all tries; none is begun after it.
    pub budget: Duration,
    pub device: Device,
    /// A new folder in which sources and runs stay.
    pub keep: Option<Utf8PathBuf>,
}

/// A model that was trained on a source or is to be scored on it.
struct Subjected {
    model: Utf8PathBuf,
    recipe: Option<Recipe>,
    data: Utf8PathBuf,
    source: WrittenSource,
}

/// Trains where the target is a recipe, and scores on each source.
///
/// # Errors
/// When the target cannot be read, its training fails, or a file cannot be written.
pub fn entropy_native(target: &NativeTarget, options: &NativeOptions, tell: &mut dyn FnMut(&str)) -> Result<Entropy> {
    let started = Instant::now();
    let (root, _temporary) = room(options.keep.as_deref())?;
    let (subject, toy) = subject(target, options.steps)?;
    let (mut tries, mut planned) = (Vec::new(), 0);
    for kind in &options.sources {
        let over = || started.elapsed() > options.budget;
        let settings = settings(toy.as_ref().map(|toy| &toy.recipe), options.amplify);
        planned += settings.len();
        if over() || mean(&tries, planned) >= Some(PROVEN_NATS) {
            continue;
        }
        let subjected = match (target, &toy) {
            (NativeTarget::Recipe { .. }, Some(toy)) => train(&toy.recipe, *kind, &root, options, tell)?,
            (NativeTarget::Model { path, recipe }, _) => given(path, recipe.as_deref(), *kind, &root, options, tell)?,
            (NativeTarget::Recipe { .. }, None) => continue,
        };
        for (setting, overrides) in settings {
            if over() || mean(&tries, planned) >= Some(PROVEN_NATS) {
                break;
            }
            tell(&format!("scoring on {kind}, {setting}"));
            tries.push(tried(&subjected, *kind, setting, overrides, options, tell)?);
        }
    }
    let log_e = mean(&tries, planned);
    Ok(Entropy {
        schema_version: 1,
        script: subject.name.clone().into(),
        subject,
        seed: options.seed,
        steps: options.steps,
        tries,
        toy_settings: toy.map(|toy| toy.settings).unwrap_or_default(),
        planned,
        log_e,
        log_p: log_e.map(evalue::log_p_bound),
        verdict: log_e.map_or(Verdict::NoEvidence, Verdict::of),
    })
}

/// A folder for sources and runs; the temporary one goes with its guard.
fn room(keep: Option<&Utf8Path>) -> Result<(Utf8PathBuf, Option<tempfile::TempDir>)> {
    if let Some(keep) = keep {
        if keep.exists() {
            return Err(Error::usage(format!("{keep} exists; name a new folder for --keep")));
        }
        fs_err::create_dir_all(keep).map_err(caddie_files::Error::io(keep, "creating"))?;
        return Ok((keep.to_owned(), None));
    }
    let temporary = tempfile::Builder::new().prefix("caddie-probe-").tempdir();
    let temporary = temporary.map_err(caddie_files::Error::io("a temporary folder", "creating"))?;
    let path = Utf8PathBuf::from_path_buf(temporary.path().to_owned());
    let path = path.map_err(|path| Error::usage(format!("{}: not UTF-8; set TMPDIR", path.display())))?;
    Ok((path, Some(temporary)))
}

fn subject(target: &NativeTarget, steps: u32) -> Result<(ProbeSubject, Option<ToyRecipe>)> {
    match target {
        NativeTarget::Recipe { name, recipe } => {
            // The digest of recipe.toml as a records folder holds it.
            let sha256 = caddie_format::sha256(format!("{}\n", recipe.to_toml().trim()).as_bytes());
            let subject = ProbeSubject { kind: ProbeSubjectKind::Recipe, name: name.clone(), sha256 };
            Ok((subject, Some(toy::toy(recipe, steps))))
        }
        NativeTarget::Model { path, .. } => {
            let bytes = fs_err::read(path).map_err(caddie_files::Error::io(path, "reading"))?;
            let sha256 = caddie_format::sha256(&bytes);
            Ok((ProbeSubject { kind: ProbeSubjectKind::Model, name: path.to_string(), sha256 }, None))
        }
    }
}

/// The settings of the evaluation that are tried: its own, and where it learns faster rates.
fn settings(recipe: Option<&Recipe>, amplify: bool) -> Vec<(String, Vec<(String, String)>)> {
    let rate = recipe.and_then(|recipe| match recipe.eval.mode {
        EvalMode::Ttt => Some(("eval.ttt.ttt_lora_lr", recipe.eval.ttt().ttt_lora_lr)),
        EvalMode::Ogd => Some(("eval.ogd.ogd_lr", recipe.eval.ogd().ogd_lr)),
        EvalMode::Full | EvalMode::Sliding => None,
    });
    let faster = rate.filter(|_| amplify).into_iter().flat_map(|(key, value)| {
        RATES.map(|factor| {
            let exact = vec![(key.to_owned(), format!("{:e}", value * factor))];
            (format!("learning rates of the adaptation ×{factor}"), exact)
        })
    });
    std::iter::once(("own settings".to_owned(), Vec::new())).chain(faster).collect()
}

fn request(recipe: &Recipe, kind: Kind, options: &NativeOptions, train_tokens: usize) -> SourceRequest {
    SourceRequest {
        kind,
        vocabulary: u16::try_from(recipe.model.vocab_size).unwrap_or(u16::MAX),
        most_symbols: corpus::MOST_SYMBOLS,
        targets: options.targets,
        train_tokens,
        hazard: HAZARD,
        seed: options.seed,
        validation: corpus::VALIDATION,
    }
}

/// Trains and quantizes a recipe on a source.
fn train(
    recipe: &Recipe,
    kind: Kind,
    root: &Utf8Path,
    options: &NativeOptions,
    tell: &mut dyn FnMut(&str),
) -> Result<Subjected> {
    train_beside(recipe, kind, root, options, corpus::VALIDATION, tell)
}

/// Trains and quantizes a recipe beside the validation stream of this number.
fn train_beside(
    recipe: &Recipe,
    kind: Kind,
    root: &Utf8Path,
    options: &NativeOptions,
    validation: u64,
    tell: &mut dyn FnMut(&str),
) -> Result<Subjected> {
    if kind == Kind::Model {
        return Err(Error::usage(
            "a recipe is trained on its source, and a model draws too slowly for that: probe the model itself, or draw a corpus \
             with `caddie probe source model:CHECKPOINT`",
        ));
    }
    let data = root.join(format!("source-{}", kind.to_string().replace(':', "-")));
    // One pass at most over the training tokens, so that nothing of them can be memorized.
    let train_tokens = (i64::from(options.steps) + 8) * recipe.train.train_batch_tokens;
    tell(&format!("drawing from {kind}"));
    let source =
        corpus::write(&data, &SourceRequest { validation, ..request(recipe, kind, options, train_tokens as usize) })?;
    let dir = data.join("run");
    let job = Job {
        recipe: recipe.clone(),
        seed: options.seed,
        dir: dir.clone().into(),
        data: data.clone().into(),
        device: options.device,
        code_bytes: 0,
        until: Phase::Quantized,
        stop: crate::stop::flag(),
    };
    caddie_engine::run::run(&job, &mut Telling(tell))?;
    let model = caddie_engine::run::model_path(dir.as_std_path())?;
    let model =
        Utf8PathBuf::from_path_buf(model).map_err(|path| Error::usage(format!("{}: not UTF-8", path.display())))?;
    Ok(Subjected { model, recipe: None, data, source })
}

/// A given model with a source: one that it knows nothing of, or its own samples.
fn given(
    path: &Utf8Path,
    recipe: Option<&Recipe>,
    kind: Kind,
    root: &Utf8Path,
    options: &NativeOptions,
    tell: &mut dyn FnMut(&str),
) -> Result<Subjected> {
    let data = root.join(format!("source-{}", kind.to_string().replace(':', "-")));
    tell(&format!("drawing from {kind}"));
    // The tokenizer and a shard that the model can be loaded with; where it draws its own tokens they replace the shard.
    let of = match recipe {
        Some(recipe) => recipe.clone(),
        None => caddie_engine::quant::container::read(path.as_std_path())?.1,
    };
    let first = if kind == Kind::Model { Kind::Iid } else { kind };
    let mut source = corpus::write(&data, &request(&of, first, options, 64))?;
    if kind == Kind::Model {
        source = sample(path, recipe, &data, options, 0)?;
    }
    Ok(Subjected { model: path.to_owned(), recipe: recipe.cloned(), data, source })
}

/// Writes a model's own samples over the shards at `data`: `targets` validation tokens, and as many training tokens as asked
/// for.
fn sample(
    model: &Utf8Path,
    recipe: Option<&Recipe>,
    data: &Utf8Path,
    options: &NativeOptions,
    train_tokens: usize,
) -> Result<WrittenSource> {
    let job = score::job(model, recipe, data, options.device, Vec::new());
    let loaded = job.load()?;
    let draw = |targets, number| sampled::draw(&loaded, targets, HAZARD, options.seed, number);
    let mut stream = draw(options.targets, corpus::VALIDATION)?;
    if stream.tokens.last() == Some(&caddie_probe::source::BOS) {
        // A document without a target cannot be scored; one token more is drawn.
        stream = draw(options.targets + 1, corpus::VALIDATION)?;
    }
    let train = if train_tokens > 0 { Some(draw(train_tokens, corpus::TRAINING)?) } else { None };
    let bytes = fs_err::read(model).map_err(caddie_files::Error::io(model, "reading"))?;
    let drawn = corpus::Drawn {
        vocabulary: loaded.recipe.model.vocab_size as usize,
        hazard: HAZARD,
        seed: options.seed,
        model_sha256: caddie_format::sha256(&bytes),
    };
    Ok(corpus::write_drawn(data, &drawn, stream, train)?)
}

/// Writes shards of a model's own samples, its tokenizer and the sidecar into a new folder.
///
/// # Errors
/// When the model cannot be read, gives no numbers, or a file cannot be written.
pub fn write_samples(
    model: &Utf8Path,
    recipe: Option<&Recipe>,
    folder: &Utf8Path,
    options: &NativeOptions,
    train_tokens: usize,
) -> Result<caddie_probe::sidecar::Sidecar> {
    let of = match recipe {
        Some(recipe) => recipe.clone(),
        None => caddie_engine::quant::container::read(model.as_std_path())?.1,
    };
    corpus::write(folder, &request(&of, Kind::Iid, options, 64))?;
    Ok(sample(model, recipe, folder, options, train_tokens)?.sidecar)
}

/// Scores once.
fn tried(
    subjected: &Subjected,
    kind: Kind,
    setting: String,
    settings: Vec<(String, String)>,
    options: &NativeOptions,
    tell: &mut dyn FnMut(&str),
) -> Result<Tried> {
    let started = Instant::now();
    let overrides = settings.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let job: FileJob =
        score::job(&subjected.model, subjected.recipe.as_ref(), &subjected.data, options.device, overrides);
    let sidecar = &subjected.source.sidecar;
    let (outcome, running) = match EngineScore::of(&job, &mut Telling(tell)) {
        Ok(scored) => score::outcome(&scored, &subjected.source).map_err(|reason| {
            Error::unreadable(&subjected.data, format!("the engine's rows do not fit it: {reason}"))
        })?,
        // A learning rate that is too high makes weights that are no numbers.
        Err(Error::Engine(error @ caddie_engine::Error::Score { .. })) => {
            (TryOutcome::NoScore { reason: error.to_string(), failure: None }, Vec::new())
        }
        Err(error) => return Err(error),
    };
    Ok(Tried {
        source: kind,
        setting,
        settings,
        layers: None,
        seconds: started.elapsed().as_secs_f64(),
        source_nats: sidecar.nats,
        targets: sidecar.targets,
        shard_sha256: sidecar.shard.sha256.clone(),
        running,
        outcome,
    })
}

/// Passes what the engine does on to the progress line.
struct Telling<'a>(&'a mut dyn FnMut(&str));

impl Observer for Telling<'_> {
    fn on(&mut self, event: &Event) {
        match event {
            Event::Line(_) => {}
            Event::Step { step, iterations, train_loss, .. } => {
                (self.0)(&format!("step {step}/{iterations}  loss {train_loss:.4}"));
            }
            Event::Scoring { mode, tokens, of, .. } => (self.0)(&format!("{mode}  {tokens}/{of} targets")),
        }
    }
}
