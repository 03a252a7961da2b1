//! Inputs and numbers of the golden vectors: upstream's code was run on weights and tokens that a hash function fills, so
//! the same inputs are made here from their names.

// Each test binary uses its own part.
#![allow(dead_code)]

use std::path::Path;

use serde_json::Value;
use tch::Tensor;

const GOLDEN_RATIO: u64 = 0x9E37_79B9_7F4A_7C15;

/// A weight tensor f32 `shape`: element i is `offset + (2u − 1)·amp`, with u in [0, 1) mixed from FNV-1a-64 of `name` and
/// the row-major index i. `offset` has one value, or one for each index of the leading dimension.
pub fn fill(name: &str, shape: &[i64], amp: f64, offset: &[f64]) -> Tensor {
    let base = fnv1a64(name);
    let numel = shape.iter().product::<i64>() as usize;
    let stretch = (numel / offset.len()).max(1);
    let values: Vec<f32> = (0..numel)
        .map(|i| {
            let u = (mix(base.wrapping_add((i as u64).wrapping_mul(GOLDEN_RATIO))) >> 11) as f64 * 2f64.powi(-53);
            (offset[i / stretch] + (2.0 * u - 1.0) * amp) as f32
        })
        .collect();
    Tensor::from_slice(&values).reshape(shape)
}

/// Token ids in `lo..hi` from a splitmix64 stream.
pub fn tokens(seed: u64, n: usize, lo: i64, hi: i64) -> Vec<i64> {
    (1..=n as u64)
        .map(|j| lo + (mix(seed.wrapping_add(j.wrapping_mul(GOLDEN_RATIO))) % (hi - lo) as u64) as i64)
        .collect()
}

/// The numbers in `engine/tests/golden/<file>`.
pub fn golden(file: &str) -> Value {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden")).join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The state dict that a golden `params` list describes; `salt` goes before each name in the hash, not in the result.
pub fn fill_state(params: &Value, salt: &str) -> Vec<(String, Tensor)> {
    let params = params.as_array().expect("params is a list");
    params.iter().map(|p| (text(&p["name"]).to_owned(), fill_entry(p, salt))).collect()
}

/// The tensor of one entry with `name`, `shape`, `amp` and `offset`.
pub fn fill_entry(entry: &Value, salt: &str) -> Tensor {
    let offset = if entry["offset"].is_array() { floats(&entry["offset"]) } else { vec![float(&entry["offset"])] };
    fill(&format!("{salt}{}", text(&entry["name"])), &integers(&entry["shape"]), float(&entry["amp"]), &offset)
}

/// A number of a golden file.
pub fn float(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is not a number"))
}

/// An integer of a golden file.
pub fn integer(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("{value} is not an integer"))
}

/// A string of a golden file.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a string"))
}

/// A list of numbers of a golden file.
pub fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap_or_else(|| panic!("{value} is not a list")).iter().map(float).collect()
}

/// A list of integers of a golden file.
pub fn integers(value: &Value) -> Vec<i64> {
    value.as_array().unwrap_or_else(|| panic!("{value} is not a list")).iter().map(integer).collect()
}

fn fnv1a64(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

/// splitmix64's finaliser.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
