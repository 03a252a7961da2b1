//! Causal grouped-query attention, whose queries are normalized and have a gain per head (docs/spec/algorithms.md#attention).
//!
//! `q = rope(norm(n W_qᵀ))·g`, `k = rope(norm(n W_kᵀ))`, `v = n W_vᵀ`, softmax attention within the document, and the
//! output projection. Partial rotary positions and exclusive self attention (XSA) are settings of it: PR #1530 uses both.
//! So are queries of low rank and rotary positions stretched to longer contexts, PR #316's, and a gate for each head.

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::gate::{Gate, GateRecipe};
use super::query::Query;
use crate::bounds;
use crate::nn::param::Init;
use crate::nn::scope::Input;
use crate::nn::{Linear, Pass, Scope, Site, Start, docs, rms_norm};
use crate::{Error, Result};

/// Name of the component in recipes and parameter tables.
pub const NAME: &str = "gqa";

/// `[model.block.X.gqa]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GqaRecipe {
    pub num_heads: i64,
    pub num_kv_heads: i64,
    /// Initial per-head gain of the queries.
    pub qk_gain_init: f64,
    pub rope_base: f64,
    /// Leading dimensions of each head that rotate; `0` means all of them.
    pub rope_dims: i64,
    /// Exclusive self attention: remove from each output its component along the position's own value.
    pub xsa: bool,
    /// The initial values of the input matrices; the output matrix starts at zero.
    pub init: Init,
    /// Rank of the queries' projection, below the model's width; `0` means one whole matrix.
    #[serde(skip_serializing_if = "bounds::is_zero")]
    pub q_rank: i64,
    /// Length of context, in tokens, up to which rotary positions stay as they are; a longer one is scored with a larger
    /// base (docs/spec/algorithms.md#rotary-positions). `0` means that the base never changes.
    #[serde(skip_serializing_if = "bounds::is_zero")]
    pub rope_train_seq_len: i64,
    /// A gate on the output of each head.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateRecipe>,
}

impl Default for GqaRecipe {
    /// NaiveBaseline's.
    fn default() -> Self {
        GqaRecipe {
            num_heads: 8,
            num_kv_heads: 4,
            qk_gain_init: 1.5,
            rope_base: 10_000.0,
            rope_dims: 0,
            xsa: false,
            init: Init::Uniform,
            q_rank: 0,
            rope_train_seq_len: 0,
            gate: None,
        }
    }
}

impl GqaRecipe {
    pub(super) fn describe(&self) -> String {
        let xsa = if self.xsa { ", xsa" } else { "" };
        let rank = if self.q_rank > 0 { format!(", queries of rank {}", self.q_rank) } else { String::new() };
        let gate = self.gate.as_ref().map_or("", GateRecipe::describe);
        format!("{NAME} ({} heads, {} kv heads{xsa}{rank}{gate})", self.num_heads, self.num_kv_heads)
    }

    pub(super) fn check(&self, path: &str, dim: i64) -> Result<()> {
        bounds::integers(
            path,
            &[("num_heads", self.num_heads, 1, 1024), ("num_kv_heads", self.num_kv_heads, 1, 1024)],
        )?;
        bounds::numbers(
            path,
            &[("rope_base", self.rope_base, 1.0, 1e12), ("qk_gain_init", self.qk_gain_init, -1e6, 1e6)],
        )?;
        let fail = |reason: String| Err(Error::Recipe(format!("{path}.{reason}")));
        let head_dim = dim / self.num_heads;
        if dim % self.num_heads != 0 || head_dim % 2 != 0 {
            return fail(format!("num_heads {} must divide model_dim {dim} into heads of even width", self.num_heads));
        }
        if self.num_heads % self.num_kv_heads != 0 {
            return fail(format!("num_kv_heads {} must divide num_heads {}", self.num_kv_heads, self.num_heads));
        }
        if self.rope_dims < 0 || self.rope_dims % 2 != 0 || self.rope_dims > head_dim {
            return fail(format!("rope_dims {} must be even and at most the head's {head_dim}", self.rope_dims));
        }
        if self.q_rank < 0 || self.q_rank >= dim {
            return fail(format!("q_rank {} must be below model_dim {dim}; 0 means one whole matrix", self.q_rank));
        }
        bounds::integers(path, &[("rope_train_seq_len", self.rope_train_seq_len, 0, 1 << 24)])?;
        self.gate.as_ref().map_or(Ok(()), |gate| gate.check(path, dim))?;
        let rotated = if self.rope_dims > 0 { self.rope_dims } else { head_dim };
        if self.rope_train_seq_len > 0 && rotated < 4 {
            return fail(format!(
                "rope_train_seq_len needs at least 4 rotated dimensions of a head, not {rotated}; set it to 0"
            ));
        }
        Ok(())
    }
}

/// One attention layer.
pub struct Gqa {
    query: Query,
    c_k: Linear,
    c_v: Linear,
    proj: Linear,
    /// `[heads]`
    q_gain: Tensor,
    gate: Option<Gate>,
    /// The inputs of the three input matrices and of the output matrix.
    n: Input,
    y: Input,
    heads: i64,
    kv_heads: i64,
    head_dim: i64,
    rope_dims: i64,
    rope_base: f64,
    rope_train_seq_len: i64,
    xsa: bool,
}

/// Places of the adapters, as [`Gqa::sites`] lists them.
const Q: usize = 0;
const K: usize = 1;
const V: usize = 2;
const O: usize = 3;

