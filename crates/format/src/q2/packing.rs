//! Symbols in bytes (docs/spec/q2.md#packing): the first symbol in the highest bits, each row from a byte of its own.
//!
//! Z4 takes two Gray-coded bits, Z8 three bits, Z16 four, a codon two Gray-coded bits a digit with the most significant digit
//! first, and Z12 eighteen bits for five symbols in base 12. The last byte of a row ends in zeros, which are no symbols.

use super::alphabet::{Alphabet, gray};

/// The bits of one packing word: 32 symbols of Z4. A register of a GPU has 32 bits, so a word takes two.
pub const PACK_WORD_BITS: usize = 64;

/// The width of the fields of rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Width {
    /// As few bits as whole groups of symbols take.
    #[default]
    Dense,
    /// N/2 bits for Z_N, as the first descriptions of the system have it: 2, 4, 6 and 8.
    HalfN,
}

/// The reason why bytes are no rows of symbols.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    #[error("{found} bytes of symbols where rows of {cols} take {expected}")]
    Length { found: usize, expected: usize, cols: usize },
    #[error("symbol {index} of row {row} is {value}, outside of the {len} symbols of {alphabet}")]
    Symbol { row: usize, index: usize, value: u32, len: usize, alphabet: Alphabet },
    #[error("row {row} ends in bits that belong to no symbol and are not zero")]
    Padding { row: usize },
}

/// Bits of `count` symbols.
fn bits_of(count: usize, alphabet: Alphabet, width: Width) -> usize {
    match (alphabet, width) {
        (Alphabet::Ring(n), Width::HalfN) => count * usize::from(n) / 2,
        (Alphabet::Ring(12), Width::Dense) => count / GROUP * BITS_OF_GROUP[GROUP] + BITS_OF_GROUP[count % GROUP],
        (Alphabet::Ring(n), Width::Dense) => count * n.ilog2() as usize,
        (Alphabet::Codon(k), _) => count * 2 * usize::from(k),
    }
}

/// Symbols of Z12 that are packed together, and the bits of so many: 12⁵ < 2¹⁸.
const GROUP: usize = 5;
const BITS_OF_GROUP: [usize; 6] = [0, 4, 8, 11, 15, 18];

/// Bytes of a row of `cols` symbols.
pub fn row_bytes(cols: usize, alphabet: Alphabet, width: Width) -> usize {
    bits_of(cols, alphabet, width).div_ceil(8)
}

/// The number of symbols that share a field.
fn group(alphabet: Alphabet, width: Width) -> usize {
    if (alphabet, width) == (Alphabet::Ring(12), Width::Dense) { GROUP } else { 1 }
}

/// Packs rows of `cols` symbols.
///
/// # Errors
/// When a symbol is outside of the alphabet, or the symbols are no whole rows.
pub fn pack_rows(symbols: &[u8], cols: usize, alphabet: Alphabet, width: Width) -> Result<Vec<u8>, PackError> {
    if cols == 0 || !symbols.len().is_multiple_of(cols) {
        return Err(PackError::Length { found: symbols.len(), expected: cols, cols });
    }
    let mut out = Vec::with_capacity(symbols.len() / cols * row_bytes(cols, alphabet, width));
    for (row, symbols) in symbols.chunks(cols).enumerate() {
        if let Some(index) = symbols.iter().position(|&s| usize::from(s) >= alphabet.size()) {
            let value = u32::from(symbols[index]);
            return Err(PackError::Symbol { row, index, value, len: alphabet.size(), alphabet });
        }
        let mut bits = BitWriter { out: &mut out, pending: 0, count: 0 };
        for symbols in symbols.chunks(group(alphabet, width)) {
            bits.put(field(symbols, alphabet), bits_of(symbols.len(), alphabet, width));
        }
        bits.end();
    }
    Ok(out)
}

/// Unpacks rows of `cols` symbols.
///
/// # Errors
/// When the bytes are not exactly `rows` rows, hold a symbol outside of the alphabet, or a padding that is not zero.
pub fn unpack_rows(
    bytes: &[u8],
    rows: usize,
    cols: usize,
    alphabet: Alphabet,
    width: Width,
) -> Result<Vec<u8>, PackError> {
    let length = row_bytes(cols, alphabet, width);
    let expected = length.saturating_mul(rows);
    if bytes.len() != expected || cols == 0 {
        return Err(PackError::Length { found: bytes.len(), expected, cols });
    }
    let mut symbols = Vec::with_capacity(rows * cols);
    for (row, bytes) in bytes.chunks(length).enumerate() {
        let mut bits = BitReader { bytes, at: 0 };
        for from in (0..cols).step_by(group(alphabet, width)) {
            let count = group(alphabet, width).min(cols - from);
            let value = bits.take(bits_of(count, alphabet, width));
            if !push(value, count, alphabet, &mut symbols) {
                return Err(PackError::Symbol { row, index: from, value, len: alphabet.size(), alphabet });
            }
        }
        let rest = length * 8 - bits.at;
        if bits.take(rest) != 0 {
            return Err(PackError::Padding { row });
        }
    }
    Ok(symbols)
}

