//! A model's parameters by name, checked against what its recipe needs.

use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor};

use super::spec;
use crate::recipe::ModelRecipe;
use crate::{Error, Result};

/// Parameters by upstream name; every shape has been checked.
pub struct Weights {
    by_name: BTreeMap<String, Tensor>,
}

impl Weights {
    /// Takes the parameters that `m` needs out of `state`, as f32 on `device`. Missing or extra names and wrong shapes are
    /// errors that name the parameter.
    pub fn from_state(m: &ModelRecipe, state: Vec<(String, Tensor)>, device: Device) -> Result<Weights> {
        let mut given: BTreeMap<String, Tensor> = state.into_iter().collect();
        let mut by_name = BTreeMap::new();
        for spec in spec::parameters(m) {
            let Some(tensor) = given.remove(&spec.name) else {
                return Err(Error::Recipe(format!(
                    "the weights have no `{}`; the recipe describes another model",
                    spec.name
                )));
            };
            if tensor.size() != spec.shape {
                return Err(Error::Recipe(format!(
                    "`{}` is {:?} in the weights but {:?} in the recipe",
                    spec.name,
                    tensor.size(),
                    spec.shape
                )));
            }
            by_name.insert(spec.name, tensor.to_device(device).to_kind(Kind::Float));
        }
        match given.keys().next() {
            Some(name) => {
                Err(Error::Recipe(format!("the weights hold `{name}`, which the recipe's model does not have")))
            }
            None => Ok(Weights { by_name }),
        }
    }

    /// The parameter called `name`, sharing its storage.
    pub fn get(&self, name: &str) -> Result<Tensor> {
        match self.by_name.get(name) {
            Some(tensor) => Ok(tensor.shallow_clone()),
            None => Err(Error::Recipe(format!("the model has no parameter `{name}`"))),
        }
    }
}
