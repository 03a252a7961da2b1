//! Training, from upstream's initial weights and batches.

use caddie_engine::Result;
use caddie_engine::checkpoint::StateDict;
use caddie_engine::optim::average::Average;
use caddie_engine::train::{Regime, Steps, regime};

use crate::reference::Reference;
use crate::stages::{CPU, difference, number, worst};
use crate::table::Table;

/// One step of a training.
struct Seen {
    now: Regime,
    loss: f64,
    grad_norm: Option<f64>,
}

/// Trains over the recorded batches from `initial`.
fn train(reference: &Reference, initial: StateDict) -> Result<(Steps, Vec<Seen>)> {
    let recipe = &reference.recipe;
    let mut steps = Steps::new(recipe, initial, CPU)?;
    let (mut seen, mut looping) = (Vec::new(), false);
    for (step, batches) in reference.batches()?.into_iter().enumerate() {
        let now = regime(recipe, step as i64, 0.0, looping);
        looping = now.looping;
        let stepped = steps.step(&recipe.train, batches, step as i64, now)?;
        let grad_norm = stepped.grad_norm.as_ref().map(|norm| norm.double_value(&[]));
        seen.push(Seen { now, loss: stepped.loss.double_value(&[]), grad_norm });
    }
    Ok((steps, seen))
}

/// Initial weights that differ from the script's in their last bit.
const NEARBY: f64 = 1.0 + f32::EPSILON as f64;

/// Trains over the recorded batches from weights one bit away from upstream's.
pub fn from_nearby(reference: &Reference) -> Result<Steps> {
    Ok(train(reference, nearby(reference)?)?.0)
}

fn nearby(reference: &Reference) -> Result<StateDict> {
    Ok(reference.weights("initial.safetensors")?.into_iter().map(|(name, w)| (name, w * NEARBY)).collect())
}

/// Losses of every step and weights afterwards, from upstream's initial weights and batches.
///
/// A training that rounds its weights turns a difference in the last bit into one of a whole integer wherever a weight lay
/// between two, and each such step into the next. So after the first rounded step no fixed tolerance is fair: allowed is what
/// the engine differs by from itself, when it begins with weights that differ in their last bit.
pub fn training(reference: &Reference, table: &mut Table) -> Result<Steps> {
    let recipe = &reference.recipe;
    let initial = reference.weights("initial.safetensors")?;
    let (steps, seen) = train(reference, initial)?;
    let n = seen.len();
    let (mut norms, mut schedule) = (0f64, 0f64);
    for (own, theirs) in seen.iter().zip(&reference.steps) {
        schedule = schedule.max((own.now.lr_scale - number(&theirs["lr_multiplier"])).abs());
        let same_order = theirs["looping"].as_bool() == Some(own.now.looping);
        let same_grid = theirs["qat"].as_bool().unwrap_or_default() == own.now.qat;
        schedule = schedule.max(if same_order && same_grid { 0.0 } else { 1.0 });
        if let (Some(norm), Some(theirs)) = (own.grad_norm, theirs["gradient_norm"].as_f64()) {
            norms = worst(norms, (norm - theirs) / theirs);
        }
    }
    table.row("schedule", format!("learning rates, depth recurrence and rounding of {n} steps"), schedule, 1e-12);
    let losses = |range: std::ops::Range<usize>| {
        let both = seen.iter().zip(&reference.steps).skip(range.start).take(range.len());
        both.fold(0.0, |largest, (own, theirs)| worst(largest, own.loss - number(&theirs["loss"])))
    };
    let trained = difference(steps.model.parameters(), &reference.weights("trained.safetensors")?)?;
    // The first step that rounds still starts from weights that no rounding has moved.
    let plain = seen.iter().position(|step| step.now.qat).map_or(n, |first| first + 1);
    table.row("training loss", format!("of each of {plain} steps"), losses(0..plain), 1e-4);
    if plain == n {
        table.row("weights after training", "every weight", trained, 1e-3);
    } else {
        let (beside, again) = train(reference, nearby(reference)?)?;
        let own = seen.iter().zip(&again).fold(0.0, |largest, (a, b)| worst(largest, a.loss - b.loss));
        let what =
            format!("of each of {} steps; the engine from weights one bit away differs by what is allowed", n - plain);
        table.row("training loss, weights rounded", what, losses(plain..n), own.max(1e-4));
        let end = steps.model.parameters().iter().map(|(name, w)| (name.clone(), w.detach())).collect();
        let own = difference(beside.model.parameters(), &end)?;
        table.row("weights after training, rounded", "every weight; likewise", trained, own.max(1e-3));
    }
    if recipe.optim.grad_clip_norm > 0.0 {
        table.row("gradient norm", format!("of each of {n} steps, relative"), norms, 1e-3);
    }
    if let Some(sensitivity) = &steps.sensitivity {
        let scores = difference(&sensitivity.scores(), &reference.weights("sensitivity.safetensors")?)?;
        let what = format!("every row, measured {} times", sensitivity.count());
        table.row("norms of the gradients' rows", what, scores, 1e-3);
    }
    if let Some(averaged) = steps.average.as_ref().and_then(Average::weights) {
        let averaged = difference(&averaged, &reference.weights("ema.safetensors")?)?;
        table.row("EMA", "every weight", averaged, 1e-3);
    }
    Ok(steps)
}
