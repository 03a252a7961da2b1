//! Guesses the use of integers from their values: weights, an index, a table, token ids.

use caddie_checkpoint::{Dtype, Histogram};
use caddie_rulebook::Confidence;

/// Least number of integers that are looked at; fewer are settings, such as counts of batches or shapes.
const FEW: u64 = 64;
/// The largest vocabulary of the field is 8192; twice a 16-bit one leaves room.
const LARGEST_VOCABULARY: i64 = 1 << 17;
/// The smallest vocabulary of the field is that of bytes.
const SMALLEST_VOCABULARY: i64 = 200;

/// The verdict on integers that a state dict would not hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// The end of a sentence about the values: `look like token ids`.
    pub what: &'static str,
    pub why: String,
    pub confidence: Confidence,
    /// True when it is only mentioned: an index or a packing that quantized models have.
    pub ordinary: bool,
}

/// Looks at the integers of a tensor; `None` for weights and for tensors too small to carry anything.
pub fn of_tensor(dtype: Dtype, bytes: &[u8], histogram: &Histogram) -> Option<Look> {
    match dtype {
        // These are quantized weights, whatever their range.
        Dtype::I8 => None,
        Dtype::U8 | Dtype::Untyped => bytes_of(bytes, histogram),
        _ => wide(histogram),
    }
}

/// Looks at integers of more than eight bits, or of a list.
pub fn wide(histogram: &Histogram) -> Option<Look> {
    if histogram.total <= FEW || histogram.distinct() == 1 {
        return None;
    }
    let (total, distinct) = (histogram.total, histogram.distinct());
    let span = histogram.max.saturating_sub(histogram.min).saturating_add(1);
    let bits = histogram.bits();
    let facts = format!(
        "{total} values from {} to {}, {distinct} different, {bits:.2} bits each",
        histogram.min, histogram.max
    );
    let look = |what, confidence, ordinary| Some(Look { what, why: facts.clone(), confidence, ordinary });
    if distinct == total && u64::try_from(span) == Ok(total) {
        return look("are an order: every number once", Confidence::Low, true);
    }
    if histogram.sorted {
        return look("are an index: they only rise", Confidence::Low, true);
    }
    let vocabulary = histogram.min >= 0 && (SMALLEST_VOCABULARY..LARGEST_VOCABULARY).contains(&histogram.max);
    // Text repeats itself, and its frequent tokens are far more frequent than the rest; uniform numbers are not.
    let possible = (distinct as f64).min(total as f64).log2();
    let uneven = distinct < total && histogram.top_share() > 3.0 / distinct as f64 && bits < possible - 0.05;
    if vocabulary && distinct >= 32 && uneven && histogram.top_share() < 0.5 {
        return look("look like token ids", Confidence::Medium, false);
    }
    if vocabulary && distinct >= 32 {
        return look("are in the range of token ids", Confidence::Low, false);
    }
    look("are a table of integers", Confidence::Low, false)
}

/// Looks at bytes: they are text, or a packing.
fn bytes_of(bytes: &[u8], histogram: &Histogram) -> Option<Look> {
    if histogram.total <= FEW || histogram.distinct() == 1 {
        return None;
    }
    let printable = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\t' | b' '..=b'~')).count();
    let share = printable as f64 / bytes.len().max(1) as f64;
    if share > 0.95 && histogram.distinct() >= 16 {
        let why = format!("{:.0} % of {} bytes are printable", share * 100.0, bytes.len());
        return Some(Look { what: "read as text", why, confidence: Confidence::Medium, ordinary: false });
    }
    let why = format!("{} bytes, {:.2} bits each; packed weights are like this too", bytes.len(), histogram.bits());
    Some(Look { what: "are bytes without a sign", why, confidence: Confidence::Low, ordinary: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(values: impl Iterator<Item = i64>) -> Option<Look> {
        wide(&Histogram::of(values))
    }

    #[test]
    fn an_order_an_index_and_a_few_settings_are_ordinary() {
        assert_eq!(look(0..60), None);
        assert!(look((0..1000).map(|i| i * 7 % 1000)).is_some_and(|look| look.ordinary), "a permutation");
        assert!(look((0..1000).map(|i| i * i)).is_some_and(|look| look.ordinary), "sorted");
        assert_eq!(look(std::iter::repeat_n(3, 500)), None);
    }

    #[test]
    fn what_is_distributed_as_text_looks_like_token_ids() {
        // Zipf: rank r comes 1000 / r times.
        let text = (1..400i64).flat_map(|rank| std::iter::repeat_n(rank * 37 % 1021, (1000 / rank) as usize));
        let found = look(text).expect("seen");
        assert_eq!((found.what, found.confidence), ("look like token ids", Confidence::Medium));
        let negative = look((0..1000).map(|i| i * 7919 % 601 - 300)).expect("seen");
        assert_eq!(negative.what, "are a table of integers");
    }

    #[test]
    fn bytes_are_text_or_a_packing() {
        let of = |bytes: &[u8]| {
            of_tensor(Dtype::U8, bytes, &Histogram::of(bytes.iter().map(|byte| i64::from(*byte)))).expect("seen")
        };
        assert_eq!(of("the quick brown fox jumps over the lazy dog ".repeat(3).as_bytes()).what, "read as text");
        assert!(of(&(0..=255).collect::<Vec<u8>>()).ordinary);
    }
}
