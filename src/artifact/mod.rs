//! The artifact `<name>.tar.zst`: everything that a reviewer needs to score a submission again.
//!
//! ```text
//! manifest.json                  first; names, sizes and hashes every other member
//! ledgers.json                   digests of the score ledgers
//! recipe.toml  train_gpt.py      the counted code, and what it runs
//! seed-<n>/ledger.jsonl.zst      one row a document
//! seed-<n>/model.int8.zlib       the model that gave that ledger
//! tokenizer/<file>               the byte counts' source; absent for `byte260`
//! ```
//!
//! The artifact carries every seed's model, because a ledger can be recomputed only from the model that wrote it. The
//! code and one model count against the limit; the manifest states this total for each seed and for the largest.

pub mod manifest;
pub mod pack;
pub mod staging;
pub mod tarball;
pub mod unpack;

pub use manifest::{Counted, CountedRun, Limits, Manifest, Member, Versions};
pub use pack::{Contents, Source, pack};
pub use staging::Staging;
pub use unpack::{UnpackLimits, examine, unpack};
