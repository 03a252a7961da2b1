//! The model: token embedding, a U-Net of blocks, a softcapped head (spec/algorithms.md §2).
//!
//! One forward pass serves training, evaluation and test-time training; adapters are an argument, not a second copy.

mod adapters;
mod attention;
mod block;
mod init;
mod mlp;
pub mod names;
mod rope;
mod schedule;
pub mod spec;
mod weights;

use tch::{Device, Kind, Reduction, Tensor};

pub use adapters::{AdapterInit, Adapters};
pub use attention::Attend;
use block::{Block, LaneWeights, Lanes, Pass};
pub use init::initial_state;
use rope::{Rope, rms_norm};
pub use schedule::Schedule;
use weights::Weights;

use crate::Result;
use crate::recipe::{FinalLane, ModelRecipe};

/// `x` `[…, in]` times a weight `[out, in]`, in the precision of `x`.
fn linear(x: &Tensor, weight: &Tensor) -> Tensor {
    x.linear(&weight.to_kind(x.kind()), None::<&Tensor>)
}

/// A model with its weights.
pub struct Gpt {
    config: ModelRecipe,
    /// Every parameter in state-dict order, sharing storage with the fields below.
    parameters: Vec<(String, Tensor)>,
    /// `[vocab, dim]`
    tok_emb: Tensor,
    /// `[vocab, dim]`; the embedding itself when tied.
    head: Tensor,
    blocks: Vec<Block>,
    /// `[skips, dim]`
    skip_weights: Tensor,
    skip_gates: Option<Tensor>,
    lanes: Option<LaneWeights>,
    schedule: Schedule,
    /// Precision of activations and products: bf16 on CUDA, f32 on the CPU (§2.13). Parameters stay f32.
    compute: Kind,
}

impl Gpt {
    /// A model with the given state dict, which must fit `config` name by name and shape by shape. Depth recurrence is on.
    pub fn new(config: &ModelRecipe, state: Vec<(String, Tensor)>, device: Device) -> Result<Gpt> {
        let weights = Weights::from_state(config, state, device)?;
        let tok_emb = weights.get("tok_emb.weight")?;
        let head = if config.tie_embeddings { tok_emb.shallow_clone() } else { weights.get("lm_head.weight")? };
        let lanes = if config.parallel_start_layer > 0 {
            Some(LaneWeights {
                post: weights.get("parallel_post_lambdas")?,
                resid: weights.get("parallel_resid_lambdas")?,
            })
        } else {
            None
        };
        let parameters = spec::parameters(config)
            .into_iter()
            .map(|spec| weights.get(&spec.name).map(|tensor| (spec.name, tensor)))
            .collect::<Result<_>>()?;
        Ok(Gpt {
            tok_emb,
            head,
            blocks: (0..config.num_layers).map(|i| Block::new(config, i, &weights)).collect::<Result<_>>()?,
            skip_weights: weights.get("skip_weights")?,
            skip_gates: if config.skip_gates { Some(weights.get("skip_gates")?) } else { None },
            lanes,
            schedule: Schedule::new(config, true),
            compute: if device.is_cuda() { Kind::BFloat16 } else { Kind::Float },
            parameters,
            config: config.clone(),
        })
    }

    /// The same model for another thread: tensors are shared, not copied. Only read it from there.
    pub fn share(&self) -> Gpt {
        Gpt {
            config: self.config.clone(),
            parameters: self.parameters.iter().map(|(name, t)| (name.clone(), t.shallow_clone())).collect(),
            tok_emb: self.tok_emb.shallow_clone(),
            head: self.head.shallow_clone(),
            blocks: self.blocks.iter().map(Block::share).collect(),
            skip_weights: self.skip_weights.shallow_clone(),
            skip_gates: self.skip_gates.as_ref().map(Tensor::shallow_clone),
            lanes: self
                .lanes
                .as_ref()
                .map(|l| LaneWeights { post: l.post.shallow_clone(), resid: l.resid.shallow_clone() }),
            schedule: self.schedule.clone(),
            compute: self.compute,
        }
    }

    /// One [`Gpt::share`] for each piece of work that can go on at once.
    pub fn for_workers(&self) -> Vec<Gpt> {
        (0..crate::parallel::workers(self.device())).map(|_| self.share()).collect()
    }

