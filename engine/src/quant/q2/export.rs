//! The export of a model whose matrices are symbols.

use std::collections::BTreeMap;

use caddie_format::q2::Alphabet;
use tch::{Device, Kind, Tensor};

use super::{Fit, SymbolMatrix, fit};
use crate::checkpoint::StateDict;
use crate::nn::{Class, Param};
use crate::quant::{Data, QuantizedModel, QuantizedTensor};
use crate::recipe::{FloatKind, Q2Recipe, QuantRecipe};
use crate::{Error, Result};

/// The beginnings of the names under which a checkpoint keeps what belongs to symbols, and the thresholds of training.
const FAMILY: &str = "q2.";
const SCALES: &str = "q2.scales.";
const CUTS: &str = "q2.cuts.";

impl Fit {
    /// The tensors that a checkpoint keeps of the fit of matrix `name`.
    pub fn state(&self, name: &str) -> [(String, Tensor); 2] {
        let named = |prefix: &str, t: &Tensor| (format!("{prefix}{name}"), t.shallow_clone());
        [named(SCALES, &self.scales), named(CUTS, &self.cuts)]
    }

    /// Tells whether scales and thresholds are positive numbers for each row of `w`, or for each of equal groups of its columns.
    fn is_of(&self, w: &Tensor) -> Result<bool> {
        let rows = self.cuts.size()[0];
        let positive = |t: &Tensor| -> Result<bool> {
            Ok(bool::try_from(t.f_isfinite()?.f_logical_and(&t.f_gt(0.0)?)?.f_all()?)?)
        };
        let shaped =
            rows > 0 && rows % w.size()[0] == 0 && w.numel() as i64 % rows == 0 && self.scales.size()[0] == rows;
        Ok(shaped && positive(&self.cuts)? && positive(&self.scales)?)
    }

    /// Restores the fit of matrix `name`; `None` where the checkpoint has none. The alphabet is the one of `known` that has so
    /// many thresholds.
    pub fn restore(
        name: &str,
        known: &[Alphabet],
        recipe: &Q2Recipe,
        get: impl Fn(&str) -> Option<Tensor>,
    ) -> Option<Fit> {
        let (scales, cuts) = (get(&format!("{SCALES}{name}"))?, get(&format!("{CUTS}{name}"))?);
        let symbols = 2 * (cuts.size()[1] as usize + 1);
        let alphabet = *known.iter().find(|alphabet| alphabet.size() == symbols)?;
        Some(Fit { alphabet, table: recipe.table(alphabet), scales, cuts })
    }
}

/// Takes the thresholds out of a checkpoint's tensors.
pub fn split_fits(state: StateDict) -> (StateDict, BTreeMap<String, Tensor>) {
    let (fits, state): (StateDict, StateDict) = state.into_iter().partition(|(name, _)| name.starts_with(FAMILY));
    (state, fits.into_iter().collect())
}

/// Exports a state dict: what has an alphabet as symbols, with the thresholds of training where `fits` holds them; tables as
/// f16; everything else as the recipe says.
///
/// # Errors
/// [`Error::Parameter`] for weights that are no numbers, and for a row of zeros, which no symbol stands for.
pub fn export(
    params: &[Param],
    state: &[(String, Tensor)],
    fits: &BTreeMap<String, Tensor>,
    recipe: &QuantRecipe,
    q2: &Q2Recipe,
) -> Result<QuantizedModel> {
    let _guard = tch::no_grad_guard();
    let item = |(param, (name, tensor)): (&Param, &(String, Tensor))| -> Result<QuantizedTensor> {
        let w = tensor.f_detach()?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?;
        let data = match (q2.alphabet_of(param), param.class) {
            (Some(alphabet), _) => Data::Symbols(symbols(param, &w, alphabet, fits, q2)?),
            (None, Class::Control | Class::Gate) if recipe.control == FloatKind::Float32 => {
                Data::Float32(w.shallow_clone())
            }
            _ => Data::Float16(w.f_to_kind(Kind::Half)?),
        };
        if !data.is_finite()? {
            return Err(refuse(
                name,
                "it holds NaN, infinity or values too large for half precision; train again with lower \
                                     learning rates or from an earlier checkpoint",
            ));
        }
        Ok(QuantizedTensor { name: name.clone(), shape: tensor.size(), data })
    };
    Ok(QuantizedModel { tensors: params.iter().zip(state).map(item).collect::<Result<_>>()? })
}

fn symbols(
    param: &Param,
    w: &Tensor,
    alphabet: Alphabet,
    fits: &BTreeMap<String, Tensor>,
    q2: &Q2Recipe,
) -> Result<SymbolMatrix> {
    if !bool::try_from(w.f_isfinite()?.f_all()?)? {
        return Err(refuse(
            &param.name,
            "it holds NaN or infinity, which no symbol stands for; train again with lower \
                                        learning rates or from an earlier checkpoint",
        ));
    }
    let empty = w.f_abs()?.f_amax([1i64].as_slice(), false)?.f_eq(0.0)?;
    if let Some(row) = Vec::<bool>::try_from(empty)?.iter().position(|&empty| empty) {
        let reason = format!(
            "row {row} is all zeros, which no symbol stands for; train longer, so that every row moves, or \
                              start the matrix elsewhere"
        );
        return Err(refuse(&param.name, &reason));
    }
    let get = |name: &str| fits.get(name).map(|t| t.to_device(Device::Cpu));
    let fit = Fit::restore(&param.name, &[alphabet], q2, get).unwrap_or_else(|| fit(w, alphabet, q2));
    if !fit.is_of(w)? {
        return Err(refuse(
            &param.name,
            "the scales and thresholds that the checkpoint keeps of it are not positive numbers for each of its rows; \
             export an earlier checkpoint, or train again",
        ));
    }
    let symbols = fit.symbols(w).to_kind(Kind::Uint8);
    Ok(SymbolMatrix { alphabet, table: fit.table, scales: fit.scales.to_kind(Kind::Half), symbols })
}

fn refuse(name: &str, reason: &str) -> Error {
    Error::Parameter { name: name.to_owned(), reason: reason.to_owned() }
}
