//! Low-rank adapters for test-time training (docs/spec/algorithms.md#adapters): each document has one set of them, with one
//! slot per virtual layer.
//!
//! Components declare [`Site`]s, the places where an adapter adds to their output; nothing here knows their names.

use tch::{Device, Kind, Tensor};

/// A place where an adapter attaches: it reads the normalized input of its part of the block and adds `out` values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// For example `q`; with the virtual layer's number it names the adapter: `q.3`.
    pub name: &'static str,
    pub output: i64,
}

/// The name of the head's adapter.
pub const HEAD: &str = "lm_head";

/// The sites of one virtual layer: around its mixer and around its feed-forward part. All of one part read the same input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sites {
    pub mixer: Vec<Site>,
    pub ffn: Vec<Site>,
}

/// A source of the initial matrices. They depend on the document and the adapter alone, so that a document's adapters do not
/// depend on the documents scored beside it or before it.
pub trait AdapterInit {
    /// Returns A of the adapters `names` for each of `docs`: f32 `[docs, names · rank, inputs]` on `device`.
    fn a(&self, docs: &[usize], names: &[String], rank: i64, inputs: i64, device: Device) -> Tensor;

    /// Returns B of the adapter `name` for each of `docs`: f32 `[docs, outputs, rank]` on `device`.
    fn b(&self, docs: &[usize], _name: &str, outputs: i64, rank: i64, device: Device) -> Tensor {
        Tensor::zeros([docs.len() as i64, outputs, rank], (Kind::Float, device))
    }
}

/// Multiplies `x` `[batch, len, in]` by each document's own matrix `[batch, out, in]`, in the precision of `x`. The
/// matrix stays f32: a cast that was kept would not see what the optimizer learns.
fn times(x: &Tensor, matrix: &Tensor) -> Tensor {
    x.bmm(&matrix.to_kind(x.kind()).transpose(1, 2))
}

/// Adapters that read one input: `x ↦ s·(x Aᵀ) Bᵀ` for each document of a batch, with A `[batch, rank, in]` and B `[batch,
/// out, rank]` that starts at zero. Their A matrices are stacked (`[batch, adapters·rank, in]`) and multiplied at once.
pub struct Stack {
    /// Undefined where no site has an adapter.
    a: Tensor,
    /// B by site; `None` where the recipe leaves the adapter out.
    b: Vec<Option<Tensor>>,
    rank: i64,
    scale: f64,
}

impl Stack {
    /// Computes `x Aᵀ` of all adapters: `[batch, len, in]` to `[batch, len, adapters·rank]`.
    pub fn low(&self, x: &Tensor) -> Tensor {
        if self.a.defined() { times(x, &self.a) } else { x.narrow(2, 0, 0) }
    }

    /// Returns the addition of site `i`, from [`Stack::low`]: `[batch, len, out]`; a zero without dimensions, which can be
    /// added to any shape, where the site has no adapter.
    pub fn delta(&self, i: usize, low: &Tensor) -> Tensor {
        let Some(b) = &self.b[i] else { return Tensor::zeros([], (low.kind(), low.device())) };
        let place = self.b[..i].iter().flatten().count() as i64;
        let delta = times(&low.narrow(2, place * self.rank, self.rank), b);
        if self.scale == 1.0 { delta } else { delta * self.scale }
    }
}

/// The adapters of one virtual layer.
pub struct SlotAdapters {
    pub mixer: Stack,
    pub ffn: Stack,
}

/// All adapters of a batch of documents. Their values lie in one flat tensor, so that an optimizer step is a handful of
/// operations rather than a handful for each matrix.
pub struct Adapters {
    slots: Vec<SlotAdapters>,
    head: Stack,
    flat: Tensor,
    /// The matrices as autograd leaves: views of `flat`, in its order.
    leaves: Vec<Tensor>,
    /// Tells of each leaf whether it is a stack of A matrices.
    is_a: Vec<bool>,
}

/// The parts from which an [`Adapters`] is built.
pub struct Plan<'a> {
    /// Sites by virtual layer.
    pub slots: &'a [Sites],
    /// Width of the inputs of the blocks and of the head.
    pub dim: i64,
    pub vocab_size: i64,
    pub choice: Choice<'a>,
    pub device: Device,
}

