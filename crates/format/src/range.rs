//! Bytes as one range code with static frequencies: within 0.05 % of the entropy of their counts, plus the counts themselves.
//!
//! ```text
//! varint bytes | u8 values − 1 | for each value: u8 value, varint count | varint words | words of 32 bits, little-endian
//! ```
//!
//! Nothing but the count follows the empty input, and no words follow an input of one value. A varint has seven bits a byte, the
//! lowest first, and the highest bit of a byte is set where another follows. The coder is `constriction`'s range coder with
//! probabilities of 24 bits: of the 2²⁴ − k shares of k values each gets its part of the counts, rounded down, and one more; the
//! most frequent value (the first of them) gets what is left. Counts are of the whole input, so parts with different
//! distributions are coded apart, each with a call of its own.

use constriction::stream::model::DefaultContiguousCategoricalEntropyModel as Model;
use constriction::stream::queue::{DefaultRangeDecoder, DefaultRangeEncoder};
use constriction::stream::{Decode as _, Encode as _};

/// Sum of the probabilities.
const ONE: u64 = 1 << 24;
/// Most bytes that are encoded together.
const MAX_BYTES: u64 = 1 << 36;

/// The reason why bytes are not encoded or decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    #[error("the range code ends early")]
    Truncated,
    #[error("it is no range code: {0}")]
    Malformed(&'static str),
    #[error("the range code declares {declared} bytes, more than the {most} that are accepted")]
    TooLong { declared: u64, most: u64 },
}

/// Encodes `bytes`. The same bytes give the same code.
///
/// # Errors
/// [`RangeError::TooLong`] beyond 2³⁶ bytes.
pub fn encode(bytes: &[u8]) -> Result<Vec<u8>, RangeError> {
    let declared = bytes.len() as u64;
    if declared > MAX_BYTES {
        return Err(RangeError::TooLong { declared, most: MAX_BYTES });
    }
    let mut out = Vec::new();
    put_varint(declared, &mut out);
    let frequencies = Frequencies::of(bytes);
    let Some(most) = frequencies.values.len().checked_sub(1) else { return Ok(out) };
    out.push(most as u8);
    for &(value, count) in &frequencies.values {
        out.push(value);
        put_varint(count, &mut out);
    }
    let Some(model) = frequencies.model()? else { return Ok(out) };
    let mut place = [0; 256];
    for (index, &(value, _)) in frequencies.values.iter().enumerate() {
        place[usize::from(value)] = index;
    }
    let mut encoder = DefaultRangeEncoder::new();
    let symbols = bytes.iter().map(|&byte| place[usize::from(byte)]);
    encoder.encode_iid_symbols(symbols, model.as_view()).map_err(|_| RangeError::Malformed("a value has no share"))?;
    let words = encoder.into_compressed().map_err(|_| RangeError::Malformed("the coder ends in no word"))?;
    put_varint(words.len() as u64, &mut out);
    out.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    Ok(out)
}

/// Decodes the code at the beginning of `input`, which then stands behind it.
///
/// # Errors
/// When the input ends early, declares more than `most` bytes, or is no range code. A code that was altered may decode to other
/// bytes: a container has a checksum.
pub fn decode(input: &mut &[u8], most: u64) -> Result<Vec<u8>, RangeError> {
    let declared = take_varint(input)?;
    if declared > most.min(MAX_BYTES) {
        return Err(RangeError::TooLong { declared, most });
    }
    if declared == 0 {
        return Ok(Vec::new());
    }
    let count = usize::from(take(input, 1)?[0]) + 1;
    let mut frequencies = Frequencies { values: Vec::with_capacity(count) };
    let mut left = declared;
    for _ in 0..count {
        let value = take(input, 1)?[0];
        let times = take_varint(input)?;
        let ascends = frequencies.values.last().is_none_or(|&(before, _)| before < value);
        let rest = left.checked_sub(times).filter(|_| times > 0 && ascends);
        left = rest.ok_or(RangeError::Malformed("its counts are not those of its bytes"))?;
        frequencies.values.push((value, times));
    }
    if left > 0 {
        return Err(RangeError::Malformed("its counts are not those of its bytes"));
    }
    let Some(model) = frequencies.model()? else {
        let value = frequencies.values.first().map_or(0, |&(value, _)| value);
        return Ok(vec![value; declared as usize]);
    };
    let words = usize::try_from(take_varint(input)?).ok().and_then(|words| words.checked_mul(4));
    let words = take(input, words.ok_or(RangeError::Truncated)?)?;
    let words: Vec<u32> = words.chunks_exact(4).map(|w| u32::from_le_bytes([w[0], w[1], w[2], w[3]])).collect();
    let mut decoder = match DefaultRangeDecoder::from_compressed(words) {
        Ok(decoder) => decoder,
        Err(never) => match never {},
    };
    let mut bytes = Vec::with_capacity((declared as usize).min(1 << 24));
    for symbol in decoder.decode_iid_symbols(declared as usize, model.as_view()) {
        let symbol = symbol.map_err(|_| RangeError::Malformed("a word stands for no value"))?;
        bytes.push(frequencies.values.get(symbol).map_or(0, |&(value, _)| value));
    }
    if !decoder.maybe_exhausted() {
        return Err(RangeError::Malformed("words are left over"));
    }
    Ok(bytes)
}

/// The least bits that any code with fixed frequencies takes for `bytes`: `Σ −count·log2(count / all)`.
pub fn entropy_bits(bytes: &[u8]) -> f64 {
    entropy_of(&counts(bytes))
}

