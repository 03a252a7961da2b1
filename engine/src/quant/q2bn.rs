//! Writes and reads models in Q2BN files; the format is [`caddie_format::q2::file`].

use std::path::Path;

use caddie_format::q2::file::{self, Coding, Q2Data, Q2File, Q2Tensor, Symbols, Writing};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::q2::SymbolMatrix;
use super::{Data, QuantizedModel, QuantizedTensor};
use crate::checkpoint::bytes_of;
use crate::{Error, Recipe, Result};

/// The file's config.
#[derive(Serialize, Deserialize)]
struct Q2Config {
    /// The resolved recipe as TOML.
    recipe: String,
}

/// Encodes `model` and the recipe that it came from. The same model and recipe give the same bytes.
///
/// # Errors
/// [`Error::Parameter`] for a tensor that the format does not hold.
pub fn encode(model: &QuantizedModel, recipe: &Recipe, zstd: i32) -> Result<Vec<u8>> {
    let refuse = |reason: String| Error::Parameter { name: "model file".to_owned(), reason };
    let config = serde_json::to_string(&Q2Config { recipe: recipe.to_toml() }).map_err(|e| refuse(e.to_string()))?;
    let tensors = model.tensors.iter().map(stored).collect::<Result<_>>()?;
    let range_coded = recipe.quant.q2.as_ref().is_some_and(|q2| q2.range_coded);
    let coding = if range_coded { Coding::Range } else { Coding::default() };
    let how = Writing { zstd: Some(zstd), coding, ..Writing::default() };
    file::write(&Q2File { config, tensors }, how).map_err(|error| refuse(error.to_string()))
}

/// Decodes the bytes of the file `path`: the model, on the CPU, and the recipe it came from.
///
/// # Errors
/// [`Error::Format`] when the file is truncated, altered, or of another version, or carries no recipe.
pub fn decode(path: &Path, bytes: &[u8]) -> Result<(QuantizedModel, Recipe)> {
    let file = file::read(bytes).map_err(|error| Error::format(path, format!("not a whole Q2BN file: {error}")))?;
    let config: Q2Config = serde_json::from_str(&file.config)
        .map_err(|_| Error::format(path, "a Q2BN file without a recipe, so nothing says which model it is"))?;
    let recipe = Recipe::parse(&config.recipe, &[]).map_err(|e| {
        Error::format(path, format!("the recipe inside does not hold: {e}. It may be of a newer caddie"))
    })?;
    Ok((QuantizedModel { tensors: file.tensors.iter().map(loaded).collect::<Result<_>>()? }, recipe))
}

fn stored(tensor: &QuantizedTensor) -> Result<Q2Tensor> {
    let data = match &tensor.data {
        Data::Symbols(m) => Q2Data::Symbols(Symbols {
            alphabet: m.alphabet,
            table: m.table,
            scales: words(&m.scales)?,
            symbols: bytes_of(&m.symbols)?,
        }),
        Data::Float16(t) => Q2Data::Float16(words(t)?),
        Data::Float32(t) => {
            let bytes = bytes_of(t)?;
            Q2Data::Float32(bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
        }
        Data::IntRow { .. } | Data::PerTensor { .. } => {
            let reason = "a Q2BN file holds symbols and floats, not integers with scales".to_owned();
            return Err(Error::Parameter { name: tensor.name.clone(), reason });
        }
    };
    let shape = tensor.shape.iter().map(|&size| size as u32).collect();
    Ok(Q2Tensor { name: tensor.name.clone(), shape, data })
}

fn loaded(tensor: &Q2Tensor) -> Result<QuantizedTensor> {
    let shape: Vec<i64> = tensor.shape.iter().map(|&size| i64::from(size)).collect();
    let half = |bits: &[u16], shape: &[i64]| {
        let bytes: Vec<u8> = bits.iter().flat_map(|x| x.to_le_bytes()).collect();
        Tensor::f_from_data_size(&bytes, shape, Kind::Half)
    };
    let data = match &tensor.data {
        Q2Data::Float16(bits) => Data::Float16(half(bits, &shape)?),
        Q2Data::Float32(bits) => {
            let bytes: Vec<u8> = bits.iter().flat_map(|x| x.to_le_bytes()).collect();
            Data::Float32(Tensor::f_from_data_size(&bytes, &shape, Kind::Float)?)
        }
        Q2Data::Symbols(s) => {
            let rows = shape.first().copied().unwrap_or(1);
            let symbols = Tensor::f_from_slice(&s.symbols)?.f_reshape([rows, -1])?;
            let scales = half(&s.scales, &[s.scales.len() as i64 / s.table.scales() as i64, s.table.scales() as i64])?;
            Data::Symbols(SymbolMatrix { alphabet: s.alphabet, table: s.table, scales, symbols })
        }
        Q2Data::Alias(of) => {
            let reason = format!("it stands for {of}; the engine ties tensors by its recipe and has no such entries");
            return Err(Error::Parameter { name: tensor.name.clone(), reason });
        }
    };
    Ok(QuantizedTensor { name: tensor.name.clone(), shape, data })
}

/// The bits of an f16 tensor.
fn words(tensor: &Tensor) -> Result<Vec<u16>> {
    Ok(bytes_of(tensor)?.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect())
}
