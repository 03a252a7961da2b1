//! What the golden tests share: the closed-form fills that both sides used (golden/README.md §0), and the numbers.
#![allow(dead_code)] // each test binary uses its own part

use serde_json::Value;
use tch::{Kind, Tensor};

/// The golden file `tests/golden/<name>`.
pub fn golden(name: &str) -> Value {
    let path = format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(&path).expect(&path)).expect(&path)
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// `w_i = offset + (2u_i − 1)·amp`, where `u_i` hashes the name and the flat index. `offset` has one value, or one for each
/// index of the leading dimension.
pub fn fill_values(name: &str, shape: &[i64], amp: f64, offset: &[f64]) -> Vec<f32> {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    let numel: i64 = shape.iter().product();
    let row = (numel / shape[0]) as usize;
    (0..numel as usize)
        .map(|i| {
            let z = mix(hash.wrapping_add((i as u64).wrapping_mul(STEP)));
            let u = (z >> 11) as f64 * 2f64.powi(-53);
            let product = (2.0 * u - 1.0) * amp;
            (offset[if offset.len() == 1 { 0 } else { i / row }] + product) as f32
        })
        .collect()
}

/// [`fill_values`] as a tensor.
pub fn fill(name: &str, shape: &[i64], amp: f64, offset: &[f64]) -> Tensor {
    Tensor::from_slice(&fill_values(name, shape, amp, offset)).view(shape)
}

/// `n` token ids in `lo..hi`.
pub fn tokens(seed: u64, n: usize, lo: u64, hi: u64) -> Vec<i64> {
    (0..n as u64).map(|j| (lo + mix(seed.wrapping_add((j + 1).wrapping_mul(STEP))) % (hi - lo)) as i64).collect()
}

/// The state dict that a golden case's `params` list describes.
pub fn state(params: &Value, salt: &str) -> Vec<(String, Tensor)> {
    params
        .as_array()
        .expect("params")
        .iter()
        .map(|p| {
            let name = p["name"].as_str().expect("name").to_owned();
            let tensor = fill(
                &format!("{salt}{name}"),
                &ints(&p["shape"]),
                p["amp"].as_f64().expect("amp"),
                &offsets(&p["offset"]),
            );
            let first: Vec<f32> = floats(&p["first4"]);
            assert_eq!(values(&tensor)[..first.len().min(4)], first[..], "the fill of {name} is not the golden one");
            (name, tensor)
        })
        .collect()
}

fn offsets(value: &Value) -> Vec<f64> {
    match value.as_array() {
        Some(list) => list.iter().map(|v| v.as_f64().expect("offset")).collect(),
        None => vec![value.as_f64().expect("offset")],
    }
}

pub fn ints(value: &Value) -> Vec<i64> {
    value.as_array().expect("integers").iter().map(|v| v.as_i64().expect("integer")).collect()
}

pub fn floats(value: &Value) -> Vec<f32> {
    value.as_array().expect("numbers").iter().map(|v| v.as_f64().expect("number") as f32).collect()
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
