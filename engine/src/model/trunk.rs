//! The blocks in the order in which they run: U-Net halves, depth recurrence, residual lanes.

use tch::Tensor;

use super::ModelRecipe;
use super::lanes::LaneMixer;
use super::unet::Unet;
use crate::Result;
use crate::blocks::{Block, Lanes};
use crate::nn::lora::Sites;
use crate::nn::{Adapters, Pass, Rows, Scope};

/// Physical layer indices in the order in which they run. With a U-Net, the outputs of the encoder half are skip
/// connections of the decoder half, last in first out; without one all layers are decoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub encoder: Vec<usize>,
    pub decoder: Vec<usize>,
}

impl Order {
    /// Returns the order with (`looping`) or without the extra passes of depth recurrence.
    pub fn new(m: &ModelRecipe, looping: bool) -> Order {
        let layers = m.num_layers() as usize;
        let mut order = match &m.loops {
            Some(loops) if looping => loops.order(layers),
            _ => (0..layers).collect(),
        };
        let half = if m.unet.is_some() { order.len() / 2 } else { 0 };
        let decoder = order.split_off(half);
        Order { encoder: order, decoder }
    }

    /// Virtual layers, each of which has adapters of its own in test-time training.
    pub fn slots(&self) -> usize {
        self.encoder.len() + self.decoder.len()
    }

    /// Layers by slot.
    pub fn layers(&self) -> impl Iterator<Item = usize> + '_ {
        self.encoder.iter().chain(&self.decoder).copied()
    }
}

/// All blocks and what connects them.
pub struct Trunk {
    blocks: Vec<Block>,
    unet: Option<Unet>,
    lanes: Option<LaneMixer>,
    order: Order,
}

/// The parts of a trunk that upstream's state dict lists before the embedding.
pub struct Connections {
    unet: Option<Unet>,
    lanes: Option<LaneMixer>,
}

impl Connections {
    pub fn build(m: &ModelRecipe, scope: &mut Scope) -> Result<Connections> {
        // Sized for the looped order, so that turning loops on needs no new parameters.
        let longest = Order::new(m, true);
        let skips = longest.encoder.len().min(longest.decoder.len()) as i64;
        let unet = m.unet.as_ref().map(|r| Unet::build(r, skips, m.model_dim, scope)).transpose()?;
        let lanes = m.lanes.as_ref().map(|r| LaneMixer::build(r, m.num_layers(), scope)).transpose()?;
        Ok(Connections { unet, lanes })
    }
}

impl Trunk {
    /// Depth recurrence is on.
    pub fn build(m: &ModelRecipe, connections: Connections, scope: &mut Scope) -> Result<Trunk> {
        let layers = m.num_layers();
        let blocks = (0..layers).map(|i| Block::build(m.block(i as usize)?, i, layers, m.model_dim, scope));
        Ok(Trunk {
            blocks: blocks.collect::<Result<_>>()?,
            unet: connections.unet,
            lanes: connections.lanes,
            order: Order::new(m, true),
        })
    }

    pub fn order(&self) -> &Order {
        &self.order
    }

    pub fn set_order(&mut self, order: Order) {
        self.order = order;
    }

    /// Returns the sites where adapters attach, by virtual layer.
    pub fn sites(&self) -> Vec<Sites> {
        self.order.layers().map(|layer| self.blocks[layer].sites()).collect()
    }

    /// Computes the last layer's output `[batch, len, dim]` from the normalized embedding `pass.x0`. With `only`, the
    /// last layer computes those positions alone: `[batch, kept, dim]`.
    pub fn forward(&self, pass: &Pass, adapters: Option<&Adapters>, only: Option<&Rows>) -> Tensor {
        let last = self.order.slots() - 1;
        let at =
            |slot: usize| Pass { slot: adapters.map(|a| a.slot(slot)), only: only.filter(|_| slot == last), ..*pass };
        let mut x = pass.x0.shallow_clone();
        let mut skips = Vec::with_capacity(self.order.encoder.len());
        for (slot, &layer) in self.order.encoder.iter().enumerate() {
            x = self.blocks[layer].forward(&x, &at(slot));
            skips.push(x.shallow_clone());
        }
        let mut lanes: Option<Lanes> = None;
        for (step, &layer) in self.order.decoder.iter().enumerate() {
            let pass = at(self.order.encoder.len() + step);
            let skip = skips.pop();
            if let Some(mixer) = self.lanes.as_ref().filter(|mixer| mixer.covers(layer)) {
                let mut pair =
                    lanes.take().unwrap_or_else(|| Lanes { attn: x.shallow_clone(), mlp: x.shallow_clone() });
                pair.attn = self.merge(pair.attn, skip.as_ref(), step);
                lanes = Some(self.blocks[layer].forward_lanes(&pair, &mixer.weights(layer), &pass));
            } else {
                x = self.merge(x, skip.as_ref(), step);
                x = self.blocks[layer].forward(&x, &pass);
            }
        }
        match (lanes, &self.lanes) {
            (Some(lanes), Some(mixer)) => mixer.join(lanes),
            _ => x,
        }
    }

    fn merge(&self, x: Tensor, skip: Option<&Tensor>, step: usize) -> Tensor {
        match (&self.unet, skip) {
            (Some(unet), Some(skip)) => unet.merge(&x, skip, step),
            _ => x,
        }
    }
}