/// The settings of a recipe that shape the adapters.
#[derive(Debug, Clone, Copy)]
pub struct Choice<'a> {
    pub rank: i64,
    /// The factor of every addition.
    pub scale: f64,
    /// Names of sites that get no adapter.
    pub without: &'a [String],
}

impl Choice<'_> {
    fn adapts(&self, site: &Site) -> bool {
        !self.without.iter().any(|name| name == site.name)
    }
}

impl Plan<'_> {
    /// The names of all adapters with their outputs, in the order of [`Adapters::matrices`].
    pub fn places(&self) -> Vec<(String, i64)> {
        let of_slot = |(slot, sites): (usize, &Sites)| {
            let sites = sites.mixer.iter().chain(&sites.ffn).filter(|site| self.choice.adapts(site));
            sites.map(|site| (format!("{}.{slot}", site.name), site.output)).collect::<Vec<_>>()
        };
        let head = Site { name: HEAD, output: self.vocab_size };
        let head = self.choice.adapts(&head).then(|| (HEAD.to_owned(), self.vocab_size));
        self.slots.iter().enumerate().flat_map(of_slot).chain(head).collect()
    }
}

impl Adapters {
    /// Makes fresh adapters for `docs`, in batch order, f32.
    pub fn new(plan: &Plan, docs: &[usize], init: &dyn AdapterInit) -> Adapters {
        let mut layout = AdapterLayout { plan, docs, init, parts: Vec::new(), shapes: Vec::new(), is_a: Vec::new() };
        for (slot, sites) in plan.slots.iter().enumerate() {
            for part in [&sites.mixer, &sites.ffn] {
                layout.stack(part, &format!(".{slot}"));
            }
        }
        let head = [Site { name: HEAD, output: plan.vocab_size }];
        layout.stack(&head, "");

        let flat = Tensor::cat(&layout.parts, 0);
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
        let mut stack = |sites: &[Site]| {
            let a = if sites.iter().any(|site| plan.choice.adapts(site)) { next() } else { Tensor::new() };
            let b = sites.iter().map(|site| plan.choice.adapts(site).then(&mut next)).collect();
            Stack { a, b, rank: plan.choice.rank, scale: plan.choice.scale }
        };
        let slots = plan
            .slots
            .iter()
            .map(|sites| SlotAdapters { mixer: stack(&sites.mixer), ffn: stack(&sites.ffn) })
            .collect();
        let head = stack(&head);
        Adapters { slots, head, flat, leaves, is_a: layout.is_a }
    }

    /// The adapters of virtual layer `index`.
    pub fn slot(&self, index: usize) -> &SlotAdapters {
        &self.slots[index]
    }

    /// Returns the addition of the head's adapter to the logits of `hidden` `[batch, len, dim]`.
    pub fn head_delta(&self, hidden: &Tensor) -> Tensor {
        self.head.delta(0, &self.head.low(hidden))
    }

    /// Returns all A matrices of each document, one below the other in the adapters' order, `[batch, adapters · rank, in]`, and
    /// all its B matrices, `[batch, Σ out, rank]`.
    pub fn matrices(&self) -> [Tensor; 2] {
        let of = |a: bool| {
            let chosen = self.leaves.iter().zip(&self.is_a).filter(|(_, is_a)| **is_a == a);
            Tensor::cat(&chosen.map(|(leaf, _)| leaf.detach()).collect::<Vec<_>>(), 1)
        };
        [of(true), of(false)]
    }

    /// Returns all values in one row. Change them under `no_grad`.
    pub fn flat(&mut self) -> &mut Tensor {
        &mut self.flat
    }

    /// Computes the gradient of `loss` for all values, in the order of [`Adapters::flat`].
    pub fn gradient(&self, loss: &Tensor) -> Tensor {
        let grads = Tensor::run_backward(&[loss], &self.leaves, false, false);
        Tensor::cat(&grads.iter().map(|g| g.reshape([-1])).collect::<Vec<_>>(), 0)
    }
}

