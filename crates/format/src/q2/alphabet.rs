//! Alphabets of symbols and their distances (docs/spec/q2.md#alphabets).
//!
//! Symbol 0 is the most negative level and N−1 the most positive; N/2−1 is the weakest negative one, which zero belongs to.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The symbols that a weight of a matrix can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Alphabet {
    /// The ring Z_N for N of 4, 8, 12 or 16.
    Ring(u8),
    /// k digits of Z4, for k from 1 to 4: 4ᵏ symbols. Z4ᵏ is not Z_{4k}.
    Codon(u8),
}

impl Alphabet {
    pub const Z4: Alphabet = Alphabet::Ring(4);

    /// The number of symbols.
    pub fn size(self) -> usize {
        match self {
            Alphabet::Ring(n) => usize::from(n),
            Alphabet::Codon(k) => 1 << (2 * k),
        }
    }

    /// Information of a symbol, in bits: log2 of the number of symbols.
    pub fn bits(self) -> f64 {
        (self.size() as f64).log2()
    }

    /// True if there is such an alphabet.
    fn exists(self) -> bool {
        match self {
            Alphabet::Ring(n) => matches!(n, 4 | 8 | 12 | 16),
            Alphabet::Codon(k) => (1..=4).contains(&k),
        }
    }
}

impl fmt::Display for Alphabet {
    /// `z4`, `z12`, `codon3`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Alphabet::Ring(n) => write!(f, "z{n}"),
            Alphabet::Codon(k) => write!(f, "codon{k}"),
        }
    }
}

impl FromStr for Alphabet {
    type Err = String;

    fn from_str(text: &str) -> Result<Alphabet, String> {
        let ring = text.strip_prefix('z').and_then(|n| n.parse().ok()).map(Alphabet::Ring);
        let codon = text.strip_prefix("codon").and_then(|k| k.parse().ok()).map(Alphabet::Codon);
        ring.or(codon).filter(|alphabet| alphabet.exists()).ok_or_else(|| {
            format!("{text:?} is no alphabet; there are z4, z8, z12, z16 and codon1, codon2, codon3, codon4")
        })
    }
}

impl TryFrom<String> for Alphabet {
    type Error = String;

    fn try_from(text: String) -> Result<Alphabet, String> {
        text.parse()
    }
}

impl From<Alphabet> for String {
    fn from(alphabet: Alphabet) -> String {
        alphabet.to_string()
    }
}

/// The reflected Gray code of a symbol. For Z4 it is its own inverse, its high bit is the sign (1 for positive) and its low bit
/// the magnitude (1 for weak).
pub fn gray(symbol: u8) -> u8 {
    symbol ^ (symbol >> 1)
}

/// Lee distance on Z_N: the shorter way around the ring. The extremes are neighbors, so it does not grow with |Δw|.
pub fn lee(a: u8, b: u8, n: u8) -> u8 {
    let apart = a.abs_diff(b);
    apart.min(n - apart)
}

/// Distance in the order of the levels.
pub fn ordinal(a: u8, b: u8) -> u8 {
    a.abs_diff(b)
}

/// 1 where the signs of two symbols of an alphabet of `n` differ.
pub fn sign_distance(a: u8, b: u8, n: u8) -> u8 {
    u8::from((a >= n / 2) != (b >= n / 2))
}

/// The complement θ(s) = s + N/2 mod N, the farthest symbol by Lee distance. It is not negation, which is N−1−s.
pub fn complement(symbol: u8, n: u8) -> u8 {
    (symbol + n / 2) % n
}

