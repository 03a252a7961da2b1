//! A component's declaration of each of its parameters.

use serde::{Deserialize, Serialize};

use super::scope::Input;

/// The initial values of a parameter (docs/spec/algorithms.md#initial-weights).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Start {
    Zeros,
    /// All elements the same.
    Constant(f64),
    /// `N(0, std²)`.
    Normal(f64),
    /// A matrix of `N(0, std²)` whose singular values are then made to fall as `1/√k`.
    Overtone(f64),
    /// `U(±1/√in)`, where `in` is the last dimension.
    Uniform,
    /// Orthogonal rows or columns, gain 1.
    Orthogonal,
    /// `[2, dim]`: the weight of the residual stream in the first row, that of the embedding in the second.
    ResidMix {
        own: f64,
        x0: f64,
    },
}

/// The optimizer group that moves a parameter (docs/spec/algorithms.md#parameter-groups).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// Matrices of the blocks.
    Matrix,
    /// The token embedding.
    Embedding,
    /// A head of its own.
    Head,
    /// Vectors, gates, gains and mixes.
    Scalar,
}

/// The export class of a parameter (docs/spec/algorithms.md#quantization): each class has a rule of its own in the
/// recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Matrices of the blocks.
    Matrix,
    /// Tables over the vocabulary.
    Embedding,
    /// Small and sensitive: kept in floating point.
    Control,
    /// Weights of gates: like controls, unless the recipe has a rule for them.
    Gate,
}

/// One parameter, as the component that owns it declares it.
#[derive(Debug, Clone, PartialEq)]
pub struct Param {
    /// Upstream's state-dict name.
    pub name: String,
    /// Matrices are `[out, in]`.
    pub shape: Vec<i64>,
    pub start: Start,
    pub group: Group,
    pub class: Class,
    /// The component that declared it, for example `gqa`.
    pub component: &'static str,
    /// The input that it multiplies, where the quantizer observes that.
    pub input: Option<Input>,
}

impl Param {
    pub fn numel(&self) -> i64 {
        self.shape.iter().product()
    }

    /// The layer that it is of, by its name: `blocks.<layer>.…`. `None` outside of the layers.
    pub fn layer(&self) -> Option<usize> {
        self.name.strip_prefix("blocks.")?.split('.').next()?.parse().ok()
    }
}

/// The initial values of a component's matrices, except those that start at zero
/// (docs/spec/algorithms.md#initial-weights).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Init {
    /// `U(±1/√in)`, the framework's default for a linear layer.
    #[default]
    Uniform,
    /// Orthogonal with gain 1.
    Orthogonal,
}

impl From<Init> for Start {
    fn from(init: Init) -> Start {
        match init {
            Init::Uniform => Start::Uniform,
            Init::Orthogonal => Start::Orthogonal,
        }
    }
}
