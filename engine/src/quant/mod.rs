//! Export: weights become integers and scales, go into a model file, and come back as what the score is computed from.
//!
//! [`quantize`] and [`QuantizedModel::dequantize`] are the two directions, [`container`] is the file, [`mod@inspect`]
//! says what a file holds and what it costs.

pub mod codec;
pub mod container;
pub mod header;
pub mod inspect;
mod int8;

use tch::{Kind, Tensor};

use crate::checkpoint::StateDict;
use crate::model::names::is_control;
use crate::recipe::{QuantRecipe, QuantScheme};
use crate::{Error, Result};

/// A state dict in its exported form, in the state dict's order. Every tensor is on the CPU.
#[derive(Debug)]
pub struct QuantizedModel {
    pub tensors: Vec<QuantizedTensor>,
}

/// One exported tensor.
#[derive(Debug)]
pub struct QuantizedTensor {
    /// Upstream's state-dict name.
    pub name: String,
    /// The original shape; matrices are `[out, in]`.
    pub shape: Vec<i64>,
    pub data: Data,
}

/// How an exported tensor is stored.
#[derive(Debug)]
pub enum Data {
    /// `q` i8 `[rows, cols]`, `scale` f16 `[rows]`; the weight is `q · scale`.
    PerRow { q: Tensor, scale: Tensor },
    /// `q` i8 of the original shape, `scale` f32 `[]`; the weight is `q · scale`.
    PerTensor { q: Tensor, scale: Tensor },
    /// Passed through at half precision.
    Float16(Tensor),
    /// Passed through: control tensors.
    Float32(Tensor),
}

