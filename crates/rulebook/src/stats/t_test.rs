//! One-sided t-tests of "this mean is lower": lower is better in bits per byte and in nats alike.
//!
//! With the statistic `t` and Student's distribution `T` at `df` degrees of freedom, `p = P(T ≤ t)`.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::{mean, sample_std};

/// The kind of test. A p-value without its test's name says nothing: pooled instead of Welch makes 0.020 of #1514
/// 0.0096.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Test {
    /// Tests against a value that is taken as exact.
    OneSample,
    /// Tests two samples, each with its own variance.
    Welch,
    /// Student's test of two samples with one variance. It is shown beside the others and never decides.
    Pooled,
}

impl Test {
    /// Returns the name that reports use.
    pub fn name(self) -> &'static str {
        match self {
            Test::OneSample => "one-sample",
            Test::Welch => "welch",
            Test::Pooled => "pooled",
        }
    }
}

/// The outcome of a test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TTest {
    /// The statistic; negative where the mean is lower.
    pub statistic: f64,
    pub df: f64,
    /// One-sided p-value.
    pub p_value: f64,
}

impl TTest {
    /// The outcome of a statistic that is known.
    ///
    /// # Errors
    /// [`Undefined::NoSpread`] when the statistic or `df` is not finite.
    pub fn of(statistic: f64, df: f64) -> Result<TTest, Undefined> {
        if !(statistic.is_finite() && df.is_finite()) {
            return Err(Undefined::NoSpread);
        }
        let student = StudentsT::new(0.0, 1.0, df).map_err(|_| Undefined::NoSpread)?;
        Ok(TTest { statistic, df, p_value: student.cdf(statistic) })
    }
}

/// The reason why a test has no outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undefined {
    /// A sample of fewer than two runs has no spread to judge by.
    TooFew,
    /// All values are equal, or one is not a number.
    NoSpread,
}

/// Tests whether the mean is lower than `value`: `t = (mean − value) / (s / √n)`, `df = n − 1`.
///
/// # Errors
/// [`Undefined`] when the sample has fewer than two values or no spread.
pub fn one_sample(sample: &[f64], value: f64) -> Result<TTest, Undefined> {
    let (mean, variance, n) = moments(sample)?;
    lower(mean - value, (variance / n).sqrt(), n - 1.0)
}

/// Tests whether the mean is lower than the other's by more than `margin`, by Welch's test: `t = (mean − (other −
/// margin)) / √(s²/n + s'²/n')`, with Satterthwaite's `df = (s²/n + s'²/n')² / ((s²/n)²/(n − 1) + (s'²/n')²/(n' − 1))`.
///
/// # Errors
/// [`Undefined`] when a sample has fewer than two values, or neither has any spread.
pub fn welch(sample: &[f64], other: &[f64], margin: f64) -> Result<TTest, Undefined> {
    let (mean_a, variance_a, n_a) = moments(sample)?;
    let (mean_b, variance_b, n_b) = moments(other)?;
    let (a, b) = (variance_a / n_a, variance_b / n_b);
    let df = (a + b).powi(2) / (a.powi(2) / (n_a - 1.0) + b.powi(2) / (n_b - 1.0));
    lower(mean_a - (mean_b - margin), (a + b).sqrt(), df)
}

/// Runs Student's test with one variance for both: `s² = ((n − 1)s² + (n' − 1)s'²) / (n + n' − 2)`, `t = (mean − (other
/// − margin)) / (s √(1/n + 1/n'))`, `df = n + n' − 2`.
///
/// # Errors
/// As [`welch`].
pub fn pooled(sample: &[f64], other: &[f64], margin: f64) -> Result<TTest, Undefined> {
    let (mean_a, variance_a, n_a) = moments(sample)?;
    let (mean_b, variance_b, n_b) = moments(other)?;
    let df = n_a + n_b - 2.0;
    let variance = ((n_a - 1.0) * variance_a + (n_b - 1.0) * variance_b) / df;
    lower(mean_a - (mean_b - margin), (variance * (1.0 / n_a + 1.0 / n_b)).sqrt(), df)
}

/// Mean, sample variance and size.
fn moments(sample: &[f64]) -> Result<(f64, f64, f64), Undefined> {
    let (mean, std) = mean(sample).zip(sample_std(sample)).ok_or(Undefined::TooFew)?;
    Ok((mean, std * std, sample.len() as f64))
}

