//! The contents of a model file or a checkpoint, tensor by tensor, and the bytes of the budget that each tensor costs.

use std::path::Path;

use serde::Serialize;

use super::Data;
use super::codec::Codec;
use super::container::{self, codec_of, is_model, is_q2, read_parts, scale_of, values_of};
use crate::checkpoint::{self, bytes_of};
use crate::{Error, Result};

/// A file, read and measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelReport {
    /// `caddie-model`, `q2bn` or `safetensors`.
    pub format: &'static str,
    pub tensors: Vec<TensorReport>,
    /// Weights, scales not counted.
    pub parameters: u64,
    /// Bytes before compression, scales counted.
    pub payload_bytes: u64,
    /// Bytes of the file on disk; with the code they make the counted total.
    pub file_bytes: u64,
    /// The byte budget of code and model together.
    pub cap: u64,
    /// `file_bytes / cap`.
    pub share: f64,
    /// The recipe inside a model file, as TOML.
    pub recipe: Option<String>,
}

/// One tensor of the file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TensorReport {
    pub name: String,
    pub shape: Vec<i64>,
    /// `int_per_row`, `float16` …; the element type in a checkpoint.
    pub scheme: String,
    pub bits: u64,
    /// Bytes before compression, scales counted.
    pub bytes: u64,
    /// Bytes of this tensor compressed alone, by the file's compressor at its best: an estimate of its part of the
    /// file, because one stream shares its dictionary and codes between neighbors.
    pub compressed: u64,
    /// `compressed / cap`.
    pub share: f64,
}

/// Reads a model file or a safetensors checkpoint, decided by how it starts. `cap` is the budget in bytes.
///
/// # Errors
/// As [`super::container::read`] and [`checkpoint::load`].
pub fn inspect(path: &Path, cap: u64) -> Result<ModelReport> {
    if cap == 0 {
        return Err(Error::format(path, "a budget of 0 bytes has no shares; give a cap of at least 1"));
    }
    let is_model = is_model(path)?;
    // A tensor alone is measured with the compressor of its file.
    let codec = if is_model { codec_of(path)? } else { Codec::Zlib };
    let measure = |name: &str, shape: &[i64], scheme: &str, bits: u64, blobs: [&[u8]; 2]| {
        let bytes = blobs.concat();
        let integers: Vec<_> = scheme.starts_with("int").then_some(0..blobs[0].len()).into_iter().collect();
        let compressed = codec
            .compress(&bytes, &integers, codec.best_level())
            .map_err(Error::io(path, "compressing a tensor of"))?;
        let compressed = compressed.len() as u64;
        Ok(TensorReport {
            name: name.to_owned(),
            shape: shape.to_vec(),
            scheme: scheme.to_owned(),
            bits,
            bytes: bytes.len() as u64,
            compressed,
            share: compressed as f64 / cap as f64,
        })
    };
    let (format, recipe, tensors) = if is_q2(path)? {
        let (model, recipe) = container::read(path)?;
        let of_tensor = |t: &super::QuantizedTensor| match &t.data {
            Data::Symbols(m) => {
                let blobs = [m.packed()?, bytes_of(&m.scales)?];
                let bits = m.alphabet.bits().ceil() as u64;
                measure(&t.name, &t.shape, &m.alphabet.to_string(), bits, [&blobs[0], &blobs[1]])
            }
            other => {
                let (values, _) = other.parts();
                let kind = checkpoint::dtype_name(values.kind());
                let bits = 8 * values.kind().elt_size_in_bytes() as u64;
                measure(&t.name, &t.shape, kind, bits, [&bytes_of(values)?, &[]])
            }
        };
        let tensors: Result<Vec<_>> = model.tensors.iter().map(of_tensor).collect();
        ("q2bn", Some(recipe.to_toml()), tensors?)
    } else if is_model {
        let (header, payload, _) = read_parts(path)?;
        let tensors: Result<Vec<_>> = header
            .tensors
            .iter()
            .map(|e| {
                let blobs = [values_of(e, &payload), scale_of(e, &payload)];
                measure(&e.name, &e.shape, e.scheme.name(), u64::from(e.bits), blobs)
            })
            .collect();
        ("caddie-model", Some(header.recipe), tensors?)
    } else {
        let (state, _) = checkpoint::load(path).map_err(|error| match error {
            Error::Format { path, reason } => Error::Format { path, reason: format!("no model file, and {reason}") },
            other => other,
        })?;
        let tensors: Result<Vec<_>> = state
            .iter()
            .map(|(name, t)| {
                let kind = checkpoint::dtype_name(t.kind());
                measure(name, &t.size(), kind, 8 * t.kind().elt_size_in_bytes() as u64, [&bytes_of(t)?, &[]])
            })
            .collect();
        ("safetensors", None, tensors?)
    };
    let file_bytes = std::fs::metadata(path).map_err(Error::io(path, "measuring"))?.len();
    Ok(ModelReport {
        format,
        parameters: tensors
            .iter()
            .filter(|t| super::parts::owner(&t.name).is_none() && !super::start::is_start(&t.name))
            .map(|t| t.shape.iter().product::<i64>() as u64)
            .sum(),
        payload_bytes: tensors.iter().map(|t| t.bytes).sum(),
        file_bytes,
        cap,
        share: file_bytes as f64 / cap as f64,
        recipe,
        tensors,
    })
}
