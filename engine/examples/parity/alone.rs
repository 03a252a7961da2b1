//! The whole way from upstream's initial weights to a score, with nothing of upstream's in between but batches.

use caddie_engine::Result;
use caddie_engine::checkpoint::StateDict;
use caddie_engine::model::Gpt;
use caddie_engine::optim::average::Average;
use caddie_engine::quant::calibrate::calibrate;
use caddie_engine::quant::ftle::bits_by_row;
use caddie_engine::quant::{Observed, QuantizedModel, export};
use caddie_engine::recipe::EvalMode;
use caddie_engine::train::Steps;
use tch::Tensor;

use crate::reference::Reference;
use crate::stages::{
    CODES, CODES_FILE, CPU, Codes, calibration_batches, loss, number, recipe_has_bias, slide, target_bits,
};
use crate::table::Table;
use crate::training;

/// A difference of the score from which on the table also says what the engine differs by from itself.
const NOTABLE: f64 = 1e-4;

/// Compares the artifact of the engine's own training with the script's.
///
/// The weights of both differ by rounding. Where one lay between two integers its code differs, and GPTQ carries the other choice
/// into the columns after it, so a score of few tokens moves by more than the weights did.
pub fn end_to_end(reference: &Reference, steps: &Steps, table: &mut Table) -> Result<()> {
    let own = Artifact::of(reference, steps)?;
    let theirs = number(&reference.scores[if recipe_has_bias(reference) { "ogd" } else { "quantized" }]["val_loss"]);
    // A training that rounds its weights ends elsewhere in many of them.
    if reference.recipe.quant.qat.is_none() {
        let codes = Codes::compare(reference, CODES_FILE, &own.exported)?;
        let count = format!("{} of {} are equal; the share that is not", codes.equal, codes.all);
        table.row("trained and quantized alone, integer codes", count, codes.differing(), CODES);
    }
    table.row("trained, quantized and scored alone", "val_loss of the artifact", own.loss - theirs, 1e-3);
    if reference.recipe.quant.qat.is_none() && (own.loss - theirs).abs() > NOTABLE {
        let beside = Artifact::of(reference, &training::from_nearby(reference)?)?;
        let what = "val_loss, the engine from weights one bit away against itself";
        table.row("the same by rounding alone", what, beside.loss - own.loss, 1e-3);
    }
    Ok(())
}

/// What a training ends in.
struct Artifact {
    exported: QuantizedModel,
    /// Mean nats per token over the validation set.
    loss: f64,
}

impl Artifact {
    fn of(reference: &Reference, steps: &Steps) -> Result<Artifact> {
        let recipe = &reference.recipe;
        let trained = || steps.model.parameters().iter().map(|(n, t)| (n.clone(), t.detach())).collect();
        let weights: StateDict = steps.average.as_ref().and_then(Average::weights).unwrap_or_else(trained);
        let model = Gpt::new(&recipe.model, weights, CPU)?;
        let mut observed = Observed::default();
        if recipe.quant.needs_calibration() {
            observed = calibrate(&model, calibration_batches(reference)?, None)?.into();
        }
        if let Some(sensitivity) = &steps.sensitivity {
            let target = target_bits(reference)?;
            let bits = |(name, scores): (String, Tensor)| Ok((name, bits_by_row(&scores, target)?));
            observed.row_bits = sensitivity.scores().into_iter().map(bits).collect::<Result<_>>()?;
        }
        let exported = export(model.params(), model.parameters(), &observed, &recipe.quant)?;
        let weights = exported.dequantize()?;
        let loss = match recipe_has_bias(reference) {
            true => slide(reference, weights, EvalMode::Ogd)?,
            false => loss(reference, weights)?,
        };
        Ok(Artifact { exported, loss })
    }
}
