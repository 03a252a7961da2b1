//! The model with its weights.

use std::collections::BTreeSet;

use tch::{Device, Kind, Reduction, Tensor};

use super::ModelRecipe;
use super::head::Head;
use super::input::InputLayer;
use super::trunk::{Connections, Order, Trunk};
use crate::nn::lora::{Choice, HEAD, Plan};
use crate::nn::scope::Builder;
use crate::nn::{AdapterInit, Adapters, Docs, LearntStart, Param, Pass, RopeTables, Rows, Tap, rms_norm};
use crate::{Result, parallel};

/// Additions to the plain forward pass.
#[derive(Clone, Copy, Default)]
pub struct Extra<'a> {
    /// Adapters of test-time training.
    pub adapters: Option<&'a Adapters>,
    /// The observer of the inputs of linear layers.
    pub tap: Option<&'a Tap>,
    /// The positions whose hidden states are requested; the last layer then computes no others.
    pub only: Option<&'a Rows>,
}

/// The model's components.
pub(super) struct Parts {
    input: InputLayer,
    trunk: Trunk,
    head: Head,
}

impl Parts {
    /// Declares every parameter, in the order of upstream's state dict, and binds it.
    pub fn build(m: &ModelRecipe, builder: &mut Builder) -> Result<Parts> {
        let mut scope = builder.root();
        let shape = [m.vocab_size, m.model_dim];
        let hidden = scope.input();
        let tied = m.embedding.tie_embeddings;
        let connections = Connections::build(m, &mut scope)?;
        let input = InputLayer::build(m, tied.then_some(hidden), &mut scope)?;
        let trunk = Trunk::build(m, connections, &mut scope)?;
        let table = tied.then_some(&input.embedding.table);
        let head = Head::build(&m.head, table, shape, hidden, &mut scope)?;
        Ok(Parts { input, trunk, head })
    }

    /// Returns the names of the adapters that a layer or the head may have.
    pub fn adapters(&self) -> BTreeSet<&'static str> {
        let of_layers = self.trunk.sites().into_iter().flat_map(|sites| sites.mixer.into_iter().chain(sites.ffn));
        of_layers.map(|site| site.name).chain([HEAD]).collect()
    }

    /// Returns the names of the adapters of `choice` with their outputs, in their order.
    pub fn adapter_places(&self, m: &ModelRecipe, choice: Choice<'_>) -> Vec<(String, i64)> {
        let (dim, vocab_size, device) = (m.model_dim, m.vocab_size, Device::Cpu);
        Plan { slots: &self.trunk.sites(), dim, vocab_size, choice, device }.places()
    }
}

/// A model with its weights.
pub struct Gpt {
    config: ModelRecipe,
    params: Vec<Param>,
    /// Every parameter in state-dict order, sharing storage with the parts.
    parameters: Vec<(String, Tensor)>,
    parts: Parts,
    /// Precision of activations and products: bf16 on CUDA, f32 on the CPU (docs/spec/algorithms.md#precision). Parameters stay
    /// f32.
    compute: Kind,
    /// Tokens of context that the running evaluation grants; `0` in training.
    context: i64,
    device: Device,
    /// The learnt start of the adapters, where the model file has one.
    start: Option<LearntStart>,
}

impl Gpt {
    /// Builds a model with the given state dict, which must fit `config` name by name and shape by shape. Depth
    /// recurrence is on.
    ///
    /// # Errors
    /// A missing or foreign name or a wrong shape: the message names the component and the parameter.
    pub fn new(config: &ModelRecipe, state: Vec<(String, Tensor)>, device: Device) -> Result<Gpt> {
        let mut builder = Builder::with_state(state, device);
        let parts = Parts::build(config, &mut builder)?;
        let (params, tensors) = builder.finish()?;
        let parameters = params.iter().map(|param| param.name.clone()).zip(tensors).collect();
        let compute = if device.is_cuda() { Kind::BFloat16 } else { Kind::Float };
        Ok(Gpt { config: config.clone(), params, parameters, parts, compute, context: 0, device, start: None })
    }

