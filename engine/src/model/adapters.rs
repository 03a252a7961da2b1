//! Low-rank adapters for test-time training (spec/algorithms.md §5.3): one set a document, one slot a virtual layer.

use tch::{Device, Tensor};

use super::schedule::Schedule;
use super::spec::kv_dim;
use crate::recipe::ModelRecipe;

/// Gives the initial A matrices, each drawn for its own document, so that a document's adapters do not depend on what is
/// scored beside it or before it.
pub trait AdapterInit: Sync {
    /// A of `adapter` (`q.3`, `mlp.0`, `lm_head`, …) for document `doc`: `rank × inputs` values, row by row.
    fn a(&self, doc: usize, adapter: &str, rank: i64, inputs: i64) -> Vec<f32>;
}

/// `x` `[batch, len, in]` times each document's own matrix `[batch, out, in]`, in the precision of `x`. The matrix stays f32:
/// a cast that were kept would not see what the optimiser learns.
fn times(x: &Tensor, matrix: &Tensor) -> Tensor {
    x.bmm(&matrix.to_kind(x.kind()).transpose(1, 2))
}

/// `x ↦ (x Aᵀ) Bᵀ` for each document of a batch: A `[batch, rank, in]`, B `[batch, out, rank]`. B starts at zero.
pub struct Adapter {
    a: Tensor,
    b: Tensor,
}

impl Adapter {
    /// The delta for `x` `[batch, len, in]`.
    pub(super) fn delta(&self, x: &Tensor) -> Tensor {
        times(&times(x, &self.a), &self.b)
    }
}

/// The adapters around one attention layer. All four read the layer's normalised input, so their A matrices are stacked
/// (`[batch, 4·rank, dim]`) and multiplied at once.
pub struct AttentionAdapters {
    a: Tensor,
    b: [Tensor; 4],
    rank: i64,
}

/// What the attention adapters add, each `[batch, len, out]`.
pub(super) struct AttentionDeltas {
    pub q: Tensor,
    pub k: Tensor,
    pub v: Tensor,
    pub o: Tensor,
}

impl AttentionAdapters {
    pub(super) fn deltas(&self, n: &Tensor) -> AttentionDeltas {
        let low = times(n, &self.a);
        let delta = |i: usize| times(&low.narrow(2, i as i64 * self.rank, self.rank), &self.b[i]);
        AttentionDeltas { q: delta(0), k: delta(1), v: delta(2), o: delta(3) }
    }
}

/// The adapters of one virtual layer.
pub struct Slot {
    pub(super) attention: AttentionAdapters,
    /// Reads the MLP's normalised input and adds to the MLP's output.
    pub(super) mlp: Adapter,
}

/// All adapters of a batch of documents. Their values lie in one flat tensor, so that an optimiser step is a handful of
/// operations rather than a handful for each matrix.
pub struct Adapters {
    pub(super) slots: Vec<Slot>,
    pub(super) lm_head: Adapter,
    flat: Tensor,
    /// The matrices as autograd leaves: views of `flat`, in its order.
    leaves: Vec<Tensor>,
}

/// The order of the four attention adapters in the stacked A.
const ATTENTION: [&str; 4] = ["q", "k", "v", "o"];

