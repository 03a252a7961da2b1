//! The head (docs/spec/algorithms.md#head): logits softly capped, `cap · tanh(z / cap)`, with a cap of their own for positive
//! and for negative ones where the recipe asks for it (PR #1923).

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::fused::{self, Caps};
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
    /// True to learn the cap of positive and that of negative logits, each from `logit_softcap` on.
    #[serde(skip_serializing_if = "bounds::is_false")]
    pub asym_logit_rescale: bool,
    /// True to compute the training loss and its gradient at once (PR #1787).
    #[serde(skip_serializing_if = "bounds::is_false")]
    pub fused_ce_enabled: bool,
}

impl Default for HeadRecipe {
    fn default() -> Self {
        HeadRecipe { logit_softcap: 30.0, asym_logit_rescale: false, fused_ce_enabled: false }
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
    fused: bool,
    /// The caps `[]` of positive and of negative logits.
    asym: Option<(Tensor, Tensor)>,
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
        let mut cap = |name: &str| scope.at("", NAME).control(name, &[], Start::Constant(r.logit_softcap));
        let asym = if r.asym_logit_rescale { Some((cap("softcap_pos")?, cap("softcap_neg")?)) } else { None };
        Ok(Head { weight, input, softcap: r.logit_softcap, fused: r.fused_ce_enabled, asym })
    }

    /// Computes the capped logits `[batch, len, vocab]` of `hidden` `[batch, len, dim]`, in f32: rounding the capped
    /// values of a GPU's bf16 once more would cost precision just where the loss is computed.
    pub fn logits(&self, hidden: &Tensor, adapters: Option<&Adapters>) -> Tensor {
        let z = self.uncapped(hidden, adapters);
        match &self.asym {
            None => (z / self.softcap).tanh() * self.softcap,
            Some((positive, negative)) => {
                let cap = positive.where_self(&z.gt(0.0), negative);
                (z / &cap).tanh() * cap
            }
        }
    }

    /// Computes the mean nats of `targets` `[batch, len]` by the fused cross-entropy, where the recipe has it.
    ///
    /// # Errors
    /// As [`fused::cross_entropy`].
    pub fn fused_loss(&self, hidden: &Tensor, targets: &Tensor) -> Option<Result<Tensor>> {
        self.fused.then(|| {
            let z = self.uncapped(hidden, None);
            let (z, targets) = (z.f_view([-1, self.weight.size()[0]])?, targets.f_reshape([-1])?);
            let learned = self.asym.as_ref().map(|(positive, negative)| (positive, negative));
            let nats = fused::cross_entropy(z, &targets, &Caps { fixed: self.softcap, learned })?;
            Ok(nats.f_sum(Kind::Float)?.f_div(&targets.f_ne(fused::IGNORED)?.f_sum(Kind::Float)?)?)
        })
    }

    /// Computes the logits before their cap, f32.
    fn uncapped(&self, hidden: &Tensor, adapters: Option<&Adapters>) -> Tensor {
        let z = hidden.linear(&self.weight.to_kind(hidden.kind()), None::<&Tensor>);
        let z = match adapters {
            Some(adapters) => z + adapters.head_delta(hidden),
            None => z,
        };
        z.to_kind(Kind::Float)
    }
}