/// The value of the field of one symbol, or of a group of Z12.
fn field(symbols: &[u8], alphabet: Alphabet) -> u32 {
    match (alphabet, symbols) {
        (Alphabet::Ring(4), &[s]) => u32::from(gray(s)),
        (Alphabet::Codon(k), &[s]) => {
            (0..k).rev().fold(0, |field, digit| field << 2 | u32::from(gray(s >> (2 * digit) & 3)))
        }
        _ => symbols.iter().fold(0, |field, &s| field * 12 + u32::from(s)),
    }
}

/// Appends the symbols of a field; false where it is none.
fn push(mut value: u32, count: usize, alphabet: Alphabet, symbols: &mut Vec<u8>) -> bool {
    match alphabet {
        Alphabet::Ring(4) => symbols.push(gray(value as u8)),
        Alphabet::Codon(k) => {
            let digit = |d: u8| gray((value >> (2 * d) & 3) as u8) << (2 * d);
            symbols.push((0..k).map(digit).sum());
        }
        _ if count == 1 => symbols.push(value.min(255) as u8),
        _ => {
            let start = symbols.len();
            for _ in 0..count {
                symbols.push((value % 12) as u8);
                value /= 12;
            }
            symbols[start..].reverse();
            return value == 0;
        }
    }
    (value as usize) < alphabet.size()
}

struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    pending: u64,
    count: usize,
}

impl BitWriter<'_> {
    fn put(&mut self, value: u32, bits: usize) {
        self.pending = self.pending << bits | u64::from(value);
        self.count += bits;
        while self.count >= 8 {
            self.count -= 8;
            self.out.push((self.pending >> self.count) as u8);
        }
    }

    fn end(self) {
        if self.count > 0 {
            self.out.push((self.pending << (8 - self.count)) as u8);
        }
    }
}

struct BitReader<'a> {
    bytes: &'a [u8],
    /// In bits.
    at: usize,
}