impl Adapters {
    /// Fresh adapters for `docs`, in batch order, f32 on `device`.
    pub fn new(
        m: &ModelRecipe,
        schedule: &Schedule,
        rank: i64,
        docs: &[usize],
        init: &dyn AdapterInit,
        device: Device,
    ) -> Adapters {
        let (batch, dim) = (docs.len() as i64, m.model_dim);
        let mut layout = Layout::default();
        for slot in 0..schedule.slots() {
            layout.a(docs, init, &ATTENTION.map(|name| format!("{name}.{slot}")), rank, dim);
            for outputs in [dim, kv_dim(m), kv_dim(m), dim] {
                layout.zeros([batch, outputs, rank]);
            }
            layout.a(docs, init, &[format!("mlp.{slot}")], rank, dim);
            layout.zeros([batch, dim, rank]);
        }
        layout.a(docs, init, &["lm_head".to_owned()], rank, dim);
        layout.zeros([batch, m.vocab_size, rank]);

        let flat = Tensor::from_slice(&layout.values).to_device(device);
        let mut offset = 0;
        let leaves: Vec<Tensor> = layout
            .shapes
            .iter()
            .map(|shape| {
                let numel: i64 = shape.iter().product();
                let leaf = flat.narrow(0, offset, numel).view(shape.as_slice()).detach().set_requires_grad(true);
                offset += numel;
                leaf
            })
            .collect();
        let mut views = leaves.iter().map(Tensor::shallow_clone);
        let mut next = || views.next().unwrap_or_else(|| unreachable!("the layout lists every matrix"));
        let slots = (0..schedule.slots())
            .map(|_| Slot {
                attention: AttentionAdapters { a: next(), b: [next(), next(), next(), next()], rank },
                mlp: Adapter { a: next(), b: next() },
            })
            .collect();
        let lm_head = Adapter { a: next(), b: next() };
        Adapters { slots, lm_head, flat, leaves }
    }

    /// All values, in one row. Change them under `no_grad`.
    pub fn flat(&mut self) -> &mut Tensor {
        &mut self.flat
    }

    /// Gradient of `loss` for all values, in the order of [`Adapters::flat`].
    pub fn gradient(&self, loss: &Tensor) -> Tensor {
        let grads = Tensor::run_backward(&[loss], &self.leaves, false, false);
        Tensor::cat(&grads.iter().map(|g| g.reshape([-1])).collect::<Vec<_>>(), 0)
    }
}

/// Collects the matrices' initial values and shapes.
#[derive(Default)]
struct Layout {
    values: Vec<f32>,
    shapes: Vec<[i64; 3]>,
}

impl Layout {
    fn a(&mut self, docs: &[usize], init: &dyn AdapterInit, names: &[String], rank: i64, inputs: i64) {
        for &doc in docs {
            for name in names {
                self.values.extend(init.a(doc, name, rank, inputs));
            }
        }
        self.shapes.push([docs.len() as i64, names.len() as i64 * rank, inputs]);
    }

    fn zeros(&mut self, shape: [i64; 3]) {
        self.values.resize(self.values.len() + shape.iter().product::<i64>() as usize, 0.0);
        self.shapes.push(shape);
    }
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;
    use crate::recipe::Recipe;

    struct Ones;

    impl AdapterInit for Ones {
        fn a(&self, _doc: usize, _adapter: &str, rank: i64, inputs: i64) -> Vec<f32> {
            vec![1.0; (rank * inputs) as usize]
        }
    }

    #[test]
    fn what_is_learnt_reaches_the_next_pass_in_every_precision() {
        let toml = "[model]\nvocab_size = 16\nnum_layers = 1\nmodel_dim = 8\nnum_heads = 2\nnum_kv_heads = 1\n";
        let m = Recipe::parse(toml, &[]).unwrap().model;
        for kind in [Kind::Float, Kind::BFloat16] {
            let mut adapters = Adapters::new(&m, &Schedule::new(&m, true), 2, &[0, 1], &Ones, Device::Cpu);
            let x = Tensor::ones([2, 3, 8], (kind, Device::Cpu));
            let deltas = |adapters: &Adapters| {
                let AttentionDeltas { q, k, v, o } = adapters.slots[0].attention.deltas(&x);
                [q, k, v, o, adapters.slots[0].mlp.delta(&x), adapters.lm_head.delta(&x)]
            };
            for _ in 0..2 {
                let before = deltas(&adapters).map(|delta| delta.to_kind(Kind::Float).sum(Kind::Float));
                let grad = adapters.gradient(&Tensor::stack(&before, 0).sum(Kind::Float));
                assert_eq!((grad.kind(), grad.size()), (Kind::Float, adapters.flat().size()));
                tch::no_grad(|| *adapters.flat() += grad * 0.01);
                for (delta, before) in deltas(&adapters).iter().zip(&before) {
                    assert_eq!(delta.kind(), kind);
                    assert!(delta.sum(Kind::Float).double_value(&[]) > before.double_value(&[]), "{kind:?}");
                }
            }
        }
    }
}
