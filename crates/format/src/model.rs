//! caddie's model file: it is submitted, counted against the cap, and loaded again for the score.
//!
//! ```text
//! caddie-model 2 brotli\n      first line, readable with `head -1`: the version and the compressor
//! one compressed stream of
//!   u32 little-endian          length of the header
//!   JSON                       [`Header`]: tensors, recipe, SHA-256 of the payload
//!   payload                    integers, scales, f16, f32
//! ```
//!
//! The file holds one stream, so that the header is compressed too; no zip, no pickle, nothing that a reader would
//! execute. Files come from strangers: every length is checked against the layout that the shapes imply before memory
//! is taken for it.

use serde::{Deserialize, Serialize};

/// The beginning of a model file of any version.
pub const FAMILY: &str = "caddie-model ";
/// The beginning of a model file of this version; the name of the codec and a line feed follow.
pub const MAGIC: &str = "caddie-model 2 ";

/// Most dimensions of a tensor; nothing in the field has more than four.
const MAX_DIMS: usize = 8;

/// Everything but the weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    pub tensors: Vec<Entry>,
    /// True when numbers of several bytes are stored with all their lowest bytes first, then the next ones.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub byte_shuffle: bool,
    /// The resolved recipe as TOML.
    pub recipe: String,
    /// SHA-256 of the payload, in hexadecimal.
    pub payload_sha256: String,
}

/// One tensor. Offsets count bytes from the start of the payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub name: String,
    /// Matrices are `[out, in]`.
    pub shape: Vec<i64>,
    pub scheme: Scheme,
    /// Bits a weight, scales not counted.
    pub bits: u8,
    pub offset: u64,
    pub bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_offset: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_bytes: Option<u64>,
}

/// The way in which a tensor's bytes become weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// Integers of up to eight bits, each in a byte, and one f16 scale a row. The first version called it `int8_per_row`.
    #[serde(alias = "int8_per_row")]
    IntPerRow,
    /// i8 and one f32 scale.
    Int8PerTensor,
    Float16,
    Float32,
}

impl Scheme {
    /// The word in the header.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::IntPerRow => "int_per_row",
            Scheme::Int8PerTensor => "int8_per_tensor",
            Scheme::Float16 => "float16",
            Scheme::Float32 => "float32",
        }
    }

    /// Bytes of one value.
    pub fn width(self) -> u64 {
        match self {
            Scheme::IntPerRow | Scheme::Int8PerTensor => 1,
            Scheme::Float16 => 2,
            Scheme::Float32 => 4,
        }
    }

    /// Bytes of one scale.
    pub fn scale_width(self) -> Option<u64> {
        match self {
            Scheme::IntPerRow => Some(2),
            Scheme::Int8PerTensor => Some(4),
            Scheme::Float16 | Scheme::Float32 => None,
        }
    }

    /// Shape of the scales of values of this shape: one a row, or a single one.
    pub fn scale_shape(self, shape: &[i64]) -> Option<Vec<i64>> {
        match self {
            Scheme::IntPerRow => Some(shape.iter().take(1).copied().collect()),
            Scheme::Int8PerTensor => Some(Vec::new()),
            Scheme::Float16 | Scheme::Float32 => None,
        }
    }
}