/// The circular thermometer code in N/2 bits: `popcount(J(u) ^ J(v))` is the Lee distance on Z_N for every even N up to 16.
/// It measures distances and is no storage: Z_N holds log2 N bits. For Z4 it is the Gray code.
pub fn johnson(symbol: u8, n: u8) -> u8 {
    let half = n / 2;
    let ones = |count: u8| ((1u16 << count) - 1) as u8;
    if symbol <= half { ones(symbol) } else { ones(half) ^ ones(symbol - half) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn gray_codes_of_z4_are_isometric_and_their_own_inverse() {
        for a in 0..4 {
            assert_eq!(gray(gray(a)), a);
            assert_eq!(gray(a), johnson(a, 4));
            for b in 0..4 {
                assert_eq!((gray(a) ^ gray(b)).count_ones(), u32::from(lee(a, b, 4)));
            }
        }
        assert_eq!([0, 1, 2, 3].map(gray), [0b00, 0b01, 0b11, 0b10]);
    }

    #[test]
    fn reflected_gray_codes_of_wider_rings_are_not_isometric_and_johnson_codes_are() {
        let worst = |n: u8| {
            let pairs = (0..n).flat_map(|a| (0..n).map(move |b| (a, b)));
            pairs.map(|(a, b)| ((gray(a) ^ gray(b)).count_ones() as i32 - i32::from(lee(a, b, n))).abs()).max()
        };
        assert_eq!((worst(4), worst(8), worst(16)), (Some(0), Some(2), Some(6)));
        for n in [4, 6, 8, 10, 12, 16] {
            let mask = ((1u16 << (n / 2)) - 1) as u8;
            for a in 0..n {
                assert_eq!(johnson(complement(a, n), n), !johnson(a, n) & mask);
                for b in 0..n {
                    assert_eq!((johnson(a, n) ^ johnson(b, n)).count_ones(), u32::from(lee(a, b, n)), "Z{n}: {a}, {b}");
                }
            }
        }
    }

    #[test]
    fn exactly_eight_of_the_24_bijections_from_z4_to_two_bits_are_isometric() {
        let mut isometric = 0;
        for code in 0..256u32 {
            let map = [0, 1, 2, 3].map(|s| (code >> (2 * s)) as u8 & 3);
            let mut seen = map;
            seen.sort_unstable();
            let distance = |a: usize, b: usize| (map[a] ^ map[b]).count_ones() == u32::from(lee(a as u8, b as u8, 4));
            isometric += u32::from(seen == [0, 1, 2, 3] && (0..4).all(|a| (0..4).all(|b| distance(a, b))));
        }
        assert_eq!(isometric, 8);
    }

    #[test]
    fn the_complement_is_no_negation() {
        for n in [4u8, 8, 12, 16] {
            for s in 0..n {
                assert_eq!(complement(complement(s, n), n), s);
                assert_ne!(complement(s, n), s);
                assert_eq!(lee(s, complement(s, n), n), n / 2);
            }
        }
        // Negation maps A to D and B to C, which are neighbors on the ring: a vector and its negation are as far apart by Lee
        // distance as two random ones, one per symbol (docs/spec/q2.md#distances).
        for s in 0..4u8 {
            assert_eq!(lee(s, 3 - s, 4), 1);
            assert!(ordinal(s, 3 - s) >= 1 && sign_distance(s, 3 - s, 4) == 1);
        }
    }

    #[test]
    fn names_come_back_and_unknown_rings_are_refused() {
        for name in ["z4", "z8", "z12", "z16", "codon1", "codon4"] {
            assert_eq!(name.parse::<Alphabet>().unwrap().to_string(), name);
        }
        for bad in ["z10", "z5", "codon5", "codon0", "int5", "Z4", ""] {
            assert!(bad.parse::<Alphabet>().unwrap_err().contains("there are z4"), "{bad}");
        }
        assert_eq!((Alphabet::Ring(12).size(), Alphabet::Codon(3).size()), (12, 64));
    }

    proptest! {
        #[test]
        fn lee_is_a_metric_that_translation_keeps(n in prop::sample::select(vec![4u8, 8, 12, 16]), s in any::<[u8; 4]>()) {
            let [a, b, c, t] = s.map(|s| s % n);
            prop_assert!(lee(a, c, n) <= lee(a, b, n) + lee(b, c, n));
            prop_assert_eq!(lee((a + t) % n, (b + t) % n, n), lee(a, b, n));
        }
    }
}
