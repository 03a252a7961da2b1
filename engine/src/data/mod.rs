//! Shards, tokenizer byte tables, documents, evaluation windows and the training loaders
//! (docs/spec/algorithms.md#data, #evaluation).
//!
//! Nothing here touches a tensor: everything is integers, so it is tested exactly.

mod beginnings;
mod byte_table;
mod calibration;
mod dataset;
mod documents;
mod loader;
mod mapped;
mod packed;
mod sequential;
mod shard;
mod stream;
pub mod windows;

pub use beginnings::beginnings;
pub use byte_table::ByteTable;
pub use calibration::calibration_rows;
pub use dataset::DataSet;
pub use documents::{Document, cu_seqlens, find_documents};
pub use loader::{Batch, Loader};
pub use packed::PackedLoader;
pub use sequential::SequentialLoader;
pub use stream::TokenStream;

/// The id that starts every document, in every tokenizer of the challenge (docs/spec/algorithms.md#documents). As a target it
/// has 0 bytes.
pub const BOS_ID: u16 = 1;

/// Shards for the tests of this room.
#[cfg(test)]
mod testing {
    use std::path::{Path, PathBuf};

    pub use caddie_format::shard::encode as shard_bytes;

    pub fn write(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
        let path = dir.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}
