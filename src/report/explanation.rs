//! The meaning of a rule or a code, its sources, and how a finding is cleared: for `caddie explain` and for SARIF's
//! help.

use std::fmt::Write;

use super::{Code, Severity};
use caddie_files::text::wrapped;
use caddie_rulebook::{Authority, Disposition, Rule, Rulebook};

/// Least similarity of a name that is suggested.
const SIMILAR: f64 = 0.75;
/// Most names that are suggested.
const SUGGESTIONS: usize = 3;

/// The rule or the code that a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topic<'a> {
    Rule(&'a Rule),
    /// A code, with the rules that findings of it name.
    Code(Code, Vec<&'a Rule>),
}

impl<'a> Topic<'a> {
    /// Finds the rule or code of that name; case is ignored, and `-` equals `_`.
    pub fn find(name: &str, book: &'a Rulebook) -> Option<Topic<'a>> {
        let wanted = plain_name(name);
        let rule = book.rules.iter().find(|rule| plain_name(&rule.id) == wanted).map(Topic::Rule);
        let code = || Code::ALL.iter().copied().find(|code| plain_name(code.name()) == wanted);
        rule.or_else(|| code().map(|code| Topic::code(code, book)))
    }

    /// Returns the topic of a code in a rulebook.
    pub fn code(code: Code, book: &'a Rulebook) -> Topic<'a> {
        Topic::Code(code, code.rules(book))
    }

    /// Returns the known names nearest to an unknown one, best first.
    pub fn nearest(name: &str, book: &Rulebook) -> Vec<String> {
        let wanted = plain_name(name);
        let names = book.rules.iter().map(|rule| rule.id.as_str()).chain(Code::ALL.iter().map(|code| code.name()));
        let mut scored: Vec<(f64, &str)> = names
            .map(|name| {
                let known = plain_name(name);
                let part = wanted.len() > 2 && known.contains(&wanted);
                (strsim::jaro_winkler(&wanted, &known).max(if part { 0.9 } else { 0.0 }), name)
            })
            .filter(|(score, _)| *score >= SIMILAR)
            .collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
        scored.into_iter().take(SUGGESTIONS).map(|(_, name)| name.to_owned()).collect()
    }
}

fn plain_name(name: &str) -> String {
    name.trim().to_ascii_lowercase().replace('_', "-")
}

/// One topic, as labelled paragraphs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The rule's id or the code.
    pub name: String,
    /// The demand of the rule, or the meaning of the code.
    pub statement: String,
    /// Labels, each with its text.
    pub parts: Vec<(&'static str, String)>,
    /// The sources, each with its address where it has one.
    pub citations: Vec<(String, Vec<String>)>,
}

impl Explanation {
    /// Explains a topic of a challenge in `repository`; `about` says in a sentence what a check of that name compares.
    pub fn new(topic: Topic<'_>, repository: &str, about: impl Fn(&str) -> Option<&'static str>) -> Explanation {
        match topic {
            Topic::Rule(rule) => of_rule(rule, repository, about),
            Topic::Code(code, rules) => of_code(code, &rules, repository),
        }
    }

    /// Writes the explanation for a terminal of `width` columns; unbroken for a pipe.
    pub fn plain(&self, width: Option<usize>) -> String {
        let mut text = format!("{}\n", self.name);
        text += &wrapped("  ", &self.statement, 2, width);
        text.push('\n');
        let label = self.parts.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
        for (name, part) in &self.parts {
            text += &wrapped(&format!("  {name:label$}  "), part, label + 4, width);
        }
        if !self.citations.is_empty() {
            text.push_str("\n  cited\n");
        }
        for (citation, links) in &self.citations {
            text += &wrapped("  - ", citation, 4, width);
            for link in links {
                let _ = writeln!(text, "    {link}");
            }
        }
        text
    }

    /// Writes the explanation for SARIF's help.
    pub fn markdown(&self) -> String {
        let mut text = format!("{}\n\n", self.statement);
        for (name, part) in &self.parts {
            let _ = writeln!(text, "- **{name}**: {part}");
        }
        for (citation, links) in &self.citations {
            let links: Vec<String> = links.iter().map(|link| format!("<{link}>")).collect();
            let _ = writeln!(text, "- {citation} {}", links.join(" "));
        }
        text
    }
}

fn of_rule(rule: &Rule, repository: &str, about: impl Fn(&str) -> Option<&'static str>) -> Explanation {
    let decided = match rule.disposition() {
        Some(Disposition::Checks(names)) => {
            let each = names.iter().map(|name| match about(name) {
                Some(about) => format!("{name} ({})", about.trim_end_matches('.')),
                None => name.clone(),
            });
            each.collect::<Vec<_>>().join("; ")
        }
        Some(Disposition::Undecided(reason)) => format!("no check yet: {reason}"),
        Some(Disposition::OutOfScope(reason)) => format!("no check: {reason}"),
        None => "no check".to_owned(),
    };
    let mut parts = vec![
        ("authority", authority(rule.authority).to_owned()),
        ("severity", severity(rule.severity).to_owned()),
        ("decided by", decided),
        ("to clear it", rule.clear.clone()),
    ];
    let open = rule.unanswered.as_ref().map(|question| format!("{question}: unknown without a finding, never passed"));
    parts.splice(2..2, moments(rule).chain(open.map(|open| ("unanswered", open))).collect::<Vec<_>>());
    Explanation {
        name: rule.id.clone(),
        statement: rule.statement.clone(),
        parts,
        citations: cited(rule, repository).collect(),
    }
}

/// Explains a code: it has the authority, the dates and the sources of the rules that its findings stand on.
fn of_code(code: Code, rules: &[&Rule], repository: &str) -> Explanation {
    let mut parts = Vec::new();
    for rule in rules {
        parts.push(("rule", format!("{}: {}", rule.id, rule.statement)));
        parts.push(("authority", authority(rule.authority).to_owned()));
        parts.extend(moments(rule));
    }
    if rules.is_empty() {
        parts.push(("rule", "none of this challenge: no finding of it has this code".to_owned()));
    }
    parts.push(("to clear it", code.clear().to_owned()));
    let mut citations: Vec<(String, Vec<String>)> = Vec::new();
    for citation in rules.iter().flat_map(|rule| cited(rule, repository)) {
        if !citations.contains(&citation) {
            citations.push(citation);
        }
    }
    Explanation { name: code.name().to_owned(), statement: code.description().to_owned(), parts, citations }
}

/// Returns when a rule began and ended to hold, where that is known.
fn moments(rule: &Rule) -> impl Iterator<Item = (&'static str, String)> {
    let moments = [("since", &rule.since), ("until", &rule.until)];
    moments.into_iter().filter_map(|(label, moment)| Some((label, moment.as_ref()?.to_string())))
}

/// Returns the sources of a rule, each with its addresses.
fn cited(rule: &Rule, repository: &str) -> impl Iterator<Item = (String, Vec<String>)> {
    rule.citations.iter().map(|citation| (citation.to_string(), citation.links(repository)))
}

/// Names the authority of a rule, and its weight.
fn authority(authority: Authority) -> &'static str {
    match authority {
        Authority::Readme => "readme: the challenge's README says so; a submission that breaks it can be refused",
        Authority::Ruling => "ruling: a maintainer said so in a thread, or merged or closed accordingly",
        Authority::Practice => "practice: merged records do it and nobody ruled; another way may be accepted as well",
        Authority::Consensus => "consensus: participants agree on it; no maintainer ruled",
        Authority::Contested => "contested: open or ruled inconsistently, so a finding is never an error",
    }
}

/// Explains what a finding of this severity means.
fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error: a plain breach; a milder case is reported as a warning or as information",
        Severity::Unknown => "unknown: the files do not decide it; a reader must look",
        Severity::Warning => "warning: to be corrected or explained; alone no reason to refuse a folder",
        Severity::Info => "info: worth knowing, nothing to correct",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_however_they_are_written_and_near_ones_suggested() {
        let book = Rulebook::builtin().expect("loads");
        assert!(
            matches!(Topic::find("SIZE_CAP_DECIMAL", &book), Some(Topic::Rule(rule)) if rule.id == "size-cap-decimal")
        );
        assert_eq!(Topic::find("rounding", &book), Some(Topic::code(Code::Rounding, &book)));
        assert_eq!(Topic::find("nonsense", &book), None);
        assert_eq!(Topic::nearest("size-cap-decmal", &book).first().map(String::as_str), Some("size-cap-decimal"));
        assert!(Topic::nearest("ledger", &book).contains(&"LEDGER_MISSING".to_owned()));
        assert_eq!(Topic::nearest("§", &book), Vec::<String>::new());
    }

    #[test]
    fn a_rule_that_no_check_decides_says_why() {
        let book = Rulebook::builtin().expect("loads");
        let mut rule = book.rules[0].clone();
        rule.checks.clear();
        rule.out_of_scope = Some("nobody logs it".to_owned());
        let text = Explanation::new(Topic::Rule(&rule), &book.repository, |_| None).plain(Some(60));
        assert!(text.contains("decided by   no check: nobody logs it"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 60 || line.contains("https://")), "{text}");
    }

    #[test]
    fn every_rule_and_code_says_how_it_is_cleared() {
        let book = Rulebook::builtin().expect("loads");
        let topics = book.rules.iter().map(Topic::Rule).chain(Code::ALL.iter().map(|code| Topic::code(*code, &book)));
        for topic in topics {
            let explanation = Explanation::new(topic, &book.repository, |_| None);
            let part = |label: &str| explanation.parts.iter().find(|(name, _)| *name == label);
            let clear = part("to clear it").expect("a part");
            let demanded = explanation.name != Code::MissingFile.name();
            assert!(!demanded || part("authority").is_some() && !explanation.citations.is_empty(), "{explanation:?}");
            assert!(clear.1.ends_with('.') && !explanation.statement.is_empty(), "{explanation:?}");
        }
        for rule in &book.rules {
            let links = rule.citations.iter().flat_map(|citation| citation.links(&book.repository)).count();
            let other = rule.citations.iter().any(|citation| citation.other.is_some());
            assert!(links > 0 || other, "{} leads nowhere", rule.id);
        }
    }
}
