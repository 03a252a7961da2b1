//! Every check, family, code, rule and format stands in the pages that people read, and the pages for contributors are
//! true.

use std::path::PathBuf;

use caddie::checks::REGISTRY;
use caddie::report::{Code, FORMATS};
use caddie_audit::script::FAMILIES;
use caddie_rulebook::Rulebook;

use super::{assert_nothing_lacks, code_list, files, root, text};

#[test]
fn every_check_and_code_is_in_the_reference() {
    let page = text("docs/verify.md");
    let mut lacking = Vec::new();
    for check in REGISTRY {
        let row = format!("| `{}` | {} | {} | ", check.name, check.about, code_list(check.rules));
        if !page.contains(&row) {
            lacking.push(format!("docs/verify.md, Checks: add the row\n  {row}its codes |"));
        }
    }
    let unnamed = |code: &&Code| !page.contains(&format!("`{}`", code.name()));
    lacking.extend(
        Code::ALL.iter().filter(unnamed).map(|code| {
            format!("docs/verify.md, Checks: add `{}` to the codes of the check that gives it", code.name())
        }),
    );
    assert_nothing_lacks(lacking);
}

#[test]
fn every_family_is_in_the_reference_and_has_scripts() {
    let page = text("docs/audit.md");
    let with_a_folder = text("tests/audit_folder.rs");
    let scripts = files("fixtures/audit", ".py");
    let has = |stem: &str, kinds: &[&str]| {
        let begins = |name: &str| kinds.iter().any(|kind| name.starts_with(&format!("{stem}.{kind}.")));
        scripts.iter().any(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(begins))
    };
    let sources = files("crates/audit/src/script/families", ".rs");
    let mut lacking = Vec::new();
    for family in FAMILIES {
        let row =
            format!("| `{}` | {} | {} |", family.name, family.about, code_list(&family.ids().collect::<Vec<_>>()));
        if !page.contains(&row) {
            lacking.push(format!("docs/audit.md, What is looked for: add the row\n  {row}"));
        }
        let of_family = |path: &&PathBuf| {
            std::fs::read_to_string(path).expect("reads").contains(&format!("    name: \"{}\",", family.name))
        };
        let stem = sources.iter().find(of_family).and_then(|path| path.file_stem()?.to_str()).expect("its file");
        // What only the files beside the script decide is tested with a folder around it.
        if family.ids().any(|rule| with_a_folder.contains(rule)) {
            continue;
        }
        for (kinds, what) in
            [(&["bad"][..], "breaks a rule of it"), (&["good", "trap"], "keeps them, or only looks bad")]
        {
            if !has(stem, kinds) {
                lacking.push(format!(
                    "{}: add fixtures/audit/{stem}.{}.<what>.py, a script that {what}; or a test with a folder in tests/audit_folder.rs",
                    family.name, kinds[0]
                ));
            }
        }
    }
    assert_nothing_lacks(lacking);
}

#[test]
fn every_rule_that_is_checked_is_in_the_reference() {
    let pages = text("docs/verify.md") + &text("docs/audit.md");
    let rulebook = Rulebook::builtin().expect("loads");
    let checked = rulebook.rules.iter().filter(|rule| !rule.checks.is_empty());
    let unnamed = checked.filter(|rule| !pages.contains(&format!("`{}`", rule.id)));
    assert_nothing_lacks(
        unnamed
            .map(|rule| {
                format!("docs/verify.md or docs/audit.md: name `{}` in the rows of {}", rule.id, rule.checks.join(", "))
            })
            .collect(),
    );
}

#[test]
fn every_format_is_in_the_help_the_readme_the_reference_and_a_snapshot() {
    let (readme, action) = (text("README.md"), text("action.yml"));
    let snapshots = files("tests/snapshots", ".snap");
    let mut lacking = Vec::new();
    for format in FORMATS {
        let name = format.name;
        if !readme.contains(&format!("| `{name}` | ")) {
            lacking.push(format!("README.md, verify in CI: add the row\n  | `{name}` | whom it is for |"));
        }
        if !action.contains(name) {
            lacking.push(format!("action.yml, format: name {name}"));
        }
        let of_format = |path: &PathBuf| path.to_str().is_some_and(|path| path.ends_with(&format!("_{name}.snap")));
        if !snapshots.iter().any(of_format) {
            lacking.push(format!("tests/reports.rs: add a snapshot whose name ends in _{name}"));
        }
        if !format.about.ends_with('.') || format.extension.is_empty() || format.extension.starts_with('.') {
            lacking.push(format!("{name}: about is a sentence, extension comes without a dot"));
        }
    }
    assert_nothing_lacks(lacking);
}

/// The pages say where things are, and their examples are the code that is there.
#[test]
fn the_pages_for_contributors_are_true() {
    let pages = ["check", "audit-rule", "report-format", "rule"];
    let mut lacking = Vec::new();
    let contributing = text("CONTRIBUTING.md");
    for page in pages {
        let path = format!("docs/contributing/{page}.md");
        if !contributing.contains(&path) {
            lacking.push(format!("CONTRIBUTING.md, Adding something: link to {path}"));
        }
        let text = text(&path);
        // `src/checks/mod.rs`, and not `src/checks/NAME.rs`, which is to be written.
        let words = text.split('`').filter(|word| word.contains('/') && !word.contains([' ', '\n', '<']));
        for named in words.filter(|word| !word.contains("NAME") && !root().join(word).exists()) {
            lacking.push(format!("{path}: there is no {named}"));
        }
        let steps = text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit())).count();
        if !(3..=10).contains(&steps) {
            lacking.push(format!("{path}: {steps} steps; a page has three to ten"));
        }
        for block in text.split("```").skip(1).step_by(2) {
            let (head, code) = block.split_once('\n').expect("a block");
            let file = head
                .split_whitespace()
                .nth(1)
                .unwrap_or_else(|| panic!("{path}: a block names its file: ```rust FILE"));
            if !self::text(file).contains(code.trim_end()) {
                lacking.push(format!("{path}: the block of {file} is not what stands there:\n{code}"));
            }
        }
    }
    assert_nothing_lacks(lacking);
}
