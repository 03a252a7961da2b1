//! Softcapped cross-entropy and its gradient at once (docs/spec/algorithms.md#fused-cross-entropy): each row of logits is read
//! from memory once and its gradient written in its place, so a training step holds one buffer of `[rows, vocab]`.
//!
//! On the CPU a kernel of its own takes a row while it is in the cache. On other devices libtorch's operations take a piece of
//! the rows at a time. PR #1787 has a Triton kernel, which keeps the logits and computes its way to the gradient anew.

use tch::{Device, Kind, TchError, Tensor};

use crate::{Result, shim};

/// Targets with this id have no loss, as in libtorch's own cross-entropy.
pub(super) const IGNORED: i64 = -100;
/// Numbers that are worked on side by side. Sums have as many parts on every machine, so their bits are the same.
const LANES: usize = 16;
/// Numbers of a piece of the rows, on devices other than the CPU: 128 MiB.
const PIECE: i64 = 1 << 25;

/// The caps of positive and of negative logits, each `[]`; the same where there is one.
pub(super) struct Caps<'a> {
    pub fixed: f64,
    pub learned: Option<(&'a Tensor, &'a Tensor)>,
}

/// What is known of every row once it was read; all `[rows]`, f32.
struct RowLosses {
    nats: Tensor,
    /// Gradient of the row's loss for the cap of positive and for that of negative logits, where they are learned.
    caps: Option<(Tensor, Tensor)>,
}

/// Computes the nats of each of `targets` `[rows]` under the logits `z` `[rows, vocab]`, f32, before their cap: `[rows]`,
/// differentiable once. A target of -100 has 0. The logits are used up: their memory holds the gradient afterwards.
///
/// # Errors
/// A target outside of the vocabulary, or whatever libtorch objects to.
pub(super) fn cross_entropy(z: Tensor, targets: &Tensor, caps: &Caps<'_>) -> Result<Tensor> {
    let z = z.f_contiguous()?;
    let mut gradient = z.f_detach()?;
    let rows = tch::no_grad(|| match z.device() {
        Device::Cpu => on_cpu(&mut gradient, targets, caps),
        _ => in_pieces(&gradient, targets, caps, PIECE),
    })?;
    let learned = rows.caps.as_ref().zip(caps.learned);
    let learned = learned.map(|((pos, neg), (cap_pos, cap_neg))| [(cap_pos, pos), (cap_neg, neg)]);
    shim::known_gradient(&rows.nats, &z, &gradient, learned)
}

/// Takes the rows one by one, each while it is in the cache.
fn on_cpu(z: &mut Tensor, targets: &Tensor, caps: &Caps<'_>) -> Result<RowLosses> {
    let vocab = z.size2()?.1 as usize;
    let targets = Vec::<i64>::try_from(targets.f_to_kind(Kind::Int64)?.f_contiguous()?)?;
    if let Some(wrong) = targets.iter().find(|&&t| t != IGNORED && !(0..vocab as i64).contains(&t)) {
        return Err(TchError::Shape(format!("target {wrong} is outside of the vocabulary of {vocab}")).into());
    }
    let cap = match caps.learned {
        None => [caps.fixed as f32; 2],
        Some((pos, neg)) => [f32::try_from(pos.f_detach()?)?, f32::try_from(neg.f_detach()?)?],
    };
    let found = kernel::rows(shim::values_mut(z)?, &targets, cap, caps.learned.is_some());
    let part = |i: usize| Tensor::from_slice(&found.iter().map(|row| row[i]).collect::<Vec<f32>>());
    Ok(RowLosses { nats: part(0), caps: caps.learned.is_some().then(|| (part(1), part(2))) })
}

