//! Inputs and numbers of the golden vectors: upstream's code was run on weights and tokens that a hash function fills, so
//! the same inputs are made here from their names.

// Each test binary uses its own part.
#![allow(dead_code)]

use std::path::{Path, PathBuf};

use caddie_engine::nn::Class;
use caddie_engine::quant::{Item, QuantizedModel, quantize};
use caddie_engine::recipe::QuantRecipe;
use caddie_engine::{Recipe, Result};
use serde_json::Value;
use tch::{Kind, Tensor};

const GOLDEN_RATIO: u64 = 0x9E37_79B9_7F4A_7C15;

/// NaiveBaseline, as its recipe has it.
pub fn baseline() -> Recipe {
    Recipe::parse(include_str!("../../../recipes/baseline.toml"), &[]).expect("the baseline's recipe")
}

/// Exports tensors that belong to no model, each in the class that upstream's names tell.
pub fn quantize_all(state: &[(String, Tensor)], recipe: &QuantRecipe) -> Result<QuantizedModel> {
    let class = |name: &str| match name {
        "tok_emb.weight" | "lm_head.weight" => Class::Embedding,
        _ if ["scale", "gain", "mix", "skip", "lambdas"].iter().any(|part| name.contains(part)) => Class::Control,
        _ => Class::Matrix,
    };
    let one = |(name, tensor): &(String, Tensor)| {
        quantize(&Item { name, class: class(name), tensor, hessian: None, row_bits: None }, recipe)
    };
    Ok(QuantizedModel { tensors: state.iter().map(one).collect::<Result<_>>()? })
}

/// A weight tensor f32 `shape`: element i is `offset + (2u − 1)·amp`, with u in [0, 1) mixed from FNV-1a-64 of `name` and
/// the row-major index i. `offset` has one value, or one for each index of the leading dimension.
pub fn fill(name: &str, shape: &[i64], amp: f64, offset: &[f64]) -> Tensor {
    Tensor::from_slice(&fill_values(name, shape, amp, offset)).reshape(shape)
}

/// The values of [`fill`], row by row.
pub fn fill_values(name: &str, shape: &[i64], amp: f64, offset: &[f64]) -> Vec<f32> {
    let base = fnv1a64(name);
    let numel = shape.iter().product::<i64>() as usize;
    let stretch = (numel / offset.len()).max(1);
    (0..numel)
        .map(|i| {
            let u = (mix(base.wrapping_add((i as u64).wrapping_mul(GOLDEN_RATIO))) >> 11) as f64 * 2f64.powi(-53);
            (offset[i / stretch] + (2.0 * u - 1.0) * amp) as f32
        })
        .collect()
}

/// Token ids in `lo..hi` from a splitmix64 stream.
pub fn tokens(seed: u64, n: usize, lo: i64, hi: i64) -> Vec<i64> {
    (1..=n as u64)
        .map(|j| lo + (mix(seed.wrapping_add(j.wrapping_mul(GOLDEN_RATIO))) % (hi - lo) as u64) as i64)
        .collect()
}

/// Writes `data/` in `dir`, one shard of each split, and returns its path. A document is one token that opens it and 1 to
/// `longest` − 1 byte tokens.
pub fn write_data(dir: &Path, train_docs: usize, val_docs: usize, longest: i64) -> PathBuf {
    let folder = dir.join("data");
    std::fs::create_dir(&folder).unwrap();
    for (split, seed, documents) in [("train", 1, train_docs), ("val", 2, val_docs)] {
        let mut ids: Vec<u16> = Vec::new();
        for length in tokens(seed, documents, 1, longest) {
            ids.push(1);
            ids.extend(tokens(seed + length as u64, length as usize, 4, 100).iter().map(|&t| t as u16));
        }
        let header = [20_240_520, 1, ids.len() as i32].into_iter().chain([0; 253]).flat_map(i32::to_le_bytes);
        let bytes: Vec<u8> = header.chain(ids.iter().flat_map(|id| id.to_le_bytes())).collect();
        std::fs::write(folder.join(format!("fineweb_{split}_000000.bin")), bytes).unwrap();
    }
    folder
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

/// A list of numbers of a golden file, as f32.
pub fn floats32(value: &Value) -> Vec<f32> {
    floats(value).into_iter().map(|x| x as f32).collect()
}

/// A list of integers of a golden file.
pub fn integers(value: &Value) -> Vec<i64> {
    value.as_array().unwrap_or_else(|| panic!("{value} is not a list")).iter().map(integer).collect()
}

/// A SentencePiece model with these pieces. An empty text is a control piece, of no text.
pub fn sentencepiece_model(pieces: &[String]) -> Vec<u8> {
    let mut out = Vec::new();
    for (id, piece) in pieces.iter().enumerate() {
        let (text, kind) = if piece.is_empty() { (format!("<{id}>"), 3) } else { (piece.clone(), 1) };
        // Protobuf: field 1 of the model is a piece; its field 1 the text, its field 3 the type. All lengths are below 128.
        let body = [&[0x0a, text.len() as u8], text.as_bytes(), &[0x18, kind]].concat();
        out.extend([0x0a, body.len() as u8]);
        out.extend(body);
    }
    out
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

/// All values of a tensor, row by row.
pub fn values(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(tensor.to_kind(Kind::Float).contiguous().view([-1])).expect("f32 values")
}

/// Fails unless every pair differs by at most `tolerance`.
pub fn assert_close(what: &str, ours: &[f32], golden: &[f32], tolerance: f32) {
    assert_eq!(ours.len(), golden.len(), "{what}: lengths");
    let worst = ours.iter().zip(golden).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst <= tolerance, "{what}: largest difference {worst:e} > {tolerance:e}");
    eprintln!("{what}: largest difference {worst:e} (allowed {tolerance:e})");
}

/// Fails unless the tensor's listed entries and L2 norm agree; `tolerance` is relative to the golden `abs_max`.
pub fn assert_stats(what: &str, tensor: &Tensor, stats: &Value, tolerance: f64, l2_tolerance: f64) {
    let scale = stats["abs_max"].as_f64().expect("abs_max");
    let ours = values(tensor);
    for entry in stats["entries"].as_array().expect("entries") {
        let (i, golden) = (entry[0].as_u64().expect("index") as usize, entry[1].as_f64().expect("value"));
        let diff = (f64::from(ours[i]) - golden).abs();
        assert!(diff <= tolerance * scale, "{what}[{i}]: {} against {golden}, off by {diff:e}", ours[i]);
    }
    let l2 = ours.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
    let golden = stats["l2"].as_f64().expect("l2");
    assert!((l2 - golden).abs() <= l2_tolerance * golden, "{what}: L2 {l2} against {golden}");
}
