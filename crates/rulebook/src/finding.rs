//! A finding: the observation, its place, and the rule that it concerns. It is evidence, not a verdict on a person.

use camino::Utf8PathBuf;
use serde::Serialize;
use serde_json::Value;

use crate::{Code, Rulebook};

/// The severity of a finding. `Unknown` marks what could not be determined: it is never a pass, and it outranks a
/// warning because a reader must look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Info,
    Warning,
    Unknown,
    Error,
}

impl Severity {
    /// Returns the word that reports print.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Unknown => "unknown",
            Severity::Error => "error",
        }
    }
}

/// caddie's confidence that what it measured is what the rule means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    Low,
    Medium,
    High,
}

impl Confidence {
    /// Returns the word that reports print.
    pub fn name(self) -> &'static str {
        match self {
            Confidence::Low => "low",
            Confidence::Medium => "medium",
            Confidence::High => "high",
        }
    }
}

/// A place in a file that shows the finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// Path relative to the folder.
    pub file: Utf8PathBuf,
    /// 1-based line; `None` for a whole file.
    pub line: Option<u64>,
    /// 1-based line in the source inside the file's wrapper (`caddie unwrap` prints it); `None` outside of wrappers.
    pub inner_line: Option<u64>,
    /// The line's text, or a description of the file.
    pub text: String,
}

/// One finding, in the order of fields that `verify --format json` publishes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// Id of the rule in the rulebook.
    pub rule: String,
    /// The discrepancy's code, where it has one.
    pub code: Option<Code>,
    pub severity: Severity,
    pub confidence: Confidence,
    pub message: String,
    /// The value that caddie derived from the files.
    pub measured: Option<Value>,
    /// The value that the folder states.
    pub claimed: Option<Value>,
    /// The value that the rule allows.
    pub limit: Option<Value>,
    pub evidence: Vec<Evidence>,
    /// The sources of the rule.
    pub citations: Vec<String>,
    /// The way to clear this finding, where more can be said than for its rule in general.
    pub clear: Option<String>,
}

impl Finding {
    /// Returns the name that `caddie explain` takes: the code, else the rule.
    pub fn name(&self) -> &str {
        self.code.map_or(self.rule.as_str(), |code| code.name())
    }

    /// Names the discrepancy.
    pub fn code(mut self, code: Code) -> Finding {
        self.code = Some(code);
        self
    }

    /// Replaces the rule's severity, where the case is milder or the matter contested.
    pub fn severity(mut self, severity: Severity) -> Finding {
        self.severity = severity;
        self
    }

    /// Sets the confidence of the measurement, which is otherwise high.
    pub fn confidence(mut self, confidence: Confidence) -> Finding {
        self.confidence = confidence;
        self
    }

    /// Adds the value that caddie derived.
    pub fn measured(mut self, value: impl Into<Value>) -> Finding {
        self.measured = Some(value.into());
        self
    }

    /// Adds the value that the folder states.
    pub fn claimed(mut self, value: impl Into<Value>) -> Finding {
        self.claimed = Some(value.into());
        self
    }

    /// Adds the value that the rule allows.
    pub fn limit(mut self, value: impl Into<Value>) -> Finding {
        self.limit = Some(value.into());
        self
    }

    /// Adds the way to clear the finding.
    pub fn clear(mut self, clear: impl Into<String>) -> Finding {
        self.clear = Some(clear.into());
        self
    }

    /// Adds a line of the source inside a file's wrapper.
    pub fn at_inner(mut self, file: impl Into<Utf8PathBuf>, line: u64, text: impl Into<String>) -> Finding {
        self.evidence.push(Evidence { file: file.into(), line: None, inner_line: Some(line), text: text.into() });
        self
    }

    /// Adds a place that shows it.
    pub fn at(mut self, file: impl Into<Utf8PathBuf>, line: Option<u64>, text: impl Into<String>) -> Finding {
        self.evidence.push(Evidence { file: file.into(), line, inner_line: None, text: text.into() });
        self
    }
}

/// Starts a finding on `rule` outside of a folder's context, with the rule's severity and citations.
pub fn finding_on(rulebook: &Rulebook, rule: &str, message: impl Into<String>) -> Finding {
    let known = rulebook.rule(rule);
    Finding {
        rule: rule.to_owned(),
        code: None,
        severity: known.map_or(Severity::Error, |rule| rule.severity),
        confidence: Confidence::High,
        message: message.into(),
        measured: None,
        claimed: None,
        limit: None,
        evidence: Vec::new(),
        citations: known.map(|rule| rule.citations.iter().map(ToString::to_string).collect()).unwrap_or_default(),
        clear: None,
    }
}
