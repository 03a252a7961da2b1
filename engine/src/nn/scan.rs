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

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    /// One step after another, in f64.
    fn naive(d: &Tensor, c: &Tensor) -> Tensor {
        let (d, c) = (d.to_kind(Kind::Double), c.to_kind(Kind::Double));
        let mut h = d.narrow(1, 0, 1).zeros_like();
        let mut all = Vec::new();
        for t in 0..d.size()[1] {
            h = d.narrow(1, t, 1) * h + c.narrow(1, t, 1);
            all.push(h.shallow_clone());
        }
        Tensor::cat(&all, 1)
    }

    fn inputs(len: i64, decay: f64) -> (Tensor, Tensor) {
        let wave =
            |scale: f64| (Tensor::arange(2 * len * 3, (Kind::Double, Device::Cpu)) * scale).sin().view([2, len, 3]);
        ((wave(0.7) * decay).exp().clamp_max(1.0).to_kind(Kind::Float), wave(1.3).to_kind(Kind::Float))
    }

    fn off(a: &Tensor, b: &Tensor) -> f64 {
        let (a, b) = (a.to_kind(Kind::Double), b.to_kind(Kind::Double));
        ((&a - &b).abs().max() / b.abs().max()).double_value(&[])
    }

    #[test]
    fn the_parallel_scan_is_the_loop_over_single_steps_at_every_length_and_chunk() {
        // Decays near 1, near 0, and between.
        for decay in [1e-4, 1.0, 20.0] {
            for len in [1, 2, 3, 15, 16, 17, 63, 64, 65, 333] {
                let (d, c) = inputs(len, decay);
                for chunk in [1, 4, CHUNK, 64, 512] {
                    let off = off(&scan(&d, &c, chunk), &naive(&d, &c));
                    assert!(off < 2e-6, "off by {off} at length {len}, chunk {chunk}");
                }
            }
        }
    }

    #[test]
    fn a_state_is_handed_on_and_the_past_is_all_that_counts() {
        let (d, c) = inputs(90, 0.5);
        let whole = scan(&d, &c, CHUNK);
        let (head, tail) =
            (scan(&d.narrow(1, 0, 40), &c.narrow(1, 0, 40), CHUNK), (d.narrow(1, 40, 50), c.narrow(1, 40, 50)));
        let first = tail.1.narrow(1, 0, 1) + tail.0.narrow(1, 0, 1) * head.narrow(1, 39, 1);
        let joined = scan(&tail.0, &Tensor::cat(&[first, tail.1.narrow(1, 1, 49)], 1), CHUNK);
        assert!(off(&whole.narrow(1, 40, 50), &joined) < 1e-6);
        // Another future changes no bit of the past.
        let other = Tensor::cat(&[c.narrow(1, 0, 40), c.narrow(1, 40, 50) * 3.0], 1);
        assert!(scan(&d, &other, CHUNK).narrow(1, 0, 40).equal(&whole.narrow(1, 0, 40)));
    }

    #[test]
    fn the_operator_is_associative() {
        let combine = |a: [f64; 2], b: [f64; 2]| [a[0] * b[0], b[0] * a[1] + b[1]];
        for i in 0..200 {
            let pair = |k: f64| [(f64::from(i) * k).sin().abs(), (f64::from(i) * k * 1.7).cos()];
            let [a, b, c] = [0.3, 0.9, 1.4].map(pair);
            let (left, right) = (combine(combine(a, b), c), combine(a, combine(b, c)));
            assert!(left.iter().zip(right).all(|(l, r)| (l - r).abs() < 1e-12));
        }
    }

    #[test]
    fn gradients_are_those_of_the_loop() {
        let (d, c) = inputs(37, 0.8);
        let gradients = |f: &dyn Fn(&Tensor, &Tensor) -> Tensor| {
            let [d, c] = [&d, &c].map(|x| x.detach().copy().set_requires_grad(true));
            let weights = (Tensor::arange(2 * 37 * 3, (Kind::Float, Device::Cpu)) * 0.37).cos().view([2, 37, 3]);
            let loss = (f(&d, &c).to_kind(Kind::Float) * weights).sum(Kind::Float);
            Tensor::run_backward(&[loss], &[d, c], false, false)
        };
        let (ours, theirs) = (gradients(&|d, c| scan(d, c, CHUNK)), gradients(&|d, c| naive(d, c)));
        assert!(off(&ours[0], &theirs[0]) < 5e-6 && off(&ours[1], &theirs[1]) < 5e-6);
    }
}
