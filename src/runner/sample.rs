//! A reviewer's sample of a ledger's documents, and what it supports.
//!
//! The draw follows from the ledger's digest and a nonce that the reviewer chooses afterwards, so neither side can steer it: the
//! author fixes the digest first, and anybody repeats the draw from the two. Documents are drawn with replacement, for which
//! both statements hold exactly.

use caddie_probe::dice::Dice;

/// Confidence of the bound on the mean.
pub const CONFIDENCE: f64 = 0.95;

/// Draws the positions of `count` of `documents` rows, with replacement, in ascending order with repetitions.
pub fn draw(ledger_sha256: &str, nonce: &str, documents: usize, count: usize) -> Vec<usize> {
    let text = format!("caddie reproduce --sample\n{ledger_sha256}\n{nonce}\n");
    let digest = caddie_format::sha256(text.as_bytes());
    let seed = digest.get(..16).and_then(|start| u64::from_str_radix(start, 16).ok()).unwrap_or(0);
    let mut dice = Dice::new(seed, 0);
    let mut drawn: Vec<usize> = (0..count).map(|_| dice.below(documents.max(1) as u64) as usize).collect();
    drawn.sort_unstable();
    drawn
}

/// The chance that `draws` documents show none of a share `share` that is misreported: (1 − f)^K.
pub fn missed(share: f64, draws: usize) -> f64 {
    (1.0 - share).powi(draws.min(i32::MAX as usize) as i32)
}

/// The smallest share of misreported documents that this many draws would have missed with a chance of at most 5 %.
pub fn share_excluded(draws: usize) -> f64 {
    1.0 - (1.0 - CONFIDENCE).powf(1.0 / draws.max(1) as f64)
}

/// The share of a document's nats that its ledger leaves out, in [0, 1].
pub fn understated(claimed: f64, recomputed: f64) -> f64 {
    if recomputed > 0.0 { ((recomputed - claimed) / recomputed).clamp(0.0, 1.0) } else { 0.0 }
}

/// Upper bound on the mean of a quantity in [0, 1] over all documents, from its values at the drawn ones: the empirical
/// Bernstein bound of Maurer and Pontil (arXiv 0907.3740, theorem 4), with 95 % confidence. `None` below two draws.
pub fn mean_bound(values: &[f64]) -> Option<f64> {
    let n = values.len() as f64;
    if values.len() < 2 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let log = (2.0 / (1.0 - CONFIDENCE)).ln();
    Some((mean + (2.0 * variance * log / n).sqrt() + 7.0 * log / (3.0 * (n - 1.0))).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_and_nonce_decide_the_draw() {
        let one = draw("ab", "x", 1000, 50);
        assert_eq!((one.len(), &one), (50, &draw("ab", "x", 1000, 50)));
        assert!(one.is_sorted() && one.iter().all(|at| *at < 1000));
        assert_ne!(one, draw("ab", "y", 1000, 50));
        assert_ne!(one, draw("ac", "x", 1000, 50));
        assert_eq!(draw("ab", "x", 1, 3), [0, 0, 0]);
    }

    #[test]
    fn the_support_is_that_of_independent_draws() {
        assert!((missed(0.01, 300) - 0.99f64.powi(300)).abs() < 1e-15);
        assert!((missed(share_excluded(300), 300) - 0.05).abs() < 1e-12);
        assert!((share_excluded(1) - 0.95).abs() < 1e-12);
    }

    /// The bound holds in at least 95 of 100 samples of a coin whose mean is known, and shrinks with the sample.
    #[test]
    fn the_bound_covers_the_mean() {
        let mut dice = Dice::new(3, 0);
        let mut sample = || (0..60).map(|_| f64::from(u8::from(dice.below(10) == 0))).collect::<Vec<_>>();
        let held = (0..500).filter(|_| mean_bound(&sample()).is_some_and(|bound| bound >= 0.1)).count();
        assert!(held >= 475, "{held} of 500");
        assert!(mean_bound(&[0.0; 1000]) < mean_bound(&[0.0; 100]));
        assert_eq!(mean_bound(&[0.0]), None);
    }

    #[test]
    fn only_what_is_left_out_counts() {
        assert_eq!((understated(9.0, 10.0), understated(11.0, 10.0), understated(1.0, 0.0)), (0.1, 0.0, 0.0));
        assert_eq!(understated(-5.0, 10.0), 1.0);
    }
}
