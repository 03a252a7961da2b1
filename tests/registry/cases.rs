//! Every check has cases that show what it finds, and every code is given by something.

use std::collections::BTreeMap;

use caddie::checks::{Check, REGISTRY, VerifyOptions, verify_read};
use caddie::report::{Code, Finding, Severity};
use caddie_folder::Folder;
use caddie_rulebook::Rulebook;
use serde::Deserialize;

use super::support::{self, Copy};
use super::{OVER_COMMITS, assert_nothing_lacks, files, root};

/// The cases of one check: fixtures/checks/<check>.toml.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    case: Vec<Case>,
}

/// What is changed in a copy of fixtures/folders/good, and the finding that must come of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    about: String,
    /// Where the copy lies, such as records/track_10min_16mb/2026-05-01_Good.
    place: Option<String>,
    /// Files that are taken out; `train_seed*.log` is all that begin and end so, here and in `edit`.
    #[serde(default)]
    remove: Vec<String>,
    #[serde(default)]
    write: Vec<Written>,
    #[serde(default)]
    edit: Vec<Edit>,
    /// After the edits.
    #[serde(default)]
    rename: Vec<Renamed>,
    finds: Finds,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    file: String,
    text: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    file: String,
    from: String,
    to: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Renamed {
    from: String,
    to: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Finds {
    rule: String,
    /// Without one the finding has none.
    code: Option<String>,
    severity: Severity,
}

impl Finds {
    fn is(&self, finding: &Finding) -> bool {
        finding.rule == self.rule
            && finding.code.map(Code::name) == self.code.as_deref()
            && finding.severity == self.severity
    }
}

impl Case {
    /// The findings of the changed copy.
    fn findings(&self, rulebook: &Rulebook) -> Vec<Finding> {
        let copy = Copy::new();
        for name in self.remove.iter().flat_map(|pattern| named(&copy, pattern)) {
            copy.remove(&name);
        }
        for written in &self.write {
            support::write(&copy.path, &written.file, &written.text);
        }
        for edit in &self.edit {
            for name in named(&copy, &edit.file) {
                copy.edit(&name, &edit.from, &edit.to);
            }
        }
        for renamed in &self.rename {
            std::fs::rename(copy.path.join(&renamed.from), copy.path.join(&renamed.to)).expect("renames");
        }
        let mut path = copy.utf8();
        if let Some(place) = &self.place {
            let placed = path.parent().expect("a parent").join(place);
            std::fs::create_dir_all(placed.parent().expect("a parent")).expect("creates");
            std::fs::rename(&path, &placed).expect("moves");
            path = placed;
        }
        verify_read(&Folder::read(&path).expect("a folder"), rulebook, &VerifyOptions::default()).findings
    }
}

/// The files of the copy that a name or `begin*end` stands for; there is at least one.
fn named(copy: &Copy, pattern: &str) -> Vec<String> {
    let Some((begin, end)) = pattern.split_once('*') else { return vec![pattern.to_owned()] };
    let entries = std::fs::read_dir(&copy.path).expect("the copy").map(|entry| entry.expect("an entry").file_name());
    let names = entries.map(|name| name.into_string().expect("UTF-8"));
    let found: Vec<String> = names.filter(|name| name.starts_with(begin) && name.ends_with(end)).collect();
    assert!(!found.is_empty(), "{pattern} is no file of the copy");
    found
}

fn cases(check: &str) -> Option<Cases> {
    let text = std::fs::read_to_string(root().join(format!("fixtures/checks/{check}.toml"))).ok()?;
    Some(toml::from_str(&text).unwrap_or_else(|error| panic!("fixtures/checks/{check}.toml: {error}")))
}

#[test]
fn every_check_has_a_case_for_each_of_its_rules() {
    let mut lacking = Vec::new();
    for Check { name, rules, .. } in REGISTRY.iter().filter(|check| check.name != OVER_COMMITS) {
        let cases = cases(name).map(|cases| cases.case).unwrap_or_default();
        for rule in rules.iter().filter(|rule| !cases.iter().any(|case| case.finds.rule == **rule)) {
            lacking.push(format!(
                "fixtures/checks/{name}.toml: add a [[case]] that finds the rule {rule}, or take {rule} out of the check's rules"
            ));
        }
        for case in cases.iter().filter(|case| !rules.contains(&case.finds.rule.as_str())) {
            lacking.push(format!(
                "{name}: its case {:?} finds the rule {}; add it to the check's rules",
                case.about, case.finds.rule
            ));
        }
    }
    for file in files("fixtures/checks", ".toml") {
        let name = file.file_stem().and_then(|name| name.to_str()).expect("a name");
        if !REGISTRY.iter().any(|check| check.name == name) {
            lacking.push(format!(
                "fixtures/checks/{name}.toml: {name} is no check; add it to REGISTRY in src/checks/mod.rs"
            ));
        }
    }
    assert_nothing_lacks(lacking);
}

#[test]
fn every_case_is_found_and_the_good_folder_has_none_of_it() {
    let rulebook = Rulebook::builtin().expect("loads");
    let good = Folder::read(&Copy::new().utf8()).expect("a folder");
    let good = verify_read(&good, &rulebook, &VerifyOptions::default()).findings;
    let mut lacking = Vec::new();
    for check in REGISTRY {
        for case in cases(check.name).map(|cases| cases.case).unwrap_or_default() {
            let place = format!("fixtures/checks/{}.toml, {:?}", check.name, case.about);
            let found = case.findings(&rulebook);
            if !found.iter().any(|finding| case.finds.is(finding)) {
                let found: Vec<String> = found
                    .iter()
                    .map(|f| format!("{} {:?} {}: {}", f.rule, f.code, f.severity.name(), f.message))
                    .collect();
                lacking.push(format!("{place}: no {:?} among\n  {}", case.finds, found.join("\n  ")));
            }
            if good.iter().any(|finding| case.finds.is(finding)) {
                lacking.push(format!("{place}: the unchanged folder has that finding as well"));
            }
        }
    }
    assert_nothing_lacks(lacking);
}

/// A code that nothing provokes may have been misspelled, or never be given.
#[test]
fn every_code_is_provoked_by_a_test() {
    let mut all = String::new();
    for path in [files("tests", ".rs"), files("tests/snapshots", ".snap"), files("fixtures/checks", ".toml")].concat() {
        // These tests name codes without giving them.
        if !path.starts_with(root().join("tests/registry")) && !path.ends_with("registry.rs") {
            all += &std::fs::read_to_string(&path).expect("reads");
        }
    }
    let variants: BTreeMap<&str, String> =
        Code::ALL.iter().map(|code| (code.name(), format!("Code::{code:?}"))).collect();
    let unseen = variants.iter().filter(|(name, variant)| !all.contains(**name) && !all.contains(variant.as_str()));
    assert_nothing_lacks(
        unseen
            .map(|(name, _)| format!("fixtures/checks: add a [[case]] with code = \"{name}\" to its check's file"))
            .collect(),
    );
}

/// `caddie explain CODE` says by whose authority a finding stands, which is that of its rule.
#[test]
fn a_code_is_explained_by_the_rules_of_its_findings() {
    let book = Rulebook::builtin().expect("loads");
    let mut lacking = Vec::new();
    for check in REGISTRY {
        for finds in cases(check.name).into_iter().flat_map(|cases| cases.case).map(|case| case.finds) {
            let code = Code::ALL.iter().find(|code| Some(code.name()) == finds.code.as_deref());
            let Some(code) = code else { continue };
            if !code.rules(&book).iter().any(|rule| rule.id == finds.rule) {
                lacking.push(format!(
                    "crates/rulebook/src/code_rules.rs: {} stands on {} as well",
                    code.name(),
                    finds.rule
                ));
            }
        }
    }
    assert_nothing_lacks(lacking);
}
