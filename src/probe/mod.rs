//! Probes that prove leakage: a script is trained and scored on tokens of exactly known probability, and what it claims is
//! weighed against that; or on two validation sets, and the model that it writes must be the same (docs/probes.md).
//!
//! The script runs as `rehearse` runs it. Its claimed score is read from its log by the reader of `verify`.

mod artifact;
mod corpus;
mod entropy;
mod ledger;
mod outcome;
mod plot;
mod tries;

pub use artifact::{Artifact, Dependence, Model, artifact};
pub use corpus::{SourceRequest, write_source};
pub use entropy::{ProbeOptions, entropy};
pub use ledger::{LedgerProbe, of_ledger};
pub use outcome::{ByteCount, Entropy, Tried, TryOutcome};
pub use plot::svg;
