//! Steps by column, after WaterSIC (arXiv 2603.04956; docs/spec/algorithms.md#steps-by-column).
//!
//! GPTQ rounds column j with an error e_j that costs (e_j / U_jj)² in the layer's outputs, and gives every column of a row the same
//! step. Where an entropy coder follows, bytes and error are traded best when each column costs the same: a step in proportion
//! to U_jj. Columns whose inputs are large, and hard to tell from those of later columns, get a finer grid, others a coarser one.

use tch::{Kind, Tensor};

use crate::Result;

/// Factors stay within a range of this to either side of 1, so that no column loses its integers to the clip.
const WIDEST: f64 = 8.0;

/// Returns the factor of each column's step, f16-exact f32 `[cols]` with a geometric mean of 1 over the columns that are not
/// `dead`, from U `[cols, cols]`.
pub(super) fn steps(factor: &Tensor, dead: &Tensor) -> Result<Tensor> {
    let logs = factor.f_diagonal(0, 0, 1)?.f_log()?;
    let live = logs.f_masked_select(&dead.f_logical_not()?)?;
    if live.numel() == 0 {
        return Ok(logs.f_ones_like()?);
    }
    let relative = logs.f_sub(&live.f_mean(Kind::Float)?)?.f_exp()?;
    let bounded = relative.f_clamp(1.0 / WIDEST, WIDEST)?.f_masked_fill(dead, 1.0)?;
    Ok(bounded.f_to_kind(Kind::Half)?.f_to_kind(Kind::Float)?)
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    #[test]
    fn steps_follow_the_factor_and_leave_dead_columns_out() {
        let factor = Tensor::from_slice(&[0.1f32, 0.2, 0.4, 9.0]).diag(0);
        let dead = Tensor::from_slice(&[false, false, false, true]);
        let found = Vec::<f32>::try_from(steps(&factor, &dead).unwrap()).unwrap();
        assert_eq!(found, [0.5, 1.0, 2.0, 1.0]);
        let none = Tensor::ones([4], (Kind::Bool, Device::Cpu));
        assert_eq!(Vec::<f32>::try_from(steps(&factor, &none).unwrap()).unwrap(), [1.0; 4]);
    }
}
