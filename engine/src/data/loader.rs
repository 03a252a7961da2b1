//! Training batches, however they are cut from the shards (docs/spec/algorithms.md#training-loaders).

use super::{PackedLoader, SequentialLoader};
use crate::Result;

/// The tokens of one micro-step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Inputs, and the targets one further on.
    pub x: Vec<i64>,
    pub y: Vec<i64>,
    /// The boundaries of the documents, padded, for a batch that is one packed row.
    pub cu_seqlens: Option<Vec<i32>>,
}

/// A loader. A new kind is a file of its own and a variant here.
#[derive(Debug)]
pub enum Loader {
    Sequential(SequentialLoader),
    Packed(PackedLoader),
}

impl Loader {
    /// Returns one micro-step of `tokens` tokens.
    pub fn next_batch(&mut self, tokens: usize) -> Result<Batch> {
        match self {
            Loader::Sequential(loader) => {
                let (x, y) = loader.next_batch(tokens)?;
                Ok(Batch { x, y, cu_seqlens: None })
            }
            Loader::Packed(loader) => loader.next_batch(tokens),
        }
    }

    /// Returns the position of the next micro-step, for a checkpoint.
    pub fn state(&self) -> Vec<u64> {
        match self {
            Loader::Sequential(loader) => vec![loader.position()],
            Loader::Packed(loader) => loader.state(),
        }
    }

    /// Continues at the position that [`Loader::state`] returned; false when it is the state of another kind of loader.
    pub fn restore(&mut self, state: &[u64]) -> bool {
        match (self, state) {
            (Loader::Sequential(loader), &[position]) => {
                loader.seek(position);
                true
            }
            (Loader::Sequential(_), _) => false,
            (Loader::Packed(loader), state) => loader.restore(state),
        }
    }
}
