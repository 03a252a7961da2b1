//! `caddie probe` of what the engine runs: recipes, models, and models as sources.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use std::fmt::Write as _;

use caddie_probe::sidecar::Sidecar;
use caddie_probe::source::Kind;

use crate::probe::Entropy;
use crate::probe::native::{Invariances, NativeOptions, NativeTarget, entropy_native, invariance, write_samples};
use crate::runner::recipes;
use crate::{Error, Result};

/// Options that only a recipe and a model have.
#[derive(Debug, Clone, Args)]
pub struct NativeProbeOptions {
    /// Recipe of a safetensors checkpoint
    #[arg(long, value_name = "RECIPE")]
    recipe: Option<String>,
    /// auto, cpu, cuda or cuda:N, for a recipe or a model
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: String,
}

/// How the target is probed, whatever it is.
pub struct ProbeRequest<'a> {
    pub sources: &'a [Kind],
    pub targets: u32,
    pub steps: u32,
    pub seed: u64,
    pub amplify: bool,
    pub budget: Duration,
    pub keep: Option<&'a Utf8Path>,
}

/// Tells whether a target is a recipe or a model of the engine, and not a script or a folder.
///
/// # Errors
/// When it is a file that cannot be read.
pub fn is_native(name: &Utf8Path) -> Result<bool> {
    let checkpoint = || name.extension() == Some("safetensors");
    let model =
        || Ok::<_, crate::Error>(checkpoint() || caddie_engine::quant::container::is_model(name.as_std_path())?);
    Ok(is_recipe(name) || (name.is_file() && model()?))
}

fn is_recipe(name: &Utf8Path) -> bool {
    let built_in = recipes::names().iter().any(|known| known == name.as_str());
    name.extension() == Some("toml") || (built_in && !name.is_file())
}

/// The recipe or model of this name; `None` where it is a script or a folder.
///
/// # Errors
/// When it is a recipe or a model that cannot be read, or a checkpoint without a recipe.
fn target(name: &Utf8Path, options: &NativeProbeOptions) -> Result<Option<NativeTarget>> {
    if !is_native(name)? {
        return Ok(None);
    }
    if is_recipe(name) {
        let recipe = recipes::resolve(name.as_str(), &[])?;
        return Ok(Some(NativeTarget::Recipe { name: name.to_string(), recipe: Box::new(recipe) }));
    }
    if name.extension() == Some("safetensors") && options.recipe.is_none() {
        return Err(Error::usage(format!("{name}: a checkpoint needs --recipe to say which model it is")));
    }
    let recipe = options.recipe.as_deref().map(|recipe| recipes::resolve(recipe, &[])).transpose()?;
    Ok(Some(NativeTarget::Model { path: name.to_owned(), recipe: recipe.map(Box::new) }))
}

/// As [`target`], where nothing else will do.
fn needed(name: &Utf8Path, options: &NativeProbeOptions) -> Result<NativeTarget> {
    let found = target(name, options)?;
    found.ok_or_else(|| Error::usage(format!("{name}: neither a recipe nor a model of the engine")))
}

fn options(asked: &ProbeRequest<'_>, device: &str, sources: Vec<Kind>) -> Result<NativeOptions> {
    Ok(NativeOptions {
        sources,
        targets: asked.targets as usize,
        steps: asked.steps,
        seed: asked.seed,
        amplify: asked.amplify,
        budget: asked.budget,
        device: caddie_engine::device::select(device)?,
        keep: asked.keep.map(Utf8Path::to_owned),
    })
}

/// Probes a recipe or a model. A model is scored on its own samples where no source is asked for.
pub fn entropy(
    name: &Utf8Path,
    asked: &ProbeRequest<'_>,
    native: &NativeProbeOptions,
    tell: &mut dyn FnMut(&str),
) -> Result<Entropy> {
    let target = needed(name, native)?;
    let default = if matches!(target, NativeTarget::Model { .. }) { Kind::Model } else { Kind::Iid };
    let sources = if asked.sources.is_empty() { vec![default] } else { asked.sources.to_vec() };
    entropy_native(&target, &options(asked, &native.device, sources)?, tell)
}

