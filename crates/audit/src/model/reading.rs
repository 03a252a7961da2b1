//! Ways in which tokens may be written in a payload.

use serde::Serialize;

/// A way to read bytes as tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// The encoding of a shard.
    U16Le,
    U16Be,
    I32,
    I64,
    /// Whole numbers up to 2048 are exact.
    F16,
    F32,
    /// A byte per token, for alphabets of at most 256 tokens.
    U8,
}

impl Reading {
    /// Every reading.
    pub const ALL: [Reading; 7] =
        [Reading::U16Le, Reading::U16Be, Reading::I32, Reading::I64, Reading::F16, Reading::F32, Reading::U8];

    /// The reading's name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Reading::U16Le => "16 bits, little endian",
            Reading::U16Be => "16 bits, big endian",
            Reading::I32 => "32 bits",
            Reading::I64 => "64 bits",
            Reading::F16 => "half-precision floats",
            Reading::F32 => "floats",
            Reading::U8 => "bytes",
        }
    }

    /// Returns the number of bytes per token.
    pub fn width(self) -> usize {
        match self {
            Reading::U8 => 1,
            Reading::U16Le | Reading::U16Be | Reading::F16 => 2,
            Reading::I32 | Reading::F32 => 4,
            Reading::I64 => 8,
        }
    }

    /// Returns the token at an offset in bytes, where there is one.
    #[inline]
    pub fn get(self, bytes: &[u8], at: usize) -> Option<u16> {
        match self {
            Reading::U8 => bytes.get(at).map(|byte| u16::from(*byte)),
            Reading::U16Le => chunk::<2>(bytes, at).map(u16::from_le_bytes),
            Reading::U16Be => chunk::<2>(bytes, at).map(u16::from_be_bytes),
            Reading::I32 => u16::try_from(u32::from_le_bytes(chunk::<4>(bytes, at)?)).ok(),
            Reading::I64 => u16::try_from(u64::from_le_bytes(chunk::<8>(bytes, at)?)).ok(),
            Reading::F16 => half(u16::from_le_bytes(chunk::<2>(bytes, at)?)),
            Reading::F32 => {
                let value = f32::from_le_bytes(chunk::<4>(bytes, at)?);
                let token = value as u16;
                (f32::from(token) == value).then_some(token)
            }
        }
    }
}

#[inline]
fn chunk<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk::<N>().copied()
}

/// Reads a half-precision float that is a whole number of at least 0.
fn half(bits: u16) -> Option<u16> {
    let (power, fraction) = (i32::from(bits >> 10) - 25, u32::from(bits & 0x3ff) | 0x400);
    match power {
        // The sign, and infinities, are beyond 31.
        _ if bits == 0 => Some(0),
        -10..=-1 => {
            let shift = -power as u32;
            (fraction.trailing_zeros() >= shift).then_some((fraction >> shift) as u16)
        }
        0..=5 => u16::try_from(fraction << power).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reading_gives_the_token_back() {
        let at = |reading: Reading, bytes: &[u8]| reading.get(bytes, 0);
        assert_eq!(at(Reading::U16Le, &513u16.to_le_bytes()), Some(513));
        assert_eq!(at(Reading::U16Be, &513u16.to_be_bytes()), Some(513));
        assert_eq!(at(Reading::I32, &513i32.to_le_bytes()), Some(513));
        assert_eq!(at(Reading::I32, &(-1i32).to_le_bytes()), None);
        assert_eq!(at(Reading::I64, &70_000i64.to_le_bytes()), None);
        assert_eq!(at(Reading::F32, &513f32.to_le_bytes()), Some(513));
        assert_eq!(at(Reading::F32, &0.5f32.to_le_bytes()), None);
        assert_eq!(at(Reading::F32, &f32::NAN.to_le_bytes()), None);
        // 1, 2, 3, 0.5, 1024, 2047, -1, infinity as halves.
        let halves = [0x3c00, 0x4000, 0x4200, 0x3800, 0x6400, 0x67ff, 0xbc00, 0x7c00];
        assert_eq!(halves.map(half), [Some(1), Some(2), Some(3), None, Some(1024), Some(2047), None, None]);
        assert_eq!(Reading::U16Le.get(&[1], 0), None);
    }
}
