//! The interval of a mean difference between pairs: two configurations run with the same seeds.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::{Undefined, mean, sample_std};

/// A mean difference with its two-sided confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PairedInterval {
    /// Mean of the differences.
    pub mean: f64,
    /// Sample standard deviation of the differences.
    pub std: f64,
    pub pairs: usize,
    pub low: f64,
    pub high: f64,
}

/// Computes the interval of the mean of `x − y` over pairs `(x, y)`, by Student's distribution:
/// `d̄ ± t · s / √n`, with d̄ and s the mean and the sample standard deviation of the n differences, and t the
/// `(1 + confidence) / 2` quantile at `n − 1` degrees of freedom.
///
/// Pairing takes out what a seed does to both sides. The interval assumes differences that are about normal, and says
/// nothing about seeds, data or sizes other than those that were drawn from.
///
/// # Errors
/// [`Undefined`] when there are fewer than two pairs, or the differences have no spread.
pub fn paired(pairs: &[(f64, f64)], confidence: f64) -> Result<PairedInterval, Undefined> {
    let differences: Vec<f64> = pairs.iter().map(|(x, y)| x - y).collect();
    let (mean, std) = mean(&differences).zip(sample_std(&differences)).ok_or(Undefined::TooFew)?;
    let (n, df) = (differences.len() as f64, differences.len() as f64 - 1.0);
    let student = StudentsT::new(0.0, 1.0, df).map_err(|_| Undefined::NoSpread)?;
    let usable = std.is_finite() && std > 0.0 && confidence > 0.0 && confidence < 1.0;
    if !usable {
        return Err(Undefined::NoSpread);
    }
    let half = student.inverse_cdf((1.0 + confidence) / 2.0) * std / n.sqrt();
    Ok(PairedInterval { mean, std, pairs: differences.len(), low: mean - half, high: mean + half })
}

/// Returns the half width of the two-sided interval of a mean whose standard error is `error`: the `(1 + confidence) / 2`
/// quantile of Student's distribution at `df` degrees of freedom, times `error`. `None` where one of them is out of range.
pub fn half_width(error: f64, df: f64, confidence: f64) -> Option<f64> {
    let student = StudentsT::new(0.0, 1.0, df).ok().filter(|_| df.is_finite())?;
    let usable = error.is_finite() && error > 0.0 && confidence > 0.0 && confidence < 1.0;
    usable.then(|| student.inverse_cdf((1.0 + confidence) / 2.0) * error).filter(|half| half.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn assert_near(found: f64, known: f64) {
        assert!((found - known).abs() <= 1e-9 * known.abs().max(1e-3), "{found} is not {known}");
    }

    #[test]
    fn a_half_width_is_the_quantile_times_the_error() {
        assert_near(half_width(0.5, 2.0, 0.95).unwrap(), 0.5 * 4.302_652_729_7);
        for (error, df) in [(0.0, 2.0), (f64::NAN, 2.0), (1.0, 0.0), (1.0, f64::INFINITY)] {
            assert_eq!(half_width(error, df, 0.95), None);
        }
    }

    /// By hand: the quantiles are tables' t(0.975; 1) = 12.7062047362 and t(0.975; 2) = 4.3026527297.
    #[test]
    fn the_interval_is_the_one_worked_by_hand() {
        // Differences 1 and 3: mean 2, s = √2, half = 12.706… · √2 / √2.
        let two = paired(&[(2.0, 1.0), (5.0, 2.0)], 0.95).unwrap();
        assert_near(two.low, 2.0 - 12.706_204_736_2);
        assert_near(two.high, 2.0 + 12.706_204_736_2);
        // Differences −0.01, −0.02, −0.03: mean −0.02, s = 0.01, half = 4.302… · 0.01 / √3 = 0.024841377.
        let three = paired(&[(1.24, 1.25), (1.23, 1.25), (1.22, 1.25)], 0.95).unwrap();
        assert_eq!(three.pairs, 3);
        for (found, known) in
            [(three.mean, -0.02), (three.std, 0.01), (three.low, -0.044_841_377), (three.high, 0.004_841_377)]
        {
            assert!((found - known).abs() < 1e-8, "{found} is not {known}");
        }
    }

    //   from scipy.stats import ttest_rel
    //   ttest_rel([1.0811, 1.0795, 1.0802, 1.0820], [1.0822, 1.0799, 1.0815, 1.0824]).confidence_interval(0.9)
    #[test]
    fn what_a_seed_does_to_both_sides_is_taken_out() {
        let pairs = [(1.0811, 1.0822), (1.0795, 1.0799), (1.0802, 1.0815), (1.0820, 1.0824)];
        let found = paired(&pairs, 0.9).unwrap();
        // Differences −11, −4, −13, −4 (1e-4): mean −8, s² = (9 + 16 + 25 + 16) / 3 = 22, t(0.95; 3) = 2.3533634348.
        let half = 2.353_363_434_8 * 22f64.sqrt() / 2.0 * 1e-4;
        assert_near(found.low, -8e-4 - half);
        assert_near(found.high, -8e-4 + half);
    }

    #[test]
    fn one_pair_and_equal_differences_have_no_interval() {
        assert_eq!(paired(&[(1.0, 2.0)], 0.95), Err(Undefined::TooFew));
        assert_eq!(paired(&[], 0.95), Err(Undefined::TooFew));
        assert_eq!(paired(&[(1.0, 2.0), (3.0, 4.0)], 0.95), Err(Undefined::NoSpread));
        assert_eq!(paired(&[(1.0, f64::NAN), (3.0, 4.0)], 0.95), Err(Undefined::NoSpread));
    }

    proptest! {
        #[test]
        fn the_other_way_around_is_the_mirror(xs in proptest::collection::vec((0u32..4096, 0u32..4096), 2..8)) {
            let pairs: Vec<(f64, f64)> =
                xs.iter().map(|(x, y)| (f64::from(*x) / 1024.0, f64::from(*y) / 1024.0)).collect();
            let mirrored: Vec<(f64, f64)> = pairs.iter().map(|(x, y)| (*y, *x)).collect();
            match (paired(&pairs, 0.95), paired(&mirrored, 0.95)) {
                (Ok(one), Ok(other)) => {
                    prop_assert!((one.low + other.high).abs() < 1e-9 && one.low <= one.mean && one.mean <= one.high);
                }
                (one, other) => prop_assert_eq!(one, other),
            }
        }
    }
}
