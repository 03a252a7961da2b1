//! The parallel scan against the loop over single steps, in values and in gradients (docs/spec/q2.md#scan).

use caddie_engine::nn::scan::{CHUNK, scan};
use tch::{Device, Kind, Tensor};

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
    let wave = |scale: f64| (Tensor::arange(2 * len * 3, (Kind::Double, Device::Cpu)) * scale).sin().view([2, len, 3]);
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
