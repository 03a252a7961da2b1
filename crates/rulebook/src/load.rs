//! Loading of a rulebook from a file. An entry that does not fit the form is named with its line and key, and with the
//! allowed values.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use camino::Utf8Path;
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Authority, Ladder, Rulebook};
use crate::Severity;
use caddie_files::read_text;
use caddie_files::{Error, Result};

/// The text of the rulebook that ships with caddie.
pub const PARAMETER_GOLF_2026: &str = include_str!("parameter-golf-2026.toml");

/// The name under which a rulebook asks for the ladder that ships with caddie.
const OWN_LADDER: &str = "ladder-2026.toml";

/// A flaw of a rulebook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// 1-based line, where one line is to be changed.
    pub line: Option<usize>,
    /// The rule, for a flaw of one rule.
    pub rule: Option<String>,
    /// The problem, and what is allowed instead.
    pub reason: String,
}

impl std::fmt::Display for Flaw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if let Some(rule) = &self.rule {
            write!(f, "rule {rule}: ")?;
        }
        f.write_str(&self.reason)
    }
}

impl Rulebook {
    /// The rulebook that ships with caddie, parsed once.
    ///
    /// # Errors
    /// Never in a released build: the tests load it.
    pub fn builtin() -> Result<Rulebook> {
        static BOOK: OnceLock<std::result::Result<Rulebook, String>> = OnceLock::new();
        let book = BOOK.get_or_init(|| {
            let mut book = Rulebook::parse(PARAMETER_GOLF_2026).map_err(|flaw| format!("the rulebook: {flaw}"))?;
            book.records = Arc::new(Ladder::builtin().map_err(|error| error.to_string())?.clone());
            Ok(book)
        });
        book.clone().map_err(Error::Internal)
    }

    /// Reads a rulebook and the ladder beside it. Its form is checked here; [`Rulebook::flaws`] says what else is wrong.
    ///
    /// # Errors
    /// When a file cannot be read, or is not of the form of a rulebook or ladder.
    pub fn read(path: &Utf8Path) -> Result<Rulebook> {
        if path.is_dir() {
            return Err(Error::unreadable(path, "a folder; give the rulebook's file, in TOML"));
        }
        let mut book = Rulebook::parse(&read_text(path)?).map_err(|flaw| Error::unreadable(path, flaw.to_string()))?;
        if let Some(name) = &book.ladder {
            let beside = path.parent().unwrap_or(Utf8Path::new("")).join(name);
            book.records = if name == OWN_LADDER && !beside.exists() {
                Arc::new(Ladder::builtin()?.clone())
            } else {
                let text = read_text(&beside)?;
                Arc::new(Ladder::parse(&text).map_err(|reason| Error::unreadable(&beside, reason))?)
            };
        }
        Ok(book)
    }

    /// Parses a rulebook, without its ladder.
    ///
    /// # Errors
    /// The first place that is not of the form of a rulebook.
    pub fn parse(text: &str) -> std::result::Result<Rulebook, Flaw> {
        let table = DeTable::parse(text).map_err(|error| flaw_of(text, &error))?;
        let starts = rule_starts(table.get_ref());
        let mut book = Rulebook::deserialize(toml::Deserializer::from(table)).map_err(|error| flaw_of(text, &error))?;
        // In the order of the text: each line is counted on from the one before.
        let (mut line, mut counted) = (1, 0);
        for (rule, start) in book.rules.iter_mut().zip(starts) {
            let between = text.as_bytes().get(counted..start).unwrap_or_default();
            line += between.iter().filter(|byte| **byte == b'\n').count();
            counted = start;
            rule.line = line;
        }
        Ok(book)
    }

