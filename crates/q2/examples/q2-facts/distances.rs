//! The three distances between rows of symbols beside that of the rows.

use caddie_format::q2::{Z_THREE_QUARTERS, lee, ordinal, sign_distance};
use serde_json::{Value, json};

use crate::gaussian::Draws;

const PAIRS: usize = 1000;
const COLS: usize = 256;

pub fn facts() -> Value {
    let mut draws = Draws::new(4);
    let lees: Vec<Value> = [0.99, 0.9, 0.5, 0.0, -0.5, -0.9, -1.0]
        .map(|rho| {
            let (a, b) = pair(&mut draws, 1 << 16, rho);
            json!({ "correlation": rho, "lee": distance(&a, &b, |a, b| lee(a, b, 4)) / a.len() as f64 })
        })
        .into();
    json!({ "lee_per_symbol": lees, "spearman_with_l1": ranks(&mut draws, -0.95), "spearman_where_correlated": ranks(&mut draws, 0.0) })
}

/// Rank correlations with the rows' own distance, over pairs whose correlation lies between `from` and 0.95.
fn ranks(draws: &mut Draws, from: f64) -> Value {
    let mut all: [Vec<f64>; 4] = Default::default();
    for _ in 0..PAIRS {
        let rho = from + (0.95 - from) * draws.uniform();
        let (a, b) = pair(draws, COLS, rho);
        let l1 = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).sum();
        let found = [
            l1,
            distance(&a, &b, |a, b| lee(a, b, 4)),
            distance(&a, &b, ordinal),
            distance(&a, &b, |a, b| sign_distance(a, b, 4)),
        ];
        all.iter_mut().zip(found).for_each(|(all, found)| all.push(found));
    }
    let [l1, lee, ordinal, sign] = all;
    json!({ "lee": spearman(&l1, &lee), "ordinal": spearman(&l1, &ordinal), "sign": spearman(&l1, &sign) })
}

fn pair(draws: &mut Draws, cols: usize, rho: f64) -> (Vec<f64>, Vec<f64>) {
    let (a, noise) = (draws.normals(cols), draws.normals(cols));
    let b = a.iter().zip(noise).map(|(a, noise)| rho * a + (1.0 - rho * rho).sqrt() * noise).collect();
    (a, b)
}

fn distance(a: &[f64], b: &[f64], of: impl Fn(u8, u8) -> u8) -> f64 {
    let symbol = |x: f64| [-Z_THREE_QUARTERS, 0.0, Z_THREE_QUARTERS].iter().filter(|&&cut| x > cut).count() as u8;
    a.iter().zip(b).map(|(&a, &b)| f64::from(of(symbol(a), symbol(b)))).sum()
}

/// Spearman's rank correlation; ties have their mean rank.
pub fn spearman(a: &[f64], b: &[f64]) -> f64 {
    let ranks = |x: &[f64]| {
        let mut order: Vec<usize> = (0..x.len()).collect();
        order.sort_by(|&i, &j| x[i].total_cmp(&x[j]));
        let mut ranks = vec![0.0; x.len()];
        let mut from = 0;
        while from < order.len() {
            let to = (from..order.len()).take_while(|&i| x[order[i]] == x[order[from]]).count() + from;
            order[from..to].iter().for_each(|&i| ranks[i] = (from + to - 1) as f64 / 2.0);
            from = to;
        }
        ranks
    };
    let (a, b) = (ranks(a), ranks(b));
    let mean = (a.len() as f64 - 1.0) / 2.0;
    let sum = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| (x - mean) * (y - mean)).sum::<f64>();
    sum(&a, &b) / (sum(&a, &a) * sum(&b, &b)).sqrt()
}
