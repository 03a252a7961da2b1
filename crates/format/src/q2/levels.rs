//! Thresholds and levels of an alphabet's symbols, in units of a row's scale τ (docs/spec/q2.md#levels).
//!
//! τ is the scale's one meaning in every alphabet: the threshold between weak and strong of Z4, which an ideal Gaussian row has at
//! Φ⁻¹(¾)·σ. So the cells of nested alphabets share their scale. All tables are symmetric; only the positive half is computed.

use serde::{Deserialize, Serialize};

/// Φ⁻¹(¾): τ of a Gaussian row of standard deviation 1.
pub const Z_THREE_QUARTERS: f64 = 0.674_489_750_196_081_7;

/// The values that symbols stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LevelTable {
    /// ±½, ±3/2 (Z4 only).
    Mid,
    /// ±½, ±1 (Z4 only).
    Unit,
    /// ±⅓, ±1 (Z4 only).
    Third,
    /// The means of a Gaussian's equiprobable cells.
    Centroid,
    /// The means of |w| inside and outside of τ, two scales a row (Z4 only).
    RowFit,
    /// The medians of a Gaussian's equiprobable cells.
    QuantMid,
    /// The levels of least squared error for a Gaussian.
    LloydMax,
    /// Equal steps, the step of least squared error for a Gaussian.
    Uniform,
}

/// The thresholds of an ideal Gaussian row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutTable {
    Equiprobable,
    LloydMax,
    Uniform,
}

const TABLES: [LevelTable; 8] = [
    LevelTable::Mid,
    LevelTable::Unit,
    LevelTable::Third,
    LevelTable::Centroid,
    LevelTable::RowFit,
    LevelTable::QuantMid,
    LevelTable::LloydMax,
    LevelTable::Uniform,
];

impl LevelTable {
    /// The number in a file.
    pub fn code(self) -> u8 {
        TABLES.iter().position(|&table| table == self).unwrap_or(0) as u8
    }

    /// The table of a number in a file.
    pub fn from_code(code: u8) -> Option<LevelTable> {
        TABLES.get(usize::from(code)).copied()
    }

    /// True if the table is for alphabets of `n` symbols.
    pub fn suits(self, n: usize) -> bool {
        n == 4 || !matches!(self, LevelTable::Mid | LevelTable::Unit | LevelTable::Third | LevelTable::RowFit)
    }

    /// Scales of a row: two for [`LevelTable::RowFit`], one otherwise.
    pub fn scales(self) -> usize {
        if self == LevelTable::RowFit { 2 } else { 1 }
    }

    /// The levels of `n` symbols, from the most negative to the most positive, in units of the scale; for
    /// [`LevelTable::RowFit`] −1 and 1, in units of the class's own scale.
    pub fn levels(self, n: usize) -> Vec<f32> {
        let half: Vec<f64> = match self {
            LevelTable::Mid => vec![0.5, 1.5],
            LevelTable::Unit => vec![0.5, 1.0],
            LevelTable::Third => vec![1.0 / 3.0, 1.0],
            LevelTable::RowFit => vec![1.0, 1.0],
            LevelTable::Centroid => in_tau(centroids(&equiprobable(n))),
            LevelTable::QuantMid => in_tau((n / 2..n).map(|s| quantile((s as f64 + 0.5) / n as f64)).collect()),
            LevelTable::LloydMax => in_tau(lloyd_max(n).1),
            LevelTable::Uniform => {
                let step = uniform_step(n);
                in_tau((0..n / 2).map(|s| (s as f64 + 0.5) * step).collect())
            }
        };
        half.iter().rev().map(|level| -level as f32).chain(half.iter().map(|&level| level as f32)).collect()
    }
}

impl CutTable {
    /// The n/2−1 positive thresholds between `n` symbols in units of τ, ascending; the others are 0 and their negatives.
    pub fn cuts(self, n: usize) -> Vec<f64> {
        in_tau(match self {
            CutTable::Equiprobable => equiprobable(n),
            CutTable::LloydMax => lloyd_max(n).0,
            CutTable::Uniform => {
                let step = uniform_step(n);
                (1..n / 2).map(|k| k as f64 * step).collect()
            }
        })
    }
}

