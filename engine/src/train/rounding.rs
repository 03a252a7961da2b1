//! The rounded matrices at which quantization-aware training takes its gradients
//! (docs/spec/algorithms.md#quantization-aware-training).

use tch::Tensor;

use crate::Result;
use crate::checkpoint::StateDict;
use crate::model::Gpt;
use crate::nn::{Class, Param};
use crate::quant::qat::QatRecipe;
use crate::recipe::QuantRecipe;

/// A rounded copy of each matrix that the export rounds.
pub struct Rounding {
    qat: QatRecipe,
    quant: QuantRecipe,
    /// By place in the model's list of parameters.
    copies: Vec<(usize, Tensor)>,
}

impl Rounding {
    /// Makes room for the copies; [`Rounding::refresh`] fills them.
    pub fn new(qat: &QatRecipe, quant: &QuantRecipe, model: &Gpt) -> Rounding {
        // What the export keeps in floating point is not rounded in training either, unless training has its own grid.
        let rounds = |param: &Param| {
            let kept = qat.sees_the_export() && param.numel() <= quant.keep_float_max_numel;
            param.class == Class::Matrix && !kept
        };
        let chosen = model.params().iter().enumerate().filter(|(_, param)| rounds(param));
        let copies = chosen.map(|(index, _)| (index, model.parameters()[index].1.detach().zeros_like())).collect();
        Rounding { qat: qat.clone(), quant: quant.clone(), copies }
    }

    /// Rounds the model's weights as they are now into the copies.
    pub fn refresh(&mut self, model: &Gpt) -> Result<()> {
        for (index, copy) in &mut self.copies {
            let own = self.quant.of(model.params()[*index].component);
            let rounded = self.qat.rounded(&model.parameters()[*index].1, &own.matrix)?;
            tch::no_grad(|| copy.f_copy_(&rounded))?;
        }
        Ok(())
    }

    /// Returns the model's state dict with the copies in the place of their matrices.
    pub fn state(&self, model: &Gpt) -> StateDict {
        let mut state: StateDict =
            model.parameters().iter().map(|(name, t)| (name.clone(), t.shallow_clone())).collect();
        for (index, copy) in &self.copies {
            state[*index].1 = copy.shallow_clone();
        }
        state
    }
}
