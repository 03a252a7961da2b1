//! 64-bit words of five-bit integer weights with a few symbols beside them, the system's three packings P1, P2 and P3
//! (docs/spec/q2.md#words).
//!
//! The sources call a five-bit integer of 0 to 31 a "LIV symbol" there; it has nothing to do with the block of that name. Symbol i
//! is in bits `63−5i` to `59−5i` of all three.

use caddie_format::q2::gray;

/// Bits of an integer weight of a word.
const BITS: u32 = 5;
/// Integer weights of P1, of P2, and rows of a matrix of P3.
pub const P1_WEIGHTS: usize = 12;
pub const P2_WEIGHTS: usize = 10;
pub const SIDE: usize = 5;

// The bits that each packing uses; the rest of the 64 are zero.
const P1_BITS: u32 = 12 * BITS + 2;
const P2_BITS: u32 = 10 * BITS + 6 + 2;
const _: () = assert!(P1_BITS == 62 && P2_BITS == 58);

/// The reason why a value is not put into a word, or a word is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WordError {
    #[error("{value} at place {place} is outside of the {len} values of its field")]
    Value { place: usize, value: u8, len: u8 },
    #[error("the word {word:#018x} has bits set that belong to no field")]
    Spare { word: u64 },
    #[error("the word {word:#018x} differs from its checksum")]
    Checksum { word: u64 },
}

/// P1: twelve integer weights and a tag of 0 to 3; 62 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct P1 {
    pub weights: [u8; P1_WEIGHTS],
    pub tag: u8,
}

impl P1 {
    /// # Errors
    /// [`WordError::Value`].
    pub fn pack(&self) -> Result<u64, WordError> {
        check(&[self.tag], 4, P1_WEIGHTS)?;
        Ok(top(&self.weights)? | u64::from(self.tag) << 2)
    }

    /// # Errors
    /// [`WordError::Spare`].
    pub fn unpack(word: u64) -> Result<P1, WordError> {
        if word & 3 != 0 {
            return Err(WordError::Spare { word });
        }
        Ok(P1 { weights: weights(word), tag: (word >> 2 & 3) as u8 })
    }
}

/// P2: ten integer weights, a codon of three digits of Z4 and one more digit, Gray coded; 58 bits, and six for a checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct P2 {
    pub weights: [u8; P2_WEIGHTS],
    pub codon: [u8; 3],
    pub index: u8,
}

impl P2 {
    /// The lowest six bits are zero.
    ///
    /// # Errors
    /// [`WordError::Value`].
    pub fn pack(&self) -> Result<u64, WordError> {
        let digits = [self.codon[0], self.codon[1], self.codon[2], self.index];
        check(&digits, 4, P2_WEIGHTS)?;
        let digits = digits.iter().fold(0, |bits, &digit| bits << 2 | u64::from(gray(digit)));
        Ok(top(&self.weights)? | digits << 6)
    }

    /// The lowest six bits are the checksum of the others.
    ///
    /// # Errors
    /// [`WordError::Value`].
    pub fn pack_checked(&self) -> Result<u64, WordError> {
        self.pack().map(|word| word | u64::from(crc6(word >> 6)))
    }

    /// # Errors
    /// [`WordError::Spare`].
    pub fn unpack(word: u64) -> Result<P2, WordError> {
        if word & 0x3f != 0 {
            return Err(WordError::Spare { word });
        }
        let digit = |place: u32| gray((word >> place & 3) as u8);
        Ok(P2 { weights: weights(word), codon: [digit(12), digit(10), digit(8)], index: digit(6) })
    }

    /// # Errors
    /// [`WordError::Checksum`].
    pub fn unpack_checked(word: u64) -> Result<P2, WordError> {
        if u64::from(crc6(word >> 6)) != word & 0x3f {
            return Err(WordError::Checksum { word });
        }
        P2::unpack(word & !0x3f)
    }
}

/// CRC-6 of 58 bits, the highest first, with the polynomial x⁶ + x + 1: it detects every change of one or two bits.
pub fn crc6(bits: u64) -> u8 {
    (0..P2_BITS).rev().fold(0, |crc: u8, place| {
        let out = u8::from(crc & 0x20 != 0) ^ (bits >> place & 1) as u8;
        (crc << 1 & 0x3f) ^ (out * 0b11)
    })
}

