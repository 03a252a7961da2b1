//! The numbers and lists of a challenge.

use serde::Deserialize;

/// The numbers of the challenge.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Code plus compressed weights, decimal bytes, inclusive.
    pub artifact_bytes: u64,
    /// Training clock of the record track.
    pub train_seconds: f64,
    /// The loop reads the clock after a step: what one step may run over.
    pub step_tolerance_seconds: f64,
    /// Training may pass the limit by less than this before it is more than a clock that is read every few steps.
    pub clock_tolerance_seconds: f64,
    /// Evaluation clock of the record track.
    pub eval_seconds: f64,
    /// Runs with distinct seeds; 0 where none are demanded.
    pub seeds: usize,
    /// Training and calibration together may pass the limit by this much before it is more than slack of two clocks.
    pub calibration_tolerance_seconds: f64,
    /// The year of the challenge, for the dates in folder names.
    pub year: u16,
    /// Headroom below which a change of compressor or seed may tip a run over the cap.
    pub thin_headroom_bytes: u64,
    /// Difference of a headline score that is more than a slip of rounding, bits per byte.
    pub headline_tolerance_bpb: f64,
    /// What no record gained over the one that stood, bits per byte.
    pub plausible_gain_bpb: f64,
    /// Share of the split's bytes that a script may leave unscored at its end.
    pub split_truncation: f64,
}

/// Seeds that nobody need ask about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seeds {
    #[serde(default)]
    pub usual: Vec<i64>,
    /// First and last of each range.
    #[serde(default)]
    pub ranges: Vec<(i64, i64)>,
}

impl Seeds {
    /// Whether the seed is one that people think of first.
    pub fn is_usual(&self, seed: i64) -> bool {
        self.usual.contains(&seed) || self.ranges.iter().any(|(first, last)| (*first..=*last).contains(&seed))
    }
}

/// Modules that scripts import.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Packages {
    /// That the challenge's own requirements bring, beside Python's.
    #[serde(default)]
    pub provided: Vec<String>,
    /// That somebody must be told how to install.
    #[serde(default)]
    pub extra: Vec<String>,
}

/// What submission.json states.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// Keys that it must have.
    #[serde(default)]
    pub keys: Vec<String>,
}

/// What is known of training data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingData {
    /// Numbers of shards that a preparation makes which trains on the validation split.
    #[serde(default)]
    pub overlap_shards: Vec<u64>,
    /// Documents of the validation split: a preparation that keeps fewer of them out trains on the rest.
    pub val_documents: Option<u64>,
}

/// A file that a submission consists of.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequiredFile {
    pub kind: FileKind,
    /// As reviewers look for it.
    pub name: String,
    /// The rule that demands it.
    pub rule: String,
    /// What to do where it is missing; ends a sentence.
    pub add: String,
}

/// How a required file is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileKind {
    /// The page that explains the submission.
    Readme,
    /// The JSON that states its numbers.
    Metadata,
    /// The logs of its runs.
    Log,
    /// The script that trains and evaluates.
    Script,
    /// A file of this very name.
    File,
}