    /// Lists the flaws of a rulebook whose form is right. Every rule must occur once, be of a known family, and have
    /// one disposition and a text that says how it is cleared; every track must be distinguishable.
    pub fn flaws(&self) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        let mut seen = HashSet::new();
        let families: Vec<&str> = self.families.iter().map(|family| family.id.as_str()).collect();
        for rule in &self.rules {
            let mut add = |reason: String| {
                flaws.push(Flaw { line: Some(rule.line), rule: Some(rule.id.clone()), reason });
            };
            if !seen.insert(rule.id.as_str()) {
                add("occurs twice; each id is used once".to_owned());
            }
            if rule.clear.trim().is_empty() {
                add("no clear: say in one or two sentences what a participant does to clear a finding".to_owned());
            }
            if rule.disposition().is_none() {
                add("no disposition: give exactly one of checks, undecided and out_of_scope".to_owned());
            }
            if !families.contains(&rule.family.as_str()) {
                add(format!("family {:?} is none of {}", rule.family, families.join(", ")));
            }
            if rule.severity == Severity::Unknown {
                add("severity is that of a plain breach: error, warning or info".to_owned());
            }
            if rule.authority == Authority::Contested && rule.severity == Severity::Error {
                add("a contested rule is never an error: give the severity warning or info".to_owned());
            }
            if rule.citations.is_empty() || !rule.citations.iter().all(super::Citation::is_one_source) {
                add("each rule has citations, and each of them exactly one of readme, file, pr, issue, other"
                    .to_owned());
            }
            if let Some((since, until)) = rule.since.as_ref().zip(rule.until.as_ref())
                && since.on > until.on
            {
                add(format!("since {} is after until {}", since.on, until.on));
            }
        }
        for file in self.files.iter().filter(|file| self.rule(&file.rule).is_none()) {
            let reason = format!("[[file]] {}: rule = {:?} is not a rule of this rulebook", file.name, file.rule);
            flaws.push(Flaw { line: None, rule: None, reason });
        }
        let other = self.limit_flaws().into_iter().chain(self.track_flaws());
        flaws.extend(other.map(|reason| Flaw { line: None, rule: None, reason }));
        flaws
    }

    /// Lists limits with which no number can be compared.
    fn limit_flaws(&self) -> Vec<String> {
        let limits = &self.limits;
        let above = [("train_seconds", limits.train_seconds), ("eval_seconds", limits.eval_seconds)];
        let from = [
            ("step_tolerance_seconds", limits.step_tolerance_seconds),
            ("calibration_tolerance_seconds", limits.calibration_tolerance_seconds),
            ("reserve_tolerance_seconds", limits.reserve_tolerance_seconds),
            ("headline_tolerance_bpb", limits.headline_tolerance_bpb),
            ("split_truncation", limits.split_truncation),
        ];
        let above = above.into_iter().filter(|(_, value)| !(value.is_finite() && *value > 0.0));
        let from = from.into_iter().filter(|(_, value)| !(value.is_finite() && *value >= 0.0));
        let above = above.map(|(key, value)| format!("[limits] {key} = {value}: give a number above 0"));
        let from = from.map(|(key, value)| format!("[limits] {key} = {value}: give 0 or a number above 0"));
        above.chain(from).collect()
    }
}

/// Returns the positions of the rules' ids, in bytes.
fn rule_starts(table: &DeTable<'_>) -> Vec<usize> {
    let rules = table.get("rule").and_then(|rules| rules.get_ref().as_array()).into_iter().flatten();
    let id = |rule: &Spanned<DeValue<'_>>| Some(rule.get_ref().as_table()?.get("id")?.span().start);
    rules.map(|rule| id(rule).unwrap_or_else(|| rule.span().start)).collect()
}

/// Turns the TOML reader's message into a flaw with the line and the key of the error.
fn flaw_of(text: &str, error: &toml::de::Error) -> Flaw {
    let start = error.span().map(|span| span.start);
    let message = error.message().trim_end().to_owned();
    let line = start.map(|start| line_at(text, start));
    // The reader names unknown and missing keys itself, not the key of a value of the wrong kind.
    let names_key = message.contains("unknown field") || message.contains("missing field");
    let key = line.and_then(|line| text.lines().nth(line.saturating_sub(1))).and_then(key_of).filter(|_| !names_key);
    let reason = match key {
        Some(key) => format!("{key}: {message}"),
        None => message,
    };
    Flaw { line, rule: None, reason: reason.replace('\n', "; ") }
}

