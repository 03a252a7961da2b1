//! Lists every tensor with its type, its statistics and its part of the file.

use std::collections::{HashMap, HashSet};
use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use rayon::prelude::*;
use serde::Serialize;

use caddie_checkpoint::{Checkpoint, Class, Dtype, Histogram, Place, bits_per_byte};

/// Factor that bounds the measuring: all tensors together are measured up to so many times the bytes that there are,
/// because views may lie over one another.
const MAX_PASSES: u64 = 4;
/// Level at which a tensor is compressed alone.
const LEVEL: u32 = 9;

/// A tensor of the file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TensorReport {
    pub name: String,
    pub dtype: Dtype,
    pub shape: Vec<u64>,
    /// The number of elements.
    pub numel: u64,
    /// Bits per element in memory.
    pub bits: u64,
    /// Length before compression.
    pub bytes: u64,
    /// The measurements of its bytes; `None` for a view with strides, or where bytes are missing.
    #[serde(flatten)]
    pub measured: Option<Measured>,
}

/// The measurements of a tensor's bytes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measured {
    /// Entropy in bits per byte, neighbors unknown.
    pub entropy: f64,
    /// Least number of different values; for integers only.
    pub levels: Option<u64>,
    pub min: Option<i64>,
    pub max: Option<i64>,
    /// Length compressed alone with zlib at level 9; where the file is not compressed, its plain length.
    pub compressed: u64,
    /// Estimated part of the file, in decimal bytes: all parts together are the file.
    pub file_bytes: u64,
    /// `file_bytes` as a share of the cap.
    pub share: f64,
    #[serde(skip)]
    pub histogram: Option<Histogram>,
    /// Share of elements that trained weights do not have; for floats only.
    #[serde(skip)]
    pub odd_floats: Option<f64>,
    #[serde(skip)]
    pub place: Place,
}

/// Measures every tensor. `cap` is the budget in decimal bytes.
pub fn take(checkpoint: &Checkpoint, cap: u64) -> Vec<TensorReport> {
    let contents = &checkpoint.contents;
    let packed = !contents.layers.is_empty();
    let mut left: u64 = MAX_PASSES * contents.buffers.iter().map(|buffer| buffer.bytes.len() as u64).sum::<u64>();
    let mut wanted: HashSet<(Place, Dtype)> = HashSet::new();
    for tensor in &contents.tensors {
        let Some(place) = &tensor.place else { continue };
        let key = (place.clone(), tensor.dtype);
        if !wanted.contains(&key)
            && let Some(rest) = left.checked_sub(place.range.len() as u64)
        {
            left = rest;
            wanted.insert(key);
        }
    }
    let measured: HashMap<(Place, Dtype), Measured> = wanted
        .into_par_iter()
        .map(|(place, dtype)| {
            let measured = measure(contents.bytes(&place), dtype, packed, place.clone());
            ((place, dtype), measured)
        })
        .collect();
    // Bytes of no tensor take their part as well.
    let others: Vec<Place> = contents.regions.iter().filter_map(|region| region.place.clone()).collect();
    let beside: u64 = others.par_iter().map(|place| compressed(contents.bytes(place), packed)).sum();
    let all: u64 = measured.values().map(|measured| measured.compressed).sum::<u64>() + beside;
    let scale = if packed { checkpoint.bytes as f64 / all.max(1) as f64 } else { 1.0 };
    let report = |tensor: &caddie_checkpoint::Tensor| {
        let found = tensor.place.as_ref().and_then(|place| measured.get(&(place.clone(), tensor.dtype)));
        let measured = found.map(|found| {
            let file_bytes = (found.compressed as f64 * scale).round();
            Measured { file_bytes: file_bytes as u64, share: file_bytes / cap.max(1) as f64, ..found.clone() }
        });
        TensorReport {
            name: tensor.name.clone(),
            dtype: tensor.dtype,
            shape: tensor.shape.clone(),
            numel: tensor.numel(),
            bits: tensor.dtype.bits(),
            bytes: tensor.dtype.bytes_of(tensor.numel()).unwrap_or(u64::MAX),
            measured,
        }
    };
    contents.tensors.iter().map(report).collect()
}

fn measure(bytes: &[u8], dtype: Dtype, packed: bool, place: Place) -> Measured {
    let histogram = match dtype.class() {
        Class::Signed | Class::Unsigned => dtype.integers(bytes).map(Histogram::of).filter(|found| found.total > 0),
        Class::Float | Class::Other => None,
    };
    Measured {
        entropy: bits_per_byte(bytes),
        levels: histogram.as_ref().map(Histogram::distinct),
        min: histogram.as_ref().map(|histogram| histogram.min),
        max: histogram.as_ref().map(|histogram| histogram.max),
        compressed: compressed(bytes, packed),
        file_bytes: 0,
        share: 0.0,
        odd_floats: dtype.odd_floats(bytes),
        histogram,
        place,
    }
}

fn compressed(bytes: &[u8], packed: bool) -> u64 {
    if !packed {
        return bytes.len() as u64;
    }
    let mut encoder = ZlibEncoder::new(Counter(0), Compression::new(LEVEL));
    // Only the counter is written to, and it does not fail.
    match encoder.write_all(bytes).and_then(|()| encoder.finish()) {
        Ok(counter) => counter.0,
        Err(_) => bytes.len() as u64,
    }
}

/// Counts the bytes that are written and keeps none.
struct Counter(u64);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
