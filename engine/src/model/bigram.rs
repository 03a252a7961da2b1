//! A hashed table of token pairs (docs/spec/algorithms.md#bigram-hash), as in the records of March 20 before PR #316.
//!
//! Each position adds a row that its token and the one before it choose together. Where no token stands before it in its
//! document, the last row of the table takes the pair's place: upstream does so at the start of a row alone, where the
//! last token of one document would choose the row of the next one's first.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::nn::scope::Input;
use crate::nn::{Group, Linear, Scope, Start, Tap};
use crate::{Result, bounds};

/// Name of the component in recipes and parameter tables.
pub const NAME: &str = "bigram";

/// `[model.bigram]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BigramRecipe {
    /// Rows of the table; pairs share them.
    pub bigram_vocab_size: i64,
    /// Width of a row, projected to the model's.
    pub bigram_dim: i64,
}

impl Default for BigramRecipe {
    fn default() -> Self {
        BigramRecipe { bigram_vocab_size: 4096, bigram_dim: 128 }
    }
}

impl BigramRecipe {
    pub(super) fn check(&self) -> Result<()> {
        bounds::integers(
            "model.bigram",
            &[("bigram_vocab_size", self.bigram_vocab_size, 2, 1 << 24), ("bigram_dim", self.bigram_dim, 1, 65_536)],
        )
    }
}

/// The table, its projection and its scale.
pub struct Bigram {
    /// `[bigram_vocab_size, bigram_dim]`
    table: Tensor,
    proj: Linear,
    /// `[]`
    scale: Tensor,
    rows: i64,
    /// The input of the projection.
    row: Input,
}

/// Factors of the two tokens in the hash.
const CURRENT: i64 = 36_313;
const PREVIOUS: i64 = 27_191;

impl Bigram {
    /// The table starts at random and the projection at zero. Upstream starts both at zero where they are small, and the
    /// gradient of each then stays zero.
    pub fn build(r: &BigramRecipe, dim: i64, scope: &mut Scope) -> Result<Bigram> {
        let (mut scope, rows, width) = (scope.at("bigram", NAME), r.bigram_vocab_size, r.bigram_dim);
        let row = scope.input();
        Ok(Bigram {
            scale: scope.control("scale", &[], Start::Constant(0.05))?,
            table: scope.table("embed", [rows, width], Start::Normal(0.01), Group::Embedding, None)?,
            proj: scope.linear("proj", [dim, width], Start::Zeros, row)?,
            rows,
            row,
        })
    }

    /// Computes the addition `[batch, len, dim]` in `kind` for `ids` `[batch, len]`; `first`, bool of that shape, marks the
    /// positions without a token before them.
    pub fn forward(&self, ids: &Tensor, first: &Tensor, kind: Kind, tap: Option<&Tap>) -> Tensor {
        let hashed = (ids * CURRENT).bitwise_xor_tensor(&(before(ids) * PREVIOUS)).remainder(self.rows - 1);
        let row = hashed.masked_fill(first, self.rows - 1);
        let x = Tensor::embedding(&self.table, &row, -1, false, false).to_kind(kind);
        if let Some(tap) = tap {
            tap.observe(self.row, &x);
        }
        self.proj.forward(&x) * self.scale.to_kind(kind)
    }
}

/// Returns for each position of `x` `[batch, len, …]` the value of the one before it in its row; for the first, its own.
pub(super) fn before(x: &Tensor) -> Tensor {
    let len = x.size()[1];
    Tensor::cat(&[x.narrow(1, 0, 1), x.narrow(1, 0, len - 1)], 1)
}
