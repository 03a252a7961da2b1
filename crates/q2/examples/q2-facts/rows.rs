//! Gaussian rows: squared errors, entropies, and what compressors make of the symbols.

use std::error::Error;

use caddie_format::q2::{Alphabet, CutTable, LevelTable, Width, Z_THREE_QUARTERS, pack_rows};
use caddie_format::range;
use serde_json::{Value, json};

use crate::gaussian::Draws;

const WEIGHTS: usize = 1 << 19;
const COLS: usize = 512;
/// The 0.75 quantile of |w|, which the sources take for the equiprobable threshold, in σ.
const Q75: f64 = 1.150_349_380_376_008;

pub fn facts() -> Result<Value, Box<dyn Error>> {
    let w = Draws::new(16).normals(WEIGHTS);
    Ok(
        json!({ "weights": WEIGHTS, "z4": z4(&w), "widths": widths(&w), "compression": compression(&w)?, "integers": integers(&w)? }),
    )
}

fn symbols(w: &[f64], cuts: &[f64]) -> Vec<u8> {
    let above = |x: f64| cuts.iter().filter(|&&cut| x > cut).count() + cuts.iter().filter(|&&cut| x > -cut).count();
    w.iter().map(|&x| (above(x) + usize::from(x > 0.0)) as u8).collect()
}

/// Squared error relative to the weights' squares.
fn nmse(w: &[f64], values: impl Iterator<Item = f64>) -> f64 {
    let error: f64 = w.iter().zip(values).map(|(w, value)| (w - value).powi(2)).sum();
    error / w.iter().map(|w| w * w).sum::<f64>()
}

fn entropy(symbols: &[u8]) -> f64 {
    range::entropy_bits(symbols) / symbols.len() as f64
}

/// Thresholds and levels of four symbols; the sign with one scale and ternary weights beside them.
fn z4(w: &[f64]) -> Value {
    let row = |tau: f64, cuts: CutTable, table: LevelTable| {
        let cuts: Vec<f64> = cuts.cuts(4).iter().map(|cut| cut * tau).collect();
        let (symbols, levels) = (symbols(w, &cuts), table.levels(4));
        let error = nmse(w, symbols.iter().map(|&s| f64::from(levels[usize::from(s)]) * tau));
        json!({ "nmse": error, "entropy": entropy(&symbols) })
    };
    let mean = (2.0 / std::f64::consts::PI).sqrt();
    json!({
        "equiprobable_mid": row(Z_THREE_QUARTERS, CutTable::Equiprobable, LevelTable::Mid),
        "equiprobable_unit": row(Z_THREE_QUARTERS, CutTable::Equiprobable, LevelTable::Unit),
        "equiprobable_centroid": row(Z_THREE_QUARTERS, CutTable::Equiprobable, LevelTable::Centroid),
        "q75_mid": row(Q75, CutTable::Equiprobable, LevelTable::Mid),
        "lloyd_max": row(Z_THREE_QUARTERS, CutTable::LloydMax, LevelTable::LloydMax),
        "uniform": row(Z_THREE_QUARTERS, CutTable::Uniform, LevelTable::Uniform),
        "sign_and_scale": { "nmse": nmse(w, w.iter().map(|w| w.signum() * mean)), "entropy": 1.0 },
        "ternary": {
            "nmse": nmse(w, w.iter().map(|&w| if w.abs() > 0.612 { 1.224 * w.signum() } else { 0.0 })),
            "entropy": entropy(&w.iter().map(|&w| if w.abs() > 0.612 { 1 + u8::from(w > 0.0) } else { 0 }).collect::<Vec<_>>()),
        },
    })
}

/// The error of the best equal steps by width, odd and even: the logarithm falls evenly unless a width is unstable.
fn widths(w: &[f64]) -> Value {
    let errors: Vec<f64> = (2..=8u32)
        .map(|bits| {
            let (cuts, levels) = (CutTable::Uniform.cuts(1 << bits), LevelTable::Uniform.levels(1 << bits));
            let cuts: Vec<f64> = cuts.iter().map(|cut| cut * Z_THREE_QUARTERS).collect();
            let value = |x: &f64| {
                let s = (1 << (bits - 1)) + cuts.partition_point(|&cut| x.abs() > cut);
                f64::from(levels[s]) * Z_THREE_QUARTERS * x.signum()
            };
            nmse(w, w.iter().map(value))
        })
        .collect();
    let off = |i: usize| errors[i].ln() - (errors[i - 1].ln() + errors[i + 1].ln()) / 2.0;
    json!({ "bits": [2, 3, 4, 5, 6, 7, 8], "nmse": errors, "off_the_neighbors_mean_of_logarithms": (1..6).map(off).collect::<Vec<_>>() })
}

/// Packed symbols under zstd of level 22 and the range code, each relative to two bits a symbol.
fn compression(w: &[f64]) -> Result<Value, Box<dyn Error>> {
    let mut all = Vec::new();
    for tau in [Z_THREE_QUARTERS, 0.9816, Q75, 1.5] {
        let symbols = symbols(w, &[tau]);
        let packed = pack_rows(&symbols, COLS, Alphabet::Z4, Width::Dense)?;
        let ratio = |bytes: usize| bytes as f64 / packed.len() as f64;
        let zstd = zstd::encode_all(packed.as_slice(), 22)?;
        let coded = range::encode(&symbols)?;
        all.push(json!({ "tau": tau, "zstd": ratio(zstd.len()), "range": ratio(coded.len()), "entropy": entropy(&symbols) / 2.0 }));
    }
    Ok(json!(all))
}

/// Integers scaled to each row's largest weight, one a byte: bits a weight after each compressor.
fn integers(w: &[f64]) -> Result<Value, Box<dyn Error>> {
    let mut all = Vec::new();
    for bits in [4u32, 5, 6, 8] {
        let top = f64::from((1i32 << (bits - 1)) - 1);
        let row = |row: &[f64]| {
            let scale = row.iter().fold(0.0, |largest: f64, x| largest.max(x.abs())) / top;
            row.iter().map(|x| (x / scale).round() as i8 as u8).collect::<Vec<u8>>()
        };
        let bytes: Vec<u8> = w.chunks(COLS).flat_map(row).collect();
        let per_weight = |len: usize| len as f64 * 8.0 / w.len() as f64;
        let (zstd, coded) = (zstd::encode_all(bytes.as_slice(), 22)?, range::encode(&bytes)?);
        all.push(json!({ "bits": bits, "zstd": per_weight(zstd.len()), "range": per_weight(coded.len()), "entropy": entropy(&bytes) }));
    }
    Ok(json!(all))
}