    /// Returns the same weights with gradients of their own, for concurrent work: all replicas share what is learned
    /// through one, and none shares its gradients.
    pub fn replica(&self, trainable: bool) -> Result<Gpt> {
        self.replica_with(&self.parameters, trainable)
    }

    /// Returns the model with the weights `state`, which it shares, and with gradients of its own.
    pub fn replica_with(&self, state: &[(String, Tensor)], trainable: bool) -> Result<Gpt> {
        let leaf = |t: &Tensor| t.detach().set_requires_grad(trainable);
        let leaves = state.iter().map(|(name, t)| (name.clone(), leaf(t))).collect();
        let mut replica = Gpt::new(&self.config, leaves, self.device)?;
        replica.parts.trunk.set_order(self.order().clone());
        replica.compute = self.compute;
        replica.start = self.start.as_ref().map(LearntStart::share);
        Ok(replica)
    }

    /// Returns the model with a learnt start of its adapters, or without one.
    pub fn with_start(self, start: Option<LearntStart>) -> Gpt {
        Gpt { start, ..self }
    }

    /// The learnt start of the adapters.
    pub fn start(&self) -> Option<&LearntStart> {
        self.start.as_ref()
    }

    /// Returns one replica without gradients for each piece of work that can run at once, for an evaluation that grants
    /// `context` tokens of context. Rotary positions may depend on that number, and not on how long a row happens to be: a
    /// short document scores the same beside any other.
    pub fn for_workers(&self, context: i64) -> Result<Vec<Gpt>> {
        let granted = |_| Ok(Gpt { context, ..self.replica(false)? });
        (0..parallel::workers(self.device)).map(granted).collect()
    }

    /// Computes the gradient of `loss` for every parameter, in their order; undefined where the loss does not depend on
    /// one.
    pub fn gradients(&self, loss: &Tensor) -> Vec<Tensor> {
        let leaves: Vec<&Tensor> = self.parameters.iter().map(|(_, t)| t).collect();
        Tensor::run_backward(&[loss], &leaves, false, false)
    }

    /// Turns depth recurrence on or off.
    pub fn set_looping(&mut self, looping: bool) {
        self.parts.trunk.set_order(Order::new(&self.config, looping));
    }

    pub fn config(&self) -> &ModelRecipe {
        &self.config
    }

    /// The order in which the layers run now.
    pub fn order(&self) -> &Order {
        self.parts.trunk.order()
    }

    pub fn device(&self) -> Device {
        self.device
    }

    /// Returns the same model with activations and products in `kind`, so that what a GPU's precision does can be seen on
    /// the CPU.
    pub fn in_precision(mut self, kind: Kind) -> Gpt {
        self.compute = kind;
        self
    }

    /// Every parameter in state-dict order.
    pub fn parameters(&self) -> &[(String, Tensor)] {
        &self.parameters
    }

    /// Returns the components' declarations of the parameters, in the same order.
    pub fn params(&self) -> &[Param] {
        &self.params
    }

    /// Makes every parameter a leaf that collects gradients, or none.
    pub fn set_trainable(&self, trainable: bool) {
        for (_, tensor) in &self.parameters {
            let _ = tensor.set_requires_grad(trainable);
        }
    }

    /// Makes fresh adapters for `docs`, at every site of every virtual layer and of the head that the recipe adapts.
    pub fn adapters(&self, choice: Choice<'_>, docs: &[usize], init: &dyn AdapterInit) -> Adapters {
        let (dim, vocab_size, device) = (self.config.model_dim, self.config.vocab_size, self.device);
        Adapters::new(&Plan { slots: &self.parts.trunk.sites(), dim, vocab_size, choice, device }, docs, init)
    }