/// Exports a state dict as `recipe` says (spec/algorithms.md §4.1).
///
/// Tensors of at most `keep_float_max_numel` elements pass through, control tensors as f32 and others as f16; larger
/// matrices get one scale a row, other shapes one scale. bf16 and CUDA tensors are accepted.
///
/// # Errors
/// [`Error::Parameter`] for a tensor that is not of floating point or whose export would hold NaN or infinity;
/// [`Error::Torch`] when libtorch refuses.
pub fn quantize(state: &[(String, Tensor)], recipe: &QuantRecipe) -> Result<QuantizedModel> {
    let QuantScheme::Int8PerRow = recipe.scheme;
    let _guard = tch::no_grad_guard();
    let export = |(name, tensor): &(String, Tensor)| {
        let refuse = |reason: &str| Error::Parameter { name: name.clone(), reason: reason.to_owned() };
        if !tensor.f_kind().is_ok_and(|kind| matches!(kind, Kind::Float | Kind::BFloat16 | Kind::Half | Kind::Double)) {
            return Err(refuse("only tensors of floating point can be exported; leave buffers out of the state dict"));
        }
        let w = tensor.f_detach()?.f_to_device(tch::Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?;
        let numel = w.numel() as i64;
        let data = if numel == 0 || numel <= recipe.keep_float_max_numel {
            if is_control(name) { Data::Float32(w) } else { Data::Float16(w.f_to_kind(Kind::Half)?) }
        } else if w.dim() == 2 {
            int8::per_row(&w, recipe.clip_percentile)?
        } else {
            int8::per_tensor(&w, recipe.clip_percentile)?
        };
        if !data.is_finite()? {
            return Err(refuse(
                "it holds NaN, infinity or values too large for half precision, so no model file is written; \
                 train again with lower learning rates or from an earlier checkpoint",
            ));
        }
        Ok(QuantizedTensor { name: name.clone(), shape: tensor.size(), data })
    };
    Ok(QuantizedModel { tensors: state.iter().map(export).collect::<Result<_>>()? })
}

impl QuantizedModel {
    /// Bytes before compression: integers, scales and passed-through floats (the log's `payload`).
    pub fn payload_bytes(&self) -> u64 {
        self.tensors.iter().map(QuantizedTensor::payload_bytes).sum()
    }

    /// The state dict that is scored: f32 `[shape]` on the CPU, in the export's order.
    pub fn dequantize(&self) -> Result<StateDict> {
        let _guard = tch::no_grad_guard();
        self.tensors.iter().map(|t| Ok((t.name.clone(), t.data.dequantize()?.f_reshape(&t.shape)?))).collect()
    }
}

impl QuantizedTensor {
    /// This tensor's share of [`QuantizedModel::payload_bytes`].
    pub fn payload_bytes(&self) -> u64 {
        let (values, scale) = self.data.parts();
        [Some(values), scale].into_iter().flatten().map(|t| (t.numel() * t.kind().elt_size_in_bytes()) as u64).sum()
    }
}

impl Data {
    /// The tensors that are stored: the values, and the scale where there is one.
    pub(crate) fn parts(&self) -> (&Tensor, Option<&Tensor>) {
        match self {
            Data::PerRow { q, scale } | Data::PerTensor { q, scale } => (q, Some(scale)),
            Data::Float16(values) | Data::Float32(values) => (values, None),
        }
    }

    fn is_finite(&self) -> Result<bool> {
        // Integers are finite; a NaN or infinity in the weights of a row shows in its scale.
        let (values, scale) = self.parts();
        let finite = scale.unwrap_or(values).f_isfinite()?.f_all()?;
        Ok(bool::try_from(finite)?)
    }

    fn dequantize(&self) -> Result<Tensor> {
        Ok(match self {
            Data::PerRow { q, scale } => {
                q.f_to_kind(Kind::Float)?.f_mul(&scale.f_to_kind(Kind::Float)?.f_unsqueeze(1)?)?
            }
            Data::PerTensor { q, scale } => q.f_to_kind(Kind::Float)?.f_mul(scale)?,
            Data::Float16(values) | Data::Float32(values) => values.f_to_kind(Kind::Float)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_infinity_and_overflow_are_refused_by_name() {
        for bad in [f32::NAN, f32::INFINITY, 1e30] {
            for (numel, shape) in [(4, vec![2, 2]), (4, vec![4]), (100, vec![4])] {
                let tensor = Tensor::from_slice(&[1.0, bad, 0.5, -1.0]).reshape(&shape);
                let recipe = QuantRecipe { keep_float_max_numel: numel - 4, ..QuantRecipe::default() };
                let result = quantize(&[("blocks.0.mlp.fc.weight".to_owned(), tensor)], &recipe);
                // A per-tensor scale is f32 and holds 1e30; everything else must be refused.
                if bad == 1e30 && shape.len() == 1 && numel == 4 {
                    assert!(result.is_ok());
                } else {
                    let text = result.unwrap_err().to_string();
                    assert!(text.contains("blocks.0.mlp.fc.weight") && text.contains("NaN"), "{text}");
                }
            }
        }
    }

    #[test]
    fn integers_are_refused_and_empty_tensors_pass() {
        let recipe = QuantRecipe { keep_float_max_numel: -1, ..QuantRecipe::default() };
        let empty = Tensor::zeros([0, 3], (Kind::Float, tch::Device::Cpu));
        assert_eq!(quantize(&[("e".to_owned(), empty)], &recipe).unwrap().payload_bytes(), 0);
        assert!(quantize(&[("i".to_owned(), Tensor::from(1i64))], &recipe).is_err());
    }

    #[test]
    fn a_matrix_too_large_for_one_quantile_call_is_taken_in_blocks_of_rows() {
        // libtorch refuses a quantile over 16 Mi elements, which a vocabulary of 65,536 passes.
        let w = Tensor::ones([33, 1 << 19], (Kind::Float, tch::Device::Cpu)) * 0.5;
        let model = quantize(&[("tok_emb.weight".to_owned(), w)], &QuantRecipe::default()).unwrap();
        assert_eq!(model.payload_bytes(), 33 * (1 << 19) + 33 * 2);
    }
}
