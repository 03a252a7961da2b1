//! Token embedding (docs/spec/algorithms.md#embedding): its normalized rows are the beginning of the residual stream.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::Result;
use crate::bounds;
use crate::nn::scope::Input;
use crate::nn::{Group, Scope, Start, rms_norm};

/// Name of the component in recipes and parameter tables.
pub const NAME: &str = "embedding";

/// `[model.embedding]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EmbeddingRecipe {
    /// True if the head is the embedding's transpose.
    pub tie_embeddings: bool,
    /// Standard deviation of the initial rows.
    pub tied_embed_init_std: f64,
}

impl Default for EmbeddingRecipe {
    fn default() -> Self {
        EmbeddingRecipe { tie_embeddings: true, tied_embed_init_std: 0.005 }
    }
}

impl EmbeddingRecipe {
    pub(super) fn check(&self) -> Result<()> {
        bounds::numbers("model.embedding", &[("tied_embed_init_std", self.tied_embed_init_std, 0.0, 1e6)])
    }
}

/// The table `[vocab, dim]`.
pub struct Embedding {
    pub table: Tensor,
}

impl Embedding {
    /// Builds the embedding; `head` is the input that the table multiplies as a tied head.
    pub fn build(r: &EmbeddingRecipe, shape: [i64; 2], head: Option<Input>, scope: &mut Scope) -> Result<Embedding> {
        let start = Start::Normal(r.tied_embed_init_std);
        Ok(Embedding { table: scope.at("", NAME).table("tok_emb", shape, start, Group::Embedding, head)? })
    }

    /// Maps `ids` `[batch, len]` to normalized rows `[batch, len, dim]` in `kind`.
    pub fn forward(&self, ids: &Tensor, kind: Kind) -> Tensor {
        rms_norm(&Tensor::embedding(&self.table, ids, -1, false, false).to_kind(kind))
    }
}
