//! GPTQ (Frantar et al., arXiv 2210.17323; docs/spec/algorithms.md#gptq): columns are rounded one after another, and the error
//! of each is fed into those that are not yet rounded, so that the layer's outputs on calibration data change least.
//!
//! Given the Hessian H = Σ xxᵀ of the inputs and U, the upper Cholesky factor of H⁻¹, column j of a row becomes
//! `q_j = round(w_j / s)`, and `w_k −= (w_j − q_j·s) / U_jj · U_jk` for every later k. A row's scale is fixed beforehand, so
//! rows do not depend on each other: they are dealt out to the cores.

use tch::{Kind, Tensor};

use super::Data;
use super::introw::{Scales, uniform};
use super::watersic;
use crate::recipe::RuleRecipe;
use crate::{Error, Result, parallel};

/// Added to the diagonal, as a share of its mean.
const DAMPING: f64 = 0.01;

/// Rows that are rounded together: each row of U is then read once for all of them.
const TILE: usize = 16;

/// Columns with a finer grid than the others: groups of `size` from `starts` on, with `bits` bits.
#[derive(Default)]
pub(super) struct Fine {
    pub starts: Vec<i64>,
    pub size: i64,
    pub bits: u8,
}

/// A rounded matrix. Columns with a grid of their own are 0 in `main`.
pub(super) struct Rounded {
    pub main: Data,
    /// The groups of columns with a finer grid, by their first column.
    pub columns: Vec<(i64, Data)>,
    /// Factors of the columns' steps, f16 `[cols]`, where they have steps of their own.
    pub steps: Option<Tensor>,
}

/// Rounds `w` f32 `[rows, cols]` with the Hessian `[cols, cols]` of its inputs. `name` is for the message.
///
/// # Errors
/// [`Error::Parameter`] when the Hessian is not positive definite even after damping.
pub(super) fn round(name: &str, w: &Tensor, hessian: &Tensor, rule: &RuleRecipe, fine: &Fine) -> Result<Rounded> {
    let (rows, cols) = w.size2()?;
    let finer = RuleRecipe { bits: fine.bits.max(2), ..rule.clone() };
    let scales = Scales::of(w, rule, &uniform(w, rule)?)?;
    let fine_scales = Scales::of(w, &finer, &uniform(w, &finer)?)?;
    let Prepared { w, factor, restore, dead } = prepare(name, w, hessian)?;
    let by_column = rule.watersic.then(|| watersic::steps(&factor, &dead)).transpose()?;
    let factors = match &by_column {
        Some(factors) => Vec::<f32>::try_from(factors)?,
        None => vec![1.0; cols as usize],
    };
    let columns = cols as usize;
    let (w, factor) = (Vec::<f32>::try_from(w.f_reshape([-1])?)?, Vec::<f32>::try_from(factor.f_reshape([-1])?)?);
    let steps: Vec<[f32; 2]> = Vec::<f32>::try_from(&scales.rounding)?
        .into_iter()
        .zip(Vec::<f32>::try_from(&fine_scales.rounding)?)
        .map(|(step, finer)| [step, finer])
        .collect();
    let mut grid = vec![0usize; columns];
    for (place, column) in Vec::<i64>::try_from(&restore.f_argsort(0, false)?)?.into_iter().enumerate() {
        grid[place] = usize::from(fine.starts.iter().any(|start| (*start..start + fine.size).contains(&column)));
    }
    let grids = Grids { of: grid, ranges: [rule.range() as f32, finer.range() as f32], factors };

    let tiles: Vec<(&[f32], &[[f32; 2]])> = w.chunks(TILE * columns).zip(steps.chunks(TILE)).collect();
    let work = |_: &mut (), (w, steps): (&[f32], &[[f32; 2]])| Ok(round_rows(w.to_vec(), steps, &factor, &grids));
    let mut workers = vec![(); parallel::workers(tch::Device::Cpu)];
    let q = parallel::map_with(&mut workers, tiles, work, |_, _| Ok(()))?.concat();

    let q = Tensor::from_slice(&q).f_reshape([rows, cols])?.f_index_select(1, &restore)?;
    let mut found = Vec::new();
    for &start in &fine.starts {
        let covered = q.f_narrow(1, start, fine.size)?;
        let own = Data::IntRow { bits: finer.bits, q: covered.copy(), scale: fine_scales.stored.shallow_clone() };
        found.push((start, own));
        let _ = covered.shallow_clone().f_zero_()?;
    }
    let steps = by_column.map(|factors| factors.f_index_select(0, &restore)?.f_to_kind(Kind::Half)).transpose()?;
    Ok(Rounded { main: Data::IntRow { bits: rule.bits, q, scale: scales.stored }, columns: found, steps })
}

