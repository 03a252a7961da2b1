//! Weights as symbols of small alphabets (docs/spec/q2.md#quantizer): a row's scale and thresholds, the symbols of its weights,
//! the values that they stand for, and the window of the straight-through estimator.
//!
//! `s = Σ_k [w > t_k]` over N−1 thresholds, 0 among them and the others in pairs; `ŵ = level(s)·τ`. A tie goes to the lower
//! symbol, so 0 is the weakest negative one. Scales are rounded to f16 before they are used, so that what is trained with is what
//! a file holds, to the bit.

mod export;
mod thresholds;

use caddie_format::q2::{Alphabet, LevelTable, Width, row_bytes};
use tch::{Kind, Tensor};

pub use export::{export, split_fits};
pub use thresholds::fit;

use crate::checkpoint::bytes_of;
use crate::{Error, Result};

/// Smallest scale: that of normal numbers of f16. A row of zeros has it in training.
pub const SMALLEST_SCALE: f64 = 1.0 / (1 << 14) as f64;

/// The scales and thresholds of a matrix. Where groups of columns share a scale, each group is a row here.
#[derive(Debug)]
pub struct Fit {
    pub alphabet: Alphabet,
    pub table: LevelTable,
    /// f32 `[rows, 1]`, each an f16: τ; with [`LevelTable::RowFit`] `[rows, 2]`, the two magnitudes.
    pub scales: Tensor,
    /// The positive thresholds, f32 `[rows, N/2 − 1]`, ascending.
    pub cuts: Tensor,
}

/// A matrix as it is stored.
#[derive(Debug)]
pub struct SymbolMatrix {
    pub alphabet: Alphabet,
    pub table: LevelTable,
    /// f16 `[rows · groups, scales]`
    pub scales: Tensor,
    /// u8 `[rows, cols]`
    pub symbols: Tensor,
}

impl Fit {
    /// The symbols of `w` f32 `[rows, cols]`, i64 of the same shape.
    pub fn symbols(&self, w: &Tensor) -> Tensor {
        let rows = self.rows_of(w);
        let zero = self.cuts.narrow(1, 0, 1).zeros_like();
        let edges = Tensor::cat(&[self.cuts.flip([1]).neg(), zero, self.cuts.shallow_clone()], 1).contiguous();
        rows.searchsorted(&edges, false, false, "left", None::<&Tensor>).view_as(w)
    }

    /// The values of `w` after quantization, f32 of the same shape.
    pub fn quantized(&self, w: &Tensor) -> Tensor {
        values(&self.symbols(w), &self.scales, self.table, self.alphabet)
    }

    /// The weights that the straight-through estimator lets learn, boolean: those within `kappa` times the row's largest
    /// threshold. `None` where all do.
    pub fn window(&self, w: &Tensor, kappa: f64) -> Option<Tensor> {
        let largest = self.cuts.narrow(1, self.cuts.size()[1] - 1, 1);
        (kappa > 0.0).then(|| self.rows_of(w).abs().le_tensor(&(largest * kappa)).view_as(w))
    }

    fn rows_of(&self, w: &Tensor) -> Tensor {
        w.contiguous().view([self.cuts.size()[0], -1])
    }
}

/// The values of `symbols` i64 `[rows, cols]` with f32 `scales`: `level · scale`, in f32. Training, export and reading compute
/// them here, so they agree to the bit.
fn values(symbols: &Tensor, scales: &Tensor, table: LevelTable, alphabet: Alphabet) -> Tensor {
    let rows = scales.size()[0];
    let levels = Tensor::from_slice(&table.levels(alphabet.size())).to_device(scales.device());
    let of_rows = match table {
        LevelTable::RowFit => {
            let [inner, outer] = [0, 1].map(|i| scales.narrow(1, i, 1));
            levels * Tensor::cat(&[&outer, &inner, &inner, &outer], 1)
        }
        _ => levels * scales,
    };
    of_rows.gather(1, &symbols.contiguous().view([rows, -1]), false).view_as(symbols)
}

impl SymbolMatrix {
    /// The weights, f32 `[rows, cols]`.
    pub fn dequantize(&self) -> Tensor {
        values(&self.symbols.to_kind(Kind::Int64), &self.scales.to_kind(Kind::Float), self.table, self.alphabet)
    }

    /// The symbols as a file holds them.
    pub fn packed(&self) -> Result<Vec<u8>> {
        let cols = self.symbols.size()[1] as usize;
        let symbols = bytes_of(&self.symbols)?;
        caddie_format::q2::pack_rows(&symbols, cols, self.alphabet, Width::Dense)
            .map_err(|error| Error::Parameter { name: "a matrix of symbols".to_owned(), reason: error.to_string() })
    }

    /// Bytes before compression, scales counted.
    pub fn payload_bytes(&self) -> u64 {
        let (rows, cols) = (self.symbols.size()[0] as usize, self.symbols.size()[1] as usize);
        (rows * row_bytes(cols, self.alphabet, Width::Dense) + 2 * self.scales.numel()) as u64
    }
}
