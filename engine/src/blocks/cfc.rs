//! Closed-form continuous-time cells as a diagonal input-selective recurrence (docs/spec/q2.md#cfc).
//!
//! With the rates `a₁, a₂` held over one token's interval δ, `ḣ = −a₁h + a₂` has the exact solution
//! `h_t = e^{−z} h_{t−1} + a₂ δ φ₁(z)` with `z = a₁δ` and `φ₁(z) = (1 − e^{−z})/z`; the output is `W_o h`. The rates depend on the
//! input alone, so the states of a row come from one parallel scan. A document begins with a state of zeros.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::nn::param::Init;
use crate::nn::scan::{CHUNK, scan};
use crate::nn::scope::Input;
use crate::nn::{Linear, Pass, Scope, Site, Start, rms_norm};
use crate::{Result, bounds};

/// Name of the component in recipes and parameter tables.
pub const NAME: &str = "cfc";

/// Intervals that the sigmoid variant learns; they repeat over the channels.
const INTERVALS: i64 = 5;

/// `[model.block.X.cfc]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CfcRecipe {
    pub rates: Rates,
    /// The initial ln δ of every channel, with softplus rates.
    pub log_dt_init: f64,
    /// True to normalize the state before the output matrix; its size grows with δ.
    pub state_norm: bool,
    /// The initial values of the two input matrices; the output matrix starts at zero.
    pub init: Init,
}

/// The way in which the rates follow from the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rates {
    /// `a₁ = softplus(W₁n)`, `a₂ = W₂n`, and δ = e^θ for each channel.
    Softplus,
    /// `a₁ = σ(W₁n)`, `a₂ = σ(W₂n)`, so states are never negative, and δ = σ(θ) of five numbers in turn.
    Sigmoid,
}

impl Default for CfcRecipe {
    /// Returns the reference configuration (docs/spec/q2.md#cfc).
    fn default() -> Self {
        CfcRecipe { rates: Rates::Softplus, log_dt_init: 0.0, state_norm: false, init: Init::Uniform }
    }
}

impl CfcRecipe {
    pub(super) fn describe(&self) -> String {
        let rates = if self.rates == Rates::Softplus { "softplus" } else { "sigmoid" };
        format!("{NAME} ({rates} rates)")
    }

    pub(super) fn check(&self, path: &str) -> Result<()> {
        bounds::numbers(path, &[("log_dt_init", self.log_dt_init, -20.0, 3.0)])
    }
}

/// One recurrent layer.
pub struct Cfc {
    rate: Linear,
    drive: Linear,
    proj: Linear,
    /// θ of the intervals: `[dim]`, or `[5]`.
    interval: Tensor,
    rates: Rates,
    state_norm: bool,
    dim: i64,
    /// The inputs of the two input matrices and of the output matrix.
    n: Input,
    h: Input,
}

/// Places of the adapters, as [`Cfc::sites`] lists them.
const RATE: usize = 0;
const DRIVE: usize = 1;
const OUT: usize = 2;

impl Cfc {
    pub(super) fn build(r: &CfcRecipe, dim: i64, scope: &mut Scope) -> Result<Cfc> {
        let (n, h, start) = (scope.input(), scope.input(), Start::from(r.init));
        let interval = match r.rates {
            Rates::Softplus => scope.control("log_dt", &[dim], Start::Constant(r.log_dt_init))?,
            Rates::Sigmoid => scope.control("dt", &[INTERVALS], Start::Normal(1.0))?,
        };
        Ok(Cfc {
            interval,
            rate: scope.linear("rate", [dim, dim], start, n)?,
            drive: scope.linear("drive", [dim, dim], start, n)?,
            proj: scope.linear("proj", [dim, dim], Start::Zeros, h)?,
            rates: r.rates,
            state_norm: r.state_norm,
            dim,
            n,
            h,
        })
    }

    /// The adapters of the rates add before the activation; the output's reads the layer's input and adds to the result.
    pub(super) fn sites(&self) -> Vec<Site> {
        ["a1", "a2", "o"].map(|name| Site { name, output: self.dim }).into()
    }

