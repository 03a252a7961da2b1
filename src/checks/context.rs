//! What every check sees: the folder, the rulebook and the limits that apply.

use std::sync::OnceLock;

use crate::code::helpers::{Executed, executed};
use crate::code::pack;
use crate::folder::{Folder, RunLog};
use crate::report::{Confidence, Finding, Severity};
use crate::rulebook::{Limits, Rulebook};

/// Which rules apply to a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Track {
    /// 10 minutes on 8xH100, 16 MB.
    Record,
    /// Only the 16 MB hold.
    NonRecord,
    /// Nothing says; checked as a record.
    Unstated,
}

impl Track {
    /// The canonical spelling; `None` when nothing states it.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Track::Record => Some("10min_16mb"),
            Track::NonRecord => Some("non_record_16mb"),
            Track::Unstated => None,
        }
    }

    /// What the folder's place calls its track: `10min_16mb` of `records/track_10min_16mb/…`.
    pub fn placed(folder: &Folder) -> Option<String> {
        let absolute = folder.path.canonicalize_utf8().unwrap_or_else(|_| folder.path.clone());
        absolute.components().rev().find_map(|part| part.as_str().strip_prefix("track_").map(str::to_owned))
    }

    /// Where the folder lies decides; what submission.json says comes second.
    fn of(folder: &Folder) -> Track {
        let placed = Track::placed(folder);
        let placed = placed.and_then(|track| crate::folder::submission::canonical_track(&track));
        match placed.or_else(|| folder.metadata()?.track) {
            Some("10min_16mb") => Track::Record,
            Some(_) => Track::NonRecord,
            None => Track::Unstated,
        }
    }
}

/// A folder with what to judge it by.
#[derive(Debug)]
pub struct Context<'a> {
    pub folder: &'a Folder,
    pub rulebook: &'a Rulebook,
    /// The rulebook's, with the cap that the caller asked for.
    pub limits: Limits,
    pub track: Track,
    executed: OnceLock<Option<Executed>>,
    packed: OnceLock<Option<u64>>,
}

impl<'a> Context<'a> {
    /// The context of `folder`; `cap` replaces the rulebook's.
    pub fn new(folder: &'a Folder, rulebook: &'a Rulebook, cap: Option<u64>) -> Context<'a> {
        let mut limits = rulebook.limits;
        limits.artifact_bytes = cap.unwrap_or(limits.artifact_bytes);
        let (executed, packed) = (OnceLock::new(), OnceLock::new());
        Context { folder, rulebook, limits, track: Track::of(folder), executed, packed }
    }

    /// What the counted script executes; read once.
    pub fn executed(&self) -> Option<&Executed> {
        self.executed.get_or_init(|| executed(self.folder)).as_ref()
    }

    /// Bytes of the counted script when packed without a minifier, where that makes it smaller. Costs some 30 ms, so
    /// it is asked for only where it decides.
    pub fn packed_code(&self) -> Option<u64> {
        let smaller = |packed: &u64| self.shipped_code().is_some_and(|shipped| *packed < shipped);
        *self.packed.get_or_init(|| pack::estimate(&self.executed()?.unwrapped.source).filter(smaller))
    }

    /// The script and the file that it hands over to, as they ship, in bytes.
    pub fn shipped_code(&self) -> Option<u64> {
        let script = self.folder.script.as_ref()?;
        let redirect = self.executed().and_then(|executed| executed.unwrapped.redirect());
        let mut others = self.folder.files.iter().filter(|file| file.path != script.path);
        let other = redirect.and_then(|name| others.find(|file| file.path == name)).map_or(0, |file| file.bytes);
        Some(script.bytes.saturating_add(other))
    }

    /// The submission's runs.
    pub fn runs(&self) -> &'a [RunLog] {
        &self.folder.runs.official
    }

    /// Name of the metadata file, for evidence and messages.
    pub fn json_name(&self) -> &str {
        self.folder.submission.as_ref().map_or("submission.json", |file| file.file.as_str())
    }

    /// A finding on `rule`, with the rule's severity and citations.
    pub fn finding(&self, rule: &'static str, message: impl Into<String>) -> Finding {
        let known = self.rulebook.rule(rule);
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
            citations: known.map(|rule| rule.citations.clone()).unwrap_or_default(),
        }
    }

    /// `severity` on the record track, information elsewhere.
    pub fn on_record(&self, severity: Severity) -> Severity {
        if self.track == Track::NonRecord { Severity::Info } else { severity }
    }
}

/// The counted bytes of a run: the total that its log states, else the sum of the parts that it states.
pub fn counted_bytes(run: &RunLog) -> Option<u64> {
    run.bytes_total.or_else(|| run.bytes_model?.checked_add(run.bytes_code?))
}

/// How a run is called in messages: its seed, or its file where no seed is logged.
pub fn run_name(run: &RunLog) -> String {
    run.seed.map_or_else(|| run.log.to_string(), |seed| format!("seed {seed}"))
}
