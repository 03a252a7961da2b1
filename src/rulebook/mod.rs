//! The challenge's rules and limits as data, with the citation of each and the check that decides it.

mod ladder;

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

pub use ladder::{Alphabet, Evidence, Ladder, Row};

use crate::report::Severity;
use crate::stats::{Test, Unit};
use crate::{Error, Result};

const PARAMETER_GOLF_2026: &str = include_str!("parameter-golf-2026.toml");

/// A challenge's rules, versioned: the next challenge, or a changed rule, is another file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rulebook {
    /// `parameter-golf-2026`; reports print it with the version.
    pub name: String,
    pub version: u32,
    /// What the rulebook is compiled from.
    pub source: String,
    pub limits: Limits,
    /// Denominators of val_bpb that are known.
    #[serde(rename = "fingerprint", default)]
    pub fingerprints: Vec<Fingerprint>,
    /// Scripts that the challenge itself published.
    #[serde(rename = "known_script", default)]
    pub known_scripts: Vec<KnownScript>,
    #[serde(rename = "rule")]
    pub rules: Vec<Rule>,
    /// What counts as a significant improvement, by each who says so.
    #[serde(rename = "policy", default)]
    pub policies: Vec<Policy>,
}

/// What counts as a significant improvement.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    pub id: String,
    pub statement: String,
    pub authority: Authority,
    pub citations: Vec<String>,
    /// In which the policy is decided; its test is shown in every unit.
    pub unit: Unit,
    /// What the improvement must exceed, in `unit`.
    pub margin: f64,
    /// The one-sided p-value must be below.
    pub alpha: f64,
    /// By which the policy is decided.
    pub test: Test,
}

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
    /// Runs with distinct seeds.
    pub seeds: usize,
    /// Training and calibration together may pass the limit by this much before it is more than slack of two clocks.
    pub calibration_tolerance_seconds: f64,
    /// GPUs that the record track is timed on.
    pub gpus: u64,
    /// The year of the challenge, for the dates in folder names.
    pub year: u16,
    /// Headroom below which a change of compressor or seed may tip a run over the cap.
    pub thin_headroom_bytes: u64,
    /// Difference of a headline score that is more than a slip of rounding, bits per byte.
    pub headline_tolerance_bpb: f64,
}

/// A validation set as a tokenizer splits it, by the bytes that val_bpb divides by.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    /// For messages: `SP8192 CaseOps`.
    pub alphabet: String,
    pub kind: FingerprintKind,
    /// Scored tokens, where they are known.
    pub tokens: Option<u64>,
    /// UTF-8 bytes that val_bpb divides by, where they are known.
    pub bytes: Option<u64>,
    /// The rule that it breaks, or the one that it satisfies.
    pub rule: String,
    /// What it is, in a few words that end a sentence.
    pub note: String,
    /// Numbers of training shards that this alphabet's usual exports have.
    #[serde(default)]
    pub train_shards: Vec<u64>,
}

/// Whether a denominator is right.
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
    /// What it is, for messages.
    pub what: String,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub id: String,
    pub statement: String,
    pub authority: Authority,
    /// Of a plain breach; a check may say less where a case is milder.
    pub severity: Severity,
    pub citations: Vec<String>,
    /// Names of the checks that decide the rule.
    #[serde(default)]
    pub checks: Vec<String>,
    /// Why no check can.
    pub undecided: Option<String>,
    /// When it was said, where that is known: the rules moved during the challenge.
    pub since: Option<String>,
    /// How a finding is cleared, where more is to be said than of its family of rules.
    pub clear: Option<String>,
}

/// Who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Authority {
    /// The challenge's README.
    Readme,
    /// A maintainer, in a thread or by merging or closing.
    Ruling,
    /// Merged records do it, nobody ruled.
    Practice,
    /// Undisputed in the community.
    Consensus,
    /// Open or inconsistent.
    Contested,
}

/// What happens to a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition<'a> {
    /// Checks of the registry decide it.
    Checks(&'a [String]),
    /// No check can, for this reason.
    Undecided(&'a str),
}

impl Rule {
    /// The checks that decide the rule, or the reason why none can.
    pub fn disposition(&self) -> Option<Disposition<'_>> {
        match (self.checks.as_slice(), &self.undecided) {
            ([], Some(reason)) => Some(Disposition::Undecided(reason)),
            (checks @ [_, ..], None) => Some(Disposition::Checks(checks)),
            _ => None,
        }
    }
}

impl Rulebook {
    /// The rulebook that ships with caddie.
    ///
    /// # Errors
    /// Never in a released build: the tests load it.
    pub fn builtin() -> Result<Rulebook> {
        Rulebook::parse(PARAMETER_GOLF_2026).map_err(Error::Internal)
    }

    /// Parses a rulebook and refuses one that leaves a rule without a disposition or names one twice.
    pub fn parse(text: &str) -> std::result::Result<Rulebook, String> {
        let book: Rulebook = toml::from_str(text).map_err(|error| format!("the rulebook: {error}"))?;
        let mut seen = HashSet::new();
        for rule in &book.rules {
            if !seen.insert(rule.id.as_str()) {
                return Err(format!("the rulebook: rule {} occurs twice", rule.id));
            }
            if rule.disposition().is_none() {
                return Err(format!("the rulebook: rule {} needs either checks or undecided", rule.id));
            }
        }
        Ok(book)
    }

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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_builtin_rulebook_loads_with_the_limits_of_the_challenge() {
        let book = Rulebook::builtin().expect("loads");
        assert_eq!((book.limits.artifact_bytes, book.limits.seeds), (16_000_000, 3));
        assert_eq!((book.limits.train_seconds, book.limits.eval_seconds), (600.0, 600.0));
        assert_eq!(book.id(), "parameter-golf-2026/1");
        assert!(book.rules.iter().all(|rule| !rule.citations.is_empty() && !rule.statement.is_empty()));
    }

    #[test]
    fn a_rule_without_or_with_two_dispositions_is_refused() {
        let with = |lines: &str| {
            let rule = format!(
                "[[rule]]\nid = \"a\"\nstatement = \"s\"\nauthority = \"readme\"\nseverity = \"error\"\n\
                 citations = [\"c\"]\n{lines}\n"
            );
            let head = PARAMETER_GOLF_2026.split("[[rule]]").next().expect("a head");
            Rulebook::parse(&format!("{head}{rule}"))
        };
        assert!(with("checks = [\"x\"]").is_ok());
        assert!(with("").is_err_and(|error| error.contains("either checks or undecided")));
        assert!(with("checks = [\"x\"]\nundecided = \"y\"").is_err());
    }
}