/// Writes a model's own samples as a source.
pub fn source(
    model: &Utf8Path,
    out: &Utf8PathBuf,
    native: &NativeProbeOptions,
    asked: &ProbeRequest<'_>,
    train_tokens: u32,
) -> Result<Sidecar> {
    let Some(NativeTarget::Model { path, recipe }) = target(model, native)? else {
        return Err(Error::usage(format!("{model}: neither a model file of caddie nor a safetensors checkpoint")));
    };
    let options = options(asked, &native.device, vec![Kind::Model])?;
    write_samples(&path, recipe.as_deref(), out, &options, train_tokens as usize)
}

/// Changes what must not change a score, and compares every target: repetition, later tokens, order, copies, length, bytes, model file
///
/// A recipe is trained at toy size on a source, a model is scored on what it draws. Then the tokens are scored again: once more, with
/// other tokens in the second half, with two neighbors swapped, with the documents in reverse order, each document twice, and at
/// twice the length. For a recipe another validation set must give the same model file.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  caddie probe invariance varlen-ttt-small\n  caddie probe invariance \
                        runs/demo/seed-42/model.int8.zlib --tokens 4096\n\nExit codes: 0 nothing moved that must not, 1 a score or the \
                        model file moved, 2 nothing was run")]
pub struct InvarianceArgs {
    /// A recipe, or a model of the engine
    #[arg(value_name = "RECIPE|MODEL")]
    target: Utf8PathBuf,
    /// Source of the tokens [default: iid; for a model, model: what it draws itself]
    #[arg(long, value_name = "KIND", value_parser = super::probe::kind)]
    source: Option<Kind>,
    /// Validation targets
    #[arg(long, default_value_t = 4096, value_name = "N", value_parser = clap::value_parser!(u32).range(256..=1_048_576))]
    tokens: u32,
    /// Training steps of a recipe
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=2000))]
    steps: u32,
    /// Seed of the source and of the training
    #[arg(long, default_value_t = 7, value_name = "N", value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    seed: u64,
    /// Keep sources and runs in this new folder
    #[arg(long, value_name = "DIR")]
    keep: Option<Utf8PathBuf>,
    #[command(flatten)]
    native: NativeProbeOptions,
    /// plain for a reader, json for programs
    #[arg(long, value_enum, default_value_t = super::probe::ProbeFormat::Plain)]
    pub format: super::probe::ProbeFormat,
}

/// Runs the comparison.
pub fn invariances(args: &InvarianceArgs, tell: &mut dyn FnMut(&str)) -> Result<Invariances> {
    let target = needed(&args.target, &args.native)?;
    let default = if matches!(target, NativeTarget::Model { .. }) { Kind::Model } else { Kind::Iid };
    let asked = ProbeRequest {
        sources: &[],
        targets: args.tokens,
        steps: args.steps,
        seed: args.seed,
        amplify: false,
        budget: Duration::MAX,
        keep: args.keep.as_deref(),
    };
    let options = options(&asked, &args.native.device, vec![args.source.unwrap_or(default)])?;
    invariance(&target, &options, tell)
}

/// The comparison for a reader. Writing to a String cannot fail.
pub fn plain_of_invariances(done: &Invariances) -> String {
    let verdict = if done.broken() { "a score moved that must not" } else { "nothing moved that must not" };
    let apart = if done.documents_apart { "scored apart" } else { "scored with what stands before them" };
    let mut text = format!(
        "{}\n  {verdict}\n\n  {} targets of {}, documents {apart}\n",
        done.subject.name, done.targets, done.source
    );
    for one in &done.found {
        let holds = match one.holds {
            Some(true) => "holds",
            Some(false) => "BROKEN",
            None => "told",
        };
        let largest = one.largest.map_or(String::new(), |largest| format!("  (largest difference {largest:.1e} nats)"));
        let _ = writeln!(text, "  {:<18} {holds:<7} {}{largest}", one.name, one.says);
    }
    text
}
