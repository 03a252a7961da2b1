//! The challenge's rules and limits as data, with the citation of each and the check that decides it.

mod citation;
mod code;
mod code_rules;
mod finding;
mod hardware;
mod ladder;
mod limits;
mod load;
mod rule;
pub mod stats;
mod track;

use std::sync::Arc;

use serde::Deserialize;

pub use citation::{Citation, Moment};
pub use code::{Code, NO_LOG_LINE};
pub use finding::{Confidence, Evidence, Finding, Severity, finding_on};
pub use hardware::{Hardware, gpus, peak_flops};
pub use ladder::{Alphabet, Ladder, RecordedRuns, Row};
pub use limits::{FileKind, Limits, Metadata, Packages, RequiredFile, Seeds, TrainingData};
pub use load::{Flaw, PARAMETER_GOLF_2026};
pub use rule::{Authority, Disposition, Family, Rule};
pub use track::Track;

use crate::stats::{Test, Unit};

/// A challenge's rules, versioned: the next challenge, or a changed rule, is another file. The top of
/// `parameter-golf-2026.toml` explains the form.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rulebook {
    /// `parameter-golf-2026`; reports print it with the version.
    pub name: String,
    pub version: u32,
    /// The source of the rulebook.
    pub source: String,
    /// The address of pull requests and issues; empty for a challenge without.
    #[serde(default)]
    pub repository: String,
    /// The file of the ladder, beside the rulebook's.
    pub ladder: Option<String>,
    /// The beginning of the names of the tracks' folders, below `records`.
    #[serde(default = "track::usual_prefix")]
    pub track_prefix: String,
    pub limits: Limits,
    /// The machine of tracks that name none of their own; `None` where none is demanded.
    pub hardware: Option<Hardware>,
    /// The tracks; where there are none, every folder is judged as a record.
    #[serde(rename = "track", default)]
    pub tracks: Vec<Track>,
    #[serde(default)]
    pub seeds: Seeds,
    #[serde(default)]
    pub packages: Packages,
    #[serde(default)]
    pub metadata: Metadata,
    #[serde(default)]
    pub training_data: TrainingData,
    /// Files that a submission consists of.
    #[serde(rename = "file", default)]
    pub files: Vec<RequiredFile>,
    #[serde(rename = "family")]
    pub families: Vec<Family>,
    /// Denominators of val_bpb that are known.
    #[serde(rename = "fingerprint", default)]
    pub fingerprints: Vec<Fingerprint>,
    /// Scripts that the challenge itself published.
    #[serde(rename = "known_script", default)]
    pub known_scripts: Vec<KnownScript>,
    #[serde(rename = "rule")]
    pub rules: Vec<Rule>,
    /// The policies for a significant improvement, one per author.
    #[serde(rename = "policy", default)]
    pub policies: Vec<Policy>,
    /// The records that a score is compared with; empty for a challenge without a ladder.
    #[serde(skip)]
    pub records: Arc<Ladder>,
}

/// A policy for a significant improvement.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    pub id: String,
    pub statement: String,
    pub authority: Authority,
    pub citations: Vec<Citation>,
    /// Unit in which the policy is decided; its test is shown in every unit.
    pub unit: Unit,
    /// The margin that the improvement must exceed, in `unit`.
    pub margin: f64,
    /// Bound that the one-sided p-value must be below.
    pub alpha: f64,
    /// Test by which the policy is decided.
    pub test: Test,
}

/// A validation set as a tokenizer splits it, identified by the bytes that val_bpb divides by.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    /// Name for messages: `SP8192 CaseOps`.
    pub alphabet: String,
    pub kind: FingerprintKind,
    /// Scored tokens, where they are known.
    pub tokens: Option<u64>,
    /// UTF-8 bytes that val_bpb divides by, where they are known.
    pub bytes: Option<u64>,
    /// The rule that it breaks, or the one that it satisfies.
    pub rule: String,
    /// A description in a few words that end a sentence.
    pub note: String,
    /// Numbers of training shards that this alphabet's usual exports have.
    #[serde(default)]
    pub train_shards: Vec<u64>,
}

/// The verdict on a denominator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FingerprintKind {
    /// The whole split, its bytes counted right.
    Canonical,
    /// Right in itself, but of another export of the split.
    Other,
    /// A known mistake.
    Wrong,
}

/// A script of the challenge's repository.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownScript {
    pub sha256: String,
    /// A description, for messages.
    pub what: String,
}

impl Rulebook {
    /// `parameter-golf-2026/1`, as reports and manifests print it.
    pub fn id(&self) -> String {
        format!("{}/{}", self.name, self.version)
    }

    /// The policy with this id.
    pub fn policy(&self, id: &str) -> Option<&Policy> {
        self.policies.iter().find(|policy| policy.id == id)
    }

    /// The rule with this id.
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.id == id)
    }

    /// The file of this kind that a submission needs.
    pub fn file(&self, kind: FileKind) -> Option<&RequiredFile> {
        self.files.iter().find(|file| file.kind == kind)
    }

    /// Tells whether a rule names the check of this name; its findings are asked for only then.
    pub fn names_check(&self, name: &str) -> bool {
        self.rules.iter().any(|rule| rule.checks.iter().any(|check| check == name))
    }
}