/// Takes pieces of at most `piece` numbers with libtorch's operations. A target outside of the vocabulary is libtorch's error.
fn in_pieces(z: &Tensor, targets: &Tensor, caps: &Caps<'_>, piece: i64) -> Result<RowLosses> {
    let (rows, vocab) = z.size2()?;
    let step = (piece / vocab.max(1)).max(1);
    let (mut nats, mut for_caps) = (Vec::new(), Vec::new());
    for start in (0..rows).step_by(step as usize) {
        let count = step.min(rows - start);
        let (mut z, target) = (z.f_narrow(0, start, count)?, targets.f_narrow(0, start, count)?.f_unsqueeze(1)?);
        let counts = target.f_ne(IGNORED)?;
        let target = target.f_mul(&counts)?;
        let cap = match caps.learned {
            None => Tensor::from(caps.fixed as f32).f_to_device(z.device())?,
            Some((pos, neg)) => pos.f_where_self(&z.f_gt(0.0)?, neg)?,
        };
        let u = z.f_div(&cap)?;
        let t = u.f_tanh()?;
        let mut p = t.f_mul(&cap)?;
        let lse = p.f_logsumexp([1i64], true)?;
        nats.push(lse.f_sub(&p.f_gather(1, &target, false)?)?.f_mul(&counts)?.f_squeeze_dim(1)?);
        let _ = p.f_sub_(&lse)?.f_exp_()?;
        let _ = p.f_scatter_add_(1, &target, &Tensor::f_full_like(&lse, -1.0)?)?.f_mul_(&counts)?;
        let slope = t.f_square()?.f_neg()?.f_add_scalar_(1.0)?;
        if caps.learned.is_some() {
            let of_cap = t.f_sub(&u.f_mul(&slope)?)?.f_mul_(&p)?;
            let side = |side: Tensor| -> Result<Tensor> {
                Ok(of_cap.f_mul(&side)?.f_sum_dim_intlist([1i64].as_slice(), false, Kind::Float)?)
            };
            for_caps.push((side(z.f_gt(0.0)?)?, side(z.f_le(0.0)?)?));
        }
        z.f_copy_(&p.f_mul_(&slope)?)?;
    }
    let caps = if caps.learned.is_some() {
        let (pos, neg): (Vec<Tensor>, Vec<Tensor>) = for_caps.into_iter().unzip();
        Some((Tensor::f_cat(&pos, 0)?, Tensor::f_cat(&neg, 0)?))
    } else {
        None
    };
    Ok(RowLosses { nats: Tensor::f_cat(&nats, 0)?, caps })
}

/// The kernel: plain arithmetic over lanes, which the compiler turns into vector instructions. Nothing is contracted, so that the
/// bits are the same with all of them.
mod kernel {
    use super::{IGNORED, LANES};

