//! The arithmetic of e-values, in natural logarithms (nats) throughout.
//!
//! For a scorer that is causal, normalized, scores before it adapts and scores once, the e-value E = Q(x)/P(x) has an
//! expectation of at most 1 under the source P: the factors Q(xᵢ|x₍<ᵢ₎)/P(xᵢ|x₍<ᵢ₎) each have the expectation Σ Q ≤ 1, so their
//! product is a nonnegative supermartingale. By Markov's inequality P(E ≥ 1/α) ≤ α, and by Ville's the same holds for the
//! largest E along the way. Prequential codes as e-processes: arXiv 2602.04146.

use serde::Serialize;

/// Below this many nats nothing is called proven: e⁻²⁰ is 2 in a billion.
pub const PROVEN_NATS: f64 = 20.0;

/// Nats for each target that a claimed total may be too low by arithmetic alone: a softmax over 65,536 logits in f32 and
/// the sum of its losses are off by less than a tenth of this.
pub const SLACK_PER_TARGET: f64 = 1e-4;

/// The logarithm of the e-value: ln E = L_P − L − slack, with L_P = −ln P(x) and L the claimed total.
pub fn log_e(source_nats: f64, claimed_nats: f64, slack: f64) -> f64 {
    source_nats - claimed_nats - slack
}

/// Markov's bound on the logarithm of the p-value: p ≤ min(1, 1/E).
pub fn log_p_bound(log_e: f64) -> f64 {
    (-log_e).min(0.0)
}

/// The mean of `planned` e-values, which is one whatever they have in common: the way to combine the tries of a search,
/// sources that the same model scored, or several seeds of one source. Those that are missing, because the search ended when
/// it had found enough or a try came to no score, count as 0, so that nothing is gained by leaving them out. Returns its
/// logarithm.
pub fn average(log_es: &[f64], planned: usize) -> f64 {
    let Some(largest) = log_es.iter().copied().reduce(f64::max) else { return f64::NEG_INFINITY };
    if !largest.is_finite() {
        return largest;
    }
    let sum = crate::sum(log_es.iter().map(|log_e| (log_e - largest).exp()));
    largest + (sum / planned.max(log_es.len()) as f64).ln()
}

/// The product of e-values, which is one where each is of tokens drawn independently of what the others were computed from.
/// Returns its logarithm.
pub fn multiply(log_es: &[f64]) -> f64 {
    crate::sum(log_es.iter().copied())
}

/// The smallest leak, in nats a target, that a run could have proven: what the scorer lies above the source has to be made
/// up first, then the slack and the threshold.
pub fn smallest_provable(source_nats: f64, claimed_nats: f64, slack: f64, targets: f64) -> f64 {
    ((claimed_nats - source_nats).max(0.0) + slack + PROVEN_NATS) / targets
}

/// What an e-value says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// No causal, normalized, single-pass scorer does this but once in e²⁰ tries.
    LeakProven,
    /// Nothing was shown, and nobody was cleared.
    NoEvidence,
}

impl Verdict {
    /// The verdict of a log e-value.
    pub fn of(log_e: f64) -> Verdict {
        if log_e >= PROVEN_NATS { Verdict::LeakProven } else { Verdict::NoEvidence }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_markovs() {
        assert_eq!(log_p_bound(log_e(100.0, 70.0, 5.0)), -25.0);
        assert_eq!(log_p_bound(log_e(100.0, 120.0, 5.0)), 0.0);
        assert_eq!(Verdict::of(20.0), Verdict::LeakProven);
        assert_eq!(Verdict::of(19.999), Verdict::NoEvidence);
        assert_eq!(Verdict::of(f64::NAN), Verdict::NoEvidence);
    }

    #[test]
    fn a_search_pays_for_its_tries() {
        let tried = [-500.0, 30.0, -500.0, -500.0];
        assert!((average(&tried, 4) - (30.0 - 4f64.ln())).abs() < 1e-12);
        assert!((average(&[30.0], 4) - average(&tried, 4)).abs() < 1e-12);
        assert_eq!(average(&[], 3), f64::NEG_INFINITY);
        assert_eq!(average(&[f64::NEG_INFINITY], 1), f64::NEG_INFINITY);
        // Of large ones no infinity comes.
        assert!((average(&[20_000.0, 20_000.0], 2) - 20_000.0).abs() < 1e-9);
        assert_eq!(multiply(&[12.0, 9.0]), 21.0);
    }

    #[test]
    fn the_smallest_leak_counts_the_way_down_to_the_source() {
        assert_eq!(smallest_provable(1000.0, 1100.0, 30.0, 100.0), 1.5);
        assert_eq!(smallest_provable(1000.0, 900.0, 30.0, 100.0), 0.5);
    }
}