/// Counts of byte values.
pub(crate) type Counts = [u64; 256];

pub(crate) fn counts(bytes: &[u8]) -> Counts {
    let mut counts = [0; 256];
    bytes.iter().for_each(|&byte| counts[usize::from(byte)] += 1);
    counts
}

/// The entropy of [`entropy_bits`], of counts.
pub(crate) fn entropy_of(counts: &Counts) -> f64 {
    let all = counts.iter().sum::<u64>() as f64;
    let occurring = counts.iter().filter(|&&count| count > 0);
    occurring.map(|&count| -(count as f64) * (count as f64 / all).log2()).sum()
}

/// The values that occur, ascending, each with its count.
struct Frequencies {
    values: Vec<(u8, u64)>,
}

impl Frequencies {
    fn of(bytes: &[u8]) -> Frequencies {
        Frequencies { values: (0..=255).zip(counts(bytes)).filter(|&(_, count)| count > 0).collect() }
    }

    /// The coder's probabilities; `None` for a single value, which needs no code.
    fn model(&self) -> Result<Option<Model>, RangeError> {
        let values = self.values.len() as u64;
        if values < 2 {
            return Ok(None);
        }
        let all: u64 = self.values.iter().map(|&(_, count)| count).sum();
        let share = |count: u64| (count * (ONE - values) / all + 1) as u32;
        let mut shares: Vec<u32> = self.values.iter().map(|&(_, count)| share(count)).collect();
        let given: u64 = shares.iter().map(|&share| u64::from(share)).sum();
        let largest = (0..shares.len()).rev().max_by_key(|&i| shares[i]).unwrap_or(0);
        shares[largest] += (ONE - given) as u32;
        let model = Model::from_nonzero_fixed_point_probabilities(shares, false);
        model.map(Some).map_err(|()| RangeError::Malformed("its shares do not sum to one"))
    }
}

pub(crate) fn put_varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(crate) fn take_varint(input: &mut &[u8]) -> Result<u64, RangeError> {
    let mut number = 0;
    for shift in (0..63).step_by(7) {
        let byte = take(input, 1)?[0];
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(RangeError::Malformed("a number has more than nine bytes"))
}

pub(crate) fn take<'a>(input: &mut &'a [u8], count: usize) -> Result<&'a [u8], RangeError> {
    let (taken, rest) = input.split_at_checked(count).ok_or(RangeError::Truncated)?;
    *input = rest;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `count` values of a discretized Gaussian, drawn by a generator that is the same everywhere.
    fn gaussian(count: usize, sigma: f64) -> Vec<u8> {
        let mut state = 1u64;
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / (1u64 << 31) as f64
        };
        let mut value = || ((0..12).map(|_| uniform()).sum::<f64>() - 6.0) * sigma;
        (0..count).map(|_| (value().round().clamp(-31.0, 31.0) + 31.0) as u8).collect()
    }

    #[test]
    fn integer_weights_take_at_most_a_two_thousandth_more_than_their_entropy() {
        for (sigma, count) in [(0.7, 1 << 20), (8.0, 1 << 20), (16.0, 1 << 20)] {
            let bytes = gaussian(count, sigma);
            let code = encode(&bytes).unwrap();
            let ratio = code.len() as f64 * 8.0 / entropy_bits(&bytes);
            assert!((1.0..1.0005).contains(&ratio), "{ratio} at {sigma}");
            assert_eq!(decode(&mut code.as_slice(), bytes.len() as u64).unwrap(), bytes);
        }
    }

    #[test]
    fn nothing_and_one_value_over_and_over_take_a_few_bytes() {
        assert_eq!(encode(&[]).unwrap(), [0]);
        assert_eq!(encode(&[7; 300]).unwrap(), [0xAC, 2, 0, 7, 0xAC, 2]);
        for bytes in [vec![], vec![7; 300]] {
            assert_eq!(decode(&mut encode(&bytes).unwrap().as_slice(), 300).unwrap(), bytes);
        }
    }

    #[test]
    fn the_code_never_changes() {
        // 20 bytes, 4 values with their counts 11, 5, 3 and 1, and two words.
        let code = encode(&[0, 1, 2, 3, 0, 0, 1, 1, 2, 2, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]).unwrap();
        assert_eq!(crate::hex(&code), "1403000b0105020303010236eeac6edd5af8c1");
    }

    #[test]
    fn what_is_cut_or_declares_too_much_is_refused_with_the_reason() {
        let code = encode(&gaussian(5000, 2.0)).unwrap();
        for keep in (0..code.len()).step_by(7) {
            assert_eq!(decode(&mut &code[..keep], 5000), Err(RangeError::Truncated), "cut to {keep}");
        }
        let error = decode(&mut code.as_slice(), 4999).unwrap_err();
        assert_eq!(error.to_string(), "the range code declares 5000 bytes, more than the 4999 that are accepted");
        let behind = [code.as_slice(), b"tail"].concat();
        let mut rest = behind.as_slice();
        assert!(decode(&mut rest, 5000).is_ok() && rest == b"tail");
        assert!(matches!(decode(&mut [2, 0, 7, 1].as_slice(), 9), Err(RangeError::Malformed(_))));
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_back(bytes in prop::collection::vec(any::<u8>(), 0..600), values in 1u8..) {
            let bytes: Vec<u8> = bytes.iter().map(|byte| byte % values).collect();
            let code = encode(&bytes).unwrap();
            prop_assert_eq!(decode(&mut code.as_slice(), 600).unwrap(), bytes);
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = decode(&mut bytes.as_slice(), 1 << 16);
        }
    }
}
