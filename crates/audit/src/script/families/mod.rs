//! The families of rules: each judges the trace, one file each, its metadata on top.

mod adapt;
mod byte_mixture;
mod byte_table;
mod chosen;
mod declared;
mod doc_boundary;
mod followed_code;
mod gptq;
mod mixture;
mod needs;
#[cfg(test)]
mod needs_tests;
mod order;
mod outside;
mod packages;
mod payload;
mod phase;
mod preparation;
mod runs;
mod seeds;
mod slot;
mod target_gate;
mod target_key;
mod unmasked;
mod val_calibration;
mod warmup;

use std::collections::BTreeMap;

pub use followed_code::foreign_code;
pub use needs::{Arisen, Needs, Rule};
pub use packages::is_a_library;

use super::Subject;
use super::taint::{Flags, Taint, Taints};
use super::trace::{Action, Event, Frame, Trace};
use super::value::HOLE;
use caddie_python::Module;
use caddie_rulebook::{Confidence, Severity};

/// The material that a family judges.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    pub module: &'a Module,
    pub trace: &'a Trace,
    pub taints: &'a Taints,
    pub subject: &'a Subject<'a>,
}

/// A family of rules.
#[derive(Debug, Clone, Copy)]
pub struct Family {
    pub name: &'static str,
    /// The claim that it checks, in one sentence.
    pub about: &'static str,
    /// Rules that its leads speak to, each with its needs.
    pub rules: &'static [Rule],
    /// Those of its rules that are about scoring. A lead on one of them counts as well where only a command of
    /// README.md or of a shell script switches the matter on; a switch for training that only a command sets is not
    /// judged.
    pub by_command: &'static [&'static str],
    /// Further facts and events that it looks at to tell its cases apart, once the needs of a rule have arisen.
    pub beside: Needs,
    /// Judges the material.
    pub run: fn(&Case<'_>) -> Vec<Lead>,
}

impl Family {
    /// Returns the ids of its rules.
    pub fn ids(&self) -> impl Iterator<Item = &'static str> {
        self.rules.iter().map(|rule| rule.id)
    }

    /// Returns its leads; it does not look where none of its rules has anything to find.
    pub fn leads(&self, case: &Case<'_>, arisen: &Arisen) -> Vec<Lead> {
        if self.rules.iter().any(|rule| arisen.allows(rule)) { (self.run)(case) } else { Vec::new() }
    }
}

/// Every family.
pub const FAMILIES: &[&Family] = &[
    &adapt::FAMILY,
    &order::FAMILY,
    &slot::FAMILY,
    &chosen::FAMILY,
    &target_gate::FAMILY,
    &target_key::FAMILY,
    &byte_mixture::FAMILY,
    &mixture::FAMILY,
    &gptq::FAMILY,
    &val_calibration::FAMILY,
    &payload::FAMILY,
    &warmup::FAMILY,
    &outside::FAMILY,
    &packages::FAMILY,
    &byte_table::FAMILY,
    &seeds::FAMILY,
    &doc_boundary::FAMILY,
    &preparation::FAMILY,
    &runs::FAMILY,
    &followed_code::FAMILY,
    &unmasked::FAMILY,
];

/// A place in the script that shows a part of a lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Line in the innermost source, 1-based.
    pub line: u64,
    /// The event there: `the loss is computed`.
    pub what: String,
    /// The calls from the entry point to the line.
    pub path: Vec<Frame>,
}

/// Something that a rule may forbid: the thing seen, its place, the confidence, and a way to clear it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lead {
    pub rule: &'static str,
    pub confidence: Confidence,
    pub message: String,
    /// The reason for the confidence.
    pub because: String,
    /// Steps in the order in which a reader would look; the first is where the matter is decided.
    pub steps: Vec<Step>,
    /// The change that would clear it.
    pub clears: &'static str,
    /// The severity that the case deserves at most, where it is milder than the rule.
    pub at_most: Option<Severity>,
}

/// A score that is reported, with the flags and updates that reached it.
#[derive(Debug, Clone)]
pub struct Scored<'a> {
    pub event: &'a Event,
    /// The line of the log that reports it.
    pub text: &'a str,
    pub flags: Flags,
    /// Updates that reached it, by number.
    pub updates: Vec<u32>,
    /// Places at which it passed through code that is not followed, one bit each.
    pub beyond: u32,
}

/// Tells whether a line of the trace reports this metric.
pub fn reports(trace: &Trace, metric: &str) -> bool {
    trace.events.iter().any(|event| match &event.action {
        Action::Report { text, .. } => names(text, metric),
        _ => false,
    })
}

/// Tells whether a line that begins with this text is that of `metric`. The unknown part of a text such as
/// `final_{format}_roundtrip` may stand for anything.
fn names(text: &str, metric: &str) -> bool {
    let word = text.split([' ', ':']).next().unwrap_or_default();
    let (Some(start), Some(end)) = (word.split(HOLE).next(), word.rsplit(HOLE).next()) else { return false };
    if !word.contains(HOLE) {
        return word == metric;
    }
    let known = start.len() + end.len();
    known >= KNOWN_OF_A_NAME && known <= metric.len() && metric.starts_with(start) && metric.ends_with(end)
}

/// Least number of bytes of a metric's name that have to be known.
const KNOWN_OF_A_NAME: usize = 8;

