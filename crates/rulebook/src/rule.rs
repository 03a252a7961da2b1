//! One rule, and what becomes of it.

use serde::{Deserialize, Serialize};

use super::{Citation, Moment};
use crate::Severity;

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub id: String,
    /// Id of a [`Family`].
    pub family: String,
    pub statement: String,
    pub authority: Authority,
    /// Of a plain breach; a check may say less where a case is milder.
    pub severity: Severity,
    pub citations: Vec<Citation>,
    /// Names of the checks that decide the rule.
    #[serde(default)]
    pub checks: Vec<String>,
    /// What this version would have to do to decide it.
    pub undecided: Option<String>,
    /// Why no check ever can, or why there is nothing to check.
    pub out_of_scope: Option<String>,
    /// From when it held, where it moved during the challenge.
    pub since: Option<Moment>,
    /// Up to when it held.
    pub until: Option<Moment>,
    /// A question about it that nobody answered: without a finding it is unknown, and never passed.
    pub unanswered: Option<String>,
    /// What a participant does so that a finding on the rule is cleared; [`super::Rulebook::flaws`] names a rule without.
    #[serde(default)]
    pub clear: String,
    /// Where the rule stands in its file, 1-based.
    #[serde(skip)]
    pub line: usize,
}

/// A part of the rulebook.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Family {
    pub id: String,
    pub title: String,
}

/// Who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Authority {
    /// The challenge's README, or its published script
    Readme,
    /// A maintainer, in a thread or by merging or closing
    Ruling,
    /// Merged records do it, nobody ruled
    Practice,
    /// Undisputed in the community
    Consensus,
    /// Open or inconsistent
    Contested,
}

impl Authority {
    /// Every authority, the strongest first.
    pub const ALL: [Authority; 5] =
        [Authority::Readme, Authority::Ruling, Authority::Practice, Authority::Consensus, Authority::Contested];

    /// One line that says what it is.
    pub fn about(self) -> &'static str {
        match self {
            Authority::Readme => "The challenge's README, or its published script",
            Authority::Ruling => "A maintainer, in a thread or by merging or closing",
            Authority::Practice => "Merged records do it, nobody ruled",
            Authority::Consensus => "Undisputed in the community",
            Authority::Contested => "Open or inconsistent",
        }
    }

    /// The word that a rulebook and reports use.
    pub fn name(self) -> &'static str {
        match self {
            Authority::Readme => "readme",
            Authority::Ruling => "ruling",
            Authority::Practice => "practice",
            Authority::Consensus => "consensus",
            Authority::Contested => "contested",
        }
    }
}

/// What becomes of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition<'a> {
    /// Checks of the registry decide it.
    Checks(&'a [String]),
    /// A folder's files could decide it, and this version does not, for this reason.
    Undecided(&'a str),
    /// No check of a folder's files can decide it, for this reason.
    OutOfScope(&'a str),
}

impl Disposition<'_> {
    /// The word that tables print.
    pub fn name(self) -> &'static str {
        match self {
            Disposition::Checks(_) => "checks",
            Disposition::Undecided(_) => "undecided",
            Disposition::OutOfScope(_) => "out-of-scope",
        }
    }
}

impl Rule {
    /// What becomes of the rule; `None` where it says nothing, or more than one thing.
    pub fn disposition(&self) -> Option<Disposition<'_>> {
        let stated = |text: &'_ Option<String>| text.as_ref().is_some_and(|text| !text.trim().is_empty());
        match (self.checks.as_slice(), &self.undecided, &self.out_of_scope) {
            (checks @ [_, ..], None, None) => Some(Disposition::Checks(checks)),
            ([], Some(reason), None) if stated(&self.undecided) => Some(Disposition::Undecided(reason)),
            ([], None, Some(reason)) if stated(&self.out_of_scope) => Some(Disposition::OutOfScope(reason)),
            _ => None,
        }
    }

    /// Whether a report without a finding on the rule says that it is kept.
    pub fn can_pass(&self) -> bool {
        matches!(self.disposition(), Some(Disposition::Checks(_))) && self.unanswered.is_none()
    }
}
