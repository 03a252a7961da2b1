//! Settings that change in the course of training: learning rates, depth recurrence, rounded matrices
//! (docs/spec/algorithms.md#schedules, #depth-recurrence, #quantization-aware-training).

use crate::Recipe;
use crate::optim::RateScales;

/// The settings for one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Regime {
    /// Multiplies every learning rate.
    pub lr_scale: f64,
    /// Multiplies the matrices' weight decay.
    pub wd_scale: f64,
    /// True if layers run several times.
    pub looping: bool,
    /// True if gradients are taken at rounded matrices.
    pub qat: bool,
}

impl Regime {
    /// Returns the part of it that the optimizers take.
    pub fn scales(&self) -> RateScales {
        RateScales { lr: self.lr_scale, wd: self.wd_scale }
    }
}

/// Returns the regime of step `step`, which begins at `elapsed_ms` on the training clock. Once `looping`, training
/// loops until its end.
pub fn regime(recipe: &Recipe, step: i64, elapsed_ms: f64, looping: bool) -> Regime {
    let fraction = fraction(recipe, step, elapsed_ms);
    let reached = recipe.model.loops.as_ref().is_some_and(|loops| fraction >= loops.enable_looping_at);
    let qat = recipe.quant.qat.as_ref().is_some_and(|qat| fraction >= qat.qat_start_frac);
    let wd_scale = recipe.optim.muon.wd_scale(fraction);
    Regime { lr_scale: lr_scale(recipe, step, elapsed_ms), wd_scale, looping: looping || reached, qat }
}

/// Returns the elapsed share of training: by the clock under a cap, by steps without one.
pub fn fraction(recipe: &Recipe, step: i64, elapsed_ms: f64) -> f64 {
    match recipe.training_seconds() {
        cap if cap > 0.0 => elapsed_ms / (1000.0 * cap),
        _ => step as f64 / recipe.train.iterations as f64,
    }
}

/// Returns the multiplier of every learning rate.
///
/// With `warmdown_frac` w it is 1 until a fraction 1 − w of training is over and then falls to `min_lr` at the end.
/// With `warmdown_iters` it falls to 0 over that many last steps; under a wall-clock cap, over the time that so many
/// steps have taken on average, counted back from the cap.
fn lr_scale(recipe: &Recipe, step: i64, elapsed_ms: f64) -> f64 {
    let t = &recipe.train;
    if let Some(warmdown) = t.warmdown_frac.filter(|&w| w > 0.0) {
        let fraction = fraction(recipe, step, elapsed_ms);
        return if fraction >= 1.0 - warmdown { ((1.0 - fraction) / warmdown).max(t.min_lr) } else { 1.0 };
    }
    let Some(warmdown) = t.warmdown_iters.filter(|&iters| iters > 0) else { return 1.0 };
    let cap_ms = 1000.0 * recipe.training_seconds();
    if cap_ms <= 0.0 {
        let start = (t.iterations - warmdown).max(0);
        return if step < start { 1.0 } else { ((t.iterations - step) as f64 / warmdown as f64).max(0.0) };
    }
    let warmdown_ms = warmdown as f64 * elapsed_ms / step.max(1) as f64;
    let remaining_ms = (cap_ms - elapsed_ms).max(0.0);
    if remaining_ms <= warmdown_ms { remaining_ms / warmdown_ms.max(1e-9) } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(change: impl FnOnce(&mut Recipe)) -> Recipe {
        let mut recipe = Recipe::default();
        recipe.train.iterations = 100;
        recipe.train.max_wallclock_seconds = 0.0;
        change(&mut recipe);
        recipe
    }

    #[test]
    fn warmdown_by_steps_follows_the_clock_under_a_cap() {
        let mut r = recipe(|r| r.train.warmdown_iters = Some(20));
        assert_eq!((lr_scale(&r, 0, 0.0), lr_scale(&r, 79, 0.0), lr_scale(&r, 90, 0.0)), (1.0, 1.0, 0.5));
        r.train.max_wallclock_seconds = 10.0;
        // 50 steps in 9 s: 20 steps take 3.6 s, 1 s is left.
        assert!((lr_scale(&r, 50, 9000.0) - 1000.0 / 3600.0).abs() < 1e-12);
        assert_eq!(lr_scale(&r, 50, 2000.0), 1.0);
    }

    #[test]
    fn warmdown_by_fraction_ends_at_min_lr_and_the_reserve_is_no_training() {
        let mut r = recipe(|r| {
            r.train.warmdown_frac = Some(0.5);
            r.train.min_lr = 0.1;
        });
        assert_eq!((lr_scale(&r, 49, 0.0), lr_scale(&r, 75, 0.0), lr_scale(&r, 99, 0.0)), (1.0, 0.5, 0.1));
        r.train.max_wallclock_seconds = 600.0;
        r.quant.matrix.gptq = true;
        r.quant.calibration = Some(crate::recipe::CalibrationRecipe::default());
        assert_eq!(r.training_seconds(), 587.0);
        assert_eq!(lr_scale(&r, 7, 1000.0 * 587.0 * 0.75), 0.5);
    }

    #[test]
    fn the_weight_decay_falls_to_its_last_share() {
        let mut r = recipe(|_| ());
        assert_eq!(regime(&r, 99, 0.0, false).wd_scale, 1.0);
        (r.optim.muon.wd_taper_start_frac, r.optim.muon.wd_taper_final_mult) = (Some(0.7), Some(0.5));
        let scales = [0, 70, 85, 100].map(|step| regime(&r, step, 0.0, false).wd_scale);
        assert_eq!(scales[..2], [1.0, 1.0]);
        assert!((scales[2] - 0.75).abs() < 1e-12 && (scales[3] - 0.5).abs() < 1e-12, "{scales:?}");
    }

    #[test]
    fn loops_come_on_once_and_stay() {
        let r = recipe(|r| r.model.loops = Some(crate::model::LoopsRecipe::default()));
        let looping = |step, before| regime(&r, step, 0.0, before).looping;
        assert_eq!((looping(34, false), looping(35, false), looping(0, true)), (false, true, true));
        assert!(!regime(&recipe(|_| ()), 99, 0.0, false).looping);
    }
}
