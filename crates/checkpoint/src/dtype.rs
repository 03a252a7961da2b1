//! Element types, by the names of torch's storages, torch's types, safetensors and numpy.

use serde::{Serialize, Serializer};

/// An element type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dtype {
    F64,
    F32,
    F16,
    Bf16,
    /// Any of the eight-bit floats.
    F8,
    /// Any of the six-bit floats, packed without gaps.
    F6,
    /// The four-bit float, two in a byte.
    F4,
    I64,
    I32,
    I16,
    I8,
    U64,
    U32,
    U16,
    U8,
    Bool,
    Complex64,
    Complex128,
    /// A storage without a type of its own: bytes.
    Untyped,
}

/// The class of a type's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Float,
    Signed,
    Unsigned,
    Other,
}

impl Dtype {
    /// `float32`, as torch spells it.
    pub fn name(self) -> &'static str {
        match self {
            Dtype::F64 => "float64",
            Dtype::F32 => "float32",
            Dtype::F16 => "float16",
            Dtype::Bf16 => "bfloat16",
            Dtype::F8 => "float8",
            Dtype::F6 => "float6",
            Dtype::F4 => "float4",
            Dtype::I64 => "int64",
            Dtype::I32 => "int32",
            Dtype::I16 => "int16",
            Dtype::I8 => "int8",
            Dtype::U64 => "uint64",
            Dtype::U32 => "uint32",
            Dtype::U16 => "uint16",
            Dtype::U8 => "uint8",
            Dtype::Bool => "bool",
            Dtype::Complex64 => "complex64",
            Dtype::Complex128 => "complex128",
            Dtype::Untyped => "bytes",
        }
    }

    /// Bytes of so many elements; `None` where they do not fill whole bytes, or are too many.
    pub fn bytes_of(self, elements: u64) -> Option<u64> {
        let bits = elements.checked_mul(self.bits())?;
        bits.is_multiple_of(8).then_some(bits / 8)
    }

    /// Bits an element.
    pub fn bits(self) -> u64 {
        match self {
            Dtype::F4 => 4,
            Dtype::F6 => 6,
            other => 8 * other.width() as u64,
        }
    }

    /// Bytes an element; of packed types the bytes that hold them.
    pub fn width(self) -> usize {
        match self {
            Dtype::Complex128 => 16,
            Dtype::F64 | Dtype::I64 | Dtype::U64 | Dtype::Complex64 => 8,
            Dtype::F32 | Dtype::I32 | Dtype::U32 => 4,
            Dtype::F16 | Dtype::Bf16 | Dtype::I16 | Dtype::U16 => 2,
            Dtype::F8 | Dtype::F6 | Dtype::F4 | Dtype::I8 | Dtype::U8 | Dtype::Bool | Dtype::Untyped => 1,
        }
    }

    pub fn class(self) -> Class {
        match self {
            Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::Bf16 | Dtype::F8 | Dtype::F6 | Dtype::F4 => Class::Float,
            Dtype::I64 | Dtype::I32 | Dtype::I16 | Dtype::I8 => Class::Signed,
            Dtype::U64 | Dtype::U32 | Dtype::U16 | Dtype::U8 | Dtype::Untyped => Class::Unsigned,
            Dtype::Bool | Dtype::Complex64 | Dtype::Complex128 => Class::Other,
        }
    }

    /// Finds a type by the class of a storage (`HalfStorage`, `QInt8Storage`) or by its own name (`float16`, `qint8`).
    pub fn torch(name: &str) -> Option<Dtype> {
        Some(match name {
            "DoubleStorage" | "float64" | "double" => Dtype::F64,
            "FloatStorage" | "float32" | "float" => Dtype::F32,
            "HalfStorage" | "float16" | "half" => Dtype::F16,
            "BFloat16Storage" | "bfloat16" => Dtype::Bf16,
            "LongStorage" | "int64" | "long" => Dtype::I64,
            "IntStorage" | "int32" | "int" | "QInt32Storage" | "qint32" => Dtype::I32,
            "ShortStorage" | "int16" | "short" => Dtype::I16,
            "CharStorage" | "int8" | "QInt8Storage" | "qint8" => Dtype::I8,
            "ByteStorage" | "uint8" | "QUInt8Storage" | "quint8" | "QUInt4x2Storage" | "QUInt2x4Storage" => Dtype::U8,
            "BoolStorage" | "bool" => Dtype::Bool,
            "ComplexFloatStorage" | "complex64" => Dtype::Complex64,
            "ComplexDoubleStorage" | "complex128" => Dtype::Complex128,
            "uint16" | "bits16" => Dtype::U16,
            "uint32" => Dtype::U32,
            "uint64" => Dtype::U64,
            "UntypedStorage" | "TypedStorage" => Dtype::Untyped,
            _ if name.starts_with("float8_") => Dtype::F8,
            _ => return None,
        })
    }

    /// Finds a type by its name in safetensors.
    pub fn safetensors(name: &str) -> Option<Dtype> {
        Some(match name {
            "F64" => Dtype::F64,
            "F32" => Dtype::F32,
            "F16" => Dtype::F16,
            "BF16" => Dtype::Bf16,
            "F8_E4M3" | "F8_E5M2" | "F8_E8M0" | "F8_E4M3FNUZ" | "F8_E5M2FNUZ" => Dtype::F8,
            "F6_E2M3" | "F6_E3M2" => Dtype::F6,
            "F4" => Dtype::F4,
            "I64" => Dtype::I64,
            "I32" => Dtype::I32,
            "I16" => Dtype::I16,
            "I8" => Dtype::I8,
            "U64" => Dtype::U64,
            "U32" => Dtype::U32,
            "U16" => Dtype::U16,
            "U8" => Dtype::U8,
            "BOOL" => Dtype::Bool,
            "C64" => Dtype::Complex64,
            _ => return None,
        })
    }

    /// Finds a type by numpy's short name: `f4`, `<i8`.
    pub fn numpy(name: &str) -> Option<Dtype> {
        Some(match name.trim_start_matches(['<', '|', '=']) {
            "f8" => Dtype::F64,
            "f4" => Dtype::F32,
            "f2" => Dtype::F16,
            "i8" => Dtype::I64,
            "i4" => Dtype::I32,
            "i2" => Dtype::I16,
            "i1" => Dtype::I8,
            "u8" => Dtype::U64,
            "u4" => Dtype::U32,
            "u2" => Dtype::U16,
            "u1" => Dtype::U8,
            "b1" => Dtype::Bool,
            _ => return None,
        })
    }

    /// Returns the integers of little-endian `bytes`; `None` for types other than integers.
    pub fn integers(self, bytes: &[u8]) -> Option<impl Iterator<Item = i64> + '_> {
        if !matches!(self.class(), Class::Signed | Class::Unsigned) {
            return None;
        }
        let width = self.width();
        let shift = if self.class() == Class::Signed { 64 - 8 * width as u32 } else { 0 };
        Some(bytes.chunks_exact(width).map(move |chunk| {
            let value = chunk.iter().rev().fold(0u64, |value, byte| (value << 8) | u64::from(*byte));
            // Sign-extended; the largest of uint64 come out negative.
            ((value << shift) as i64) >> shift
        }))
    }

    /// Returns the share of the elements in `bytes` that trained weights do not have: infinite, not a number,
    /// subnormal.
    pub fn odd_floats(self, bytes: &[u8]) -> Option<f64> {
        let (exponent, mantissa) = match self {
            Dtype::F64 => (11, 52),
            Dtype::F32 => (8, 23),
            Dtype::F16 => (5, 10),
            Dtype::Bf16 => (8, 7),
            _ => return None,
        };
        let mut odd = 0u64;
        let count = bytes.len() / self.width();
        for chunk in bytes.chunks_exact(self.width()) {
            let bits = chunk.iter().rev().fold(0u64, |value, byte| (value << 8) | u64::from(*byte));
            let power = (bits >> mantissa) & ((1 << exponent) - 1);
            let fraction = bits & ((1 << mantissa) - 1);
            odd += u64::from(power == (1 << exponent) - 1 || (power == 0 && fraction != 0));
        }
        Some(odd as f64 / count.max(1) as f64)
    }
}

