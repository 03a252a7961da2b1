//! The knob that makes artifacts equally large: which value to try next.
//!
//! The size of a model file is known only after its training, so every try is a trial. It is taken to rise, or to fall, with
//! the knob; which of the two is found out.

/// Relative difference of two sizes that count as equal.
pub const TOLERANCE: f64 = 1e-3;
/// Tries for one variant.
pub const MOST_TRIES: usize = 12;
/// Digits of a value, so that recipes stay readable.
const DIGITS: i32 = 5;
/// Integers that are passed over in search of one that the recipe accepts.
const REACH: i64 = 256;

/// A value that was tried, with the size that it gave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TriedKnob {
    pub value: f64,
    /// Decimal bytes.
    pub bytes: f64,
}

/// A knob and the size that it is to give.
#[derive(Debug, Clone, Copy)]
pub struct KnobSearch {
    /// Decimal bytes.
    pub target: f64,
    /// True for a setting that takes whole numbers alone.
    pub integer: bool,
}

impl KnobSearch {
    /// Tells whether a size is equal to the target.
    pub fn hits(&self, bytes: f64) -> bool {
        self.off(bytes).abs() <= TOLERANCE
    }

    /// Relative difference to the target.
    pub fn off(&self, bytes: f64) -> f64 {
        bytes / self.target - 1.0
    }

    /// The try that comes nearest.
    pub fn best(&self, tries: &[TriedKnob]) -> Option<TriedKnob> {
        let off = |tried: &TriedKnob| self.off(tried.bytes).abs();
        tries.iter().copied().min_by(|a, b| off(a).total_cmp(&off(b)))
    }

    /// Returns the value to try after `tries`; `None` when none is left that could be nearer. `usable` tells whether the
    /// subject accepts a value.
    ///
    /// Between a try that is too small and one that is too large it goes by the straight line between them, and by halves
    /// where the same side was hit twice; with tries on one side alone it follows the line through the last two.
    pub fn next(&self, tries: &[TriedKnob], usable: impl Fn(f64) -> bool) -> Option<f64> {
        let last = tries.last()?;
        let fresh = |value: f64| tries.iter().all(|tried| tried.value != value) && value > 0.0 && usable(value);
        let near = |side: fn(f64) -> bool| {
            let on = tries.iter().filter(|tried| side(tried.bytes - self.target));
            on.copied().min_by(|a, b| self.off(a.bytes).abs().total_cmp(&self.off(b.bytes).abs()))
        };
        if let (Some(under), Some(over)) = (near(|d| d < 0.0), near(|d| d >= 0.0)) {
            let (low, high) = (under.value.min(over.value), under.value.max(over.value));
            let line =
                under.value + (over.value - under.value) * (self.target - under.bytes) / (over.bytes - under.bytes);
            let stuck = tries
                .iter()
                .rev()
                .nth(1)
                .is_some_and(|before| (before.bytes < self.target) == (last.bytes < self.target));
            let value = if stuck { (low + high) / 2.0 } else { line };
            let margin = 0.02 * (high - low);
            return self.choose(value.clamp(low + margin, high - margin), (low, high), fresh);
        }
        // The first step may have led away from the target, so that the search goes on from the nearest try.
        let from = self.best(tries)?;
        let value = match tries.iter().rev().nth(1) {
            None => from.value * (self.target / from.bytes).clamp(0.5, 2.0),
            Some(before) => {
                let slope = (last.bytes - before.bytes) / (last.value - before.value);
                let to = from.value + (self.target - from.bytes) / slope;
                // A flat line, or one that says nothing, leads twice as far.
                let to = if to.is_finite() { to } else { from.value * 2.0 };
                to.clamp(from.value / 2.0, from.value * 2.0)
            }
        };
        let range = if value > from.value { (from.value, f64::INFINITY) } else { (0.0, from.value) };
        self.choose(value, range, fresh)
    }