    /// Returns the names of these adapters with their outputs, in the order of [`Adapters::matrices`].
    pub fn adapter_places(&self, choice: Choice<'_>) -> Vec<(String, i64)> {
        self.parts.adapter_places(&self.config, choice)
    }

    /// Computes the mean cross-entropy in nats per token; `ids` and `targets` are `[batch, len]`.
    pub fn loss(&self, ids: &Tensor, targets: &Tensor, docs: &Docs) -> Tensor {
        let hidden = self.hidden(ids, docs, Extra::default());
        match self.parts.head.fused_loss(&hidden, targets) {
            // Like every other refusal of libtorch, `error::guard` turns this into an error of the run.
            Some(loss) => loss.unwrap_or_else(|error| panic!("{error}")),
            None => self.cross_entropy(&self.logits(&hidden, None), targets, Reduction::Mean),
        }
    }

    /// Computes the nats of each target `[batch, len]`, f32.
    pub fn nll(&self, ids: &Tensor, targets: &Tensor, docs: &Docs) -> Tensor {
        self.nll_from_hidden(&self.hidden(ids, docs, Extra::default()), targets, None)
    }

    /// Computes the nats of each target, given the hidden states `[batch, len, dim]` of the positions before them.
    pub fn nll_from_hidden(&self, hidden: &Tensor, targets: &Tensor, adapters: Option<&Adapters>) -> Tensor {
        self.cross_entropy(&self.logits(hidden, adapters), targets, Reduction::None).view_as(targets)
    }

    fn cross_entropy(&self, logits: &Tensor, targets: &Tensor, reduction: Reduction) -> Tensor {
        let rows = logits.view([-1, self.config.vocab_size]);
        rows.cross_entropy_loss(&targets.reshape([-1]), None::<&Tensor>, reduction, -100, 0.0)
    }

    /// Computes the softcapped logits `[batch, len, vocab]`, f32.
    pub fn logits(&self, hidden: &Tensor, adapters: Option<&Adapters>) -> Tensor {
        self.parts.head.logits(hidden, adapters)
    }

