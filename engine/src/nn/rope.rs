//! Rotary positions (docs/spec/algorithms.md#rotary-positions).

use std::cell::RefCell;

use tch::{Device, Kind, Tensor};

use super::docs::Docs;
use super::pass::Rows;

/// Cosines and sines for the positions of one forward pass. Blocks with the same settings share a table.
pub struct RopeTables {
    /// Position of each input within its row or document: `[len]`, i64; `None` for `0..len`.
    positions: Option<Tensor>,
    len: i64,
    device: Device,
    kind: Kind,
    tables: RefCell<Vec<(RopeKey, Table)>>,
}

/// The key of a frequency table: the number of rotated dimensions and the base, as bits so that it can be compared.
type RopeKey = (i64, u64);

/// `[1, len, 1, dims/2]` each.
struct Table {
    cos: Tensor,
    sin: Tensor,
}

impl RopeTables {
    /// Makes tables for rows of `len` inputs on `device`, with angles in f32 and tables in `kind`. In a packed row each
    /// document counts from its own start: attention sees only differences of positions, so this changes nothing but
    /// rounding, and a document's rounding no longer depends on its place in the row.
    pub fn new(len: i64, docs: &Docs, device: Device, kind: Kind) -> RopeTables {
        RopeTables { positions: docs.positions(device), len, device, kind, tables: RefCell::default() }
    }

    /// Rotates the first `dims` dimensions of every head of `x` `[batch, len, heads, head_dim]`; the rest pass through.
    ///
    /// The layout is half-split: `(x1 cos + x2 sin, −x1 sin + x2 cos)`, at angles `position · base^(−2j/dims)`. `rows`
    /// lists the positions that `x` holds where it does not hold all.
    pub fn rotate(&self, x: &Tensor, dims: i64, base: f64, rows: Option<&Rows>) -> Tensor {
        let (cos, sin) = self.table(dims, base);
        let (cos, sin) = match rows {
            None => (cos, sin),
            Some(rows) => (chosen(&cos, rows), chosen(&sin, rows)),
        };
        let half = dims / 2;
        let (x1, x2) = (x.narrow(-1, 0, half), x.narrow(-1, half, half));
        let a = &x1 * &cos + &x2 * &sin;
        let b = &x2 * &cos - &x1 * &sin;
        let rest = x.size()[3] - dims;
        if rest == 0 { Tensor::cat(&[a, b], -1) } else { Tensor::cat(&[a, b, x.narrow(-1, dims, rest)], -1) }
    }

    fn table(&self, dims: i64, base: f64) -> (Tensor, Tensor) {
        let mut tables = self.tables.borrow_mut();
        let key = (dims, base.to_bits());
        let found = tables.iter().position(|(known, _)| *known == key);
        let index = found.unwrap_or_else(|| {
            tables.push((key, self.compute(dims, base)));
            tables.len() - 1
        });
        let Table { cos, sin } = &tables[index].1;
        (cos.shallow_clone(), sin.shallow_clone())
    }

    fn compute(&self, dims: i64, base: f64) -> Table {
        let options = (Kind::Float, self.device);
        let exponents = Tensor::arange_start_step(0, dims, 2, options) / dims as f64;
        let inv_freq = Tensor::full([1], base, options).pow(&exponents).reciprocal();
        let positions = match &self.positions {
            None => Tensor::arange(self.len, options),
            Some(positions) => positions.to_kind(Kind::Float),
        };
        let angles = positions.outer(&inv_freq).view([1, self.len, 1, dims / 2]);
        Table { cos: angles.cos().to_kind(self.kind), sin: angles.sin().to_kind(self.kind) }
    }
}

/// Returns the rows of a table `[1, len, 1, half]` at the chosen positions: `[batch, kept, 1, half]`.
fn chosen(table: &Tensor, rows: &Rows) -> Tensor {
    let half = table.size()[3];
    let size = rows.positions.size();
    table.view([-1, half]).index_select(0, &rows.positions.reshape([-1])).view([size[0], size[1], 1, half])
}
