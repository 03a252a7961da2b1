//! The export of a trained model: its integers, its file, and where each row has bits of its own, the choice among mean bits
//! (docs/spec/algorithms.md#bits-by-row).

use std::collections::BTreeMap;
use std::path::Path;

use tch::{Kind, Tensor};

use super::{Context, files};
use crate::checkpoint::{self, StateDict};
use crate::model::Gpt;
use crate::nn::LearntStart;
use crate::quant::container::{Encoded, encode};
use crate::quant::ftle::{FtleRecipe, Sensitivity, bits_by_row};
use crate::quant::{self, Data, Observed, QuantizedModel};
use crate::recipe::RuleRecipe;
use crate::{Error, Recipe, Result};

/// An exported model and its file.
pub(super) struct Exported {
    pub model: QuantizedModel,
    pub file: Encoded,
}

/// Metadata key of the number of measured steps.
const SAMPLES: &str = "samples";

/// Writes the rows' sensitivities, which the export reads.
pub(super) fn save_sensitivity(ctx: &Context, sensitivity: &Sensitivity) -> Result<()> {
    let mut metadata = ctx.identity();
    metadata.insert(SAMPLES.to_owned(), sensitivity.count().to_string());
    checkpoint::save(&ctx.dir.join(files::SENSITIVITY), &sensitivity.scores(), &metadata).map(|_| ())
}

/// A trained model as the export finds it.
pub(super) struct ExportSource<'a> {
    pub model: &'a Gpt,
    /// The thresholds of its symbols in training; empty where it has none.
    pub fits: &'a BTreeMap<String, Tensor>,
    /// The learnt start of the adapters, where the recipe has one.
    pub start: Option<LearntStart>,
    /// The checkpoint that its weights come from, for messages.
    pub from: &'a Path,
}

/// Exports a model as the run's recipe says.
pub(super) fn export(
    ctx: &mut Context,
    source: &ExportSource<'_>,
    observed: Observed,
    code_bytes: u64,
) -> Result<Exported> {
    match ctx.recipe.quant.ftle.clone() {
        None => with(&ctx.recipe, source, &observed),
        Some(ftle) => by_row(ctx, source, observed, &ftle, code_bytes),
    }
}

fn with(recipe: &Recipe, source: &ExportSource<'_>, observed: &Observed) -> Result<Exported> {
    let (params, parameters) = (source.model.params(), source.model.parameters());
    let exported = match &recipe.quant.q2 {
        Some(q2) => quant::q2::export(params, parameters, source.fits, &recipe.quant, q2),
        None => quant::export(params, parameters, observed, &recipe.quant),
    };
    let mut exported = exported.map_err(|error| match error {
        Error::Parameter { name, reason } => {
            Error::Parameter { name: format!("{name} of {}", source.from.display()), reason }
        }
        other => other,
    })?;
    if let Some((start, recipe)) = source.start.as_ref().zip(recipe.learnt_start()) {
        exported.tensors.extend(quant::start::store(start, recipe.start_bits)?);
    }
    let file = encode(&exported, recipe)?;
    Ok(Exported { model: exported, file })
}

/// Takes the first of the mean bits with which model and code fit, and logs how the same bits for all rows would do.
fn by_row(
    ctx: &mut Context,
    source: &ExportSource<'_>,
    mut observed: Observed,
    ftle: &FtleRecipe,
    code_bytes: u64,
) -> Result<Exported> {
    let path = ctx.dir.join(files::SENSITIVITY);
    let (scores, metadata) = checkpoint::load(&path)?;
    let samples = metadata.get(SAMPLES).map_or("0", String::as_str);
    ctx.log(&format!("FTLE tracked {} tensors over {samples} samples", scores.len()))?;
    let recipe = ctx.recipe.clone();
    let mut chosen: Option<(f64, Exported)> = None;
    for &target in &ftle.target_bits {
        observed.row_bits = row_bits(&scores, target)?;
        let exported = with(&recipe, source, &observed)?;
        let bytes = exported.file.bytes.len() as u64;
        let (total, rmse) = (bytes + code_bytes, rmse(source.model, &exported.model)?);
        ctx.log(&format!("target_bits:{target:.1} compressed:{bytes} total:{total} rmse:{rmse:.6}"))?;
        chosen = Some((target, exported));
        if total <= ftle.max_total_bytes {
            break;
        }
    }
    let Some((target, exported)) = chosen else { unreachable!("the recipe's check wants at least one target") };
    ctx.log(&format!("Selected target_avg_bits={target:.1}"))?;
    let bits = target.round() as u8;
    let mut uniform = recipe;
    uniform.quant.ftle = None;
    uniform.quant.matrix = RuleRecipe { bits, ..uniform.quant.matrix };
    observed.row_bits.clear();
    let same = with(&uniform, source, &observed)?;
    let (bytes, rmse) = (same.file.bytes.len(), rmse(source.model, &same.model)?);
    ctx.log(&format!("FTLE compared with {bits} bits for every row: compressed:{bytes} rmse:{rmse:.6}"))?;
    Ok(exported)
}

fn row_bits(scores: &StateDict, target: f64) -> Result<BTreeMap<String, Tensor>> {
    scores.iter().map(|(name, scores)| Ok((name.clone(), bits_by_row(scores, target)?))).collect()
}

/// Root of the mean squared error of all weights that became integers with a scale per row.
fn rmse(model: &Gpt, exported: &QuantizedModel) -> Result<f64> {
    let (mut sum, mut count) = (0.0, 0usize);
    for ((_, weight), stored) in model.parameters().iter().zip(&exported.tensors) {
        if matches!(stored.data, Data::IntRow { .. }) {
            let error = weight.f_detach()?.f_to_device(tch::Device::Cpu)?.f_sub(&stored.data.dequantize()?)?;
            sum += f64::try_from(error.f_square()?.f_sum(Kind::Double)?)?;
            count += weight.numel();
        }
    }
    Ok((sum / count.max(1) as f64).sqrt())
}
