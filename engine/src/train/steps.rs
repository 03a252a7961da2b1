//! Single steps: gradients over micro-steps, and the optimizer. The loop's work between steps is elsewhere, so that the
//! same steps can be taken from given batches, beside another implementation.

use tch::{Device, Tensor};

use super::regime::Regime;
use super::rings::Rings;
use super::rounding::Rounding;
use crate::data::Batch;
use crate::model::Gpt;
use crate::nn::Docs;
use crate::optim::Optimizer;
use crate::optim::average::Average;
use crate::quant::ftle::Sensitivity;
use crate::recipe::{QuantRecipe, Recipe, TrainRecipe};
use crate::{Result, parallel};

/// A model, its optimizer, and its average.
pub struct Steps {
    pub model: Gpt,
    /// The weights as symbols, where the recipe has them: they compute the losses, and the model's learn.
    pub rings: Option<Rings>,
    /// Replicas, one per worker: concurrent micro-steps differentiate through different replicas.
    replicas: Vec<Gpt>,
    pub optimizer: Optimizer,
    pub average: Option<Average>,
    /// The rows' sensitivities, where the recipe measures them.
    pub sensitivity: Option<Sensitivity>,
    /// The rounded matrices that the replicas have, in quantization-aware training.
    rounding: Option<Rounding>,
    quant: QuantRecipe,
}

/// The result of one step.
pub struct Stepped {
    /// Mean nats per token over the step's micro-steps, before the weights changed.
    pub loss: Tensor,
    /// Joint L2 norm of the gradients before clipping, where they are clipped.
    pub grad_norm: Option<Tensor>,
}

impl Steps {
    /// Builds the steps from a state dict.
    pub fn new(recipe: &Recipe, state: Vec<(String, Tensor)>, device: Device) -> Result<Steps> {
        let model = Gpt::new(&recipe.model, state, device)?;
        let workers = parallel::workers(device).min(recipe.train.grad_accum_steps as usize);
        let rings = Rings::new(&model, recipe)?;
        let acting = rings.as_ref().map_or(&model, Rings::acting);
        let replicas = (0..workers).map(|_| acting.replica(true)).collect::<Result<_>>()?;
        let optimizer = Optimizer::new(&model, &recipe.optim);
        let average = Average::new(&recipe.optim, &model);
        let sensitivity = recipe.quant.ftle.as_ref().map(Sensitivity::new);
        let quant = recipe.quant.clone();
        Ok(Steps { model, rings, replicas, optimizer, average, sensitivity, rounding: None, quant })
    }

    /// Begins to take gradients at rounded matrices, or ends it. A recipe without `[quant.qat]` never rounds.
    pub fn set_qat(&mut self, on: bool) -> Result<()> {
        let wanted = self.quant.qat.as_ref().filter(|_| on);
        if wanted.is_some() == self.rounding.is_some() {
            return Ok(());
        }
        self.rounding = wanted.map(|qat| Rounding::new(qat, &self.quant, &self.model));
        for replica in &mut self.replicas {
            *replica = match &self.rounding {
                Some(rounding) => self.model.replica_with(&rounding.state(&self.model), true)?,
                None => self.model.replica(true)?,
            };
        }
        Ok(())
    }

    /// Returns the model that computes losses: its matrices are symbols where the recipe has them.
    pub fn acting(&self) -> &Gpt {
        self.rings.as_ref().map_or(&self.model, Rings::acting)
    }

    /// Brings the acting weights up to date before step `step`, at `fraction` of training; returns lines for the log.
    pub fn prepare(&mut self, step: i64, fraction: f64) -> Vec<String> {
        self.rings.as_mut().map(|rings| rings.prepare(&self.model, step, fraction)).unwrap_or_default()
    }

    /// Turns depth recurrence on or off.
    pub fn set_looping(&mut self, looping: bool) {
        self.model.set_looping(looping);
        if let Some(rings) = &mut self.rings {
            rings.acting_mut().set_looping(looping);
        }
        self.replicas.iter_mut().for_each(|replica| replica.set_looping(looping));
    }

    /// Takes one optimizer step, number `step` from 0, over the micro-steps' batches.
    pub fn step(&mut self, t: &TrainRecipe, batches: Vec<Batch>, step: i64, now: Regime) -> Result<Stepped> {
        self.set_looping(now.looping);
        self.set_qat(now.qat)?;
        let (loss, grads) = self.gradients(t, batches)?;
        if let Some(sensitivity) = &mut self.sensitivity {
            sensitivity.observe(&self.model, &grads, step);
        }
        let grad_norm = self.optimizer.step(grads, step, now.scales())?;
        if let Some(average) = &mut self.average {
            average.update(&self.model, step + 1, now.lr_scale);
        }
        Ok(Stepped { loss, grad_norm })
    }

    /// Computes the mean loss in nats per token and its gradients over the micro-steps, added up in their order.
    pub fn gradients(&mut self, t: &TrainRecipe, batches: Vec<Batch>) -> Result<(Tensor, Vec<Tensor>)> {
        if let Some(rounding) = &mut self.rounding {
            rounding.refresh(&self.model)?;
        }
        let (row, share, device) = (t.train_seq_len, 1.0 / batches.len() as f64, self.model.device());
        let micro_step = |replica: &mut Gpt, batch: Batch| {
            let docs = match &batch.cu_seqlens {
                None => Docs::Rows,
                Some(cu_seqlens) => Docs::packed(cu_seqlens, device)?,
            };
            let shape = if batch.cu_seqlens.is_none() { [-1, row] } else { [1, -1] };
            let [x, y] = [&batch.x, &batch.y].map(|ids| Tensor::from_slice(ids).view(shape).to_device(device));
            let loss = replica.loss(&x, &y, &docs) * share;
            let grads = replica.gradients(&loss);
            Ok((loss.detach(), grads))
        };
        let parts = parallel::map_with(&mut self.replicas, batches, micro_step, |_, _| Ok(()))?;
        let mut parts = parts.into_iter();
        let Some(mut sum) = parts.next() else { unreachable!("grad_accum_steps is at least 1") };
        for (loss, grads) in parts {
            sum.0 += loss;
            for (total, grad) in sum.1.iter_mut().zip(grads).filter(|(_, grad)| grad.defined()) {
                *total += grad;
            }
        }
        if let Some(rings) = &self.rings {
            rings.mask(&mut sum.1);
        }
        Ok(sum)
    }
}