/// Lays the payload out: all integers, then all scales, then f16, then f32, each in the order of the tensors, with no
/// gaps. Like bytes lie together because a compressor then sees one kind of statistics at a time.
///
/// The layout follows from names, shapes and schemes alone, so a reader recomputes it and accepts no other: offsets of
/// a hostile file can neither overlap nor point outside. Returns the entries and the payload's length.
pub fn lay_out(tensors: &[Outline]) -> Result<(Vec<Entry>, u64), String> {
    let mut entries = Vec::with_capacity(tensors.len());
    for Outline { name, shape, scheme, bits } in tensors {
        let too_large = || format!("tensor {name} has an impossible shape {shape:?}");
        let per_row_of_no_matrix = *scheme == Scheme::IntPerRow && shape.len() != 2;
        if shape.len() > MAX_DIMS || per_row_of_no_matrix {
            return Err(too_large());
        }
        let width = 8 * scheme.width() as u8;
        if *bits != width && !(*scheme == Scheme::IntPerRow && (2..=8).contains(bits)) {
            return Err(format!("tensor {name} cannot have {bits} bits a weight as {}", scheme.name()));
        }
        entries.push(Entry {
            name: name.clone(),
            shape: shape.clone(),
            scheme: *scheme,
            bits: *bits,
            offset: 0,
            bytes: byte_len(shape, scheme.width()).ok_or_else(too_large)?,
            scale_offset: None,
            scale_bytes: match scheme.scale_shape(shape).zip(scheme.scale_width()) {
                Some((shape, width)) => Some(byte_len(&shape, width).ok_or_else(too_large)?),
                None => None,
            },
        });
    }
    let mut end = 0u64;
    let mut place = |bytes: u64| {
        let start = end;
        end = end.checked_add(bytes).ok_or("the tensors' sizes overflow")?;
        Ok::<u64, String>(start)
    };
    for entry in entries.iter_mut().filter(|e| e.scale_bytes.is_some()) {
        entry.offset = place(entry.bytes)?;
    }
    for entry in &mut entries {
        entry.scale_offset = entry.scale_bytes.map(&mut place).transpose()?;
    }
    for scheme in [Scheme::Float16, Scheme::Float32] {
        for entry in entries.iter_mut().filter(|e| e.scheme == scheme) {
            entry.offset = place(entry.bytes)?;
        }
    }
    Ok((entries, end))
}

/// The properties of a tensor that its layout follows from.
pub struct Outline {
    pub name: String,
    pub shape: Vec<i64>,
    pub scheme: Scheme,
    /// Bits a weight, which the layout does not depend on: each integer takes a byte, and the compressor sees to the rest.
    pub bits: u8,
}

impl Header {
    /// Checks a header that was read: names are unique and every size and offset is what the shapes imply. Returns the
    /// payload's length in bytes.
    pub fn check(&self) -> Result<u64, String> {
        let mut names = std::collections::BTreeSet::new();
        if let Some(twice) = self.tensors.iter().find(|t| !names.insert(&t.name)) {
            return Err(format!("tensor {} is there twice", twice.name));
        }
        let of = |t: &Entry| Outline { name: t.name.clone(), shape: t.shape.clone(), scheme: t.scheme, bits: t.bits };
        let outline: Vec<_> = self.tensors.iter().map(of).collect();
        let (entries, total) = lay_out(&outline)?;
        match entries.iter().zip(&self.tensors).find(|(implied, stated)| implied != stated) {
            Some((_, stated)) => Err(format!("tensor {} declares sizes that its shape does not have", stated.name)),
            None => Ok(total),
        }
    }
}

fn byte_len(shape: &[i64], width: u64) -> Option<u64> {
    let sizes = shape.iter().map(|&n| u64::try_from(n)).collect::<Result<Vec<_>, _>>().ok()?;
    // libtorch computes strides in i64 even where another size is 0, so the product must fit without the zeros too.
    sizes.iter().try_fold(width, |product, &n| product.checked_mul(n.max(1)).filter(|&p| p <= i64::MAX as u64))?;
    Some(sizes.iter().product::<u64>() * width)
}

/// The byte shuffle of the field (docs/spec/algorithms.md#model-file), for one blob of numbers at a time.
pub mod shuffle {
    /// The lowest bytes of all numbers of `width` bytes, then the next ones, and so on.
    pub fn apart(bytes: &[u8], width: usize) -> Vec<u8> {
        (0..width).flat_map(|plane| bytes.iter().skip(plane).step_by(width).copied()).collect()
    }

    /// Undoes [`apart`].
    pub fn together(bytes: &[u8], width: usize) -> Vec<u8> {
        let numbers = bytes.len() / width.max(1);
        (0..numbers).flat_map(|i| (0..width).map(move |plane| bytes[plane * numbers + i])).collect()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn planes_lie_together_and_come_back() {
            assert_eq!(apart(&[1, 10, 2, 20, 3, 30], 2), [1, 2, 3, 10, 20, 30]);
            for width in [1, 2, 4] {
                let bytes: Vec<u8> = (0..24).collect();
                assert_eq!(together(&apart(&bytes, width), width), bytes);
            }
        }
    }
}