fn in_tau(sigmas: Vec<f64>) -> Vec<f64> {
    sigmas.into_iter().map(|x| x / Z_THREE_QUARTERS).collect()
}

/// The positive thresholds between cells of equal mass, in σ.
fn equiprobable(n: usize) -> Vec<f64> {
    (n / 2 + 1..n).map(|k| quantile(k as f64 / n as f64)).collect()
}

/// The mean of a Gaussian between 0, each of `cuts`, and infinity.
fn centroids(cuts: &[f64]) -> Vec<f64> {
    let edges: Vec<f64> = std::iter::once(0.0).chain(cuts.iter().copied()).chain([f64::INFINITY]).collect();
    let mean = |edge: &[f64]| (density(edge[0]) - density(edge[1])) / (distribution(edge[1]) - distribution(edge[0]));
    edges.windows(2).map(mean).collect()
}

/// Lloyd's iteration from equiprobable cells: thresholds midway between levels, levels at the means of their cells.
fn lloyd_max(n: usize) -> (Vec<f64>, Vec<f64>) {
    let mut cuts = equiprobable(n);
    for _ in 0..60 * n {
        let levels = centroids(&cuts);
        cuts = levels.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0).collect();
    }
    let levels = centroids(&cuts);
    (cuts, levels)
}

/// The step of the uniform grid of `n` levels with the least squared error, in σ, by golden sections.
fn uniform_step(n: usize) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    let (mut low, mut high) = (0.01, 2.0);
    for _ in 0..80 {
        let (a, b) = (high - GOLDEN * (high - low), low + GOLDEN * (high - low));
        if uniform_error(n, a) < uniform_error(n, b) { high = b } else { low = a }
    }
    (low + high) / 2.0
}

/// The mean squared error of the uniform grid of `n` levels for a Gaussian, up to a constant: `Σ_s (l²·p − 2l·m)` over the
/// positive cells of mass p and first moment m.
fn uniform_error(n: usize, step: f64) -> f64 {
    let cell = |s: usize| {
        let level = (s as f64 + 0.5) * step;
        let (from, to) = (s as f64 * step, if s + 1 == n / 2 { f64::INFINITY } else { (s + 1) as f64 * step });
        let (mass, moment) = (distribution(to) - distribution(from), density(from) - density(to));
        level * level * mass - 2.0 * level * moment
    };
    (0..n / 2).map(cell).sum()
}