    /// The same weights with gradients of its own, for a micro-step beside others: what is learnt through one replica is seen
    /// by all, what is differentiated through one is its own.
    pub fn replica(&self) -> Result<Gpt> {
        let leaves =
            self.parameters.iter().map(|(name, t)| (name.clone(), t.detach().set_requires_grad(true))).collect();
        let mut replica = Gpt::new(&self.config, leaves, self.device())?;
        replica.schedule = self.schedule.clone();
        Ok(replica)
    }

    /// Gradient of `loss` for every parameter, in their order; undefined where the loss does not depend on one.
    pub fn gradients(&self, loss: &Tensor) -> Vec<Tensor> {
        let leaves: Vec<&Tensor> = self.parameters.iter().map(|(_, t)| t).collect();
        Tensor::run_backward(&[loss], &leaves, false, false)
    }

    /// Turns depth recurrence on or off.
    pub fn set_looping(&mut self, looping: bool) {
        self.schedule = Schedule::new(&self.config, looping);
    }

    pub fn config(&self) -> &ModelRecipe {
        &self.config
    }

    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    pub fn device(&self) -> Device {
        self.tok_emb.device()
    }

    /// The same model with activations and products in `kind`, so that a GPU's precision can be tested on the CPU.
    #[cfg(test)]
    pub(crate) fn in_precision(mut self, kind: Kind) -> Gpt {
        self.compute = kind;
        self
    }

    /// Every parameter in state-dict order.
    pub fn parameters(&self) -> &[(String, Tensor)] {
        &self.parameters
    }

    /// Makes every parameter a leaf that collects gradients, or none.
    pub fn set_trainable(&self, trainable: bool) {
        for (_, tensor) in &self.parameters {
            let _ = tensor.set_requires_grad(trainable);
        }
    }

    /// Mean cross-entropy in nats per token; `ids` and `targets` `[batch, len]`.
    pub fn loss(&self, ids: &Tensor, targets: &Tensor, attend: &Attend) -> Tensor {
        let logits = self.logits(&self.hidden(ids, attend, None), None);
        logits.view([-1, self.config.vocab_size]).cross_entropy_loss(
            &targets.view([-1]),
            None::<&Tensor>,
            Reduction::Mean,
            -100,
            0.0,
        )
    }

    /// Nats of each target `[batch, len]`, f32.
    pub fn nll(&self, ids: &Tensor, targets: &Tensor, attend: &Attend) -> Tensor {
        self.nll_from_hidden(&self.hidden(ids, attend, None), targets, None)
    }

    /// Nats of each target, given the hidden states `[batch, len, dim]` of the positions before them.
    pub fn nll_from_hidden(&self, hidden: &Tensor, targets: &Tensor, adapters: Option<&Adapters>) -> Tensor {
        let logits = self.logits(hidden, adapters);
        logits
            .view([-1, self.config.vocab_size])
            .cross_entropy_loss(&targets.reshape([-1]), None::<&Tensor>, Reduction::None, -100, 0.0)
            .view_as(targets)
    }

    /// Softcapped logits `[batch, len, vocab]`, f32: `cap · tanh(z / cap)`.
    pub fn logits(&self, hidden: &Tensor, adapters: Option<&Adapters>) -> Tensor {
        let z = linear(hidden, &self.head);
        let z = match adapters {
            Some(adapters) => z + adapters.lm_head.delta(hidden),
            None => z,
        };
        ((z / self.config.logit_softcap).tanh() * self.config.logit_softcap).to_kind(Kind::Float)
    }

