//! The report on a run, as the Python package writes it (rehearsal/README.md has every key).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One phase of the run that the script has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// `imports`, `first_step`, `training`, `quantize`, `reload`, `evaluate` or `final_line`.
    pub name: String,
    pub seconds: f64,
}

/// The place in the script where a run stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub file: String,
    pub line: u64,
    #[serde(default)]
    pub function: Option<String>,
    #[serde(default)]
    pub text: Option<String>,
}

/// The error that stopped a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RehearsalFailure {
    #[serde(default)]
    pub exception: Option<String>,
    pub message: String,
    #[serde(rename = "where")]
    pub place: Option<Place>,
    /// Kind of the remedy: `missing_package`, `authors_path`, `newer_python` …
    pub remedy: String,
    /// A sentence on what to do.
    pub explanation: String,
}

/// The report on one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RehearsalReport {
    /// `final_line`, `ended_without_score` or `stopped`.
    pub status: String,
    /// The last phase that the run was in.
    pub reached: Option<String>,
    #[serde(default)]
    pub phases: Vec<Phase>,
    #[serde(default)]
    pub steps: Option<u64>,
    /// The last line with a score after quantization. A toy's score means nothing.
    pub score_line: Option<String>,
    pub failure: Option<RehearsalFailure>,
    /// Things that were emulated, with the number of uses.
    #[serde(default)]
    pub emulated: BTreeMap<String, u64>,
    /// Constants of the script that were made small.
    #[serde(default)]
    pub overrides: Vec<String>,
    pub seconds: f64,
    #[serde(default)]
    pub cpu_seconds: f64,
    #[serde(default)]
    pub output_tail: Vec<String>,
    /// Tensors of the object that the script saved, quantized.
    #[serde(default, skip_serializing)]
    pub stored: Vec<Stored>,
    /// Parameters of the model: of the toy, or at its own sizes where that was asked for.
    #[serde(default, skip_serializing)]
    pub tensors: Vec<Tensor>,
    /// Losses of single targets, where they were asked for: a pass over the validation data each, the last first.
    #[serde(default, skip_serializing)]
    pub losses: Vec<CaughtPass>,
}

/// Losses of single targets that a script left to PyTorch's cross-entropy in one pass over the validation data, in the order of
/// the targets. A target may have been scored several times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaughtPass {
    /// The first and the last loss of each target, nats; `None` where none was caught.
    pub first: Vec<Option<f64>>,
    pub last: Vec<Option<f64>>,
    /// The calls that they came from, counted from 0 on; -1 where there was none.
    pub first_call: Vec<i64>,
    pub last_call: Vec<i64>,
}

/// A tensor as a toy run stored it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// The keys that lead to it, joined by dots.
    pub path: String,
    pub elements: u64,
    /// Bits of an element, before a compressor.
    pub bits: f64,
}

/// A parameter of the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tensor {
    pub name: String,
    pub shape: Vec<u64>,
    /// `embedding`, `attention`, `mlp`, `other matrices` or `small tensors`.
    pub class: String,
}

impl RehearsalReport {
    /// Tells whether the script ended well behind a score.
    pub fn reached_its_score(&self) -> bool {
        self.status == "final_line"
    }
}