    /// Computes the normalized hidden states `[batch, len, dim]` of `ids` `[batch, len]`, or `[batch, kept, dim]` of
    /// the positions that `extra` requests.
    pub fn hidden(&self, ids: &Tensor, docs: &Docs, extra: Extra) -> Tensor {
        let ropes = RopeTables::new(ids.size()[1], docs, self.device, self.compute);
        let x0 = self.parts.input.forward(ids, docs, self.compute, extra.tap);
        let context = self.context;
        let pass = Pass { x0: &x0, docs, ropes: &ropes, context, tap: extra.tap, slot: None, only: None };
        let hidden = rms_norm(&self.parts.trunk.forward(&pass, extra.adapters, extra.only));
        pass.observe(self.parts.head.input, &hidden);
        hidden
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::initial_state;
    use crate::recipe::Recipe;

    const TOML: &str = "[model]\nvocab_size = 64\nmodel_dim = 64\nlayout = 'A*3 X'\n[model.unet]\nskip_gates = true\n\
                        [model.lanes]\nparallel_start_layer = 3\n\
                        [model.block.A]\nln_scale = true\n[model.block.A.mlp]\n\
                        [model.block.A.gqa]\nnum_heads = 4\nnum_kv_heads = 2\nrope_dims = 8\n\
                        [model.block.X]\nln_scale = true\n[model.block.X.mlp]\n\
                        [model.block.X.gqa]\nnum_heads = 4\nnum_kv_heads = 2\nrope_dims = 8\nxsa = true\n";

    /// A model whose weights are all away from their start, so that every part shows.
    fn waved(kind: Kind) -> Gpt {
        let m = Recipe::parse(TOML, &[]).unwrap().model;
        let mut state = initial_state(&m, 1).unwrap();
        for (index, (_, tensor)) in state.iter_mut().enumerate() {
            let wave = Tensor::arange(tensor.numel() as i64, (Kind::Float, Device::Cpu)) * 0.7 + index as f64;
            *tensor += wave.sin().view_as(tensor) * 0.1;
        }
        Gpt::new(&m, state, Device::Cpu).unwrap().in_precision(kind)
    }

    fn tokens(n: i64) -> Tensor {
        Tensor::from_slice(&(0..n).map(|i| i * i * 7 % 64).collect::<Vec<_>>())
    }

    #[test]
    fn bf16_gives_the_loss_and_the_gradients_of_f32_within_its_precision() {
        let ids = tokens(65);
        let (x, y) = (ids.narrow(0, 0, 64).view([2, 32]), ids.narrow(0, 1, 64).view([2, 32]));
        let [(exact, exact_grads), (rounded, grads)] = [Kind::Float, Kind::BFloat16].map(|kind| {
            let model = waved(kind);
            model.set_trainable(true);
            let loss = model.loss(&x, &y, &Docs::Rows);
            (loss.double_value(&[]), model.gradients(&loss))
        });
        assert!((exact - rounded).abs() < 0.02, "loss {exact} in f32, {rounded} in bf16");
        for ((exact, rounded), param) in exact_grads.iter().zip(&grads).zip(waved(Kind::Float).params()) {
            assert_eq!((rounded.kind(), rounded.size()), (Kind::Float, param.shape.clone()), "{}", param.name);
            let off = ((exact - rounded).norm() / exact.norm().clamp_min(1e-6)).double_value(&[]);
            assert!(off < 0.1, "{}: bf16 gradient off by {off} of its norm", param.name);
        }
    }

    #[test]
    fn weights_of_another_layout_name_the_component_and_the_key() {
        let m = Recipe::parse(TOML, &[]).unwrap().model;
        type Change<'a> = &'a dyn Fn(&mut Vec<(String, Tensor)>);
        let refused = |change: Change<'_>| {
            let mut state = initial_state(&m, 1).unwrap();
            change(&mut state);
            Gpt::new(&m, state, Device::Cpu).err().unwrap().to_string()
        };
        let lacking = refused(&|state| state.retain(|(name, _)| name != "parallel_post_lambdas"));
        assert!(lacking.contains("`parallel_post_lambdas`, which component lanes needs"), "{lacking}");
        let wide = refused(&|state| {
            let fc = state.iter_mut().find(|(name, _)| name == "blocks.2.mlp.fc.weight").unwrap();
            fc.1 = Tensor::zeros([256, 64], (Kind::Float, Device::Cpu));
        });
        assert!(
            wide.contains("component mlp: `blocks.2.mlp.fc.weight` is [256, 64] in the weights but [128, 64]"),
            "{wide}"
        );
        let foreign = refused(&|state| state.push(("blocks.0.cfc.gate".to_owned(), Tensor::from(1f32))));
        assert!(foreign.contains("hold `blocks.0.cfc.gate`, which no component"), "{foreign}");
    }

    #[test]
    fn chosen_positions_have_the_hidden_states_of_the_whole_pass() {
        let model = waved(Kind::Float);
        let ids = tokens(48).view([2, 24]);
        let whole = tch::no_grad(|| model.hidden(&ids, &Docs::Rows, Extra::default()));
        // Another stretch in each row, the last position again and again as padding.
        let rows = Rows { positions: Tensor::from_slice(&[4i64, 5, 6, 7, 22, 23, 23, 23]).view([2, 4]) };
        let some = tch::no_grad(|| model.hidden(&ids, &Docs::Rows, Extra { only: Some(&rows), ..Extra::default() }));
        let off = (rows.of(&whole) - some).abs().max().double_value(&[]);
        assert!(off < 2e-6, "off by {off}");
    }