impl Gqa {
    pub(super) fn build(r: &GqaRecipe, dim: i64, scope: &mut Scope) -> Result<Gqa> {
        let head_dim = dim / r.num_heads;
        let kv_dim = r.num_kv_heads * head_dim;
        let (n, y, start) = (scope.input(), scope.input(), Start::from(r.init));
        Ok(Gqa {
            q_gain: scope.control("q_gain", &[r.num_heads], Start::Constant(r.qk_gain_init))?,
            gate: r.gate.as_ref().map(|gate| Gate::build(gate, r.num_heads, dim, scope)).transpose()?,
            query: Query::build(r.q_rank, dim, start, n, scope)?,
            c_k: scope.linear("c_k", [kv_dim, dim], start, n)?,
            c_v: scope.linear("c_v", [kv_dim, dim], start, n)?,
            proj: scope.linear("proj", [dim, dim], Start::Zeros, y)?,
            n,
            y,
            heads: r.num_heads,
            kv_heads: r.num_kv_heads,
            head_dim,
            rope_dims: if r.rope_dims > 0 { r.rope_dims } else { head_dim },
            rope_base: r.rope_base,
            rope_train_seq_len: r.rope_train_seq_len,
            xsa: r.xsa,
        })
    }

    /// q, k and v add before the norms; o reads the layer's input, not the attention's output, and adds to the result.
    pub(super) fn sites(&self) -> Vec<Site> {
        let (dim, kv_dim) = (self.heads * self.head_dim, self.kv_heads * self.head_dim);
        [("q", dim), ("k", kv_dim), ("v", kv_dim), ("o", dim)].map(|(name, output)| Site { name, output }).into()
    }

    /// `n` is the normalized input `[batch, len, dim]`. Keys and values are those of all positions; queries and everything
    /// after them only those of the positions that [`Pass::keep`] keeps.
    pub(super) fn forward(&self, n: &Tensor, pass: &Pass) -> Tensor {
        pass.observe(self.n, n);
        let kept = pass.keep(n);
        let (mut q, mut k, mut v) = (self.query.forward(&kept, pass), self.c_k.forward(n), self.c_v.forward(n));
        let mut output_delta = None;
        if let Some(adapters) = pass.mixer_adapters() {
            let low = adapters.low(n);
            let kept_low = pass.keep(&low);
            q += adapters.delta(Q, &kept_low);
            k += adapters.delta(K, &low);
            v += adapters.delta(V, &low);
            output_delta = Some(adapters.delta(O, &kept_low));
        }
        let gain = self.q_gain.to_kind(n.kind()).view([1, 1, self.heads, 1]);
        let base = self.base_at(pass.context);
        let rotate = |x: &Tensor, rows| pass.ropes.rotate(&rms_norm(x), self.rope_dims, base, rows);
        let q = rotate(&self.split(&q, self.heads), pass.only) * gain;
        let k = rotate(&self.split(&k, self.kv_heads), None);
        let v = self.split(&v, self.kv_heads);
        let mut y = match pass.only {
            None => pass.docs.attend(&q, &k, &v),
            Some(rows) => docs::causal(&q, &k, &v, Some(&rows.causal_mask(n.size()[1]))),
        };
        if self.xsa {
            let own = match pass.only {
                None => v,
                Some(rows) => self.split(&rows.of(&v.flatten(2, 3)), self.kv_heads),
            };
            y = self.without_own_value(&y, &own);
        }
        if let Some(gate) = &self.gate {
            y = gate.apply(&y, &kept);
        }
        let y = y.flatten(2, 3);
        pass.observe(self.y, &y);
        let out = self.proj.forward(&y);
        match output_delta {
            Some(delta) => out + delta,
            None => out,
        }
    }

    /// Returns the base of the rotary frequencies for a context of `context` tokens.
    fn base_at(&self, context: i64) -> f64 {
        if self.rope_train_seq_len == 0 || context <= self.rope_train_seq_len {
            return self.rope_base;
        }
        stretched(self.rope_base, context as f64 / self.rope_train_seq_len as f64, self.rope_dims as f64)
    }

    /// `[batch, len, heads·head_dim]` to `[batch, len, heads, head_dim]`.
    fn split(&self, x: &Tensor, heads: i64) -> Tensor {
        let size = x.size();
        x.view([size[0], size[1], heads, self.head_dim])
    }

    /// Exclusive self attention: `y − ⟨y, v̂⟩ v̂` with `v̂` the position's own unit value.
    fn without_own_value(&self, y: &Tensor, v: &Tensor) -> Tensor {
        let size = y.size();
        let [batch, len, heads, width] = [size[0], size[1], size[2], size[3]];
        let last = [-1i64].as_slice();
        let norm = v.square().sum_dim_intlist(last, true, v.kind()).sqrt().clamp_min(1e-12);
        let unit = (v / norm).unsqueeze(3);
        let y = y.reshape([batch, len, self.kv_heads, heads / self.kv_heads, width]);
        let along = (&y * &unit).sum_dim_intlist(last, true, y.kind());
        (&y - along * unit).view([batch, len, heads, width])
    }
}

/// Returns the base `base · stretch^(m/(m−2))` for a context `stretch` times that of training, with m rotated dimensions (NTK
/// scaling): the slowest pair turns no further than it did in training, and the fastest stays as it was.
fn stretched(base: f64, stretch: f64, m: f64) -> f64 {
    base * stretch.powf(m / (m - 2.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_a_stretched_context_the_slowest_pair_turns_as_far_as_in_training() {
        let (base, stretch, m) = (10_000.0, 4.0, 64.0);
        let slowest = |base: f64, tokens: f64| tokens * base.powf(-(m - 2.0) / m);
        let (trained, longer) = (slowest(base, 1024.0), slowest(stretched(base, stretch, m), stretch * 1024.0));
        assert!((trained / longer - 1.0).abs() < 1e-12, "{trained} and {longer}");
    }
}
