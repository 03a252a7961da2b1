//! Export: weights become integers and scales, go into a model file, and come back as the weights that are scored.
//!
//! [`quantize`] and [`QuantizedModel::dequantize`] are the two directions, [`container`] is the file, [`mod@inspect`]
//! reports the contents of a file and their cost. Each class of parameters has a rule in the recipe; a new scheme is a
//! file, a variant of [`Data`] with its [`caddie_format::model::Scheme`] (and `scheme.rs`), and a line in [`fit`].

pub mod awq;
pub mod budget;
pub mod calibrate;
pub mod codec;
pub mod container;
pub mod ftle;
mod gptq;
pub mod inspect;
mod introw;
pub mod lqer;
pub mod parts;
pub mod q2;
mod q2bn;
pub mod qat;
mod scheme;
pub mod start;
mod watersic;

use std::collections::BTreeMap;

use tch::{Kind, Tensor};

use crate::checkpoint::StateDict;
use crate::nn::scope::Input;
use crate::nn::{Class, Param};
use crate::recipe::{FloatKind, QuantRecipe};
use crate::{Error, Result};
use gptq::{Fine, Rounded};
use q2::SymbolMatrix;

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

/// The storage of an exported tensor.
#[derive(Debug)]
pub enum Data {
    /// `q` i8 `[rows, cols]` of `bits` bits, `scale` f16 `[rows]`; the weight is `q · scale`.
    IntRow { bits: u8, q: Tensor, scale: Tensor },
    /// `q` i8 of the original shape, `scale` f32 `[]`; the weight is `q · scale`.
    PerTensor { q: Tensor, scale: Tensor },
    /// Symbols of a small alphabet with scales of each row.
    Symbols(SymbolMatrix),
    /// Passed through at half precision.
    Float16(Tensor),
    /// Passed through.
    Float32(Tensor),
}

/// A tensor to export.
pub struct Item<'a> {
    pub name: &'a str,
    pub class: Class,
    pub tensor: &'a Tensor,
    /// Second moments of its inputs, where calibration gave them.
    pub hessian: Option<&'a Tensor>,
    /// Bits of each row, f32 `[rows]`, where they are not those of the rule.
    pub row_bits: Option<&'a Tensor>,
}

/// The export's knowledge of a model besides its weights.
#[derive(Debug, Default)]
pub struct Observed {
    /// Second moments of the inputs, from calibration.
    pub hessians: BTreeMap<Input, Tensor>,
    /// Root of the mean square of each input, f32 `[in]`, from calibration.
    pub rms: BTreeMap<Input, Tensor>,
    /// Bits of each row by parameter, f32 `[rows]`, from [`ftle::bits_by_row`].
    pub row_bits: BTreeMap<String, Tensor>,
}

/// Exports a model's state dict as `recipe` says (docs/spec/algorithms.md#quantization). `params` are its components'
/// declarations, in the order of `state`.
///
/// # Errors
/// As [`quantize`].
pub fn export(
    params: &[Param],
    state: &[(String, Tensor)],
    observed: &Observed,
    recipe: &QuantRecipe,
) -> Result<QuantizedModel> {
    let _guard = tch::no_grad_guard();
    let finer = awq::choose(params, state, observed, recipe)?;
    let (mut tensors, mut columns) = (Vec::new(), Vec::new());
    for (param, (name, tensor)) in params.iter().zip(state) {
        let hessian = param.input.and_then(|input| observed.hessians.get(&input));
        let row_bits = observed.row_bits.get(name).filter(|_| param.class == Class::Matrix);
        let item = Item { name, class: param.class, tensor: &tensor.shallow_clone(), hessian, row_bits };
        let fine = match (finer.get(name), &recipe.awq) {
            (Some(starts), Some(awq)) => {
                Fine { starts: starts.clone(), size: awq.awq_lite_group_size, bits: awq.awq_lite_bits }
            }
            _ => Fine::default(),
        };
        let (main, own) = quantize_with(&item, &recipe.of(param.component), &fine)?;
        tensors.push(main);
        columns.extend(own);
    }
    tensors.extend(columns);
    let mut model = QuantizedModel { tensors };
    if let Some(lqer) = &recipe.lqer {
        let rounded = model.dequantize()?;
        let is_rounded = |t: &QuantizedTensor| matches!(t.data, Data::IntRow { .. });
        let correctable = |i: &usize| is_rounded(&model.tensors[*i]) && params[*i].class != Class::Gate;
        let chosen: Vec<usize> = (0..params.len()).filter(correctable).collect();
        let names: Vec<String> = chosen.iter().map(|&i| state[i].0.clone()).collect();
        let error = |i: usize| -> Result<Tensor> {
            let w = state[chosen[i]].1.f_detach()?.f_to_device(tch::Device::Cpu)?.f_to_kind(Kind::Float)?;
            Ok(w.f_sub(&rounded[chosen[i]].1)?)
        };
        model.tensors.extend(lqer::correct(&names, error, lqer)?);
    }
    Ok(model)
}

