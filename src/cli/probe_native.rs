//! `caddie probe` of what the engine runs: recipes, models, and models as sources.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use caddie_probe::sidecar::Sidecar;
use caddie_probe::source::Kind;

use crate::probe::native::{NativeOptions, NativeTarget, entropy_native, invariance, write_samples};
use crate::probe::{Entropy, Invariances};
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

/// Changes what must not change the score of a recipe or a model.
pub fn invariances(
    name: &Utf8Path,
    source: Option<Kind>,
    asked: &ProbeRequest<'_>,
    native: &NativeProbeOptions,
    tell: &mut dyn FnMut(&str),
) -> Result<Invariances> {
    let target = needed(name, native)?;
    let default = if matches!(target, NativeTarget::Model { .. }) { Kind::Model } else { Kind::Iid };
    invariance(&target, &options(asked, &native.device, vec![source.unwrap_or(default)])?, tell)
}
