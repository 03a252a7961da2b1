//! The input of the first block (docs/spec/algorithms.md#embedding): the token's row, the pair's row where the model has a table
//! of pairs, normalized, and smeared, before that or after, where it has a gate.

use tch::{Kind, Tensor};

use super::ModelRecipe;
use super::bigram::Bigram;
use super::embedding::Embedding;
use super::smear::Smear;
use crate::Result;
use crate::nn::{Docs, Input, Scope, Tap, rms_norm};

/// Everything before the first block.
pub struct InputLayer {
    pub embedding: Embedding,
    bigram: Option<Bigram>,
    smear: Option<Smear>,
}

impl InputLayer {
    /// Builds the parts that `m` has; `head` is the input that the embedding multiplies as a tied head.
    pub fn build(m: &ModelRecipe, head: Option<Input>, scope: &mut Scope) -> Result<InputLayer> {
        Ok(InputLayer {
            embedding: Embedding::build(&m.embedding, [m.vocab_size, m.model_dim], head, scope)?,
            bigram: m.bigram.as_ref().map(|r| Bigram::build(r, m.model_dim, scope)).transpose()?,
            smear: m.smear.as_ref().map(|r| Smear::build(r, m.model_dim, scope)).transpose()?,
        })
    }

    /// Maps `ids` `[batch, len]` to the beginning of the residual stream, `[batch, len, dim]` in `kind`.
    pub fn forward(&self, ids: &Tensor, docs: &Docs, kind: Kind, tap: Option<&Tap>) -> Tensor {
        let first = (self.bigram.is_some() || self.smear.is_some()).then(|| docs.first(ids));
        let mut x = self.embedding.forward(ids, kind);
        if let (Some(bigram), Some(first)) = (&self.bigram, &first) {
            x += bigram.forward(ids, first, kind, tap);
        }
        match (&self.smear, &first) {
            (Some(smear), Some(first)) => smear.after_norm(rms_norm(&smear.before_norm(x, ids)), first),
            _ => rms_norm(&x),
        }
    }
}
