//! One call declares a parameter and binds it, so that the list of parameters and the model cannot disagree.

use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor};

use super::linear::Linear;
use super::param::{Class, Group, Param, Start};
use crate::{Error, Result};

/// An activation that one or more linear layers multiply, and whose second moment the quantizer may request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Input(usize);

/// The source of the tensors while a model is built.
enum Source {
    /// No tensors: only the declarations are wanted.
    Outline,
    /// A state dict. Tensors that no component took are left over at the end.
    State { given: BTreeMap<String, Tensor>, device: Device },
}

/// Collects the declarations of a model's components, in state-dict order, and hands each its tensor.
pub struct Builder {
    source: Source,
    params: Vec<Param>,
    tensors: Vec<Tensor>,
    inputs: usize,
}

impl Builder {
    /// Declares only; every tensor stays undefined.
    pub fn outline() -> Builder {
        Builder { source: Source::Outline, params: Vec::new(), tensors: Vec::new(), inputs: 0 }
    }

    /// Takes the tensors from `state`, as f32 on `device`. A tensor that is so already is shared, not copied.
    pub fn with_state(state: Vec<(String, Tensor)>, device: Device) -> Builder {
        let given = state.into_iter().collect();
        Builder { source: Source::State { given, device }, params: Vec::new(), tensors: Vec::new(), inputs: 0 }
    }

    /// The scope of the whole model.
    pub fn root(&mut self) -> Scope<'_> {
        Scope { builder: self, prefix: String::new(), component: "model" }
    }

    /// Returns everything that was declared, and the tensors in the same order.
    ///
    /// # Errors
    /// When the state dict holds a tensor that no component declared.
    pub fn finish(self) -> Result<(Vec<Param>, Vec<Tensor>)> {
        if let Source::State { given, .. } = &self.source
            && let Some(name) = given.keys().next()
        {
            return Err(Error::Recipe(format!(
                "the weights hold `{name}`, which no component of the recipe's model has; the recipe describes another model"
            )));
        }
        Ok((self.params, self.tensors))
    }

    fn bind(&mut self, param: Param) -> Result<Tensor> {
        let tensor = match &mut self.source {
            Source::Outline => Tensor::new(),
            Source::State { given, device } => take(given, &param)?.to_device(*device).to_kind(Kind::Float),
        };
        self.tensors.push(tensor.shallow_clone());
        self.params.push(param);
        Ok(tensor)
    }
}

fn take(given: &mut BTreeMap<String, Tensor>, param: &Param) -> Result<Tensor> {
    let Param { name, shape, component, .. } = param;
    let Some(tensor) = given.remove(name) else {
        return Err(Error::Recipe(format!(
            "the weights have no `{name}`, which component {component} needs; the recipe describes another model"
        )));
    };
    if tensor.size() != *shape {
        return Err(Error::Recipe(format!(
            "component {component}: `{name}` is {:?} in the weights but {shape:?} in the recipe",
            tensor.size()
        )));
    }
    Ok(tensor)
}

/// A component's view of the builder: names are prefixed and declarations carry the component's name.
pub struct Scope<'a> {
    builder: &'a mut Builder,
    prefix: String,
    component: &'static str,
}

impl Scope<'_> {
    /// Returns the scope of a component inside this one. `part` is the beginning of its parameters' names, for example
    /// `attn`; an empty one adds nothing.
    pub fn at(&mut self, part: &str, component: &'static str) -> Scope<'_> {
        let prefix = if part.is_empty() { self.prefix.clone() } else { format!("{}{part}.", self.prefix) };
        Scope { builder: self.builder, prefix, component }
    }

    /// Declares a new input, to be named by the linear layers that multiply it.
    pub fn input(&mut self) -> Input {
        self.builder.inputs += 1;
        Input(self.builder.inputs - 1)
    }

    /// Declares a matrix `name.weight` `[out, in]` that multiplies `input` and is moved by the matrices' optimizer.
    pub fn linear(&mut self, name: &str, out_in: [i64; 2], start: Start, input: Input) -> Result<Linear> {
        let name = format!("{name}.weight");
        let weight = self.declare(&name, &out_in, start, Group::Matrix, Class::Matrix, Some(input))?;
        Ok(Linear::new(weight))
    }

    /// Declares a table over the vocabulary, `name.weight` `[vocab, dim]`; as the head's weight it multiplies `input`.
    pub fn table(
        &mut self,
        name: &str,
        shape: [i64; 2],
        start: Start,
        group: Group,
        input: Option<Input>,
    ) -> Result<Tensor> {
        self.declare(&format!("{name}.weight"), &shape, start, group, Class::Embedding, input)
    }

    /// Declares a scale, gate, gain or mix.
    pub fn control(&mut self, name: &str, shape: &[i64], start: Start) -> Result<Tensor> {
        self.declare(name, shape, start, Group::Scalar, Class::Control, None)
    }

    /// Declares the weights `[out, in]` of a gate, which the recipe may round apart from other controls.
    pub fn gate(&mut self, name: &str, shape: &[i64], start: Start) -> Result<Tensor> {
        self.declare(name, shape, start, Group::Scalar, Class::Gate, None)
    }

    fn declare(
        &mut self,
        name: &str,
        shape: &[i64],
        start: Start,
        group: Group,
        class: Class,
        input: Option<Input>,
    ) -> Result<Tensor> {
        let (name, shape) = (format!("{}{name}", self.prefix), shape.to_vec());
        self.builder.bind(Param { name, shape, start, group, class, component: self.component, input })
    }
}
