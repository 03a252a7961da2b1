//! Run reduction and the key of a row's transitions (docs/spec/q2.md#runs): diagnostics of rows of Z4, and as a codec a lossy one.
//!
//! Reduction drops every symbol that equals the one before it. The lengths of the runs are lost, so no row comes back from it;
//! with them kept, independent symbols of equal mass take two bits each as before.

/// Symbols of a key: two bits each of 64.
const KEY_SYMBOLS: usize = 32;

/// A row's symbols without repetitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reduced {
    pub symbols: Vec<u8>,
    /// Symbols of the row.
    pub len: usize,
}

/// The beginning of a reduced row as a number. Zeros fill a short one, and A is 0, so the number of symbols belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransitionKey {
    /// Symbol i in bits `63−2i` and `62−2i`, not Gray coded.
    pub bits: u64,
    /// Symbols in `bits`, at most 32.
    pub len: u8,
}

impl Reduced {
    pub fn of(row: &[u8]) -> Reduced {
        let mut symbols = row.to_vec();
        symbols.dedup();
        Reduced { symbols, len: row.len() }
    }

    /// A row of the same length with runs that are as equal as can be: what the codec gives back.
    pub fn stretched(&self) -> Vec<u8> {
        let runs = self.symbols.len();
        (0..self.len).filter_map(|i| self.symbols.get(i * runs / self.len.max(1)).copied()).collect()
    }

    /// The share of neighbors in the row that differ; ¾ for independent symbols of equal mass.
    pub fn transition_density(&self) -> f64 {
        self.symbols.len().saturating_sub(1) as f64 / self.len.saturating_sub(1).max(1) as f64
    }

    pub fn key(&self) -> TransitionKey {
        let first = self.symbols.iter().take(KEY_SYMBOLS).enumerate();
        let bits = first.fold(0, |bits, (i, &s)| bits | u64::from(s & 3) << (62 - 2 * i));
        TransitionKey { bits, len: self.symbols.len().min(KEY_SYMBOLS) as u8 }
    }

    /// Bits of the reduced row alone: two for its first symbol and log2 3 for each that follows, which is another one.
    pub fn bits(&self) -> f64 {
        match self.symbols.len() {
            0 => 0.0,
            runs => 2.0 + (runs - 1) as f64 * 3f64.log2(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_golden_keys_and_the_collision_that_their_length_resolves() {
        let key = |row: &[u8]| Reduced::of(row).key();
        assert_eq!(key(&[0, 1, 2, 0]), TransitionKey { bits: 0x1800_0000_0000_0000, len: 4 });
        assert_eq!(key(&[1]).bits, 0x4000_0000_0000_0000);
        // B and B, A have the same bits.
        assert_eq!(key(&[1]).bits, key(&[1, 0]).bits);
        assert_ne!(key(&[1]), key(&[1, 0]));
        assert_eq!(key(&[]), TransitionKey { bits: 0, len: 0 });
    }

    #[test]
    fn a_full_key_has_51_bits_of_information_for_32_symbols() {
        let row: Vec<u8> = (0..40).map(|i| [0, 3, 1][i % 3]).collect();
        let reduced = Reduced::of(&row);
        assert_eq!(reduced.key().len, 32);
        assert!((Reduced { symbols: row[..32].to_vec(), len: 32 }.bits() - 51.13).abs() < 0.01);
    }

    #[test]
    fn independent_symbols_of_equal_mass_change_three_times_in_four_and_are_lost_in_stretching() {
        let mut state = 7u64;
        let row: Vec<u8> = (0..1 << 16)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 62) as u8
            })
            .collect();
        let reduced = Reduced::of(&row);
        assert!((reduced.transition_density() - 0.75).abs() < 0.01);
        // The runs alone take 1.19 bits a symbol, because a run holds 1.33 of them, and what comes back has lost the row.
        assert!((reduced.bits() / row.len() as f64 - 1.189).abs() < 0.01);
        let same = reduced.stretched().iter().zip(&row).filter(|(a, b)| a == b).count() as f64 / row.len() as f64;
        assert!((0.2..0.35).contains(&same), "{same}");
    }

    proptest! {
        #[test]
        fn reduction_is_idempotent_shortens_and_keeps_no_repetition(row in prop::collection::vec(0u8..4, 0..200)) {
            let reduced = Reduced::of(&row);
            prop_assert!(reduced.symbols.len() <= row.len());
            prop_assert!(reduced.symbols.windows(2).all(|pair| pair[0] != pair[1]));
            prop_assert_eq!(&Reduced::of(&reduced.symbols).symbols, &reduced.symbols);
            let back = reduced.stretched();
            prop_assert_eq!(back.len(), row.len());
            prop_assert_eq!(Reduced::of(&back), reduced);
        }
    }
}