/// Exports one tensor. One of at most `keep_float_max_numel` elements passes through; a larger matrix gets integers
/// with one scale per row, another shape one scale for all. bf16 and CUDA tensors are accepted.
///
/// # Errors
/// [`Error::Parameter`] for a tensor that is not of floating point, whose export would hold NaN or infinity, or that GPTQ
/// cannot round; [`Error::Torch`] when libtorch refuses.
pub fn quantize(item: &Item, recipe: &QuantRecipe) -> Result<QuantizedTensor> {
    let _guard = tch::no_grad_guard();
    Ok(quantize_with(item, recipe, &Fine::default())?.0)
}

/// Exports one tensor; factors of its columns' steps and columns with a finer grid are tensors of their own.
fn quantize_with(item: &Item, recipe: &QuantRecipe, fine: &Fine) -> Result<(QuantizedTensor, Vec<QuantizedTensor>)> {
    let refuse = |reason: &str| Error::Parameter { name: item.name.to_owned(), reason: reason.to_owned() };
    let kinds = [Kind::Float, Kind::BFloat16, Kind::Half, Kind::Double];
    if !item.tensor.f_kind().is_ok_and(|kind| kinds.contains(&kind)) {
        return Err(refuse("only tensors of floating point can be exported; leave buffers out of the state dict"));
    }
    let w = item.tensor.f_detach()?.f_to_device(tch::Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?;
    let Rounded { main: data, columns, steps } = fit(item, &w, recipe, fine)?;
    if !data.is_finite()? {
        return Err(refuse(
            "it holds NaN, infinity or values too large for half precision, so no model file is written; \
             train again with lower learning rates or from an earlier checkpoint",
        ));
    }
    let columns = columns.into_iter().map(|(start, data)| parts::columns(item.name, start, data));
    let own = steps.into_iter().map(|factors| parts::steps(item.name, factors)).chain(columns).collect();
    Ok((QuantizedTensor { name: item.name.to_owned(), shape: item.tensor.size(), data }, own))
}

/// Exports `w`, which is f32 on the CPU, by its rule.
fn fit(item: &Item, w: &Tensor, recipe: &QuantRecipe, fine: &Fine) -> Result<Rounded> {
    let rule = recipe.rule(item.class);
    if let (Some(rule), true, Some(hessian)) = (rule, w.dim() == 2 && !recipe.keeps(item.class, w), item.hessian)
        && rule.gptq
        && !rule.keeps_float()
    {
        return gptq::round(item.name, w, hessian, rule, fine);
    }
    Ok(Rounded { main: fit_alone(item, w, recipe)?, columns: Vec::new(), steps: None })
}

/// Exports `w` without second moments.
fn fit_alone(item: &Item, w: &Tensor, recipe: &QuantRecipe) -> Result<Data> {
    let kept = recipe.keeps(item.class, w);
    let rule = match recipe.rule(item.class) {
        Some(rule) if !kept && rule.keeps_float() => return Ok(Data::Float16(w.f_to_kind(Kind::Half)?)),
        Some(rule) if !kept => rule,
        // What is sensitive and yet too large to keep gets the matrices' integers without GPTQ, as upstream's export does.
        None if !kept => return introw_of_any_shape(w, recipe),
        None if recipe.control == FloatKind::Float32 => return Ok(Data::Float32(w.shallow_clone())),
        _ => return Ok(Data::Float16(w.f_to_kind(Kind::Half)?)),
    };
    match rule.gptq {
        _ if w.dim() != 2 => introw::per_tensor(w, rule),
        false => match item.row_bits {
            Some(bits) => introw::nearest_by_row(w, rule, bits),
            None => introw::nearest(w, rule),
        },
        true => Err(Error::Parameter {
            name: item.name.to_owned(),
            reason: "its rule asks for GPTQ, but its inputs were not observed; calibrate first, or set gptq = false"
                .to_owned(),
        }),
    }
}

fn introw_of_any_shape(w: &Tensor, recipe: &QuantRecipe) -> Result<Data> {
    if w.dim() == 2 { introw::nearest(w, &recipe.matrix) } else { introw::per_tensor(w, &recipe.matrix) }
}

impl QuantizedModel {
    /// Bytes before compression: integers, scales and passed-through floats (the log's `payload`).
    pub fn payload_bytes(&self) -> u64 {
        self.tensors.iter().map(QuantizedTensor::payload_bytes).sum()
    }

    /// The state dict that is scored: f32 `[shape]` on the CPU, in the export's order. The adapters' learnt start is not of it
    /// ([`QuantizedModel::start`]).
    pub fn dequantize(&self) -> Result<StateDict> {
        let _guard = tch::no_grad_guard();
        let values = |t: &QuantizedTensor| Ok((t.name.clone(), t.data.dequantize()?.f_reshape(&t.shape)?));
        let weights = self.tensors.iter().filter(|t| !start::is_start(&t.name));
        parts::join(weights.map(values).collect::<Result<_>>()?)
    }
}

impl QuantizedTensor {
    /// This tensor's share of [`QuantizedModel::payload_bytes`].
    pub fn payload_bytes(&self) -> u64 {
        if let Data::Symbols(matrix) = &self.data {
            return matrix.payload_bytes();
        }
        let (values, scale) = self.data.parts();
        [Some(values), scale].into_iter().flatten().map(|t| (t.numel() * t.kind().elt_size_in_bytes()) as u64).sum()
    }
}

impl Data {
    /// The tensors that are stored: the values, and the scale where there is one.
    pub(crate) fn parts(&self) -> (&Tensor, Option<&Tensor>) {
        match self {
            Data::IntRow { q, scale, .. } | Data::PerTensor { q, scale } => (q, Some(scale)),
            Data::Symbols(SymbolMatrix { symbols, scales, .. }) => (symbols, Some(scales)),
            Data::Float16(values) | Data::Float32(values) => (values, None),
        }
    }

    fn is_finite(&self) -> Result<bool> {
        // Integers are finite; a NaN or infinity in the weights of a row shows in its scale.
        let (values, scale) = self.parts();
        let finite = scale.unwrap_or(values).f_isfinite()?.f_all()?;
        Ok(bool::try_from(finite)?)
    }

    /// The weights that are stored, f32.
    pub fn dequantize(&self) -> Result<Tensor> {
        Ok(match self {
            Data::IntRow { q, scale, .. } => {
                q.f_to_kind(Kind::Float)?.f_mul(&scale.f_to_kind(Kind::Float)?.f_unsqueeze(1)?)?
            }
            Data::PerTensor { q, scale } => q.f_to_kind(Kind::Float)?.f_mul(scale)?,
            Data::Symbols(matrix) => matrix.dequantize(),
            Data::Float16(values) | Data::Float32(values) => values.f_to_kind(Kind::Float)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantized(name: &str, tensor: &Tensor, keep_float_max_numel: i64) -> Result<QuantizedTensor> {
        let recipe = QuantRecipe { keep_float_max_numel, ..QuantRecipe::default() };
        quantize(&Item { name, class: Class::Matrix, tensor, hessian: None, row_bits: None }, &recipe)
    }

    #[test]
    fn nan_infinity_and_overflow_are_refused_by_name() {
        for bad in [f32::NAN, f32::INFINITY, 1e30] {
            for (numel, shape) in [(4, vec![2, 2]), (4, vec![4]), (100, vec![4])] {
                let tensor = Tensor::from_slice(&[1.0, bad, 0.5, -1.0]).reshape(&shape);
                let result = quantized("blocks.0.mlp.fc.weight", &tensor, numel - 4);
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
        let empty = Tensor::zeros([0, 3], (Kind::Float, tch::Device::Cpu));
        assert_eq!(quantized("e", &empty, -1).unwrap().payload_bytes(), 0);
        assert!(quantized("i", &Tensor::from(1i64), -1).is_err());
    }

    #[test]
    fn a_rule_that_asks_for_gptq_without_calibration_is_refused() {
        let recipe = QuantRecipe {
            keep_float_max_numel: 0,
            matrix: crate::recipe::RuleRecipe { gptq: true, ..crate::recipe::RuleRecipe::int8() },
            ..QuantRecipe::default()
        };
        let tensor = Tensor::ones([2, 2], (Kind::Float, tch::Device::Cpu));
        let item = Item { name: "w", class: Class::Matrix, tensor: &tensor, hessian: None, row_bits: None };
        assert!(quantize(&item, &recipe).unwrap_err().to_string().contains("were not observed"));
    }

    #[test]
    fn a_matrix_too_large_for_one_quantile_call_is_taken_in_blocks_of_rows() {
        // libtorch refuses a quantile over 16 Mi elements, which a vocabulary of 65,536 passes.
        let w = Tensor::ones([33, 1 << 19], (Kind::Float, tch::Device::Cpu)) * 0.5;
        let stored = quantized("tok_emb.weight", &w, 65_536).unwrap();
        assert_eq!(stored.payload_bytes(), 33 * (1 << 19) + 33 * 2);
    }
}
