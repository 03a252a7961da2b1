//! How far a run came, as the Python package reports it (rehearsal/README.md has every key).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One phase of the run that the script has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// `imports`, `first_step`, `training`, `quantize`, `reload`, `evaluate` or `final_line`.
    pub name: String,
    pub seconds: f64,
}

/// Where in the script a run stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub file: String,
    pub line: u64,
    #[serde(default)]
    pub function: Option<String>,
    #[serde(default)]
    pub text: Option<String>,
}

/// Why a run stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    #[serde(default)]
    pub exception: Option<String>,
    pub message: String,
    #[serde(rename = "where")]
    pub place: Option<Place>,
    /// Kind of the remedy: `missing_package`, `authors_path`, `newer_python` …
    pub remedy: String,
    /// What to do, in a sentence.
    pub explanation: String,
}

/// How far one run came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
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
    pub failure: Option<Failure>,
    /// What was emulated, with the number of uses.
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
}

impl Report {
    /// Whether the script ended well behind a score.
    pub fn reached_its_score(&self) -> bool {
        self.status == "final_line"
    }
}