    /// The nearest value that can be tried, inside `range` without its ends.
    fn choose(&self, value: f64, (low, high): (f64, f64), fresh: impl Fn(f64) -> bool) -> Option<f64> {
        let inside = |value: &f64| *value > low && *value < high;
        if !self.integer {
            return Some(rounded(value)).filter(|value| inside(value) && fresh(*value));
        }
        let middle = value.round();
        let both = (0..REACH).flat_map(|step| [middle + step as f64, middle - step as f64]);
        both.filter(inside).find(|value| fresh(*value))
    }
}

/// The number with [`DIGITS`] digits that count.
fn rounded(value: f64) -> f64 {
    if value == 0.0 {
        return value;
    }
    let places = usize::try_from(DIGITS - 1 - value.abs().log10().floor() as i32).unwrap_or(0);
    format!("{value:.places$}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Tries until the size is hit, nothing is left, or there are too many tries.
    fn search(
        search: KnobSearch,
        start: f64,
        size: impl Fn(f64) -> f64,
        usable: impl Fn(f64) -> bool,
    ) -> Vec<TriedKnob> {
        let mut tries = vec![TriedKnob { value: start, bytes: size(start) }];
        while tries.len() < MOST_TRIES && !search.hits(tries[tries.len() - 1].bytes) {
            let Some(value) = search.next(&tries, &usable) else { break };
            tries.push(TriedKnob { value, bytes: size(value) });
        }
        tries
    }

    #[test]
    fn a_size_that_falls_with_the_knob_is_found_too() {
        // The bytes of integers by the scale's sigmas: fewer the wider the clip.
        let of = |sigmas: f64| 100_000.0 + 650_000.0 * (8.0 - sigmas.log2()) / 8.0;
        let wanted = KnobSearch { target: of(11.3), integer: false };
        let tries = search(wanted, 20.0, of, |_| true);
        assert!(wanted.hits(wanted.best(&tries).unwrap().bytes), "{tries:?}");
    }

    #[test]
    fn whole_numbers_that_the_recipe_refuses_are_passed_over_and_the_nearest_is_told() {
        // Widths in steps of 8; the target lies between 128 and 136.
        let of = |width: f64| 20_000.0 + 40.0 * width * width;
        let wanted = KnobSearch { target: of(133.0), integer: true };
        let tries = search(wanted, 96.0, of, |value| value % 8.0 == 0.0);
        let best = wanted.best(&tries).unwrap();
        assert!(best.value == 136.0 && !wanted.hits(best.bytes), "{tries:?}");
        assert!(tries.iter().all(|tried| tried.value % 8.0 == 0.0));
        assert_eq!(wanted.next(&tries, |value| value % 8.0 == 0.0), None, "nothing lies between 128 and 136");
    }

    #[test]
    fn a_first_step_in_the_wrong_direction_is_taken_back() {
        let wanted = KnobSearch { target: 3.33e6, integer: false };
        let tries = search(wanted, 1.0, |knob| 1e6 / knob, |_| true);
        assert!(wanted.hits(wanted.best(&tries).unwrap().bytes), "{tries:?}");
    }

    #[test]
    fn values_are_short() {
        assert_eq!(
            (rounded(12.345_678), rounded(0.000_123_456_7), rounded(1_234_567.8)),
            (12.346, 0.000_123_46, 1_234_568.0)
        );
    }

    proptest! {
        #[test]
        fn any_smooth_size_is_hit(target in 0.3f64..3.0, power in prop_oneof![Just(-1.0), Just(1.0), Just(2.0)], base in 0.0f64..0.2) {
            let of = |knob: f64| 1e6 * (base + knob.powf(power));
            let wanted = KnobSearch { target: of(target), integer: false };
            let tries = search(wanted, 1.0, of, |_| true);
            prop_assert!(wanted.hits(wanted.best(&tries).unwrap().bytes), "{:?}", tries);
        }
    }
}