/// φ, the density of the standard normal distribution.
fn density(x: f64) -> f64 {
    if x.is_infinite() { 0.0 } else { (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() }
}

/// Φ for x ≥ 0, by `½ + φ(x)·Σ x^(2k+1)/(1·3·…·(2k+1))`; 1 beyond 8, where f64 holds no difference.
fn distribution(x: f64) -> f64 {
    if x > 8.0 {
        return 1.0;
    }
    let (mut term, mut sum, mut k) = (x, x, 1.0);
    while term > sum * 1e-17 {
        term *= x * x / (2.0 * k + 1.0);
        sum += term;
        k += 1.0;
    }
    0.5 + density(x) * sum
}

/// Φ⁻¹ for p in [½, 1), by bisection.
fn quantile(p: f64) -> f64 {
    let (mut low, mut high) = (0.0, 8.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if distribution(middle) < p { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: &[f64], expected: &[f64], within: f64) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < within, "{found} is not {expected}");
        }
    }

    #[test]
    fn thresholds_and_centroids_of_every_ring_are_the_published_ones() {
        close(&equiprobable(4), &[0.674490], 1e-6);
        close(&equiprobable(8), &[0.318639, 0.674490, 1.150349], 1e-6);
        close(&equiprobable(12), &[0.210428, 0.430727, 0.674490, 0.967422, 1.382994], 1e-6);
        close(&equiprobable(16), &[0.157311, 0.318639, 0.488776, 0.674490, 0.887147, 1.150349, 1.534121], 1e-6);
        close(&centroids(&equiprobable(4)), &[0.324663, 1.271106], 1e-6);
        close(&centroids(&equiprobable(8)), &[0.157976, 0.491349, 0.895384, 1.646828], 1e-6);
        let z16 = [0.078493, 0.237459, 0.402735, 0.579964, 0.777881, 1.012887, 1.325913, 1.967743];
        close(&centroids(&equiprobable(16)), &z16, 1e-6);
        let z4: Vec<f64> = LevelTable::Centroid.levels(4).iter().map(|&l| f64::from(l)).collect();
        close(&z4, &[-1.884545, -0.481346, 0.481346, 1.884545], 1e-6);
        assert!((quantile(0.75) - Z_THREE_QUARTERS).abs() < 1e-12);
    }

    #[test]
    fn lloyd_max_and_the_best_uniform_step_for_four_levels_are_the_known_ones() {
        let (cuts, levels) = lloyd_max(4);
        close(&cuts, &[0.98160], 1e-4);
        close(&levels, &[0.45278, 1.51042], 1e-4);
        close(&[uniform_step(4)], &[0.9957], 1e-4);
    }

    /// Normalized squared error of a Gaussian under thresholds and levels in σ.
    fn nmse(cuts: &[f64], levels: &[f64]) -> f64 {
        let edges: Vec<f64> = std::iter::once(0.0).chain(cuts.iter().copied()).chain([f64::INFINITY]).collect();
        let cell = |(edge, &level): (&[f64], &f64)| {
            let mass = distribution(edge[1]) - distribution(edge[0]);
            level * level * mass - 2.0 * level * (density(edge[0]) - density(edge[1]))
        };
        1.0 + 2.0 * edges.windows(2).zip(levels).map(cell).sum::<f64>()
    }

    #[test]
    fn the_errors_of_gaussian_rows_are_those_of_the_reference_table() {
        let half = |table: LevelTable, tau: f64| {
            let levels = table.levels(4);
            [f64::from(levels[2]) * tau, f64::from(levels[3]) * tau]
        };
        let (equal, wrong) = (0.67449, 1.15035);
        for (cut, table, expected) in [
            (equal, LevelTable::Mid, 0.17316),
            (equal, LevelTable::Unit, 0.31750),
            (equal, LevelTable::Third, 0.32240),
            (equal, LevelTable::Centroid, 0.13944),
            // The 0.75 quantile of |w| is taken for equiprobable in the sources; it is Φ⁻¹(0.875)σ, and better with Mid.
            (wrong, LevelTable::Mid, 0.12742),
            (wrong, LevelTable::Unit, 0.18749),
        ] {
            assert!((nmse(&[cut], &half(table, cut)) - expected).abs() < 5e-5, "{table:?} at {cut}");
        }
        for (n, equiprobable_error, lloyd) in [(8, 0.0550, 0.0345), (12, 0.0323, 0.0163), (16, 0.0222, 0.0095)] {
            let cuts = equiprobable(n);
            assert!((nmse(&cuts, &centroids(&cuts)) - equiprobable_error).abs() < 1e-4);
            let (cuts, levels) = lloyd_max(n);
            assert!((nmse(&cuts, &levels) - lloyd).abs() < 1e-4);
        }
    }

    #[test]
    fn codes_come_back_and_tables_of_z4_suit_no_other_ring() {
        for code in 0..8 {
            assert_eq!(LevelTable::from_code(code).unwrap().code(), code);
        }
        assert_eq!(LevelTable::from_code(8), None);
        assert!(LevelTable::Mid.suits(4) && !LevelTable::Mid.suits(8) && LevelTable::Centroid.suits(256));
        assert_eq!(LevelTable::Centroid.levels(256).len(), 256);
    }
}