    /// `n` is the normalized input `[batch, len, dim]`. States are those of all positions; the output is that of the positions
    /// that [`Pass::keep`] keeps.
    pub(super) fn forward(&self, n: &Tensor, pass: &Pass) -> Tensor {
        pass.observe(self.n, n);
        let (mut a1, mut a2) = (self.rate.forward(n), self.drive.forward(n));
        let mut output_delta = None;
        if let Some(adapters) = pass.mixer_adapters() {
            let low = adapters.low(n);
            a1 += adapters.delta(RATE, &low);
            a2 += adapters.delta(DRIVE, &low);
            output_delta = Some(adapters.delta(OUT, &pass.keep(&low)));
        }
        let mut h = self.states(&a1.to_kind(Kind::Float), &a2.to_kind(Kind::Float), pass);
        if self.state_norm {
            h = rms_norm(&h);
        }
        let h = pass.keep(&h.to_kind(n.kind()));
        pass.observe(self.h, &h);
        let out = self.proj.forward(&h);
        match output_delta {
            Some(delta) => out + delta,
            None => out,
        }
    }

    /// The states `[batch, len, dim]` from what the input matrices give, in f32: the decays of a long row multiply.
    fn states(&self, a1: &Tensor, a2: &Tensor, pass: &Pass) -> Tensor {
        let (a1, a2, dt) = match self.rates {
            Rates::Softplus => (a1.softplus(), a2.shallow_clone(), self.interval.exp()),
            Rates::Sigmoid => {
                let times = (self.dim + INTERVALS - 1) / INTERVALS;
                let dt = self.interval.sigmoid().repeat([times]).narrow(0, 0, self.dim);
                (a1.sigmoid(), a2.sigmoid(), dt)
            }
        };
        let z = (a1 * &dt).clamp(1e-6, 20.0);
        let mut decay = z.neg().exp();
        if let Some(continues) = pass.docs.continues(decay.device()) {
            decay = continues.unsqueeze(1) * decay;
        }
        scan(&decay, &(a2 * dt * phi1(&z)), CHUNK)
    }
}

/// `φ₁(z) = (1 − e^{−z})/z` for z > 0. Below 0.1 by its series, because the derivative of the quotient cancels there.
fn phi1(z: &Tensor) -> Tensor {
    // 1 − z/2 + z²/6 − z³/24 + z⁴/120 − z⁵/720, from the inside out.
    let series = [-1.0 / 720.0, 1.0 / 120.0, -1.0 / 24.0, 1.0 / 6.0, -0.5, 1.0];
    let series = series.iter().fold(z.zeros_like(), |sum, &coefficient: &f64| sum * z + coefficient);
    let quotient = z.neg().expm1().neg() / z;
    series.where_self(&z.lt(0.1), &quotient)
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    #[test]
    fn phi1_and_its_derivative_are_exact_to_a_millionth_over_the_whole_range() {
        for z in [1e-8f64, 1e-6, 1e-4, 1e-3, 0.05, 0.0999, 0.1001, 0.5, 1.0, 5.0, 20.0] {
            let x = Tensor::from_slice(&[z as f32]).set_requires_grad(true);
            let y = phi1(&x);
            let slope = Tensor::run_backward(&[y.sum(Kind::Float)], &[&x], false, false)[0].double_value(&[0]);
            let z = x.detach().double_value(&[0]);
            let exact = -(-z).exp_m1() / z;
            assert!((y.double_value(&[0]) / exact - 1.0).abs() < 1e-6, "φ₁({z})");
            let exact = if z < 1e-2 {
                -0.5 + z / 3.0 - z * z / 8.0 + z.powi(3) / 30.0
            } else {
                ((-z).exp() * z + (-z).exp_m1()) / (z * z)
            };
            assert!((slope / exact - 1.0).abs() < 2e-5, "φ₁′({z}) is {slope}, not {exact}");
        }
    }

    #[test]
    fn a_rate_near_zero_integrates_and_a_bounded_one_keeps_states_bounded() {
        // a₁ → 0: h grows by a₂δ a step.
        let z = Tensor::full([1, 5, 1], 1e-6, (Kind::Float, Device::Cpu));
        let h = scan(&z.neg().exp(), &(phi1(&z) * 0.5), CHUNK);
        let off = (h.double_value(&[0, 4, 0]) - 2.5).abs();
        assert!(off < 1e-5, "off by {off}");
        // |h| ≤ max |a₂|/a₁ where z = a₁.
        let z = Tensor::full([1, 400, 1], 0.3, (Kind::Float, Device::Cpu));
        let h = scan(&z.neg().exp(), &phi1(&z), CHUNK);
        assert!(h.max().double_value(&[]) <= 1.0 / 0.3 + 1e-4);
    }
}
