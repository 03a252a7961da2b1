//! Token embedding (docs/spec/algorithms.md#embedding).

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::Result;
use crate::bounds;
use crate::nn::scope::Input;
use crate::nn::{Group, Scope, Start};

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
    /// True to make the singular values of the initial table fall as `1/√k` (docs/spec/algorithms.md#initial-weights).
    #[serde(skip_serializing_if = "bounds::is_false")]
    pub overtone: bool,
}

impl Default for EmbeddingRecipe {
    fn default() -> Self {
        EmbeddingRecipe { tie_embeddings: true, tied_embed_init_std: 0.005, overtone: false }
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
        let std = r.tied_embed_init_std;
        let start = if r.overtone { Start::Overtone(std) } else { Start::Normal(std) };
        Ok(Embedding { table: scope.at("", NAME).table("tok_emb", shape, start, Group::Embedding, head)? })
    }

    /// Maps `ids` `[batch, len]` to rows `[batch, len, dim]` in `kind`.
    pub fn forward(&self, ids: &Tensor, kind: Kind) -> Tensor {
        Tensor::embedding(&self.table, ids, -1, false, false).to_kind(kind)
    }
}