impl BitReader<'_> {
    /// At most 24 bits, which lie in the bytes.
    fn take(&mut self, bits: usize) -> u32 {
        let word =
            (0..4).fold(0, |word: u32, i| word << 8 | u32::from(self.bytes.get(self.at / 8 + i).copied().unwrap_or(0)));
        let value = if bits == 0 { 0 } else { word << (self.at % 8) >> (32 - bits) };
        self.at += bits;
        value
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::alphabet::{complement, lee};
    use super::*;

    fn z4(symbols: &[u8]) -> Vec<u8> {
        pack_rows(symbols, symbols.len(), Alphabet::Z4, Width::Dense).unwrap()
    }

    #[test]
    fn the_golden_vectors_of_z4() {
        assert_eq!(z4(&[0, 1, 2, 3]), [0x1E]);
        for (symbol, byte) in [(0, 0x00), (1, 0x55), (2, 0xFF), (3, 0xAA)] {
            assert_eq!(z4(&[symbol; 4]), [byte]);
        }
        assert_eq!(z4(&[0, 1, 2, 3].map(|s| complement(s, 4))), [0xE1]);
        assert_eq!((z4(&[0, 1, 2, 3])[0] ^ z4(&[0, 2, 2, 1])[0], z4(&[0, 2, 2, 1])[0]), (0x23, 0x3D));
        assert_eq!(z4(&[0, 1, 1, 1, 2, 2, 3, 3]), [0x15, 0xFA]);
    }

    #[test]
    fn every_row_of_six_begins_a_byte_and_its_padding_is_zero() {
        let packed = pack_rows(&[3; 12], 6, Alphabet::Z4, Width::Dense).unwrap();
        assert_eq!(packed, [0xAA, 0xA0, 0xAA, 0xA0]);
        let mut spoilt = packed.clone();
        spoilt[3] |= 1;
        assert_eq!(unpack_rows(&spoilt, 2, 6, Alphabet::Z4, Width::Dense), Err(PackError::Padding { row: 1 }));
        assert!(matches!(unpack_rows(&packed[..3], 2, 6, Alphabet::Z4, Width::Dense), Err(PackError::Length { .. })));
    }

    #[test]
    fn the_bytes_of_every_alphabet_are_its_bits_rounded_up() {
        let bytes = |alphabet, width| row_bytes(768, alphabet, width);
        let rings = [4, 8, 12, 16].map(Alphabet::Ring);
        assert_eq!(rings.map(|ring| bytes(ring, Width::Dense)), [192, 288, 346, 384]);
        assert_eq!(rings.map(|ring| bytes(ring, Width::HalfN)), [192, 384, 576, 768]);
        assert_eq!([1, 2, 3, 4].map(|k| bytes(Alphabet::Codon(k), Width::Dense)), [192, 384, 576, 768]);
        // A matrix of 1024 columns takes two lines of a GPU, one of 768 columns one and a half.
        assert_eq!((row_bytes(1024, Alphabet::Z4, Width::Dense), 192 % 128), (2 * 128, 64));
    }

    #[test]
    fn a_line_of_128_bytes_holds_512_symbols_and_a_word_32() {
        assert_eq!([64, 128].map(|bytes| bytes * 8 / 2), [256, 512]);
        assert_eq!(row_bytes(512, Alphabet::Z4, Width::Dense), 128);
        assert_eq!(row_bytes(PACK_WORD_BITS / 2, Alphabet::Z4, Width::Dense) * 8, PACK_WORD_BITS);
    }

    #[test]
    fn symbols_out_of_range_are_refused_both_ways() {
        for (alphabet, width) in [(Alphabet::Z4, Width::Dense), (Alphabet::Ring(12), Width::Dense)] {
            let bad = [0, 1, alphabet.size() as u8, 0];
            assert!(matches!(pack_rows(&bad, 4, alphabet, width), Err(PackError::Symbol { index: 2, .. })));
        }
        // 12⁵ itself, and a nibble of 15 as a symbol of Z12 in six bits.
        let beyond = ((248_832u32) << 14).to_be_bytes();
        let error = unpack_rows(&beyond[..3], 1, 5, Alphabet::Ring(12), Width::Dense).unwrap_err();
        assert!(matches!(error, PackError::Symbol { value: 248_832, .. }), "{error}");
        let error = unpack_rows(&[15 << 2], 1, 1, Alphabet::Ring(12), Width::HalfN).unwrap_err();
        assert!(error.to_string().contains("symbol 0 of row 0 is 15, outside of the 12 symbols of z12"), "{error}");
        assert!(unpack_rows(&[9], 1, 1, Alphabet::Ring(16), Width::HalfN).is_ok());
        assert!(unpack_rows(&[16], 1, 1, Alphabet::Ring(16), Width::HalfN).is_err());
    }

    fn any_alphabet() -> impl Strategy<Value = Alphabet> {
        prop::sample::select(vec!["z4", "z8", "z12", "z16", "codon1", "codon2", "codon3", "codon4"])
            .prop_map(|name| name.parse().unwrap())
    }

    proptest! {
        #[test]
        fn what_was_packed_comes_back(alphabet in any_alphabet(), wide in any::<bool>(), rows in 1usize..4,
                                      cols in 1usize..131, seed in any::<u64>()) {
            let width = if wide { Width::HalfN } else { Width::Dense };
            let symbols: Vec<u8> = (0..rows * cols)
                .map(|i| (seed.wrapping_mul(i as u64 * 2 + 1) >> 40) as usize % alphabet.size())
                .map(|s| s as u8).collect();
            let packed = pack_rows(&symbols, cols, alphabet, width).unwrap();
            prop_assert_eq!(packed.len(), rows * row_bytes(cols, alphabet, width));
            prop_assert_eq!(unpack_rows(&packed, rows, cols, alphabet, width).unwrap(), symbols);
        }

        #[test]
        fn any_bytes_are_symbols_or_an_error(alphabet in any_alphabet(), bytes in prop::collection::vec(any::<u8>(), 0..40),
                                            cols in 0usize..40) {
            if let Ok(symbols) = unpack_rows(&bytes, 1, cols, alphabet, Width::Dense) {
                prop_assert_eq!(pack_rows(&symbols, cols, alphabet, Width::Dense).unwrap(), bytes);
            }
        }

        #[test]
        fn popcount_of_packed_rows_is_their_lee_distance(pairs in prop::collection::vec((0u8..4, 0u8..4), 1..300)) {
            let (a, b): (Vec<u8>, Vec<u8>) = pairs.into_iter().unzip();
            let popcount: u32 = z4(&a).iter().zip(z4(&b)).map(|(x, y)| (x ^ y).count_ones()).sum();
            prop_assert_eq!(popcount, a.iter().zip(&b).map(|(&x, &y)| u32::from(lee(x, y, 4))).sum::<u32>());
        }
    }
}
