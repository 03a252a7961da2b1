//! Probes that prove leakage: a script is trained and scored on tokens of exactly known probability, and what it claims is
//! weighed against that (docs/probes.md).
//!
//! The script runs as `rehearse` runs it. Its claimed score is read from its log by the reader of `verify`.

mod corpus;
mod entropy;
mod tries;

pub use corpus::{SourceRequest, write_source};
pub use entropy::{ByteCount, Entropy, Options, Outcome, Tried, entropy};
