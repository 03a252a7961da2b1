//! The head (docs/spec/algorithms.md#head): logits softly capped, `cap · tanh(z / cap)`.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::Result;
use crate::bounds;
use crate::nn::scope::Input;
use crate::nn::{Adapters, Group, Scope, Start};

/// Name of the component in recipes and parameter tables.
pub const NAME: &str = "head";

/// `[model.head]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HeadRecipe {
    pub logit_softcap: f64,
}

impl Default for HeadRecipe {
    fn default() -> Self {
        HeadRecipe { logit_softcap: 30.0 }
    }
}

impl HeadRecipe {
    pub(super) fn check(&self) -> Result<()> {
        bounds::numbers("model.head", &[("logit_softcap", self.logit_softcap, f64::MIN_POSITIVE, 1e12)])
    }
}

/// The projection to the vocabulary.
pub struct Head {
    /// `[vocab, dim]`; the embedding's own table when tied.
    weight: Tensor,
    /// The input of the projection.
    pub input: Input,
    softcap: f64,
}

impl Head {
    /// Builds the head; `tied` is the embedding's table, where the head has no weights of its own.
    pub fn build(
        r: &HeadRecipe,
        tied: Option<&Tensor>,
        shape: [i64; 2],
        input: Input,
        scope: &mut Scope,
    ) -> Result<Head> {
        let weight = match tied {
            Some(table) => table.shallow_clone(),
            None => scope.at("", NAME).table("lm_head", shape, Start::Zeros, Group::Head, Some(input))?,
        };
        Ok(Head { weight, input, softcap: r.logit_softcap })
    }

    /// Computes the capped logits `[batch, len, vocab]` of `hidden` `[batch, len, dim]`, in f32: rounding the capped
    /// values of a GPU's bf16 once more would cost precision just where the loss is computed.
    pub fn logits(&self, hidden: &Tensor, adapters: Option<&Adapters>) -> Tensor {
        let z = hidden.linear(&self.weight.to_kind(hidden.kind()), None::<&Tensor>);
        let z = match adapters {
            Some(adapters) => z + adapters.head_delta(hidden),
            None => z,
        };
        (z.to_kind(Kind::Float) / self.softcap).tanh() * self.softcap
    }
}
