//! Scoring a file: a quantized model file, or a checkpoint with the recipe that describes it.

use caddie_format::atomic;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tch::Device;

use super::{Score, ValData, evaluate};
use crate::data::DataSet;
use crate::error::guard;
use crate::log::{Event, Observer};
use crate::model::Gpt;
use crate::quant::container;
use crate::quant::q2::split_fits;
use crate::recipe::EvalMode;
use crate::run::metric_name;
use crate::{Error, Recipe, Result, checkpoint};

/// A request to score a file.
pub struct FileJob<'a> {
    /// A model file (`caddie-model …`) or a safetensors checkpoint.
    pub model: PathBuf,
    /// The recipe. A checkpoint needs one; for a model file it replaces the evaluation settings that the file carries.
    pub recipe: Option<Recipe>,
    /// `key=value` changes to the evaluation settings.
    pub overrides: Vec<String>,
    /// Data root or dataset folder.
    pub data: PathBuf,
    /// The evaluator; the recipe's own when `None`.
    pub mode: Option<EvalMode>,
    pub device: Device,
    /// A flag that is set from outside to stop.
    pub stop: &'a AtomicBool,
}

/// A model that is ready to score, with its data.
pub struct Loaded {
    pub model: Gpt,
    pub recipe: Recipe,
    pub mode: EvalMode,
    /// True if the weights come from a checkpoint, before quantization.
    pub pre_quantization: bool,
    pub val: ValData,
}

impl FileJob<'_> {
    /// Reads the model and the validation set.
    ///
    /// # Errors
    /// A checkpoint without a recipe; weights, tokenizer and shards that do not belong together; unreadable files.
    pub fn load(&self) -> Result<Loaded> {
        guard(|| self.load_unguarded())
    }

    fn load_unguarded(&self) -> Result<Loaded> {
        let pre_quantization = !container::is_model(&self.model)?;
        let (state, start, mut recipe) = if pre_quantization {
            let Some(recipe) = self.recipe.clone() else {
                return Err(Error::format(
                    &self.model,
                    "not a caddie model file; a safetensors checkpoint needs --recipe to say which model it is",
                ));
            };
            (split_fits(checkpoint::load(&self.model)?.0).0, None, recipe)
        } else {
            let (quantized, mut recipe) = container::read(&self.model)?;
            if let Some(given) = &self.recipe {
                recipe.eval = given.eval.clone();
            }
            (quantized.dequantize()?, quantized.start()?, recipe)
        };
        if !self.overrides.is_empty() {
            // A checkpoint needs the recipe as it was trained, with whatever was changed then.
            recipe = if pre_quantization {
                Recipe::parse(&recipe.to_toml(), &self.overrides)?
            } else {
                with_eval_settings(&recipe, &self.overrides)?
            };
        }
        let data = DataSet::locate(&self.data, &recipe)?;
        let model = Gpt::new(&recipe.model, state, self.device).map_err(|error| match error {
            Error::Recipe(reason) => Error::format(&self.model, reason),
            other => other,
        })?;
        let model = model.with_start(start);
        let val = ValData::load(&recipe, &data)?;
        let mode = self.mode.unwrap_or(recipe.eval.mode);
        Ok(Loaded { model, recipe, mode, pre_quantization, val })
    }
}

impl Loaded {
    /// Name of this score's metric lines.
    pub fn metric_name(&self) -> String {
        if self.pre_quantization {
            format!("diagnostic pre-quantization_{}", self.mode.as_str())
        } else {
            metric_name(&self.recipe, self.mode).to_owned()
        }
    }

    /// Scores all documents or those in `docs`; returns the score and the milliseconds it took.
    pub fn score(
        &self,
        docs: Option<&[usize]>,
        stop: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<(Score, f64)> {
        guard(|| self.score_unguarded(docs, stop, observer))
    }

    fn score_unguarded(
        &self,
        docs: Option<&[usize]>,
        stop: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<(Score, f64)> {
        let start = Instant::now();
        // Other modes read the whole stream, whichever documents were asked for.
        let of: usize = match (self.recipe.eval.reads_documents_alone(self.mode), docs) {
            (true, Some(docs)) => docs.iter().filter_map(|&d| self.val.documents.get(d)).map(|d| d.targets).sum(),
            _ => self.val.targets(),
        };
        let mode = self.mode.as_str();
        let score = evaluate(&self.model, &self.val, &self.recipe.eval, self.mode, docs, &mut |progress| {
            if stop.load(Ordering::Relaxed) {
                return Err(Error::Stopped);
            }
            let totals = &progress.totals;
            observer.on(&Event::Scoring { mode, tokens: totals.tokens, of: of as u64, val_bpb: totals.val_bpb() });
            Ok(())
        })?;
        Ok((score, start.elapsed().as_secs_f64() * 1000.0))
    }
}

/// Returns `recipe` with changed evaluation settings. A change of anything else would have no effect, or describe
/// another model.
fn with_eval_settings(recipe: &Recipe, overrides: &[String]) -> Result<Recipe> {
    let changed = Recipe::parse(&recipe.to_toml(), overrides)?;
    if (Recipe { eval: recipe.eval.clone(), ..changed.clone() }) != *recipe {
        return Err(Error::Recipe(format!(
            "--set {}: only keys of [eval] can be changed when a finished model is scored",
            overrides.join(" --set ")
        )));
    }
    Ok(changed)
}

/// Writes every scored target as tab-separated text: document, position in the stream, token id, bytes, nats.
pub fn write_per_token(path: &Path, val: &ValData, score: &Score) -> Result<u64> {
    atomic::write(path, |out| {
        let mut put = |line: String| out.write_all(line.as_bytes()).map_err(Error::io(path, "writing"));
        put("doc\tposition\ttoken\tbytes\tnats\n".to_owned())?;
        for d in score.rows.iter().filter_map(|row| val.documents.get(row.doc as usize)) {
            for k in d.start..d.start + d.targets {
                put(format!("{}\t{}\t{}\t{}\t{}\n", d.index, k + 1, val.tokens[k + 1], val.bytes(k), score.nll[k]))?;
            }
        }
        Ok(())
    })
}
