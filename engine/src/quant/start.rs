//! The learnt start of the adapters in a model file: ordinary tensors beside the weights, for every reader to read and to count
//! (docs/spec/algorithms.md#learnt-start).

use tch::{Device, Kind, Tensor};

use super::{Data, QuantizedModel, QuantizedTensor, introw};
use crate::nn::LearntStart;
use crate::recipe::RuleRecipe;
use crate::{Error, Result};

/// The tensors of A and of B.
const NAMES: [&str; 2] = ["ttt_start.a", "ttt_start.b"];

/// Tells whether a tensor of a model file is of the learnt start, and so no weight of the model.
pub fn is_start(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Rounds a start to integers of `bits` bits with a scale for each row, its largest magnitude being the largest integer; 16 bits
/// keep f16.
///
/// # Errors
/// A start that is not finite.
pub fn store(start: &LearntStart, bits: u8) -> Result<Vec<QuantizedTensor>> {
    let _guard = tch::no_grad_guard();
    let rule = RuleRecipe { bits, row_max: true, ..RuleRecipe::default() };
    let one = |(name, values): (&str, &Tensor)| -> Result<QuantizedTensor> {
        let values = values.f_detach()?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?;
        let data = if rule.keeps_float() {
            Data::Float16(values.f_to_kind(Kind::Half)?)
        } else {
            introw::nearest(&values, &rule)?
        };
        if !data.is_finite()? {
            let reason =
                "adapting to training documents gave NaN or infinity; try a smaller eval.ttt.ttt_lora_lr".to_owned();
            return Err(Error::Parameter { name: name.to_owned(), reason });
        }
        Ok(QuantizedTensor { name: name.to_owned(), shape: values.size(), data })
    };
    NAMES
        .into_iter()
        .zip([Some(&start.a), start.b.as_ref()])
        .filter_map(|(name, v)| v.map(|v| one((name, v))))
        .collect()
}

impl QuantizedModel {
    /// The learnt start of the adapters, where the file has one: f32 on the CPU.
    pub fn start(&self) -> Result<Option<LearntStart>> {
        let of = |name: &str| -> Result<Option<Tensor>> {
            let stored = self.tensors.iter().find(|t| t.name == name);
            stored.map(|t| Ok(t.data.dequantize()?.f_reshape(&t.shape)?)).transpose()
        };
        let b = of(NAMES[1])?;
        Ok(of(NAMES[0])?.map(|a| LearntStart { a, b }))
    }
}