impl Case<'_> {
    /// Returns the reports of the score that counts: of the claimed metric where it is known, else every one after
    /// training.
    fn headlines(&self) -> Vec<(&Event, &str, super::taint::TaintId)> {
        let all = self.trace.events.iter().filter_map(|event| match &event.action {
            Action::Report { text, data } if text.to_ascii_lowercase().contains("bpb") => {
                // Running figures are no score.
                event.place.loops.is_empty().then_some((event, &**text, *data))
            }
            _ => None,
        });
        let all: Vec<_> = all.collect();
        let claimed =
            |metric: &str| -> Vec<_> { all.iter().filter(|(_, text, _)| names(text, metric)).copied().collect() };
        match self.subject.metric.map(claimed) {
            Some(claimed) if !claimed.is_empty() => claimed,
            // Bits per byte under another name than the contest's are those of a diagnostic.
            _ if all.iter().any(|(_, text, _)| text.contains("val_bpb")) => {
                all.into_iter().filter(|(_, text, _)| text.contains("val_bpb")).collect()
            }
            _ => all,
        }
    }

    /// Returns the scores that are summed up in a headline.
    pub fn scores(&self) -> Vec<Scored<'_>> {
        let mut scores: BTreeMap<u32, Scored<'_>> = BTreeMap::new();
        let mut whole = Vec::new();
        for (report, text, data) in self.headlines() {
            let reported = self.taints.get(data);
            let (mut flags, mut updates) = (reported.flags, reported.updates.clone());
            let mut open = reported.scores.clone();
            let mut beyond = reported.beyond;
            for number in &reported.scores {
                let Some((_, of_score)) = self.score(*number) else { continue };
                flags = flags.without(of_score.flags);
                updates.retain(|update| !of_score.updates.contains(update));
                beyond &= !of_score.beyond;
            }
            while let Some(number) = open.pop() {
                let Some((event, of_score)) = self.score(number) else { continue };
                let mut updates = of_score.updates.clone();
                for kept in of_score.scores.iter().filter(|kept| self.kept_before(**kept, event)) {
                    // Values kept in an earlier loop were scored there: only later ones were mixed in here.
                    let Some((_, of_kept)) = self.score(*kept) else { continue };
                    updates.retain(|update| !of_kept.updates.contains(update));
                    if !scores.contains_key(kept) {
                        open.push(*kept);
                    }
                }
                let (flags, beyond) = (of_score.flags, of_score.beyond);
                scores.entry(number).or_insert(Scored { event, text, flags, updates, beyond });
            }
            // These were mixed in after the scores were kept, for all tokens at once.
            whole.push(Scored { event: report, text, flags, updates, beyond });
        }
        scores.into_values().chain(whole).collect()
    }

    /// Returns a score or a loss by its number, and its origin.
    fn score(&self, number: u32) -> Option<(&Event, &Taint)> {
        let event = self.trace.events.get(number as usize)?;
        let (Action::Score { data } | Action::Loss { data }) = &event.action else { return None };
        Some((event, self.taints.get(*data)))
    }

    /// Tells whether `kept` is a score that another loop than that of `score` put away.
    fn kept_before(&self, kept: u32, score: &Event) -> bool {
        let outermost = |event: &Event| event.place.loops.first().map(|stamp| stamp.entered);
        self.trace.events.get(kept as usize).is_some_and(|event| {
            matches!(event.action, Action::Score { .. })
                && outermost(event).is_some()
                && outermost(event) != outermost(score)
        })
    }

    /// Returns `line 12`, or `eval_utils.py line 12` for a line of a module beside the script.
    fn at(&self, line: u64) -> String {
        match self.module.place(line) {
            (Some(file), line) => format!("{file} line {line}"),
            (None, line) => format!("line {line}"),
        }
    }

    /// Tells whether the script prints a metric, with all its digits or with few.
    fn prints(&self, metric: &str) -> bool {
        [metric, metric.trim_end_matches("_exact")].iter().any(|name| reports(self.trace, name))
    }

    /// Returns high confidence, unless something had to be supposed.
    fn confidence(&self, event: &Event) -> (Confidence, String) {
        if !self.trace.complete {
            (Confidence::Low, "the script was not followed to its end".to_owned())
        } else if event.place.uncertain {
            (Confidence::Medium, "it lies under a condition whose value is not known".to_owned())
        } else if self.subject.metric.is_some_and(|metric| !self.prints(metric)) {
            (
                Confidence::Medium,
                "the script does not print the metric that the log claims: another one may have".to_owned(),
            )
        } else if self.subject.config.is_empty() {
            (Confidence::Medium, "no log states the configuration: the script's defaults are assumed".to_owned())
        } else {
            (Confidence::High, "it is reached with the configuration of the run".to_owned())
        }
    }
}

/// Makes a step of a lead.
fn step(event: &Event, what: impl Into<String>) -> Step {
    Step { line: event.place.line, what: what.into(), path: event.place.path.to_vec() }
}

/// Returns the name that a report begins with: `final_int8_zlib_roundtrip`; dots stand for unknown parts.
fn metric_of(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || [':', '=', '[', ']', '|'].contains(&c));
    let name = words.into_iter().find(|word| word.contains(char::is_alphanumeric)).unwrap_or("the score");
    name.replace(HOLE, "…")
}
