//! Checks that docs/audit-interpreter.md names everything that there is.

use crate::script::families::FAMILIES;
use crate::script::taint::Flags;
use crate::script::trace::EventKind;

const PAGE: &str = include_str!("../../../../../../docs/audit-interpreter.md");

/// Each of these words stands on the page as code.
fn names_all(words: impl IntoIterator<Item = String>) {
    for word in words {
        assert!(PAGE.contains(&format!("`{word}`")), "docs/audit-interpreter.md does not name {word}");
    }
}

#[test]
fn the_page_names_every_flag_event_and_group() {
    names_all(Flags::NAMED.iter().map(|(name, _)| (*name).to_owned()));
    names_all(EventKind::EVERY.iter().map(|kind| format!("{kind:?}")));
    // The groups are the fields of the interpreter that have a file of their own.
    let groups = include_str!("../state/mod.rs").lines().filter_map(|line| line.strip_prefix("mod "));
    let groups: Vec<String> = groups.map(|line| line.trim_end_matches(';').to_owned()).collect();
    assert!(groups.len() > 8, "{groups:?}");
    // The names of a call belong to the group of scopes.
    let capital = |group: &String| format!("{}{}", group[..1].to_uppercase(), &group[1..]);
    names_all(groups.iter().filter(|group| *group != "names").map(capital));
}

#[test]
fn the_page_says_which_families_read_the_syntax_tree() {
    let reads_the_tree = FAMILIES.iter().flat_map(|family| family.rules.iter().map(move |rule| (family, rule)));
    let reads_the_tree = reads_the_tree.filter(|(_, rule)| rule.needs.iter().any(|needs| needs.events.is_empty()));
    for (family, rule) in reads_the_tree {
        let named = [family.name, rule.id].iter().any(|name| PAGE.contains(&format!("`{name}`")));
        assert!(named, "docs/audit-interpreter.md names neither {} nor {}", family.name, rule.id);
    }
}
