//! Known-entropy probes: token sources whose probability is known exactly, and what a score on their tokens proves.
//!
//! A scorer that is causal, normalized, scores before it adapts and scores once defines a probability Q over token
//! sequences. On tokens x drawn from a source P, the expectation of Q(x)/P(x) is at most 1, so a total far below −ln P(x) is
//! evidence that the scorer is not of this kind, whatever it does inside. docs/probes.md has the principle and its limits.

pub mod accounting;
pub mod bytes;
pub mod dice;
pub mod evalue;
pub mod sidecar;
pub mod source;

/// Sum of many numbers with the error of a few (Neumaier's compensated summation).
pub fn sum(values: impl IntoIterator<Item = f64>) -> f64 {
    let (mut total, mut lost) = (0.0f64, 0.0f64);
    for value in values {
        let next = total + value;
        lost += if total.abs() >= value.abs() { (total - next) + value } else { (value - next) + total };
        total = next;
    }
    total + lost
}
