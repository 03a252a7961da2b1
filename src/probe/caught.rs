//! Losses of single targets that the harness caught, where they are those that a script prints.

use caddie_probe::accounting::Printed;

use crate::rehearse::CaughtPass;

/// Share of the targets whose losses have to be known.
const LEAST: f64 = 0.9;
/// Relative error of a mean by arithmetic in f32.
const ARITHMETIC: f64 = 1e-4;
/// Standard deviations of a target's loss, nats, that the mean of the missing ones may be away by.
const SPREAD: f64 = 6.0;

/// The losses of one pass.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Caught {
    /// Nats of each target; `None` where none was caught.
    nats: Vec<Option<f64>>,
    /// The call that each came from.
    calls: Vec<i64>,
}

impl Caught {
    /// The losses whose mean is the printed one: of the last pass before an earlier one, and of several scorings of a target the first
    /// (windows that slide score a target where it comes in) or else the last.
    pub(super) fn of(passes: &[CaughtPass], printed: &Printed) -> Option<Caught> {
        let readings = passes.iter().flat_map(|pass| {
            [(&pass.first, &pass.first_call), (&pass.last, &pass.last_call)]
                .map(|(nats, calls)| Caught { nats: nats.clone(), calls: calls.clone() })
        });
        readings.into_iter().find(|caught| caught.fits(printed))
    }

    fn fits(&self, printed: &Printed) -> bool {
        let known: Vec<f64> = self.nats.iter().copied().flatten().collect();
        let (all, count) = (self.nats.len() as f64, known.len() as f64);
        let mean = caddie_probe::sum(known.iter().copied()) / count;
        let missing = SPREAD * (all - count).sqrt() / all;
        let allowed = printed.half_unit + ARITHMETIC * printed.value + missing;
        count >= LEAST * all && (mean - printed.value).abs() <= allowed
    }

    /// The targets in the order in which they were scored.
    pub(super) fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.nats.len()).filter(|at| self.known(*at).is_some()).collect();
        order.sort_by_key(|at| (self.calls.get(*at).copied(), *at));
        order
    }

    /// The largest difference of those targets that both know, nats.
    pub(super) fn largest(&self, other: &Caught, which: impl Fn(usize) -> bool) -> f64 {
        let both = (0..self.nats.len()).filter(|at| which(*at));
        let apart = both.filter_map(|at| Some((self.known(at)? - other.known(at)?).abs()));
        apart.fold(0.0, f64::max)
    }

    fn known(&self, at: usize) -> Option<f64> {
        self.nats.get(at).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(first: f64, last: f64) -> CaughtPass {
        let of = |nats: f64| (0..20).map(|at| (at != 7).then_some(nats)).collect();
        let calls: Vec<i64> = (0..20).map(|at| if at < 10 { 1 } else { 0 }).collect();
        CaughtPass { first: of(first), last: of(last), first_call: calls.clone(), last_call: calls }
    }

    #[test]
    fn only_losses_that_explain_the_printed_mean_count() {
        let printed = |value| Printed::with_decimals(value, 6);
        let passes = [pass(9.0, 5.0), pass(2.0, 2.0)];
        let known = |value| Caught::of(&passes, &printed(value)).and_then(|caught| caught.known(3));
        assert_eq!((known(9.0), known(5.0), known(2.0), known(3.5)), (Some(9.0), Some(5.0), Some(2.0), None));
        assert_eq!(Caught::of(&[], &printed(1.0)), None);
    }

    #[test]
    fn targets_are_ordered_as_they_were_scored() {
        let caught = Caught::of(&[pass(5.0, 5.0)], &Printed::with_decimals(5.0, 6)).unwrap();
        let order = caught.order();
        assert_eq!((order.len(), order[0], order[9], order[10], order[18]), (19, 10, 19, 0, 9));
        let other = Caught { nats: vec![Some(5.5); 20], ..caught.clone() };
        assert_eq!((caught.largest(&other, |_| true), caught.largest(&other, |at| at == 7)), (0.5, 0.0));
    }
}
