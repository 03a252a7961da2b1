//! The projection of the queries, whole or of low rank (docs/spec/algorithms.md#low-rank-queries; PR #215, PR #316).
//!
//! `q = n W_qᵀ`, or with rank r below the model's width `q = (n W_downᵀ) W_upᵀ`, nothing between the two factors.

use tch::Tensor;

use crate::Result;
use crate::nn::scope::Input;
use crate::nn::{Linear, Pass, Scope, Start};

/// The matrix or matrices that make the queries `[…, dim]` of the normalized input `[…, dim]`.
pub(super) enum Query {
    /// `c_q` `[dim, dim]`.
    Full(Linear),
    LowRank {
        /// `c_q_down` `[rank, dim]`.
        down: Linear,
        /// `c_q_up` `[dim, rank]`.
        up: Linear,
        /// The input of `up`.
        low: Input,
    },
}

impl Query {
    /// Declares the matrices, which multiply the input `n`. A `rank` of 0 means one whole matrix.
    pub fn build(rank: i64, dim: i64, start: Start, n: Input, scope: &mut Scope) -> Result<Query> {
        if rank == 0 {
            return Ok(Query::Full(scope.linear("c_q", [dim, dim], start, n)?));
        }
        let low = scope.input();
        let down = scope.linear("c_q_down", [rank, dim], start, n)?;
        Ok(Query::LowRank { down, up: scope.linear("c_q_up", [dim, rank], start, low)?, low })
    }

    /// Computes the queries `[batch, kept, dim]` of `n` `[batch, kept, dim]`.
    pub fn forward(&self, n: &Tensor, pass: &Pass) -> Tensor {
        match self {
            Query::Full(whole) => whole.forward(n),
            Query::LowRank { down, up, low } => {
                let x = down.forward(n);
                pass.observe(*low, &x);
                up.forward(&x)
            }
        }
    }
}
