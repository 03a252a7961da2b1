//! Coverage of the rules: the checks that decide each rule, or the reason why none does. Rulebook and registry must
//! agree.

use camino::Utf8Path;

use super::REGISTRY;
use caddie_audit::script::FAMILIES;
use caddie_files::{Error, Result};
use caddie_rulebook::{Disposition, Flaw, Rule, Rulebook};

/// The builtin rulebook, or the one in a file.
///
/// # Errors
/// When the file cannot be read, is no rulebook, or has a flaw: nothing is verified by half a rulebook.
pub fn load(file: Option<&Utf8Path>) -> Result<Rulebook> {
    let Some(path) = file else { return Rulebook::builtin() };
    let book = Rulebook::read(path)?;
    let flaws = flaws(&book);
    let Some(first) = flaws.first() else { return Ok(book) };
    let more = match flaws.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more; caddie rules --coverage --rulebook {path} lists them)"),
    };
    Err(Error::unreadable(path, format!("{first}{more}")))
}

/// Everything that is wrong with a rulebook: in itself, and against the registry of checks.
pub fn flaws(book: &Rulebook) -> Vec<Flaw> {
    let mut flaws = book.flaws();
    for rule in &book.rules {
        let reasons = rule.checks.iter().filter_map(|name| disagreement(book, rule, name));
        flaws.extend(reasons.map(|reason| Flaw { line: Some(rule.line), rule: Some(rule.id.clone()), reason }));
    }
    flaws
}

/// Explains why a check cannot decide a rule that names it.
fn disagreement(book: &Rulebook, rule: &Rule, name: &str) -> Option<String> {
    let Some(Named { rules, .. }) = named(name) else {
        let known: Vec<&str> = every().map(|check| check.name).collect();
        return Some(format!("checks: {name:?} is not a check; the checks are {}", known.join(", ")));
    };
    // A check of files speaks to whatever rule a file's entry names.
    let of_a_file = name == super::files::CHECK.name && book.files.iter().any(|file| file.rule == rule.id);
    let speaks = of_a_file || rules.contains(&rule.id.as_str());
    (!speaks).then(|| format!("checks: {name} speaks only to the rules {}", rules.join(", ")))
}

/// A name that a rulebook can give as deciding a rule: a check of a folder's files, or a family of the script's audit.
#[derive(Debug, Clone)]
pub struct Named {
    pub name: &'static str,
    /// The subject of the check, in one sentence.
    pub about: &'static str,
    /// Rules that the check decides.
    pub rules: Vec<&'static str>,
}

/// Everything that a rulebook can name.
pub fn every() -> impl Iterator<Item = Named> {
    let checks =
        REGISTRY.iter().map(|check| Named { name: check.name, about: check.about, rules: check.rules.to_vec() });
    checks.chain(FAMILIES.iter().map(|family| Named {
        name: family.name,
        about: family.about,
        rules: family.ids().collect(),
    }))
}

/// The check or family of this name.
pub fn named(name: &str) -> Option<Named> {
    every().find(|known| known.name == name)
}

/// The number of rules of each disposition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub rules: usize,
    pub checks: usize,
    pub undecided: usize,
    pub out_of_scope: usize,
    pub missing: usize,
    /// Rules with an open question, of any disposition.
    pub unanswered: usize,
}

impl Counts {
    /// Counts the rules of a book.
    pub fn of(book: &Rulebook) -> Counts {
        let mut counts = Counts { rules: book.rules.len(), ..Counts::default() };
        for rule in &book.rules {
            match rule.disposition() {
                Some(Disposition::Checks(_)) => counts.checks += 1,
                Some(Disposition::Undecided(_)) => counts.undecided += 1,
                Some(Disposition::OutOfScope(_)) => counts.out_of_scope += 1,
                None => counts.missing += 1,
            }
            counts.unanswered += usize::from(rule.unanswered.is_some());
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use caddie_rulebook::PARAMETER_GOLF_2026;

    #[test]
    fn every_rule_has_one_disposition_and_every_check_is_named_by_its_rules() {
        let book = Rulebook::builtin().expect("loads");
        assert_eq!(flaws(&book), Vec::new());
        for check in every() {
            assert!(!check.rules.is_empty() && check.about.ends_with('.'), "{} lacks metadata", check.name);
            for id in check.rules {
                let rule = book.rule(id).unwrap_or_else(|| panic!("{} lists {id}, no such rule", check.name));
                assert!(rule.checks.iter().any(|name| name == check.name), "rule {id} does not name {}", check.name);
            }
        }
        let names: HashSet<&str> = every().map(|check| check.name).collect();
        assert_eq!(names.len(), every().count(), "names are unique");
        let counts = Counts::of(&book);
        assert_eq!((counts.missing, counts.checks + counts.undecided + counts.out_of_scope), (0, counts.rules));
    }

    #[test]
    fn a_rule_that_names_a_check_which_cannot_decide_it_is_a_flaw() {
        let named = |checks: &str| {
            let text = PARAMETER_GOLF_2026.replacen("checks = [\"package\"]", checks, 1);
            flaws(&Rulebook::parse(&text).expect("parses")).iter().map(Flaw::to_string).collect::<Vec<_>>()
        };
        let found = named("checks = [\"pakage\"]");
        assert!(
            found[0].contains("rule pkg-folder-name: checks: \"pakage\" is not a check; the checks are files, "),
            "{found:?}"
        );
        let found = named("checks = [\"size-cap\"]");
        assert!(found[0].contains("size-cap speaks only to the rules size-cap-decimal, size-every-seed"), "{found:?}");
        assert!(named("checks = [\"package\"]").is_empty());
    }
}
