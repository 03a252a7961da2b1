//! The rulebook names the checks of each rule, and rules and codes say in whole sentences how they are cleared.

use std::collections::{BTreeMap, BTreeSet};

use caddie::checks::REGISTRY;
use caddie::report::Code;
use caddie_audit::script::FAMILIES;
use caddie_rulebook::Rulebook;

use super::{RULEBOOK, assert_nothing_lacks, root};

#[test]
fn the_rulebook_names_every_check_and_family_for_their_rules() {
    let rulebook = Rulebook::builtin().expect("loads");
    let checks = REGISTRY.iter().map(|check| (check.name, check.rules.to_vec()));
    let mut lacking = Vec::new();
    for (name, rules) in checks.chain(FAMILIES.iter().map(|family| (family.name, family.ids().collect()))) {
        for id in rules {
            match rulebook.rule(id) {
                None => lacking.push(format!("{RULEBOOK}: add a [[rule]] with id = \"{id}\", of which {name} speaks")),
                Some(rule) if !rule.checks.iter().any(|check| check == name) => {
                    lacking.push(format!("{RULEBOOK}: rule {id}: add \"{name}\" to its checks"));
                }
                Some(_) => {}
            }
        }
    }
    assert_nothing_lacks(lacking);
}

#[test]
fn every_code_says_what_it_means_and_how_it_is_cleared_in_whole_sentences() {
    let mut names = BTreeSet::new();
    let mut lacking = Vec::new();
    for code in Code::ALL {
        if !names.insert(code.name()) {
            lacking.push(format!("crates/rulebook/src/code.rs: {} occurs twice", code.name()));
        }
        for text in [code.description(), code.clear()] {
            if !text.ends_with('.') || text.split_whitespace().count() < 3 {
                lacking.push(format!("crates/rulebook/src/code.rs: {}: {text:?} is no whole sentence", code.name()));
            }
        }
    }
    assert_nothing_lacks(lacking);
}

/// Advice that fits a whole family of rules tells nobody what to do about one of them.
#[test]
fn every_rule_of_both_rulebooks_says_in_its_own_words_how_it_is_cleared() {
    let mut lacking = Vec::new();
    for path in [RULEBOOK, "fixtures/other-challenge/pocket-2027.toml"] {
        let rulebook = Rulebook::read(root().join(path).to_str().expect("UTF-8").into()).expect("a rulebook");
        let mut known: BTreeMap<&str, &str> = BTreeMap::new();
        for rule in &rulebook.rules {
            let clear = rule.clear.trim();
            if !clear.ends_with('.') || !clear.starts_with(char::is_uppercase) || clear.split_whitespace().count() < 3 {
                lacking.push(format!("{path}: rule {}: clear = {clear:?} is no whole sentence", rule.id));
            }
            if let Some(other) = known.insert(clear, &rule.id) {
                lacking.push(format!("{path}: rules {other} and {} are cleared in the same words", rule.id));
            }
        }
    }
    assert_nothing_lacks(lacking);
}
