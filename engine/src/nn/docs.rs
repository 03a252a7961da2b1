//! The division of a row into documents, and causal attention that keeps within them
//! (docs/spec/algorithms.md#packed-loader, #attention).

use tch::{Device, Kind, Tensor};

use crate::data::BOS_ID;
use crate::{Error, Result, shim};

/// The division of a forward pass's inputs into documents.
pub enum Docs {
    /// Each row of the batch is one piece.
    Rows,
    /// The batch is one row `[1, len]` of several documents.
    Packed(Segments),
}

/// The documents of a packed row.
pub struct Segments {
    /// Lengths of the segments, none of them zero, in order. Their sum is the row's length.
    lens: Vec<i64>,
    /// The segments' boundaries on the GPU, i32, for the flash kernel, with the given padding.
    cu_seqlens: Option<Tensor>,
}

impl Docs {
    /// Makes a packed row. `cu_seqlens` are the segments' starts and then the row's length; repeats are padding.
    ///
    /// # Errors
    /// When the boundaries do not start at 0 or fall.
    pub fn packed(cu_seqlens: &[i32], device: Device) -> Result<Docs> {
        if cu_seqlens.first() != Some(&0) || !cu_seqlens.is_sorted() {
            return Err(Error::Recipe(format!(
                "the boundaries of a packed row must start at 0 and not fall: {cu_seqlens:?}"
            )));
        }
        let lens = cu_seqlens.windows(2).map(|pair| i64::from(pair[1] - pair[0])).filter(|&len| len > 0).collect();
        let cu_seqlens = device.is_cuda().then(|| Tensor::from_slice(cu_seqlens).to_device(device));
        Ok(Docs::Packed(Segments { lens, cu_seqlens }))
    }

    /// Position of each input within its own document, `[len]`; `None` where rows are documents.
    pub fn positions(&self, device: Device) -> Option<Tensor> {
        let Docs::Packed(segments) = self else { return None };
        let positions: Vec<i64> = segments.lens.iter().flat_map(|&len| 0..len).collect();
        Some(Tensor::from_slice(&positions).to_device(device))
    }

    /// Marks the positions of `ids` `[batch, len]` before which their document has no token in this pass: each BOS, and the
    /// start of each row or segment. Bool `[batch, len]`.
    pub fn first(&self, ids: &Tensor) -> Tensor {
        let len = ids.size()[1];
        let position = self.positions(ids.device());
        let position = position.unwrap_or_else(|| Tensor::arange(len, (Kind::Int64, ids.device())));
        ids.eq(i64::from(BOS_ID)).logical_or(&position.eq(0).unsqueeze(0))
    }

    /// 0 at the first input of each document of a packed row and 1 elsewhere, f32 `[len]`; `None` where rows are documents.
    pub fn continues(&self, device: Device) -> Option<Tensor> {
        self.positions(device).map(|positions| positions.ne(0).to_kind(Kind::Float))
    }

    /// Causal softmax attention within each document, scaled by `1/√head_dim`.
    ///
    /// `q` is `[batch, len, heads, head_dim]`, `k` and `v` `[batch, len, kv_heads, head_dim]`; query head h reads kv head
    /// `h / (heads / kv_heads)`. Gives `[batch, len, heads, head_dim]`.
    pub fn attend(&self, q: &Tensor, k: &Tensor, v: &Tensor) -> Tensor {
        match self {
            Docs::Rows => causal(q, k, v, None),
            Docs::Packed(segments) => segments.attend(q, k, v),
        }
    }
}

impl Segments {
    fn longest(&self) -> i64 {
        self.lens.iter().copied().max().unwrap_or(0)
    }

    fn attend(&self, q: &Tensor, k: &Tensor, v: &Tensor) -> Tensor {
        // The kernel of a GPU writes wherever the boundaries say.
        let (covered, len) = (self.lens.iter().sum::<i64>(), q.size()[1]);
        assert!(covered == len, "libtorch: the boundaries of a packed row cover {covered} of its {len} positions");
        match &self.cu_seqlens {
            Some(cu_seqlens) => self.flash(q, k, v, cu_seqlens),
            None => self.one_by_one(q, k, v),
        }
    }

    /// Computes the exact equivalent on the CPU. Its cost is the sum of the squares of the documents' lengths.
    /// Splitting once and joining once keeps the backward pass as cheap: one slice per document would give a gradient
    /// of the whole row for each.
    fn one_by_one(&self, q: &Tensor, k: &Tensor, v: &Tensor) -> Tensor {
        let [q, k, v] = [q, k, v].map(|x| x.split_with_sizes(self.lens.as_slice(), 1));
        let parts: Vec<Tensor> = q.iter().zip(&k).zip(&v).map(|((q, k), v)| causal(q, k, v, None)).collect();
        Tensor::cat(&parts, 1)
    }

    /// Runs ATen's flash attention over packed rows. It takes half precision only, so f32 is rounded to bf16 and back.
    fn flash(&self, q: &Tensor, k: &Tensor, v: &Tensor, cu_seqlens: &Tensor) -> Tensor {
        let kind = q.kind();
        let [q, k, v] = [q, k, v].map(|x| x.squeeze_dim(0).to_kind(Kind::BFloat16));
        let out = shim::varlen_attention(&q, &k, &v, cu_seqlens, self.longest());
        // Like every other refusal of libtorch, `error::guard` turns this into an error of the run.
        out.unwrap_or_else(|error| panic!("{error}")).unsqueeze(0).to_kind(kind)
    }
}

/// Causal attention over rows; with a mask `[batch, 1, kept, len]`, of the chosen queries alone.
pub fn causal(q: &Tensor, k: &Tensor, v: &Tensor, mask: Option<&Tensor>) -> Tensor {
    let heads = q.size()[2];
    let q = q.transpose(1, 2);
    let (k, v) = (for_each_query(k, heads).transpose(1, 2), for_each_query(v, heads).transpose(1, 2));
    Tensor::scaled_dot_product_attention(&q, &k, &v, mask, 0.0, mask.is_none(), None, false).transpose(1, 2)
}

/// Repeats each kv head for the query heads that share it: `[b, t, kv, d]` to `[b, t, heads, d]`.
fn for_each_query(x: &Tensor, heads: i64) -> Tensor {
    let size = x.size();
    let [b, t, kv, d] = [size[0], size[1], size[2], size[3]];
    if kv == heads {
        return x.shallow_clone();
    }
    x.unsqueeze(3).expand([b, t, kv, heads / kv, d], false).reshape([b, t, heads, d])
}
