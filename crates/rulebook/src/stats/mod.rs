//! The statistics of a claim: means and standard deviations over seeds, t-tests, intervals of paired differences, and
//! their units.

mod paired;
mod sample;
mod t_test;

pub use paired::{PairedInterval, half_width, paired};
pub use sample::{Sample, Score, Unit, same_alphabet};
pub use t_test::{TTest, Test, Undefined, one_sample, pooled, welch};

/// Arithmetic mean; `None` of no values.
pub fn mean(values: &[f64]) -> Option<f64> {
    if values.is_empty() { None } else { Some(values.iter().sum::<f64>() / values.len() as f64) }
}

/// Sample standard deviation, `sqrt(Σ(x − mean)² / (n − 1))`; `None` below two values.
///
/// Significance tests over seeds need the sample form; some published folders state the population form instead
/// (docs/spec/records.md#units).
pub fn sample_std(values: &[f64]) -> Option<f64> {
    let mean = mean(values)?;
    if values.len() < 2 {
        return None;
    }
    Some((values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_deviation_is_the_sample_form() {
        assert_eq!(sample_std(&[1.0, 2.0, 3.0]), Some(1.0));
        assert_eq!((mean(&[]), sample_std(&[1.0])), (None, None));
    }
}