    /// Turns each row of `z` into the gradient of its loss; returns, for each, the nats and the gradients for the two caps.
    #[allow(unsafe_code)]
    pub(super) fn rows(z: &mut [f32], targets: &[i64], cap: [f32; 2], learned: bool) -> Vec<[f32; 3]> {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                // SAFETY: the processor has the instructions that the function is compiled for.
                return unsafe { with_avx512(z, targets, cap, learned) };
            }
            if is_x86_feature_detected!("avx2") {
                // SAFETY: as above.
                return unsafe { with_avx2(z, targets, cap, learned) };
            }
        }
        plainly(z, targets, cap, learned)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f")]
    fn with_avx512(z: &mut [f32], targets: &[i64], cap: [f32; 2], learned: bool) -> Vec<[f32; 3]> {
        plainly(z, targets, cap, learned)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn with_avx2(z: &mut [f32], targets: &[i64], cap: [f32; 2], learned: bool) -> Vec<[f32; 3]> {
        plainly(z, targets, cap, learned)
    }

    #[inline(always)]
    pub(super) fn plainly(z: &mut [f32], targets: &[i64], cap: [f32; 2], learned: bool) -> Vec<[f32; 3]> {
        let vocab = if targets.is_empty() { 1 } else { z.len() / targets.len() };
        // A row of exponentials and, for learned caps, one of the logits over their cap.
        let mut spare = vec![0.0; if learned { 2 * vocab } else { vocab }];
        let (e, u) = spare.split_at_mut(vocab);
        let one = |(z, &target): (&mut [f32], &i64)| match usize::try_from(target) {
            _ if target == IGNORED => {
                z.fill(0.0);
                [0.0; 3]
            }
            Ok(target) if learned => row::<true>(z, e, u, cap, target),
            Ok(target) => row::<false>(z, e, u, cap, target),
            Err(_) => [f32::NAN; 3],
        };
        z.chunks_exact_mut(vocab).zip(targets).map(one).collect()
    }

    #[inline(always)]
    fn row<const LEARNED: bool>(z: &mut [f32], e: &mut [f32], u: &mut [f32], cap: [f32; 2], target: usize) -> [f32; 3] {
        let inverse = cap.map(|cap| 1.0 / cap);
        let of = |pair: [f32; 2], x: f32| if !LEARNED || x > 0.0 { pair[0] } else { pair[1] };
        let mut most = [f32::NEG_INFINITY; LANES];
        for start in (0..z.len()).step_by(LANES) {
            let end = (start + LANES).min(z.len());
            let (z, e) = (&mut z[start..end], &mut e[start..end]);
            for (lane, (z, e)) in z.iter_mut().zip(&mut *e).enumerate() {
                let over = *z * of(inverse, *z);
                let t = tanh(over);
                *e = t * of(cap, *z);
                if LEARNED {
                    u[start + lane] = over;
                }
                *z = t;
                most[lane] = if *e > most[lane] { *e } else { most[lane] };
            }
        }
        let at_target = e[target];
        let most = most.iter().fold(f32::NEG_INFINITY, |most, &x| if x > most { x } else { most });
        let mut sums = [0.0f32; LANES];
        for e in e.chunks_mut(LANES) {
            for (e, sum) in e.iter_mut().zip(&mut sums) {
                *e = 1.0 + expm1(*e - most);
                *sum += *e;
            }
        }
        let sum: f64 = sums.iter().map(|&sum| f64::from(sum)).sum();
        let share = (1.0 / sum) as f32;
        e[target] -= sum as f32;
        let mut for_caps = [[0.0f32; LANES]; 2];
        for start in (0..z.len()).step_by(LANES) {
            let end = (start + LANES).min(z.len());
            let (z, e) = (&mut z[start..end], &e[start..end]);
            for (lane, (z, e)) in z.iter_mut().zip(e).enumerate() {
                let (t, p) = (*z, e * share);
                let slope = 1.0 - t * t;
                if LEARNED {
                    let of_cap = p * (t - u[start + lane] * slope);
                    for_caps[0][lane] += if t > 0.0 { of_cap } else { 0.0 };
                    for_caps[1][lane] += if t > 0.0 { 0.0 } else { of_cap };
                }
                *z = p * slope;
            }
        }
        let nats = f64::from(most) - f64::from(at_target) + sum.ln();
        let [pos, neg] = for_caps.map(|lanes| lanes.iter().sum());
        [nats as f32, pos, neg]
    }

    /// The hyperbolic tangent, `m/(m + 2)` with `m = exp(2|x|) − 1`, which loses nothing near 0.
    #[inline(always)]
    pub(super) fn tanh(x: f32) -> f32 {
        let twice = 2.0 * x.abs();
        let m = expm1(if twice > 20.0 { 20.0 } else { twice });
        (m / (m + 2.0)).copysign(x)
    }

    /// `exp(x) − 1` for x from -87 to 88; below, the value at -87. With `x = n ln 2 + r`, `2ⁿ·(exp(r) − 1) + (2ⁿ − 1)`, the first
    /// from seven terms of its series, which leave 10⁻⁸ of it.
    #[inline(always)]
    pub(super) fn expm1(x: f32) -> f32 {
        // Added to a number below 2²², it leaves the nearest integer in the last bits.
        const ROUND: f32 = 12_582_912.0;
        // ln 2 in two parts, the first with so few bits that its multiples are exact.
        const LN_2: [f32; 2] = [0.693_359_4, -0.000_212_194_44];
        let x = if x < -87.0 { -87.0 } else { x };
        let shifted = x * std::f32::consts::LOG2_E + ROUND;
        let n = shifted - ROUND;
        let r = (x - n * LN_2[0]) - n * LN_2[1];
        let high = 1.0 / 120.0 + r * (1.0 / 720.0 + r * (1.0 / 5040.0));
        let series = r + r * r * (0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * high)));
        let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
        power * series + (power - 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The nats, and the gradients for the logits and both caps, of a way to compute them; row i counts with weight 0.3 + i/10.
    fn differentiated(z: &Tensor, caps: [f64; 2], learned: bool, way: &dyn Fn(Tensor, &Caps) -> Tensor) -> Vec<Tensor> {
        let z = z.copy().set_requires_grad(true);
        let caps = caps.map(|cap| Tensor::from(cap as f32).set_requires_grad(true));
        let given = Caps { fixed: caps[0].double_value(&[]), learned: learned.then_some((&caps[0], &caps[1])) };
        // Not a leaf, as in a model: the product's result is nobody else's.
        let nats = way((&z * 1.0).to_kind(Kind::Float), &given);
        let weights = Tensor::arange(nats.size()[0], (Kind::Float, Device::Cpu)) / 10.0 + 0.3;
        let leaves: Vec<&Tensor> = if learned { vec![&z, &caps[0], &caps[1]] } else { vec![&z] };
        let grads = Tensor::run_backward(&[(&nats * weights).sum(Kind::Float)], &leaves, false, false);
        std::iter::once(nats.detach()).chain(grads.into_iter().map(|g| g.to_kind(Kind::Float))).collect()
    }

    fn composed(z: Tensor, targets: &Tensor, caps: &Caps) -> Tensor {
        let logits = match caps.learned {
            None => (z / caps.fixed).tanh() * caps.fixed,
            Some((positive, negative)) => {
                let cap = positive.where_self(&z.gt(0.0), negative);
                (z / &cap).tanh() * cap
            }
        };
        logits.cross_entropy_loss::<Tensor>(targets, None, tch::Reduction::None, IGNORED, 0.0)
    }

    fn by_pieces(z: Tensor, targets: &Tensor, caps: &Caps) -> Tensor {
        let gradient = z.detach();
        let rows = tch::no_grad(|| in_pieces(&gradient, targets, caps, 700)).unwrap();
        let learned = rows.caps.as_ref().zip(caps.learned);
        let learned = learned.map(|((pos, neg), (cap_pos, cap_neg))| [(cap_pos, pos), (cap_neg, neg)]);
        shim::known_gradient(&rows.nats, &z, &gradient, learned).unwrap()
    }

    /// Logits of 9 rows with the given spread, and targets of which one does not count.
    fn case(vocab: i64, spread: f64, kind: Kind) -> (Tensor, Tensor) {
        tch::manual_seed(3);
        let z = (Tensor::randn([9, vocab], (Kind::Float, Device::Cpu)) * spread).to_kind(kind);
        let targets: Vec<i64> = (0..9).map(|i| if i == 4 { IGNORED } else { i * 37 % vocab }).collect();
        (z, Tensor::from_slice(&targets))
    }

    /// The largest difference between two tensors over the largest of the second.
    fn off(a: &Tensor, b: &Tensor) -> f64 {
        ((a - b).abs().max() / b.abs().max().clamp_min(1e-30)).double_value(&[])
    }

    #[test]
    fn losses_and_gradients_are_those_of_the_composed_form() {
        let names = ["nats", "logits", "positive cap", "negative cap"];
        // Measured: 9e-7 of the largest at most in f32. In bf16 both round the same gradient, 2⁻⁸ apart at most.
        for (kind, most) in [(Kind::Float, 2e-6), (Kind::BFloat16, 4e-3)] {
            // A width that fills no lanes, small and saturated logits, a cap so high that it changes none.
            for (vocab, spread, caps) in [(70, 3.0, [30.0, 20.0]), (1024, 40.0, [15.0, 30.0]), (257, 5.0, [1e6, 1e6])] {
                let (z, targets) = case(vocab, spread, kind);
                for learned in [false, true] {
                    let [fused, pieces, plain] = [
                        &(|z, caps: &Caps| cross_entropy(z, &targets, caps).unwrap())
                            as &dyn Fn(Tensor, &Caps) -> Tensor,
                        &|z, caps| by_pieces(z, &targets, caps),
                        &|z, caps| composed(z, &targets, caps),
                    ]
                    .map(|way| differentiated(&z, caps, learned, way));
                    for (i, plain) in plain.iter().enumerate() {
                        // The caps' own gradients are sums of terms that nearly cancel where logits are far below the cap.
                        let most = if i > 1 { 2e-5 } else { most };
                        if i > 1 && caps[0] == 1e6 {
                            continue;
                        }
                        for (way, found) in [("fused", &fused[i]), ("pieces", &pieces[i])] {
                            let off = off(found, plain);
                            assert!(off < most, "{kind:?}, {vocab} tokens, {} by {way}: off by {off}", names[i]);
                        }
                    }
                    let row = fused[1].get(4).abs().max().double_value(&[]);
                    assert_eq!((fused[0].double_value(&[4]), row), (0.0, 0.0), "a target of -100 counts for nothing");
                }
            }
        }
    }

    #[test]
    fn the_bits_do_not_depend_on_the_instructions() {
        let (z, targets) = case(333, 20.0, Kind::Float);
        let targets = Vec::<i64>::try_from(targets).unwrap();
        let values = Vec::<f32>::try_from(z.reshape([-1])).unwrap();
        for learned in [false, true] {
            let (mut fast, mut plain) = (values.clone(), values.clone());
            let rows = kernel::rows(&mut fast, &targets, [30.0, 25.0], learned);
            assert_eq!(rows, kernel::plainly(&mut plain, &targets, [30.0, 25.0], learned));
            assert_eq!(fast, plain);
        }
    }

    #[test]
    fn the_kernels_functions_are_within_a_few_units_of_the_last_place() {
        let (mut tanh, mut expm1) = (0.0f64, 0.0f64);
        for i in 1..200_000 {
            let x = i as f32 * 1e-4;
            let right = f64::from(x).tanh();
            tanh = tanh.max((f64::from(kernel::tanh(x)) - right).abs() / right);
            assert_eq!(kernel::tanh(-x), -kernel::tanh(x));
            let right = (-4.0 * f64::from(x)).exp_m1();
            expm1 = expm1.max((f64::from(kernel::expm1(-4.0 * x)) - right).abs() / right.abs());
        }
        assert!(tanh < 4e-7 && expm1 < 3e-7, "tanh {tanh}, expm1 {expm1}");
        assert!(kernel::tanh(f32::NAN).is_nan() && kernel::expm1(f32::NAN).is_nan());
        assert_eq!(kernel::tanh(f32::INFINITY), 1.0);
    }

    #[test]
    fn a_target_outside_of_the_vocabulary_and_a_second_gradient_are_errors() {
        let z = || Tensor::zeros([2, 8], (Kind::Float, Device::Cpu)).set_requires_grad(true) * 1.0;
        let caps = Caps { fixed: 30.0, learned: None };
        for wrong in [-1i64, 8] {
            let error = cross_entropy(z(), &Tensor::from_slice(&[3, wrong]), &caps).unwrap_err().to_string();
            assert!(error.contains(&format!("target {wrong} is outside of the vocabulary of 8")), "{error}");
        }
        let z = Tensor::zeros([2, 8], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let loss = cross_entropy(&z * 1.0, &Tensor::from_slice(&[3i64, 4]), &caps).unwrap().sum(Kind::Float);
        assert!(Tensor::f_run_backward(&[&loss], &[&z], true, false).is_ok());
        let error = Tensor::f_run_backward(&[&loss], &[&z], true, false).unwrap_err().to_string();
        assert!(error.contains("only once"), "{error}");
    }
}