/// A 5×5 matrix of bits: a row a byte, column 0 in its fifth bit from below.
pub type Bits5 = [u8; SIDE];

/// P3: two 5×5 matrices of bits, two more integer weights and a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct P3 {
    pub left: Bits5,
    pub right: Bits5,
    pub weights: [u8; 2],
    pub tag: u8,
}

/// The product of the two matrices of P3. It has 25 bits, for which the word has no room, so it is a checksum kept elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    /// `C_ij = ∨_k (A_ik ∧ B_kj)`
    Boolean,
    /// `C_ij = ⊕_k (A_ik ∧ B_kj)`
    Gf2,
    /// `C_ij = ⊕_ab (A_ab ∧ B_(i−a)(j−b))`, indices mod 5.
    Circular,
}

impl P3 {
    /// # Errors
    /// [`WordError::Value`].
    pub fn pack(&self) -> Result<u64, WordError> {
        let mut all = [0; P1_WEIGHTS];
        all[..SIDE].copy_from_slice(&self.left);
        all[SIDE..2 * SIDE].copy_from_slice(&self.right);
        all[2 * SIDE..].copy_from_slice(&self.weights);
        P1 { weights: all, tag: self.tag }.pack()
    }

    /// # Errors
    /// [`WordError::Spare`].
    pub fn unpack(word: u64) -> Result<P3, WordError> {
        let P1 { weights: all, tag } = P1::unpack(word)?;
        let five = |from: usize| std::array::from_fn(|i| all[from + i]);
        Ok(P3 { left: five(0), right: five(SIDE), weights: [all[2 * SIDE], all[2 * SIDE + 1]], tag })
    }

    /// The product in 25 bits, row 0 highest.
    pub fn product(&self, how: Product) -> u32 {
        let rows: Bits5 = match how {
            Product::Boolean => self.left.map(|row| self.combine(row, |sum, row| sum | row)),
            Product::Gf2 => self.left.map(|row| self.combine(row, |sum, row| sum ^ row)),
            Product::Circular => std::array::from_fn(|i| {
                (0..SIDE).fold(0, |sum, a| sum ^ convolve(self.left[a], self.right[(i + SIDE - a) % SIDE]))
            }),
        };
        rows.iter().fold(0, |bits, &row| bits << BITS | u32::from(row))
    }

    /// The rows of `right` that the bits of `row` choose, put together by `with`.
    fn combine(&self, row: u8, with: impl Fn(u8, u8) -> u8) -> u8 {
        let chosen = |k: &usize| row >> (SIDE - 1 - k) & 1 == 1;
        (0..SIDE).filter(chosen).fold(0, |sum, k| with(sum, self.right[k]))
    }
}

/// The circular convolution of two rows over GF(2): `b` turned right by each column of `a` that is set, summed.
fn convolve(a: u8, b: u8) -> u8 {
    let turned = |by: usize| (b >> by | b << (SIDE - by)) & 0x1f;
    (0..SIDE).filter(|by| a >> (SIDE - 1 - by) & 1 == 1).fold(0, |sum, by| sum ^ turned(by))
}

/// The integer weights of a word.
fn weights<const N: usize>(word: u64) -> [u8; N] {
    std::array::from_fn(|i| (word >> shift(i) & 0x1f) as u8)
}

/// A word with integer weights alone.
fn top(weights: &[u8]) -> Result<u64, WordError> {
    check(weights, 32, 0)?;
    Ok(weights.iter().enumerate().fold(0, |word, (i, &weight)| word | u64::from(weight) << shift(i)))
}

/// The lowest bit of integer weight i.
fn shift(i: usize) -> u32 {
    64 - BITS * (i as u32 + 1)
}