/// Collects the matrices' initial values, flat, and their shapes.
struct AdapterLayout<'a> {
    plan: &'a Plan<'a>,
    docs: &'a [usize],
    init: &'a dyn AdapterInit,
    parts: Vec<Tensor>,
    shapes: Vec<[i64; 3]>,
    is_a: Vec<bool>,
}

impl AdapterLayout<'_> {
    /// A part without adapters has no matrices.
    fn stack(&mut self, sites: &[Site], suffix: &str) {
        let sites: Vec<&Site> = sites.iter().filter(|site| self.plan.choice.adapts(site)).collect();
        if sites.is_empty() {
            return;
        }
        let Plan { choice: Choice { rank, .. }, dim, device, .. } = *self.plan;
        let batch = self.docs.len() as i64;
        let names: Vec<String> = sites.iter().map(|site| format!("{}{suffix}", site.name)).collect();
        self.parts.push(self.init.a(self.docs, &names, rank, dim, device).reshape([-1]));
        self.shapes.push([batch, names.len() as i64 * rank, dim]);
        self.is_a.push(true);
        for (site, name) in sites.iter().zip(&names) {
            self.parts.push(self.init.b(self.docs, name, site.output, rank, device).reshape([-1]));
            self.shapes.push([batch, site.output, rank]);
            self.is_a.push(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Ones;

    impl AdapterInit for Ones {
        fn a(&self, docs: &[usize], names: &[String], rank: i64, inputs: i64, device: Device) -> Tensor {
            Tensor::ones([docs.len() as i64, names.len() as i64 * rank, inputs], (Kind::Float, device))
        }
    }

    #[test]
    fn what_is_learnt_reaches_the_next_pass_in_every_precision() {
        let site = |name, output| Site { name, output };
        let sites = Sites { mixer: vec![site("q", 8), site("k", 4), site("o", 8)], ffn: vec![site("mlp", 8)] };
        let choice = Choice { rank: 2, scale: 1.0, without: &[] };
        let plan = Plan { slots: &[sites], dim: 8, vocab_size: 16, choice, device: Device::Cpu };
        for kind in [Kind::Float, Kind::BFloat16] {
            let mut adapters = Adapters::new(&plan, &[0, 1], &Ones);
            let x = Tensor::ones([2, 3, 8], (kind, Device::Cpu));
            let deltas = |adapters: &Adapters| -> Vec<Tensor> {
                let SlotAdapters { mixer, ffn } = adapters.slot(0);
                let low = mixer.low(&x);
                let mut all: Vec<Tensor> = (0..3).map(|i| mixer.delta(i, &low)).collect();
                all.extend([ffn.delta(0, &ffn.low(&x)), adapters.head_delta(&x)]);
                all
            };
            for _ in 0..2 {
                let before: Vec<Tensor> =
                    deltas(&adapters).iter().map(|d| d.to_kind(Kind::Float).sum(Kind::Float)).collect();
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

    #[test]
    fn adapters_that_are_left_out_change_nothing_and_the_others_are_scaled() {
        let site = |name, output| Site { name, output };
        let sites = Sites { mixer: vec![site("q", 8), site("k", 4), site("o", 8)], ffn: vec![site("mlp", 8)] };
        let without = ["q".to_owned(), "mlp".to_owned()];
        let choice = Choice { rank: 2, scale: 1.8, without: &without };
        let plan = Plan { slots: &[sites], dim: 8, vocab_size: 16, choice, device: Device::Cpu };
        let mut adapters = Adapters::new(&plan, &[0], &Ones);
        tch::no_grad(|| *adapters.flat() += 1.0);
        let x = Tensor::ones([1, 3, 8], (Kind::Float, Device::Cpu));
        let SlotAdapters { mixer, ffn } = adapters.slot(0);
        let low = mixer.low(&x);
        let largest = |t: Tensor| t.abs().max().double_value(&[]);
        assert_eq!(low.size(), [1, 3, 4], "two adapters of rank 2 are left");
        assert_eq!(largest(mixer.delta(0, &low)), 0.0);
        assert_eq!(largest(ffn.delta(0, &ffn.low(&x))), 0.0);
        // A is 2 and B is 1 everywhere: 8 inputs, rank 2.
        assert!((largest(mixer.delta(1, &low)) - 1.8 * 32.0).abs() < 1e-4);
    }
}