/// The grid of each column, in the order in which columns are rounded: 0 or 1, and the largest integer of each.
struct Grids {
    of: Vec<usize>,
    ranges: [f32; 2],
    /// The factor of each column's step.
    factors: Vec<f32>,
}

/// The problem with its columns in the order in which they are rounded: those whose inputs are largest first.
struct Prepared {
    w: Tensor,
    /// U, `[cols, cols]`.
    factor: Tensor,
    /// Puts the columns back.
    restore: Tensor,
    /// True for columns whose inputs never fire, in the order of rounding.
    dead: Tensor,
}

fn prepare(name: &str, w: &Tensor, hessian: &Tensor) -> Result<Prepared> {
    let mut h = hessian.f_to_kind(Kind::Float)?.copy();
    let diagonal = h.f_diagonal(0, 0, 1)?;
    // An input that never fires says nothing about its column; the column becomes zero.
    let dead = diagonal.f_eq(0.0)?;
    let _ = diagonal.shallow_clone().f_masked_fill_(&dead, 1.0)?;
    let damping = f64::try_from(diagonal.f_mean(Kind::Float)?)? * DAMPING;
    let _ = diagonal.shallow_clone().f_add_scalar_(damping)?;

    let order = diagonal.f_argsort(0, true)?;
    let restore = order.f_argsort(0, false)?;
    let dead = dead.f_index_select(0, &order)?;
    let w = w.f_index_select(1, &order)?.f_masked_fill(&dead.f_unsqueeze(0)?, 0.0)?;
    h = h.f_index_select(0, &order)?.f_index_select(1, &order)?;
    let factor = h
        .f_linalg_cholesky(false)
        .and_then(|lower| lower.f_cholesky_inverse(false))
        .and_then(|inverse| inverse.f_linalg_cholesky(true))
        .map_err(|_| Error::Parameter {
            name: name.to_owned(),
            reason: format!(
                "the second moments of its inputs are not positive definite, even with {DAMPING} of their mean added to the \
                 diagonal, so GPTQ cannot round it; calibrate on more batches (quant.calibration.gptq_calibration_batches), or \
                 set gptq = false for its class"
            ),
        })?;
    Ok(Prepared { w, factor, restore, dead })
}