    /// Normalised hidden states `[batch, len, dim]` of `ids` `[batch, len]`.
    pub fn hidden(&self, ids: &Tensor, attend: &Attend, adapters: Option<&Adapters>) -> Tensor {
        let len = ids.size()[1];
        let m = &self.config;
        let rope_dims = if m.rope_dims > 0 { m.rope_dims } else { spec::head_dim(m) };
        let rope = Rope::new(len, rope_dims, m.rope_base, self.device(), self.compute);
        let x0 = rms_norm(&Tensor::embedding(&self.tok_emb, ids, -1, false, false).to_kind(self.compute));
        let pass = Pass { x0: &x0, rope: &rope, attend };
        let slot = |index: usize| adapters.map(|a| &a.slots[index]);

        let mut x = x0.shallow_clone();
        let mut skips = Vec::with_capacity(self.schedule.encoder.len());
        for (index, &layer) in self.schedule.encoder.iter().enumerate() {
            x = self.blocks[layer].forward(&x, &pass, slot(index));
            skips.push(x.shallow_clone());
        }
        let mut lanes: Option<Lanes> = None;
        for (step, &layer) in self.schedule.decoder.iter().enumerate() {
            let slot = slot(self.schedule.encoder.len() + step);
            if let Some(weights) = self.lanes.as_ref().filter(|_| layer as i64 >= m.parallel_start_layer) {
                let mut pair =
                    lanes.take().unwrap_or_else(|| Lanes { attn: x.shallow_clone(), mlp: x.shallow_clone() });
                if let Some(skip) = skips.pop() {
                    pair.attn = self.merge_skip(&pair.attn, &skip, step);
                }
                lanes = Some(self.blocks[layer].forward_lanes(&pair, layer, weights, &pass, slot));
            } else {
                if let Some(skip) = skips.pop() {
                    x = self.merge_skip(&x, &skip, step);
                }
                x = self.blocks[layer].forward(&x, &pass, slot);
            }
        }
        rms_norm(&match lanes {
            None => x,
            Some(lanes) => match m.parallel_final_lane {
                FinalLane::Mean => (lanes.attn + lanes.mlp) * 0.5,
                FinalLane::Mlp => lanes.mlp,
                FinalLane::Attn => lanes.attn,
            },
        })
    }

    /// Adds the encoder output `skip` at decoder step `step`; a gate turns the sum into a mixture (§2.5).
    fn merge_skip(&self, x: &Tensor, skip: &Tensor, step: usize) -> Tensor {
        let scaled = self.skip_weights.get(step as i64).to_kind(x.kind()) * skip;
        match &self.skip_gates {
            None => x + scaled,
            Some(gates) => {
                let gate = gates.get(step as i64).sigmoid().to_kind(x.kind());
                &gate * x + (1.0 - &gate) * scaled
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Recipe;

    #[test]
    fn bf16_gives_the_loss_and_the_gradients_of_f32_within_its_precision() {
        let toml = "[model]\nvocab_size = 64\nnum_layers = 4\nmodel_dim = 64\nnum_heads = 4\nnum_kv_heads = 2\nln_scale = true\n\
                    skip_gates = true\nxsa_last_n = 1\nrope_dims = 8\nparallel_start_layer = 3\n";
        let m = Recipe::parse(toml, &[]).unwrap().model;
        let ids = Tensor::from_slice(&(0..65i64).map(|i| i * i * 7 % 64).collect::<Vec<_>>());
        let (x, y) = (ids.narrow(0, 0, 64).view([2, 32]), ids.narrow(0, 1, 64).view([2, 32]));
        let [(exact, exact_grads), (rounded, grads)] = [Kind::Float, Kind::BFloat16].map(|kind| {
            let mut state = initial_state(&m, 1);
            for (index, (_, tensor)) in state.iter_mut().enumerate() {
                let wave = Tensor::arange(tensor.numel() as i64, (Kind::Float, Device::Cpu)) * 0.7 + index as f64;
                *tensor += wave.sin().view_as(tensor) * 0.1;
            }
            let model = Gpt::new(&m, state, Device::Cpu).unwrap().in_precision(kind);
            model.set_trainable(true);
            let loss = model.loss(&x, &y, &Attend::Causal);
            let grads = model.gradients(&loss);
            (loss.double_value(&[]), grads)
        });
        assert!((exact - rounded).abs() < 0.02, "loss {exact} in f32, {rounded} in bf16");
        for ((exact, rounded), spec) in exact_grads.iter().zip(&grads).zip(spec::parameters(&m)) {
            assert_eq!((rounded.kind(), rounded.size()), (Kind::Float, spec.shape), "{}", spec.name);
            let off = ((exact - rounded).norm() / exact.norm().clamp_min(1e-6)).double_value(&[]);
            assert!(off < 0.1, "{}: bf16 gradient off by {off} of its norm", spec.name);
        }
    }
}
