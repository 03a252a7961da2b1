//! The rules that give a row its scale τ and its thresholds (docs/spec/q2.md#thresholds).

use caddie_format::q2::{Alphabet, CutTable, LevelTable, Z_THREE_QUARTERS};
use tch::{Kind, Tensor};

use super::{Fit, SMALLEST_SCALE};
use crate::recipe::{Q2Recipe, TauRule};

/// Largest f16.
const LARGEST_SCALE: f64 = 65_504.0;

/// Chooses scales and thresholds of `alphabet` for `w` f32 `[rows, cols]`.
pub fn fit(w: &Tensor, alphabet: Alphabet, recipe: &Q2Recipe) -> Fit {
    tch::no_grad(|| {
        let w = w.detach().to_kind(Kind::Float).contiguous();
        let w = w.view([-1, recipe.group(w.size()[1])]);
        let table = recipe.table(alphabet);
        let (tau, cuts) = thresholds(&w, alphabet.size(), recipe);
        let scales = if table == LevelTable::RowFit { magnitudes(&w, &cuts) } else { tau };
        Fit { alphabet, table, scales, cuts }
    })
}

/// τ `[rows, 1]` and the positive thresholds `[rows, n/2 − 1]`.
fn thresholds(w: &Tensor, n: usize, recipe: &Q2Recipe) -> (Tensor, Tensor) {
    if recipe.thresholds == TauRule::Equiprobable {
        let sorted = w.abs().sort(1, false).0;
        let cuts: Vec<Tensor> =
            (n / 2 + 1..n).map(|k| rounded(&quantile(&sorted, (2 * k - n) as f64 / n as f64))).collect();
        return (rounded(&quantile(&sorted, 0.5)), Tensor::cat(&cuts, 1));
    }
    let tau = rounded(&tau(w, recipe));
    let table = match recipe.thresholds {
        TauRule::LloydMax => CutTable::LloydMax,
        TauRule::Uniform => CutTable::Uniform,
        _ => CutTable::Equiprobable,
    };
    let relative: Vec<f32> = table.cuts(n).iter().map(|&cut| cut as f32).collect();
    let cuts = &tau * Tensor::from_slice(&relative).to_device(w.device());
    (tau, cuts)
}

/// τ before it is rounded, `[rows, 1]`.
fn tau(w: &Tensor, recipe: &Q2Recipe) -> Tensor {
    let sigmas = |count: f64| w.std_dim(Some([1i64].as_slice()), false, true) * count;
    let q75 = || quantile(&w.abs().sort(1, false).0, 0.75);
    match recipe.thresholds {
        TauRule::Sigma => sigmas(recipe.tau_sigmas.unwrap_or(Z_THREE_QUARTERS)),
        TauRule::Analytic => w.narrow(1, 0, 1).ones_like() * (Z_THREE_QUARTERS / (w.size()[1] as f64).sqrt()),
        TauRule::RowQ75Abs => q75(),
        TauRule::ScalarMeanQ75Abs => w.narrow(1, 0, 1).ones_like() * q75().mean(Kind::Float),
        TauRule::SignedQuartiles => {
            let sorted = w.sort(1, false).0;
            (quantile(&sorted, 0.25).abs() + quantile(&sorted, 0.75).abs()) * 0.5
        }
        _ => sigmas(Z_THREE_QUARTERS),
    }
}

/// The mean magnitudes of the weights inside and outside of τ, `[rows, 2]`; τ itself where there are none.
fn magnitudes(w: &Tensor, cuts: &Tensor) -> Tensor {
    let tau = cuts.narrow(1, 0, 1);
    let magnitude = w.abs();
    let inside = magnitude.le_tensor(&tau).to_kind(Kind::Float);
    let mean = |of: &Tensor| {
        let last = Some([1i64].as_slice());
        let count = of.sum_dim_intlist(last, true, Kind::Float);
        let mean = (&magnitude * of).sum_dim_intlist(last, true, Kind::Float) / count.clamp_min(1.0);
        mean.where_self(&count.gt(0.0), &tau)
    };
    Tensor::cat(&[rounded(&mean(&inside)), rounded(&mean(&(1.0 - &inside)))], 1)
}

/// The `p`-quantile of each row of ascending values, by linear interpolation, `[rows, 1]`.
fn quantile(sorted: &Tensor, p: f64) -> Tensor {
    let last = sorted.size()[1] - 1;
    let at = p * last as f64;
    let below = (at.floor() as i64).min(last);
    let (low, high) = (sorted.narrow(1, below, 1), sorted.narrow(1, (below + 1).min(last), 1));
    &low + (&high - &low) * (at - below as f64)
}

/// The nearest f16 in f32, within the normal numbers.
fn rounded(scale: &Tensor) -> Tensor {
    scale.clamp(SMALLEST_SCALE, LARGEST_SCALE).to_kind(Kind::Half).to_kind(Kind::Float)
}
