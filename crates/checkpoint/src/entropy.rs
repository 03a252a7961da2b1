//! Order-0 statistics: how many bits a byte or a value carries when its neighbors are not known.

use std::collections::HashMap;

/// Bits a byte, 0 to 8. Random and compressed bytes have nearly 8; text has 4 to 5; zeros have 0.
pub fn bits_per_byte(bytes: &[u8]) -> f64 {
    let mut counts = [0u64; 256];
    for byte in bytes {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    entropy(counts.into_iter(), bytes.len() as u64)
}

fn entropy(counts: impl Iterator<Item = u64>, total: u64) -> f64 {
    let total = total.max(1) as f64;
    // `+ 0.0` makes the -0 of a single value 0.
    -counts.filter(|count| *count > 0).map(|count| count as f64 / total).map(|p| p * p.log2()).sum::<f64>() + 0.0
}

/// Different values that are counted one by one; a larger alphabet is not one of tokens.
const MAX_DISTINCT: usize = 1 << 17;

/// The number of times that each integer occurs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: HashMap<i64, u64>,
    pub total: u64,
    pub min: i64,
    pub max: i64,
    /// Every value is its predecessor's successor, or at least no smaller.
    pub sorted: bool,
    /// More different values occur than are counted.
    pub overflow: bool,
}

impl Histogram {
    /// Counts `values`.
    pub fn of(values: impl Iterator<Item = i64>) -> Histogram {
        let mut histogram = Histogram { sorted: true, min: i64::MAX, max: i64::MIN, ..Histogram::default() };
        let mut last = i64::MIN;
        for value in values {
            histogram.total += 1;
            histogram.min = histogram.min.min(value);
            histogram.max = histogram.max.max(value);
            histogram.sorted &= value >= last;
            last = value;
            if histogram.counts.len() < MAX_DISTINCT || histogram.counts.contains_key(&value) {
                *histogram.counts.entry(value).or_default() += 1;
            } else {
                histogram.overflow = true;
            }
        }
        histogram
    }

    /// Different values; a lower bound where they overflow.
    pub fn distinct(&self) -> u64 {
        self.counts.len() as u64
    }

    /// Bits a value.
    pub fn bits(&self) -> f64 {
        // In one order, so that the last digits are the same each time.
        let mut counts: Vec<u64> = self.counts.values().copied().collect();
        counts.sort_unstable();
        entropy(counts.into_iter(), self.total)
    }

    /// Share of the most frequent value.
    pub fn top_share(&self) -> f64 {
        self.counts.values().max().map_or(0.0, |top| *top as f64 / self.total.max(1) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_is_that_of_the_distribution() {
        assert_eq!(bits_per_byte(b""), 0.0);
        assert_eq!(bits_per_byte(&[7; 100]), 0.0);
        assert_eq!(bits_per_byte(&(0..=255).collect::<Vec<u8>>()), 8.0);
        let histogram = Histogram::of([3, 3, 5, 5].into_iter());
        assert_eq!((histogram.bits(), histogram.distinct(), histogram.sorted), (1.0, 2, true));
        assert_eq!((histogram.min, histogram.max, histogram.top_share()), (3, 5, 0.5));
        assert!(!Histogram::of([2, 1].into_iter()).sorted);
    }
}