fn lower(difference: f64, standard_error: f64, df: f64) -> Result<TTest, Undefined> {
    if standard_error > 0.0 { TTest::of(difference / standard_error, df) } else { Err(Undefined::NoSpread) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Per-seed val_bpb of #1514, #1493, #1769 and #1736, and of #1019 and #549, as their logs print them.
    const PR_1514: [f64; 3] = [1.07928348, 1.07996676, 1.08024795];
    const PR_1493: [f64; 3] = [1.08079352, 1.08103103, 1.08118408];
    const PR_1769: [f64; 5] = [1.06356801, 1.0641313, 1.06466993, 1.06509678, 1.06516558];
    const PR_1736: [f64; 3] = [1.06610085, 1.06473025, 1.06562743];
    const PR_1019: [f64; 3] = [1.1150812, 1.11437394, 1.11475014];
    const PR_549: [f64; 3] = [1.11922988, 1.12002032, 1.11888882];

    #[track_caller]
    fn assert_is(test: Result<TTest, Undefined>, statistic: f64, df: f64, p_value: f64) {
        let test = test.expect("defined");
        for (found, known) in [(test.statistic, statistic), (test.df, df), (test.p_value, p_value)] {
            assert!((found - known).abs() <= 1e-9 * known.abs().max(1e-3), "{found} is not {known}");
        }
    }

    // The constants are scipy 1.17.1's:
    //   from scipy.stats import ttest_ind, ttest_1samp
    //   r = ttest_ind(a, b, equal_var=False, alternative='less'); r.statistic, r.df, r.pvalue
    #[test]
    fn welch_is_scipys() {
        assert_is(welch(&PR_1514, &PR_1493, 0.0), -3.7981075608323347, 2.6144486234926028, 0.020298374076444105);
        assert_is(welch(&PR_1769, &PR_1736, 0.0), -1.9083409817584676, 4.22811056841756, 0.06256982063076237);
        assert_is(welch(&PR_1019, &PR_549, 0.0), -11.833877628547999, 3.306299432702501, 0.0004033883507704035);
    }

    //   ttest_ind(a, b, equal_var=True, alternative='less').pvalue
    #[test]
    fn pooled_is_scipys_and_not_welch() {
        let p = |a: &[f64], b: &[f64]| pooled(a, b, 0.0).expect("defined").p_value;
        assert!((p(&PR_1514, &PR_1493) - 0.00956739889447785).abs() < 1e-12);
        assert!((p(&PR_1769, &PR_1736) - 0.0513064021048469).abs() < 1e-12);
    }

    //   ttest_1samp([1.20576485, 1.2061746, 1.20715923], 1.2193657, alternative='less')
    //   which #49 published as t = 31.42, p = 0.00051
    #[test]
    fn one_sample_is_scipys() {
        let test = one_sample(&[1.20576485, 1.2061746, 1.20715923], 1.2193657);
        assert_is(test, -31.41722013287978, 2.0, 0.0005057956760139203);
    }

    #[test]
    fn too_few_runs_and_no_spread_are_no_outcome() {
        assert_eq!(one_sample(&[1.0], 2.0), Err(Undefined::TooFew));
        assert_eq!(welch(&[1.0, 1.1], &[1.0], 0.0), Err(Undefined::TooFew));
        assert_eq!(welch(&[1.0, 1.0], &[2.0, 2.0], 0.0), Err(Undefined::NoSpread));
        assert_eq!(pooled(&[1.0, f64::NAN], &[2.0, 2.1], 0.0), Err(Undefined::NoSpread));
    }

    /// Values with some spread: distinct multiples of 1/1024, so that shifts and scales are exact enough.
    fn sample() -> impl Strategy<Value = Vec<f64>> {
        proptest::collection::btree_set(0u32..4096, 2..8)
            .prop_map(|set| set.into_iter().map(|k| 1.0 + f64::from(k) / 1024.0).collect())
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
    }

    proptest! {
        #[test]
        fn turning_the_question_around_turns_the_answer(a in sample(), b in sample()) {
            for test in [welch, pooled] {
                let (one, other) = (test(&a, &b, 0.0).expect("spread"), test(&b, &a, 0.0).expect("spread"));
                prop_assert!(close(one.statistic, -other.statistic) && close(one.df, other.df));
                prop_assert!(close(one.p_value + other.p_value, 1.0));
            }
        }

        #[test]
        fn another_unit_or_zero_changes_nothing(a in sample(), b in sample(), shift in -2i32..3, power in -3i32..4) {
            let scale = 2f64.powi(power);
            let moved = |x: &[f64]| x.iter().map(|x| (x + f64::from(shift)) * scale).collect::<Vec<_>>();
            for test in [welch, pooled] {
                let (one, other) = (test(&a, &b, 0.25), test(&moved(&a), &moved(&b), 0.25 * scale));
                let (one, other) = (one.expect("spread"), other.expect("spread"));
                prop_assert!(close(one.statistic, other.statistic) && close(one.p_value, other.p_value));
            }
        }

        #[test]
        fn a_margin_is_the_other_mean_moved(a in sample(), b in sample()) {
            let moved: Vec<f64> = b.iter().map(|x| x - 0.5).collect();
            let (one, other) = (welch(&a, &b, 0.5).expect("spread"), welch(&a, &moved, 0.0).expect("spread"));
            prop_assert!(close(one.statistic, other.statistic));
            prop_assert!((0.0..=1.0).contains(&one.p_value));
        }
    }
}