/// Rounds up to [`TILE`] rows and returns their integers; `steps` are each row's on both grids.
fn round_rows(mut w: Vec<f32>, steps: &[[f32; 2]], factor: &[f32], grids: &Grids) -> Vec<i8> {
    let mut q = vec![0i8; w.len()];
    let columns = grids.of.len();
    let by_column = factor.chunks_exact(columns).zip(grids.of.iter().zip(&grids.factors));
    for (j, (u, (&grid, &of_column))) in by_column.enumerate() {
        let range = grids.ranges[grid];
        for ((row, q), step) in w.chunks_exact_mut(columns).zip(q.chunks_exact_mut(columns)).zip(steps) {
            let step = step[grid] * of_column;
            // Half to even, as torch rounds.
            let rounded = (row[j] / step).round_ties_even().clamp(-range, range);
            q[j] = rounded as i8;
            let error = (row[j] - rounded * step) / u[j];
            for (later, u) in row[j + 1..].iter_mut().zip(&u[j + 1..]) {
                *later -= error * u;
            }
        }
    }
    q
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    fn rule() -> RuleRecipe {
        RuleRecipe { bits: 4, clip_sigmas: Some(3.0), gptq: true, ..RuleRecipe::default() }
    }

    fn wave(shape: &[i64], step: f64) -> Tensor {
        let numel: i64 = shape.iter().product();
        (Tensor::arange(numel, (Kind::Float, Device::Cpu)) * step).sin().view(shape)
    }

    #[test]
    fn correlated_inputs_lose_less_than_by_rounding_to_nearest() {
        let (w, x) = (wave(&[24, 16], 1.7), wave(&[200, 16], 0.37) + wave(&[200, 1], 0.9));
        let loss = |data: &Data| {
            f64::try_from(x.matmul(&(data.dequantize().unwrap() - &w).tr()).square().sum(Kind::Float)).unwrap()
        };
        let gptq = loss(&round("w", &w, &x.tr().matmul(&x), &rule(), &Fine::default()).unwrap().main);
        let nearest = loss(&super::super::introw::nearest(&w, &rule()).unwrap());
        assert!(gptq < 0.7 * nearest, "GPTQ {gptq}, to nearest {nearest}");
    }

    #[test]
    fn steps_by_column_lose_less_at_the_same_entropy_of_columns() {
        let noise = |shape: &[i64], step: f64| (wave(shape, step) * 437.585).frac();
        let w = noise(&[256, 32], 12.9898);
        let spread = (Tensor::arange(32, (Kind::Float, Device::Cpu)) * -0.15).exp();
        let x = (noise(&[400, 32], 78.233) + wave(&[400, 1], 0.9)) * spread;
        let hessian = x.tr().matmul(&x);
        let of = |watersic: bool| -> (f64, f64) {
            let rule = RuleRecipe { bits: 8, clip_sigmas: Some(40.0), watersic, ..rule() };
            let Rounded { main, steps, .. } = round("w", &w, &hessian, &rule, &Fine::default()).unwrap();
            let Data::IntRow { q, .. } = &main else { panic!("a matrix has a scale for each row") };
            let column = |j: i64| crate::checkpoint::bytes_of(&q.select(1, j)).unwrap();
            let bits: f64 = (0..32).map(|j| caddie_format::range::entropy_bits(&column(j))).sum();
            let back = main.dequantize().unwrap();
            let back = steps.map_or_else(|| back.shallow_clone(), |steps| &back * steps.to_kind(Kind::Float));
            (bits, f64::try_from(x.matmul(&(back - &w).tr()).square().sum(Kind::Float)).unwrap())
        };
        let ((equal_bits, equal), (own_bits, own)) = (of(false), of(true));
        assert!(own < 0.8 * equal, "lost with steps by column {own}, with equal ones {equal}");
        assert!(own_bits < 1.02 * equal_bits, "bits with steps by column {own_bits}, with equal ones {equal_bits}");
    }

    #[test]
    fn a_hessian_that_is_no_second_moment_is_refused_by_name() {
        let bad = Tensor::eye(4, (Kind::Float, Device::Cpu));
        let _ = bad.get(0).get(3).fill_(9.0);
        let _ = bad.get(3).get(0).fill_(9.0);
        for hessian in [bad, Tensor::full([4, 4], f64::NAN, (Kind::Float, Device::Cpu))] {
            let error = round("blocks.0.mlp.fc.weight", &wave(&[2, 4], 1.0), &hessian, &rule(), &Fine::default())
                .err()
                .unwrap()
                .to_string();
            assert!(error.contains("blocks.0.mlp.fc.weight") && error.contains("gptq_calibration_batches"), "{error}");
        }
    }
}