    /// A small model with a table of pairs and a gate, away from its start.
    fn with_pairs() -> Gpt {
        let pairs = ["model.bigram.bigram_vocab_size=50", "model.bigram.bigram_dim=8", "model.smear={}"];
        let sets: Vec<String> = pairs.iter().map(|&set| set.to_owned()).collect();
        let m = Recipe::parse(TOML, &sets).unwrap().model;
        let mut state = initial_state(&m, 1).unwrap();
        for (index, (_, tensor)) in state.iter_mut().enumerate() {
            let wave = Tensor::arange(tensor.numel() as i64, (Kind::Float, Device::Cpu)) * 0.7 + index as f64;
            *tensor += wave.sin().view_as(tensor) * 0.3;
        }
        Gpt::new(&m, state, Device::Cpu).unwrap()
    }

    #[test]
    fn pairs_and_the_gate_look_back_within_a_document_alone() {
        let model = with_pairs();
        let x0 = |ids: &Tensor, docs: &Docs| model.parts.input.forward(ids, docs, Kind::Float, None);
        let off = |a: &Tensor, b: &Tensor| (a - b).abs().max().double_value(&[]);
        // Token 1 is BOS: documents of 5 and 7 tokens in one row, and a piece that begins within a document.
        let ids = Tensor::from_slice(&[1i64, 9, 8, 7, 6, 1, 9, 8, 20, 21, 22, 23]).unsqueeze(0);
        let whole = x0(&ids, &Docs::Rows);
        let second = x0(&ids.narrow(1, 5, 7), &Docs::Rows);
        assert!(off(&whole.narrow(1, 5, 7), &second) < 1e-6, "the last token before a BOS plays no part");
        let cut = x0(&ids, &Docs::packed(&[0, 5, 8, 12], Device::Cpu).unwrap());
        assert!(off(&cut.narrow(1, 0, 8), &whole.narrow(1, 0, 8)) < 1e-6);
        assert!(off(&cut.narrow(1, 8, 1), &whole.narrow(1, 8, 1)) > 1e-3, "a segment begins anew");
        // Within a document the token before does matter: its pair's row reaches the next position, and the gate one more.
        let other = Tensor::from_slice(&[1i64, 9, 8, 7, 6, 1, 9, 30, 20, 21, 22, 23]).unsqueeze(0);
        assert!(off(&x0(&other, &Docs::Rows).narrow(1, 8, 1), &whole.narrow(1, 8, 1)) > 1e-3);
        assert!(off(&x0(&other, &Docs::Rows).narrow(1, 10, 2), &whole.narrow(1, 10, 2)) < 1e-6);
    }

    #[test]
    fn no_gradient_and_no_value_crosses_a_documents_boundary() {
        let model = waved(Kind::Float);
        let docs = Docs::packed(&[0, 5, 20, 32, 32], Device::Cpu).unwrap();
        let table = model.parameters().iter().find(|(name, _)| name == "tok_emb.weight").unwrap().1.shallow_clone();
        // Every position has a row of its own, so the gradient of the table's rows is that of the positions.
        let ids = Tensor::arange(32, (Kind::Int64, Device::Cpu)).unsqueeze(0);
        let _ = table.set_requires_grad(true);
        let hidden = model.hidden(&ids, &docs, Extra::default());
        let middle = hidden.narrow(1, 5, 15).sum(Kind::Float);
        let grads = Tensor::run_backward(&[middle], &[table], false, false);
        let reached: Vec<bool> = (0..32).map(|i| grads[0].get(i).abs().max().double_value(&[]) > 0.0).collect();
        assert_eq!(reached, (0..32).map(|i| (5..20).contains(&i)).collect::<Vec<_>>());

        let alone = tch::no_grad(|| model.hidden(&ids.narrow(1, 5, 15), &Docs::Rows, Extra::default()));
        let packed = tch::no_grad(|| model.hidden(&ids, &docs, Extra::default())).narrow(1, 5, 15);
        let off = (alone - packed).abs().max().double_value(&[]);
        assert!(off < 5e-6, "packed and alone differ by {off}");
    }
}
