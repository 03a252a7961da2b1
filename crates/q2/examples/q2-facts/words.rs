//! The product of the two matrices of a P3 word as a checksum, beside six bits of CRC: the share of flips that it finds.

use caddie_q2::words::{P3, Product, crc6};
use serde_json::{Map, Value, json};

use crate::gaussian::Draws;

const TRIALS: u64 = 20_000;

pub fn facts() -> Value {
    let mut draws = Draws::new(5);
    let ones: u32 = (0..TRIALS).map(|_| matrices(&mut draws).product(Product::Boolean).count_ones()).sum();
    let mut found = Map::new();
    for (name, product) in [("boolean", Product::Boolean), ("gf2", Product::Gf2), ("circular", Product::Circular)] {
        let detects = |draws: &mut Draws, flips: &[u64]| {
            let before = matrices(draws);
            let word = before.pack().unwrap_or_default();
            let after = P3::unpack(flips.iter().fold(word, |word, at| word ^ 1 << (14 + at)));
            after.is_ok_and(|after| after.product(product) != before.product(product))
        };
        found.insert(name.to_owned(), shares(&mut draws, detects));
    }
    let detects = |draws: &mut Draws, flips: &[u64]| {
        let word = draws.below(1 << 50);
        crc6(flips.iter().fold(word, |word, at| word ^ 1 << at)) != crc6(word)
    };
    found.insert("crc6".to_owned(), shares(&mut draws, detects));
    json!({ "trials": TRIALS, "boolean_density": f64::from(ones) / (25 * TRIALS) as f64, "detected_of_1_to_4_flips": found })
}

/// The share of detected flips of one to four of 50 bits.
fn shares(draws: &mut Draws, detects: impl Fn(&mut Draws, &[u64]) -> bool) -> Value {
    let mut share = |count: usize| {
        let found = (0..TRIALS).filter(|_| {
            let mut flips: Vec<u64> = Vec::new();
            while flips.len() < count {
                let at = draws.below(50);
                if !flips.contains(&at) {
                    flips.push(at);
                }
            }
            detects(draws, &flips)
        });
        found.count() as f64 / TRIALS as f64
    };
    let shares = [1, 2, 3, 4].map(&mut share);
    json!(shares)
}

fn matrices(draws: &mut Draws) -> P3 {
    let mut row = || draws.below(32) as u8;
    P3 { left: std::array::from_fn(|_| row()), right: std::array::from_fn(|_| row()), weights: [0, 0], tag: 0 }
}
