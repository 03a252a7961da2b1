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
    /// Seconds by which one step may run over: the loop checks its clock only after each step.
    pub step_tolerance_seconds: f64,
    /// Seconds over the limit that are still explained by a clock that is read every few steps.
    pub clock_tolerance_seconds: f64,
    /// Evaluation clock of the record track.
    pub eval_seconds: f64,
    /// Runs with distinct seeds; 0 where none are demanded.
    pub seeds: usize,
    /// Seconds over the limit of training and calibration together that are still slack of two clocks.
    pub calibration_tolerance_seconds: f64,
    /// The same where the log states a reserve for calibration: the most by which a merged record ran over it.
    pub reserve_tolerance_seconds: f64,
    /// The year of the challenge, for the dates in folder names.
    pub year: u16,
    /// Headroom below which a change of compressor or seed may tip a run over the cap.
    pub thin_headroom_bytes: u64,
    /// Difference of a headline score from which it is more than a rounding error, bits per byte.
    pub headline_tolerance_bpb: f64,
    /// An improvement over the standing record that no record has reached, in bits per byte.
    pub plausible_gain_bpb: f64,
    /// Share of the split's bytes that a script may leave unscored at its end.
    pub split_truncation: f64,
}

/// Seeds that raise no question.
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
    /// Tells whether the seed is one that people think of first.
    pub fn is_usual(&self, seed: i64) -> bool {
        self.usual.contains(&seed) || self.ranges.iter().any(|(first, last)| (*first..=*last).contains(&seed))
    }
}

/// Modules that scripts import.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Packages {
    /// Modules that the challenge's own requirements bring, beside Python's.
    #[serde(default)]
    pub provided: Vec<String>,
    /// Modules that need instructions for installing.
    #[serde(default)]
    pub extra: Vec<String>,
}

/// The fields that submission.json must state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// Keys that it must have.
    #[serde(default)]
    pub keys: Vec<String>,
}

/// Known facts of training data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingData {
    /// Numbers of shards from a preparation that trains on the validation split.
    #[serde(default)]
    pub overlap_shards: Vec<u64>,
    /// Documents of the validation split: a preparation that holds out fewer of them trains on the rest.
    pub val_documents: Option<u64>,
}

/// A file that a submission consists of.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequiredFile {
    pub kind: FileKind,
    /// The name that reviewers look for.
    pub name: String,
    /// The rule that demands it.
    pub rule: String,
    /// The remedy where the file is missing; ends a sentence.
    pub add: String,
}

/// The way in which a required file is found.
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
    /// A file of exactly this name.
    File,
}
