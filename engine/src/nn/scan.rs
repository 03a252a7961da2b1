//! The diagonal linear recurrence `h_t = d_t·h_{t−1} + c_t` over a row, in parallel (docs/spec/q2.md#scan).
//!
//! Pairs combine by `(d₁, c₁) • (d₂, c₂) = (d₁d₂, d₂c₁ + c₂)`, which is associative. So a chunk's states come from log₂ of its
//! length rounds over all positions at once, the chunks' ends from as many rounds over them, and no step waits for the one
//! before. With |d| ≤ 1 no product grows.

use tch::Tensor;

/// Positions of a chunk. Every round inside chunks touches all positions and every round over chunks only their ends, so short
/// chunks cost least.
pub const CHUNK: i64 = 16;

/// The states `[batch, len, dim]` from `d` and `c` of that shape and f32, from a state of zeros. A `d` of 0 begins anew: nothing
/// before it reaches it, to the bit. Any `chunk` gives the same up to rounding.
pub fn scan(d: &Tensor, c: &Tensor, chunk: i64) -> Tensor {
    let size = d.size();
    let [batch, len, dim] = [size[0], size[1], size[2]];
    if len <= chunk {
        return rounds(d, c, 1).1;
    }
    let chunks = (len + chunk - 1) / chunk;
    let missing = chunks * chunk - len;
    let split = |x: &Tensor| {
        let x = if missing > 0 { x.constant_pad_nd([0, 0, 0, missing]) } else { x.shallow_clone() };
        x.view([batch, chunks, chunk, dim])
    };
    let (product, local) = rounds(&split(d), &split(c), 2);
    let end = |x: &Tensor| x.narrow(2, chunk - 1, 1).squeeze_dim(2);
    let (_, ends) = rounds(&end(&product), &end(&local), 1);
    // The state before a chunk is the end of the one before it; before the first there is none.
    let before = ends.narrow(1, 0, chunks - 1).constant_pad_nd([0, 0, 1, 0]).unsqueeze(2);
    (local + product * before).view([batch, chunks * chunk, dim]).narrow(1, 0, len)
}

/// Hillis and Steele's inclusive scan along `axis`: the products of `d` and the states.
fn rounds(d: &Tensor, c: &Tensor, axis: i64) -> (Tensor, Tensor) {
    let len = d.size()[axis as usize];
    let (mut d, mut c) = (d.shallow_clone(), c.shallow_clone());
    let mut reach = 1;
    while reach < len {
        let late = |x: &Tensor| x.narrow(axis, reach, len - reach);
        let early = |x: &Tensor| x.narrow(axis, 0, len - reach);
        let with_start = |x: &Tensor, late: Tensor| Tensor::cat(&[x.narrow(axis, 0, reach), late], axis);
        let next = with_start(&c, late(&d) * early(&c) + late(&c));
        d = with_start(&d, late(&d) * early(&d));
        c = next;
        reach *= 2;
    }
    (d, c)
}
