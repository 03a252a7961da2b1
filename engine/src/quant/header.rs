//! The JSON header of a model file: what is stored where, and the recipe it came from.

use serde::{Deserialize, Serialize};
use tch::Kind;

use super::{Data, QuantizedModel};

/// Most dimensions of a tensor; nothing in the field has more than four.
const MAX_DIMS: usize = 8;

/// Everything but the weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    pub tensors: Vec<Entry>,
    /// Whether numbers of several bytes are stored with their lowest bytes first, then the next ones.
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

/// How a tensor's bytes become weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// Integers of up to eight bits, each in a byte, and one f16 scale a row.
    IntPerRow,
    /// i8 and one f32 scale.
    Int8PerTensor,
    Float16,
    Float32,
}

impl Scheme {
    /// The scheme of exported data.
    pub fn of(data: &Data) -> Scheme {
        match data {
            Data::IntRow { .. } => Scheme::IntPerRow,
            Data::PerTensor { .. } => Scheme::Int8PerTensor,
            Data::Float16(_) => Scheme::Float16,
            Data::Float32(_) => Scheme::Float32,
        }
    }

    /// The word in the header.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::IntPerRow => "int_per_row",
            Scheme::Int8PerTensor => "int8_per_tensor",
            Scheme::Float16 => "float16",
            Scheme::Float32 => "float32",
        }
    }

    /// Element type of the values.
    pub fn kind(self) -> Kind {
        match self {
            Scheme::IntPerRow | Scheme::Int8PerTensor => Kind::Int8,
            Scheme::Float16 => Kind::Half,
            Scheme::Float32 => Kind::Float,
        }
    }

    /// Element type and shape of the scale, for values of this shape.
    pub fn scale(self, shape: &[i64]) -> Option<(Kind, Vec<i64>)> {
        match self {
            Scheme::IntPerRow => Some((Kind::Half, shape.iter().take(1).copied().collect())),
            Scheme::Int8PerTensor => Some((Kind::Float, Vec::new())),
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
        let width = 8 * scheme.kind().elt_size_in_bytes() as u8;
        if *bits != width && !(*scheme == Scheme::IntPerRow && (2..=8).contains(bits)) {
            return Err(format!("tensor {name} cannot have {bits} bits a weight as {}", scheme.name()));
        }
        entries.push(Entry {
            name: name.clone(),
            shape: shape.clone(),
            scheme: *scheme,
            bits: *bits,
            offset: 0,
            bytes: byte_len(shape, scheme.kind()).ok_or_else(too_large)?,
            scale_offset: None,
            scale_bytes: match scheme.scale(shape) {
                Some((kind, shape)) => Some(byte_len(&shape, kind).ok_or_else(too_large)?),
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

/// What the layout of a tensor follows from.
pub struct Outline {
    pub name: String,
    pub shape: Vec<i64>,
    pub scheme: Scheme,
    /// Bits a weight, which the layout does not depend on: each integer takes a byte, and the compressor sees to the rest.
    pub bits: u8,
}

/// The outline of every tensor of a model.
pub fn outline(model: &QuantizedModel) -> Vec<Outline> {
    let of = |t: &super::QuantizedTensor| {
        let scheme = Scheme::of(&t.data);
        let bits = match t.data {
            Data::IntRow { bits, .. } => bits,
            _ => 8 * scheme.kind().elt_size_in_bytes() as u8,
        };
        Outline { name: t.name.clone(), shape: t.shape.clone(), scheme, bits }
    };
    model.tensors.iter().map(of).collect()
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

fn byte_len(shape: &[i64], kind: Kind) -> Option<u64> {
    let sizes = shape.iter().map(|&n| u64::try_from(n)).collect::<Result<Vec<_>, _>>().ok()?;
    let width = kind.elt_size_in_bytes() as u64;
    // libtorch computes strides in i64 even where another size is 0, so the product must fit without the zeros too.
    sizes.iter().try_fold(width, |product, &n| product.checked_mul(n.max(1)).filter(|&p| p <= i64::MAX as u64))?;
    Some(sizes.iter().product::<u64>() * width)
}
