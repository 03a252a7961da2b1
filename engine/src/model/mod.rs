//! The model: token embedding, a trunk of blocks, a softcapped head (docs/spec/algorithms.md#model).
//!
//! One forward pass serves training, evaluation, calibration and test-time training; [`Extra`] requests the
//! differences, so that there is no second copy in which a change could be forgotten.

pub(crate) mod bigram;
mod embedding;
mod fused;
mod gpt;
mod head;
mod init;
mod input;
mod lanes;
mod layout;
mod loops;
mod recipe;
mod smear;
mod trunk;
mod unet;

pub use gpt::{Extra, Gpt};
pub use init::{initial_state, overtone};
pub use lanes::FinalLane;
pub use layout::Layout;
pub use loops::LoopsRecipe;
pub use recipe::ModelRecipe;
pub use smear::SmearRecipe;
pub use trunk::Order;

use std::collections::BTreeSet;

use crate::Result;
use crate::nn::Param;
use crate::nn::lora::Choice;
use crate::nn::scope::Builder;

/// Every parameter of a model, in state-dict order, as its components declare it.
///
/// # Errors
/// When the recipe's components do not fit together.
pub fn parameters(m: &ModelRecipe) -> Result<Vec<Param>> {
    let mut builder = Builder::outline();
    gpt::Parts::build(m, &mut builder)?;
    Ok(builder.finish()?.0)
}

/// Returns the names of the adapters that test-time training may put into a model, without the numbers of their layers.
///
/// # Errors
/// When the recipe's components do not fit together.
pub fn adapters(m: &ModelRecipe) -> Result<BTreeSet<&'static str>> {
    Ok(gpt::Parts::build(m, &mut Builder::outline())?.adapters())
}

/// Returns the names of the adapters of `choice` with their outputs, in the order of their values.
///
/// # Errors
/// When the recipe's components do not fit together.
pub fn adapter_places(m: &ModelRecipe, choice: Choice<'_>) -> Result<Vec<(String, i64)>> {
    Ok(gpt::Parts::build(m, &mut Builder::outline())?.adapter_places(m, choice))
}

/// Number of trainable parameters: 17,059,912 for the baseline, 35,944,602 for PR #1530
/// (docs/spec/algorithms.md#parameter-counts).
pub fn num_parameters(m: &ModelRecipe) -> Result<i64> {
    Ok(parameters(m)?.iter().map(Param::numel).sum())
}
