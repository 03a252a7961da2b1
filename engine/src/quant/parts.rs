//! Tensors of a model file that belong to another one's weights: factors of its columns' steps, columns with a finer grid of
//! their own, and the factors of a low-rank correction. They are ordinary tensors of the file, named after the one that they add to, so that every reader of
//! the file knows how to read and to count them.

use std::collections::BTreeMap;

use tch::{Kind, Tensor};

use super::{Data, QuantizedTensor};
use crate::checkpoint::StateDict;
use crate::{Error, Result};

/// Between the name of the weights and the first column that a finer grid covers.
const COLUMNS: &str = ".columns.";
/// Behind the name of the weights whose columns have steps of their own.
const STEPS: &str = ".column_steps";
/// The factors of a correction A B, `[rows, rank]` and `[rank, cols]`.
const FACTORS: [&str; 2] = [".lqer_a", ".lqer_b"];

/// Names the columns of `owner` from `start` on, whose integers have a grid of their own.
pub(super) fn columns(owner: &str, start: i64, data: Data) -> QuantizedTensor {
    QuantizedTensor { name: format!("{owner}{COLUMNS}{start}"), shape: data.parts().0.size(), data }
}

/// Names the factors `[cols]` of the steps of `owner`'s columns.
pub(super) fn steps(owner: &str, factors: Tensor) -> QuantizedTensor {
    QuantizedTensor { name: format!("{owner}{STEPS}"), shape: factors.size(), data: Data::Float16(factors) }
}

/// Names the factors of the correction of `owner`; B's rows are groups of its values, in their order.
pub(super) fn factors(owner: &str, [a, b]: [Data; 2]) -> [QuantizedTensor; 2] {
    let part = |suffix: &str, data: Data| {
        let shape = data.parts().0.size();
        QuantizedTensor { name: format!("{owner}{suffix}"), shape, data }
    };
    [part(FACTORS[0], a), part(FACTORS[1], b)]
}

/// Returns the name of the weights that a tensor adds to, where it is such a part.
pub fn owner(name: &str) -> Option<&str> {
    let factor = FACTORS.iter().chain([&STEPS]).find_map(|suffix| name.strip_suffix(suffix));
    factor.or_else(|| name.split_once(COLUMNS).map(|(owner, _)| owner))
}

/// Adds every part to its weights and takes it out of `state`.
///
/// # Errors
/// When a part has no weights, or its shape does not fit them.
pub(super) fn join(state: StateDict) -> Result<StateDict> {
    let (parts, mut weights): (StateDict, StateDict) = state.into_iter().partition(|(name, _)| owner(name).is_some());
    if parts.is_empty() {
        return Ok(weights);
    }
    let places: BTreeMap<String, usize> =
        weights.iter().enumerate().map(|(place, (name, _))| (name.clone(), place)).collect();
    // Steps multiply the integers, and what the other parts add is not among them.
    let (steps, parts): (StateDict, StateDict) = parts.into_iter().partition(|(name, _)| name.ends_with(STEPS));
    for (name, factors) in &steps {
        let refuse = |reason: &str| Error::Parameter { name: name.clone(), reason: reason.to_owned() };
        let of = owner(name).unwrap_or_default();
        let place = *places.get(of).ok_or_else(|| refuse("it multiplies weights that the file does not hold"))?;
        let w = &mut weights[place].1;
        if w.dim() != 2 || factors.size() != w.size()[1..] {
            return Err(refuse("it does not have a factor for each column of its weights"));
        }
        *w = w.f_mul(&factors.f_to_kind(w.kind())?)?;
    }
    let parts: BTreeMap<String, Tensor> = parts.into_iter().collect();
    for (name, part) in &parts {
        let refuse = |reason: &str| Error::Parameter { name: name.clone(), reason: reason.to_owned() };
        let of = owner(name).unwrap_or_default();
        let place = *places.get(of).ok_or_else(|| refuse("it adds to weights that the file does not hold"))?;
        let w = &mut weights[place].1;
        let fits = || refuse("its shape does not fit the weights that it adds to");
        if let Some((_, start)) = name.split_once(COLUMNS) {
            let start: i64 = start.parse().map_err(|_| refuse("its name does not end in the number of a column"))?;
            let width = *part.size().get(1).ok_or_else(fits)?;
            let mut covered = w.f_narrow(1, start, width).map_err(|_| fits())?;
            let _ = covered.f_add_(part).map_err(|_| fits())?;
        } else if let Some(of) = name.strip_suffix(FACTORS[0]) {
            let b = parts.get(&format!("{of}{}", FACTORS[1])).ok_or_else(|| refuse("the other factor is missing"))?;
            let rank = *part.size().get(1).ok_or_else(fits)?;
            let b = b.f_reshape([rank, -1]).map_err(|_| fits())?;
            *w = w.f_add(&part.f_to_kind(Kind::Float)?.f_matmul(&b).map_err(|_| fits())?).map_err(|_| fits())?;
        } else if !parts.contains_key(&format!("{of}{}", FACTORS[0])) {
            return Err(refuse("the other factor is missing"));
        }
    }
    Ok(weights)
}
