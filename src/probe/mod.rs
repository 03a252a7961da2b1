//! Probes that prove leakage: a script is trained and scored on tokens of exactly known probability, and what it claims is
//! weighed against that; or on two validation sets, and the model that it writes must be the same (docs/probes.md).
//!
//! A recipe is trained and scored by the engine, and a model of the engine is scored on tokens that it draws itself.
//! A script runs as `rehearse` runs it. Its claimed score is read from its log by the reader of `verify`.

/// The schema of `caddie probe entropy --format json`.
pub const PROBE_SCHEMA: &str = include_str!("../../docs/probe.schema.json");

mod artifact;
mod caught;
mod changed;
mod corpus;
mod entropy;
mod invariance;
mod ledger;
#[cfg(feature = "engine")]
pub mod native;
mod outcome;
mod plot;
mod script_invariance;
mod tries;

pub use artifact::{Artifact, Dependence, Model, artifact};
pub use corpus::{SourceRequest, VALIDATION, write_source};
pub use entropy::{ProbeOptions, entropy};
pub use invariance::{Compared, Invariance, Invariances};
pub use ledger::{LedgerProbe, of_ledger};
pub use outcome::{ByteCount, Entropy, ProbeSubject, ProbeSubjectKind, Tried, TryOutcome};
pub use plot::svg;
pub use script_invariance::script_invariance;
