//! What must not change a score, and whether it did: of a recipe, a model or a script.

use caddie_probe::source::Kind;
use serde::Serialize;

use super::outcome::ProbeSubject;

/// Nats that arithmetic in another order may move a score of one target by.
pub(super) const ARITHMETIC: f64 = 1e-3;

/// One thing that was changed, and whether the scores that must not move moved.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Invariance {
    /// repetition, later_tokens, swapped_neighbors, other_documents, order, copies, length, bytes or model_file.
    pub name: &'static str,
    /// What was changed and compared, in words.
    pub says: String,
    /// `None` where a difference breaks no claim, or nothing can be shown: a document in another place, or one that is not
    /// scored apart, or a script that prints one mean.
    pub holds: Option<bool>,
    /// The largest difference of a target, nats; of a document's mean for order and copies; of the printed mean where a script's
    /// losses of single targets are not known.
    pub largest: Option<f64>,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Compared {
    /// The nats of every target.
    EachTarget,
    /// The mean that the script prints.
    PrintedMean,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Invariances {
    pub schema_version: u32,
    pub subject: ProbeSubject,
    pub seed: u64,
    pub source: Kind,
    pub targets: usize,
    /// Whether the evaluation claims that a document's score depends on no other document; of a script that is not known.
    pub documents_apart: Option<bool>,
    pub compared: Compared,
    pub found: Vec<Invariance>,
}

impl Invariances {
    /// Whether a score moved that must not.
    pub fn broken(&self) -> bool {
        self.found.iter().any(|one| one.holds == Some(false))
    }
}
