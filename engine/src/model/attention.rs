//! Causal grouped-query attention with normalised, gained queries (spec/algorithms.md §2.2).

use tch::Tensor;

use super::adapters::AttentionAdapters;
use super::linear;
use super::rope::{Rope, rms_norm};
use crate::Result;
use crate::model::weights::Weights;
use crate::recipe::ModelRecipe;

/// Which keys a query may see.
pub enum Attend {
    /// Every earlier position of its row, and itself.
    Causal,
    /// The same within its own segment: boolean `[1, 1, len, len]`, true where attention is allowed.
    Segments(Tensor),
}

impl Attend {
    /// The mask of a packed row: `cu_seqlens` are the segment starts, then the row's length (repeats are padding).
    pub fn segments(cu_seqlens: &[i32], device: tch::Device) -> Attend {
        let len = cu_seqlens.last().copied().unwrap_or(0) as usize;
        let mut segment = vec![0i64; len];
        for (index, bounds) in cu_seqlens.windows(2).enumerate() {
            segment[bounds[0] as usize..bounds[1] as usize].fill(index as i64);
        }
        let ids = Tensor::from_slice(&segment).to_device(device);
        let same = ids.unsqueeze(0).eq_tensor(&ids.unsqueeze(1));
        Attend::Segments(same.tril(0).view([1, 1, len as i64, len as i64]))
    }
}

/// One attention layer. Weights are `[out, in]`.
pub struct Attention {
    c_q: Tensor,
    c_k: Tensor,
    c_v: Tensor,
    proj: Tensor,
    /// `[heads]`, learnt gain of the normalised queries.
    q_gain: Tensor,
    heads: i64,
    kv_heads: i64,
    /// Remove from each output its component along the position's own value (XSA).
    exclusive: bool,
}

impl Attention {
    pub(super) fn new(m: &ModelRecipe, layer: i64, weights: &Weights) -> Result<Attention> {
        let get = |name: &str| weights.get(&format!("blocks.{layer}.attn.{name}"));
        Ok(Attention {
            c_q: get("c_q.weight")?,
            c_k: get("c_k.weight")?,
            c_v: get("c_v.weight")?,
            proj: get("proj.weight")?,
            q_gain: get("q_gain")?,
            heads: m.num_heads,
            kv_heads: m.num_kv_heads,
            exclusive: layer >= m.num_layers - m.xsa_last_n,
        })
    }

    pub(super) fn share(&self) -> Attention {
        Attention {
            c_q: self.c_q.shallow_clone(),
            c_k: self.c_k.shallow_clone(),
            c_v: self.c_v.shallow_clone(),
            proj: self.proj.shallow_clone(),
            q_gain: self.q_gain.shallow_clone(),
            ..*self
        }
    }

    /// `n` is the normalised input `[batch, len, dim]`; so is the output.
    pub(super) fn forward(
        &self,
        n: &Tensor,
        rope: &Rope,
        attend: &Attend,
        adapters: Option<&AttentionAdapters>,
    ) -> Tensor {
        let (batch, len) = (n.size()[0], n.size()[1]);
        let (mut q, mut k, mut v) = (linear(n, &self.c_q), linear(n, &self.c_k), linear(n, &self.c_v));
        let mut output_delta = None;
        if let Some(adapters) = adapters {
            let deltas = adapters.deltas(n);
            q += deltas.q;
            k += deltas.k;
            v += deltas.v;
            output_delta = Some(deltas.o);
        }
        let split = |x: Tensor, heads: i64| x.view([batch, len, heads, -1]).transpose(1, 2);
        let gain = self.q_gain.to_kind(n.kind()).view([1, self.heads, 1, 1]);
        let q = rope.apply(&rms_norm(&split(q, self.heads))) * gain;
        let k = rope.apply(&rms_norm(&split(k, self.kv_heads)));
        let v = split(v, self.kv_heads);
        let (mask, causal) = match attend {
            Attend::Causal => (None, true),
            Attend::Segments(mask) => (Some(mask), false),
        };
        let (k, v_all) = (self.for_each_query(&k), self.for_each_query(&v));
        let mut y = Tensor::scaled_dot_product_attention(&q, &k, &v_all, mask, 0.0, causal, None, false);
        if self.exclusive {
            y = self.without_own_value(&y, &v);
        }
        let out = linear(&y.transpose(1, 2).reshape([batch, len, -1]), &self.proj);
        match output_delta {
            Some(delta) => out + delta,
            None => out,
        }
    }

    /// Repeats each of the kv heads for the query heads that share it: `[b, kv, t, d]` → `[b, heads, t, d]`.
    fn for_each_query(&self, x: &Tensor) -> Tensor {
        let group = self.heads / self.kv_heads;
        if group == 1 {
            return x.shallow_clone();
        }
        let [b, kv, t, d] = sizes(x);
        x.unsqueeze(2).expand([b, kv, group, t, d], false).reshape([b, self.heads, t, d])
    }

    /// Exclusive self attention: `y − ⟨y, v̂⟩ v̂` with `v̂` the position's own unit value.
    fn without_own_value(&self, y: &Tensor, v: &Tensor) -> Tensor {
        let [b, kv, t, d] = sizes(v);
        let norm = v.square().sum_dim_intlist([-1i64].as_slice(), true, v.kind()).sqrt().clamp_min(1e-12);
        let unit = (v / norm).unsqueeze(2);
        let y = y.view([b, kv, self.heads / self.kv_heads, t, d]);
        let along = (&y * &unit).sum_dim_intlist([-1i64].as_slice(), true, y.kind());
        (&y - along * unit).view([b, self.heads, t, d])
    }
}

/// The sizes of `x` `[batch, heads, len, head_dim]`.
fn sizes(x: &Tensor) -> [i64; 4] {
    let size = x.size();
    [size[0], size[1], size[2], size[3]]
}