fn check(values: &[u8], len: u8, from: usize) -> Result<(), WordError> {
    match values.iter().position(|&value| value >= len) {
        Some(at) => Err(WordError::Value { place: from + at, value: values[at], len }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_golden_words() {
        let p1 = P1 { weights: std::array::from_fn(|i| i as u8), tag: 2 };
        assert_eq!(p1.pack(), Ok(0x0044_3214_C742_54B8));
        assert_eq!(P1 { weights: [31; 12], tag: 3 }.pack(), Ok(0xFFFF_FFFF_FFFF_FFFC));
        let p2 = P2 { weights: std::array::from_fn(|i| i as u8 + 1), codon: [1, 2, 3], index: 1 };
        assert_eq!(p2.pack(), Ok(0x0886_4298_E84A_9E40));
        let p3 = P3 { left: [16, 8, 4, 2, 1], right: [1, 2, 3, 4, 5], weights: [0, 0], tag: 0 };
        assert_eq!(p3.pack(), Ok(0x8208_2084_4321_4000));
        assert_eq!([Product::Boolean, Product::Gf2].map(|how| p3.product(how)), [0x11_0C85; 2]);
    }

    /// Checks A-20: the packings hold 62 and 58 bits, and the tag is two bits with two to spare.
    #[test]
    fn words_use_62_and_58_bits_and_refuse_spare_ones() {
        assert_eq!((P1_BITS, P2_BITS), (62, 58));
        let full = P1 { weights: [31; 12], tag: 3 }.pack().unwrap();
        assert_eq!(full.count_ones(), 62);
        assert_eq!(P1::unpack(full | 1), Err(WordError::Spare { word: full | 1 }));
        assert_eq!(P2::unpack(0x20), Err(WordError::Spare { word: 0x20 }));
        let error = P1 { weights: [0; 12], tag: 4 }.pack().unwrap_err();
        assert_eq!(error.to_string(), "4 at place 12 is outside of the 4 values of its field");
        let mut weights = [0; 12];
        weights[7] = 32;
        assert_eq!(P1 { weights, tag: 0 }.pack(), Err(WordError::Value { place: 7, value: 32, len: 32 }));
        assert!(P2 { weights: [0; 10], codon: [0, 4, 0], index: 0 }.pack().is_err());
    }

    #[test]
    fn the_circular_product_is_a_convolution_whose_unit_is_the_first_bit() {
        let unit: Bits5 = [16, 0, 0, 0, 0];
        let p3 = |left, right| P3 { left, right, weights: [0, 0], tag: 0 };
        let some: Bits5 = [1, 2, 3, 4, 5];
        assert_eq!(p3(unit, some).product(Product::Circular), 0x11_0C85);
        assert_eq!(p3(some, unit).product(Product::Circular), 0x11_0C85);
        // One row down and one column to the right.
        assert_eq!(p3([0, 8, 0, 0, 0], unit).product(Product::Circular), 8 << 15);
    }

    #[test]
    fn the_checksum_of_six_bits_finds_every_change_of_one_or_two_bits() {
        let word =
            P2 { weights: [9, 30, 2, 17, 5, 0, 31, 12, 8, 21], codon: [3, 0, 2], index: 1 }.pack_checked().unwrap();
        assert!(P2::unpack_checked(word).is_ok());
        for a in 0..64 {
            for b in a..64 {
                let changed = if a == b { word ^ 1 << a } else { word ^ 1 << a ^ 1 << b };
                let missed = P2::unpack_checked(changed).is_ok();
                // The polynomial is primitive: its period of 63 bits is one short of the word.
                assert_eq!(missed, (a, b) == (0, 63), "bits {a} and {b}");
            }
        }
    }

    proptest! {
        #[test]
        fn words_come_back(bytes in any::<[u8; 12]>(), digits in any::<[u8; 4]>()) {
            let (weights, [a, b, c, d]) = (bytes.map(|byte| byte & 31), digits.map(|digit| digit & 3));
            let p1 = P1 { weights, tag: a };
            prop_assert_eq!(P1::unpack(p1.pack().unwrap()), Ok(p1));
            let p2 = P2 { weights: std::array::from_fn(|i| weights[i]), codon: [a, b, c], index: d };
            prop_assert_eq!(P2::unpack(p2.pack().unwrap()), Ok(p2));
            prop_assert_eq!(P2::unpack_checked(p2.pack_checked().unwrap()), Ok(p2));
            let p3 = P3::unpack(p1.pack().unwrap()).unwrap();
            prop_assert_eq!(p3.pack(), p1.pack());
        }
    }
}
