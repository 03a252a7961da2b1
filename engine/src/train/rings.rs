//! Training with symbols: the weights that act are the quantized ones, those that learn are floats
//! (docs/spec/q2.md#training).
//!
//! The model that computes losses has each matrix replaced by what its symbols stand for; the gradient goes to the float weights,
//! but for those outside of the estimator's window. Quantization happens once for each optimizer step, not once for each pass,
//! and validation sees what a file will hold.

use caddie_format::q2::Alphabet;
use tch::Tensor;

use crate::Result;
use crate::model::{Gpt, ModelRecipe};
use crate::nn::Param;
use crate::quant::q2::{Fit, fit};
use crate::recipe::{ActivationOrder, Q2Recipe, Recipe};

/// The beginning of the names under which a checkpoint keeps the step at which thresholds were last chosen.
const FITTED: &str = "q2.fitted.";

/// The matrices of a model that are symbols, or will be.
pub struct Rings {
    recipe: Q2Recipe,
    matrices: Vec<Ringed>,
    acting: Gpt,
}

struct Ringed {
    /// Place in the model's list of parameters.
    index: usize,
    name: String,
    layer: Option<usize>,
    /// The share of training after which the matrix has its own alphabet.
    begins: f64,
    alphabet: Alphabet,
    fit: Option<Fit>,
    /// The step at which the thresholds were last chosen.
    fitted: i64,
    window: Option<Tensor>,
}

impl Rings {
    /// Makes the acting model, which shares with `model` everything but the matrices. `None` without `[quant.q2]`.
    pub fn new(model: &Gpt, recipe: &Recipe) -> Result<Option<Rings>> {
        let Some(q2) = &recipe.quant.q2 else { return Ok(None) };
        let begins = activations(&recipe.model, q2);
        let ringed = |(index, param): (usize, &Param)| {
            let (alphabet, layer) = (q2.alphabet_of(param)?, param.layer());
            Some(Ringed {
                index,
                name: param.name.clone(),
                layer,
                begins: layer.and_then(|layer| begins.get(layer)).copied().unwrap_or(q2.float_frac),
                alphabet,
                fit: None,
                fitted: 0,
                window: None,
            })
        };
        let matrices: Vec<Ringed> = model.params().iter().enumerate().filter_map(ringed).collect();
        let state = model.parameters().iter().enumerate().map(|(i, (name, t))| {
            let t = t.detach();
            (name.clone(), if q2.alphabet_of(&model.params()[i]).is_some() { t.copy() } else { t })
        });
        let acting = Gpt::new(model.config(), state.collect(), model.device())?;
        Ok(Some(Rings { recipe: q2.clone(), matrices, acting }))
    }

    /// The model that computes losses.
    pub fn acting(&self) -> &Gpt {
        &self.acting
    }

    /// The acting model, for changes that concern its layers' order.
    pub fn acting_mut(&mut self) -> &mut Gpt {
        &mut self.acting
    }

    /// Brings the acting weights up to those of `model` before optimizer step `step`, at `fraction` of training. Returns a line
    /// for the log for each layer that takes another alphabet. The same step may be prepared again.
    pub fn prepare(&mut self, model: &Gpt, step: i64, fraction: f64) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for m in &mut self.matrices {
            let (_, weight) = &model.parameters()[m.index];
            let (_, acting) = &self.acting.parameters()[m.index];
            tch::no_grad(|| {
                let now = if fraction >= m.begins { Some(m.alphabet) } else { self.recipe.start };
                let changes = m.fit.as_ref().map(|fit| fit.alphabet) != now;
                if let Some(alphabet) = now
                    && (changes || step - m.fitted >= self.recipe.interval(fraction))
                {
                    m.fit = Some(fit(weight, alphabet, &self.recipe));
                    m.fitted = step;
                }
                let w = weight.detach();
                let value = m.fit.as_ref().map_or_else(|| w.shallow_clone(), |fit| fit.quantized(&w));
                m.window = m.fit.as_ref().and_then(|fit| fit.window(&w, self.recipe.ste_kappa));
                acting.detach().copy_(&value);
                if let (true, Some(alphabet)) = (changes, now) {
                    let of = m.layer.map_or_else(|| m.name.clone(), |layer| format!("layer {layer}"));
                    let line = format!("q2:{of} in {alphabet} from step:{step} frac:{fraction:.3}");
                    if lines.last() != Some(&line) {
                        lines.push(line);
                    }
                }
            });
        }
        lines
    }

    /// Lets only the weights inside the estimator's window learn: their gradients, in the model's order, are those of the
    /// acting weights.
    pub fn mask(&self, grads: &mut [Tensor]) {
        for m in &self.matrices {
            if let (Some(window), Some(grad)) = (&m.window, grads.get_mut(m.index).filter(|grad| grad.defined())) {
                *grad = &*grad * window;
            }
        }
    }

    /// Returns the tensors that a checkpoint keeps: scales and thresholds, with names that cannot collide with parameters.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        let of = |m: &Ringed| {
            let fitted = (format!("{FITTED}{}", m.name), Tensor::from(m.fitted));
            Some(m.fit.as_ref()?.state(&m.name).into_iter().chain([fitted]))
        };
        self.matrices.iter().filter_map(of).flatten().collect()
    }

    /// Restores the tensors that [`Rings::state`] returned.
    pub fn restore(&mut self, get: impl Fn(&str) -> Option<Tensor>) {
        for m in &mut self.matrices {
            let known: Vec<Alphabet> = [m.alphabet].into_iter().chain(self.recipe.start).collect();
            m.fit = Fit::restore(&m.name, &known, &self.recipe, &get);
            let fitted = get(&format!("{FITTED}{}", m.name));
            m.fitted = fitted.map_or(0, |t| t.int64_value(&[]));
        }
    }
}

impl Q2Recipe {
    /// Steps between two looks at the thresholds.
    fn interval(&self, fraction: f64) -> i64 {
        if fraction >= 1.0 - self.frozen_frac {
            i64::MAX
        } else if fraction < self.float_frac + self.progressive_frac {
            self.refresh_every
        } else {
            self.refresh_every_last
        }
    }
}

/// The share of training after which each layer has its own alphabet.
pub fn activations(m: &ModelRecipe, q2: &Q2Recipe) -> Vec<f64> {
    let layers = m.num_layers() as usize;
    let attends = |layer: usize| m.block(layer).is_ok_and(|block| block.gqa.is_some());
    let mut order: Vec<usize> = (0..layers).rev().collect();
    match q2.order {
        ActivationOrder::DeepFirst | ActivationOrder::AllAtOnce => {}
        ActivationOrder::ShallowFirst => order.reverse(),
        ActivationOrder::CfcFirst => order.sort_by_key(|&layer| attends(layer)),
        ActivationOrder::GqaFirst => order.sort_by_key(|&layer| !attends(layer)),
    }
    let mut begins = vec![q2.float_frac; layers];
    if q2.order != ActivationOrder::AllAtOnce {
        for (rank, layer) in order.into_iter().enumerate() {
            begins[layer] += q2.progressive_frac * rank as f64 / layers as f64;
        }
    }
    begins
}
