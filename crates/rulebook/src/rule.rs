//! One rule, and its treatment.

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
    /// The severity of a plain breach; a check may choose a milder one for a milder case.
    pub severity: Severity,
    pub citations: Vec<Citation>,
    /// Names of the checks that decide the rule.
    #[serde(default)]
    pub checks: Vec<String>,
    /// The work that this version lacks to decide the rule.
    pub undecided: Option<String>,
    /// The reason why no check ever can, or why there is nothing to check.
    pub out_of_scope: Option<String>,
    /// The moment from which it held, where it changed during the challenge.
    pub since: Option<Moment>,
    /// The moment up to which it held.
    pub until: Option<Moment>,
    /// A question about the rule that nobody answered: without a finding the rule is unknown, and never passed.
    pub unanswered: Option<String>,
    /// The steps by which a participant clears a finding on the rule; [`super::Rulebook::flaws`] names a rule without.
    #[serde(default)]
    pub clear: String,
    /// The rule's line in its file, 1-based.
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

/// The authority of a rule.
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
    /// Every authority, strongest first.
    pub const ALL: [Authority; 5] =
        [Authority::Readme, Authority::Ruling, Authority::Practice, Authority::Consensus, Authority::Contested];

    /// Describes the authority in one line.
    pub fn about(self) -> &'static str {
        match self {
            Authority::Readme => "The challenge's README, or its published script",
            Authority::Ruling => "A maintainer, in a thread or by merging or closing",
            Authority::Practice => "Merged records do it, nobody ruled",
            Authority::Consensus => "Undisputed in the community",
            Authority::Contested => "Open or inconsistent",
        }
    }

    /// Returns the word that a rulebook and reports use.
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

/// The treatment of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition<'a> {
    /// Checks of the registry decide it.
    Checks(&'a [String]),
    /// A folder's files could decide it, but this version does not, for this reason.
    Undecided(&'a str),
    /// No check of a folder's files can decide it, for this reason.
    OutOfScope(&'a str),
}

impl Disposition<'_> {
    /// Returns the word that tables print.
    pub fn name(self) -> &'static str {
        match self {
            Disposition::Checks(_) => "checks",
            Disposition::Undecided(_) => "undecided",
            Disposition::OutOfScope(_) => "out-of-scope",
        }
    }
}

impl Rule {
    /// Returns the treatment of the rule; `None` where it states none, or more than one.
    pub fn disposition(&self) -> Option<Disposition<'_>> {
        let stated = |text: &'_ Option<String>| text.as_ref().is_some_and(|text| !text.trim().is_empty());
        match (self.checks.as_slice(), &self.undecided, &self.out_of_scope) {
            (checks @ [_, ..], None, None) => Some(Disposition::Checks(checks)),
            ([], Some(reason), None) if stated(&self.undecided) => Some(Disposition::Undecided(reason)),
            ([], None, Some(reason)) if stated(&self.out_of_scope) => Some(Disposition::OutOfScope(reason)),
            _ => None,
        }
    }

    /// Tells whether a report without a finding on the rule says that it is kept.
    pub fn can_pass(&self) -> bool {
        matches!(self.disposition(), Some(Disposition::Checks(_))) && self.unanswered.is_none()
    }
}
