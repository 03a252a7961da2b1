//! The symbols of a trained model: entropies, compressors, the order of its matrices, and the two matrices of CfC.

use std::error::Error;

use caddie_format::q2::file::{Q2Data, Symbols, read};
use caddie_format::q2::{Width, complement, pack_rows};
use caddie_format::range;
use caddie_q2::runs::Reduced;
use serde_json::{Value, json};

use crate::gaussian::Draws;

struct Matrix {
    name: String,
    cols: usize,
    symbols: Symbols,
}

pub fn facts(path: &str) -> Result<Value, Box<dyn Error>> {
    let file = read(&std::fs::read(path)?)?;
    let matrices: Vec<Matrix> = file
        .tensors
        .into_iter()
        .filter_map(|tensor| match tensor.data {
            Q2Data::Symbols(symbols) => {
                Some(Matrix { cols: symbols.symbols.len() / tensor.shape[0] as usize, name: tensor.name, symbols })
            }
            _ => None,
        })
        .collect();
    let of = |m: &Matrix| pack_rows(&m.symbols.symbols, m.cols, m.symbols.alphabet, Width::Dense);
    let packed: Vec<Vec<u8>> = matrices.iter().map(of).collect::<Result<_, _>>()?;
    let total: usize = packed.iter().map(Vec::len).sum();
    let ranged = matrices.iter().map(|m| range::encode(&m.symbols.symbols)).collect::<Result<Vec<_>, _>>()?;
    let bits: f64 = matrices.iter().map(|m| range::entropy_bits(&m.symbols.symbols)).sum();
    let ratio = |bytes: f64| bytes / total as f64;
    let order = |order: &[usize]| -> Result<f64, Box<dyn Error>> {
        let bytes: Vec<u8> = order.iter().flat_map(|&i| packed[i].clone()).collect();
        Ok(ratio(zstd::encode_all(bytes.as_slice(), 22)?.len() as f64))
    };
    let in_file: Vec<usize> = (0..matrices.len()).collect();
    let mut by_type = in_file.clone();
    by_type.sort_by_key(|&i| matrices[i].name.splitn(3, '.').nth(2).map(str::to_owned));
    let mut at_random = in_file.clone();
    let mut draws = Draws::new(13);
    (1..at_random.len()).rev().for_each(|i| at_random.swap(i, draws.below(i as u64 + 1) as usize));
    let density: Vec<f64> = matrices
        .iter()
        .flat_map(|m| m.symbols.symbols.chunks(m.cols).map(|row| Reduced::of(row).transition_density()))
        .collect();
    let mass = |s: u8| matrices.iter().map(|m| m.symbols.symbols.iter().filter(|&&x| x == s).count()).sum::<usize>();
    let symbols: usize = matrices.iter().map(|m| m.symbols.symbols.len()).sum();
    let masses = [0, 1, 2, 3].map(|s| mass(s) as f64 / symbols as f64);
    Ok(json!({
        "weights": symbols,
        "masses": masses,
        "entropy": ratio(bits / 8.0),
        "entropy_given_the_left_neighbor": ratio(matrices.iter().map(conditional).sum::<f64>() / 8.0),
        "range": ratio(ranged.iter().map(|code| code.len() as f64).sum()),
        "zstd": { "in_file": order(&in_file)?, "by_type": order(&by_type)?, "at_random": order(&at_random)? },
        "transition_density": { "mean": density.iter().sum::<f64>() / density.len() as f64 },
        "complements_in_cfc": complements(&matrices),
    }))
}

/// Bits of a matrix whose symbols are coded with the counts given the symbol to their left.
fn conditional(m: &Matrix) -> f64 {
    let mut counts = vec![[0u64; 256]; 257];
    for row in m.symbols.symbols.chunks(m.cols) {
        let before = std::iter::once(256).chain(row.iter().map(|&s| usize::from(s)));
        row.iter().zip(before).for_each(|(&s, before)| counts[before][usize::from(s)] += 1);
    }
    let bits = |counts: &[u64; 256]| {
        let all = counts.iter().sum::<u64>() as f64;
        counts.iter().filter(|&&n| n > 0).map(|&n| -(n as f64) * (n as f64 / all).log2()).sum::<f64>()
    };
    counts.iter().map(bits).sum()
}

/// The share of places at which the symbol of CfC's rate is the complement of that of its drive, which is ¼ by chance, and the χ²
/// of that share with one degree of freedom.
fn complements(matrices: &[Matrix]) -> Value {
    let (mut hits, mut all) = (0u64, 0u64);
    for rate in matrices.iter().filter(|m| m.name.ends_with("cfc.rate.weight")) {
        let name = rate.name.replace("rate", "drive");
        let Some(drive) = matrices.iter().find(|m| m.name == name) else { continue };
        let pairs = rate.symbols.symbols.iter().zip(&drive.symbols.symbols);
        hits += pairs.filter(|&(&a, &b)| a == complement(b, 4)).count() as u64;
        all += rate.symbols.symbols.len() as u64;
    }
    let (hits, all) = (hits as f64, all as f64);
    let chi2 = (hits - all / 4.0).powi(2) / (all / 4.0) + (hits - all / 4.0).powi(2) / (all * 0.75);
    json!({ "share": hits / all, "chi2": chi2, "places": all })
}