/// Returns the key that a line gives a value to, or the table that it opens.
fn key_of(line: &str) -> Option<&str> {
    let (key, _) = line.split_once('=')?;
    let key = key.trim();
    (!key.is_empty() && key.len() <= 60).then_some(key)
}

fn line_at(text: &str, offset: usize) -> usize {
    1 + text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count()
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
        assert_eq!(book.flaws(), Vec::new());
        assert!(book.records.rows.len() > 30);
    }

    fn changed(from: &str, to: &str) -> std::result::Result<Rulebook, Flaw> {
        assert!(PARAMETER_GOLF_2026.contains(from), "{from}");
        Rulebook::parse(&PARAMETER_GOLF_2026.replacen(from, to, 1))
    }

    #[test]
    fn a_file_of_another_form_is_refused_with_line_key_and_what_is_allowed() {
        let line =
            |needle: &str| 1 + PARAMETER_GOLF_2026.lines().position(|line| line.starts_with(needle)).expect("a line");
        let refused = |from: &str, to: &str| changed(from, to).expect_err("refused").to_string();
        let text = refused("artifact_bytes = 16_000_000", "artifact_bytes = \"16 MB\"");
        assert!(text.starts_with(&format!("line {}: artifact_bytes: ", line("artifact_bytes"))), "{text}");
        assert!(text.contains("expected u64"), "{text}");
        let text = refused("authority = \"readme\"", "authority = \"hearsay\"");
        assert!(text.contains("authority: unknown variant `hearsay`") && text.contains("`ruling`"), "{text}");
        let text = refused("artifact_bytes = 16", "artefact_bytes = 16");
        assert!(text.contains("unknown field `artefact_bytes`") && text.contains("`artifact_bytes`"), "{text}");
        let text = refused("train_seconds = 600.0\n", "");
        assert!(text.contains("missing field `train_seconds`"), "{text}");
        let text = refused("[limits]", "[limits");
        assert!(text.starts_with("line "), "{text}");
    }

    #[test]
    fn what_is_wrong_in_content_is_named_by_rule_and_line() {
        let flaws = |from: &str, to: &str| {
            changed(from, to).expect("the form is right").flaws().iter().map(Flaw::to_string).collect::<Vec<_>>()
        };
        let id = 1 + PARAMETER_GOLF_2026.lines().position(|line| line == "id = \"pkg-readme\"").expect("a line");
        let checks = "checks = [\"files\", \"readme-numbers\"]";
        let none = flaws(checks, "");
        assert_eq!(none.len(), 1);
        assert!(none[0].starts_with(&format!("line {id}: rule pkg-readme: no disposition")), "{none:?}");
        for two in ["undecided = \"y\"", "out_of_scope = \"y\""] {
            assert_eq!(flaws(checks, &format!("{checks}\n{two}")), none);
            assert!(flaws(checks, two).is_empty());
        }
        assert_eq!(flaws(checks, "undecided = \" \""), none, "a reason is not blank");
        assert!(flaws("id = \"pkg-log\"", "id = \"pkg-readme\"")[0].contains("occurs twice"));
        assert!(flaws("family = \"pkg\"", "family = \"pgk\"")[0].contains("none of pkg, size, time"));
        assert!(flaws("{ readme = \"Submission Process\" }", "{ by = \"me\" }")[0].contains("exactly one of readme"));
        assert!(flaws("rule = \"pkg-readme\"", "rule = \"pkg-red\"")[0].contains("not a rule of this rulebook"));
        assert!(flaws("train_seconds = 600.0", "train_seconds = nan")[0].contains("above 0"));
    }
}
