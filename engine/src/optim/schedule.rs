//! Learning-rate warmdown and Muon's momentum warm-up (spec/algorithms.md §3.3).

use crate::recipe::{OptimRecipe, TrainRecipe};

/// Multiplier of every learning rate at `step`, after `elapsed_ms` on the training clock.
///
/// With a wall-clock cap the warmdown takes the time that `warmdown_iters` steps have taken on average, counted back from
/// the cap; without one it takes the last `warmdown_iters` steps.
pub fn lr_scale(t: &TrainRecipe, step: i64, elapsed_ms: f64) -> f64 {
    if t.warmdown_iters <= 0 {
        return 1.0;
    }
    if t.max_wallclock_seconds <= 0.0 {
        let start = (t.iterations - t.warmdown_iters).max(0);
        return if step < start { 1.0 } else { ((t.iterations - step) as f64 / t.warmdown_iters as f64).max(0.0) };
    }
    let warmdown_ms = t.warmdown_iters as f64 * elapsed_ms / step.max(1) as f64;
    let remaining_ms = (1000.0 * t.max_wallclock_seconds - elapsed_ms).max(0.0);
    if remaining_ms <= warmdown_ms { remaining_ms / warmdown_ms.max(1e-9) } else { 1.0 }
}

/// Muon's momentum at `step`: linear from the warm-up start to its final value.
pub fn muon_momentum(o: &OptimRecipe, step: i64) -> f64 {
    if o.muon_momentum_warmup_steps <= 0 {
        return o.muon_momentum;
    }
    let f = (step as f64 / o.muon_momentum_warmup_steps as f64).min(1.0);
    (1.0 - f) * o.muon_momentum_warmup_start + f * o.muon_momentum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Recipe;

    #[test]
    fn warmdown_follows_the_clock_under_a_cap_and_the_steps_without() {
        let mut t = Recipe::default().train;
        t.iterations = 100;
        t.warmdown_iters = 20;
        t.max_wallclock_seconds = 0.0;
        assert_eq!((lr_scale(&t, 0, 0.0), lr_scale(&t, 79, 0.0), lr_scale(&t, 90, 0.0)), (1.0, 1.0, 0.5));
        t.max_wallclock_seconds = 10.0;
        // 50 steps in 9 s: 20 steps take 3.6 s, 1 s is left.
        assert!((lr_scale(&t, 50, 9000.0) - 1000.0 / 3600.0).abs() < 1e-12);
        assert_eq!(lr_scale(&t, 50, 2000.0), 1.0);
    }

    #[test]
    fn momentum_warms_up_linearly() {
        let o = Recipe::default().optim;
        assert_eq!((muon_momentum(&o, 0), muon_momentum(&o, 500), muon_momentum(&o, 9999)), (0.85, 0.95, 0.95));
        assert!((muon_momentum(&o, 250) - 0.90).abs() < 1e-12);
    }
}