impl Serialize for Dtype {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_have_their_sign() {
        let of = |dtype: Dtype, bytes: &[u8]| dtype.integers(bytes).expect("integers").collect::<Vec<_>>();
        assert_eq!(of(Dtype::I8, &[0, 127, 128, 255]), [0, 127, -128, -1]);
        assert_eq!(of(Dtype::U8, &[0, 127, 128, 255]), [0, 127, 128, 255]);
        assert_eq!(of(Dtype::I16, &[0xff, 0xff, 1, 0]), [-1, 1]);
        assert_eq!(of(Dtype::U16, &[0xff, 0xff]), [65535]);
        assert_eq!(of(Dtype::I64, &(-5i64).to_le_bytes()), [-5]);
        assert!(Dtype::F16.integers(&[0, 0]).is_none());
    }

    #[test]
    fn floats_that_no_weight_has() {
        let of = |values: &[f32]| {
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            Dtype::F32.odd_floats(&bytes)
        };
        assert_eq!(of(&[0.0, 1.0, -0.02, 1e-30]), Some(0.0));
        assert_eq!(of(&[f32::NAN, 1.0, f32::INFINITY, 1e-40]), Some(0.75));
        // 0x0101 as a half is 257 * 2^-24: a token id under another name.
        assert_eq!(Dtype::F16.odd_floats(&[1, 1]), Some(1.0));
    }
}
