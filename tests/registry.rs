//! Whoever adds a check, a family of the audit, a code, a rule or a format of reports finds here what still lacks: each
//! of these tests names the file and what belongs into it. docs/contributing shows the steps.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use caddie::checks::{Check, REGISTRY, VerifyOptions, verify_read};
use caddie::report::{Code, FORMATS, Finding, Severity};
use caddie_audit::script::FAMILIES;
use caddie_folder::Folder;
use caddie_rulebook::Rulebook;
use serde::Deserialize;
use support::Copy;

const RULEBOOK: &str = "crates/rulebook/src/parameter-golf-2026.toml";

/// A check that no single folder shows: `verify --diff` runs it over a range of commits.
const OVER_COMMITS: &str = "pull-request";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}; add it"))
}

/// Files below a folder whose names end so, relative to the repository.
fn files(below: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(below)];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else if path.to_str().is_some_and(|path| path.ends_with(ending)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// What lacks, all of it at once: who adds something should not meet one complaint after the other.
#[track_caller]
fn assert_nothing_lacks(lacking: Vec<String>) {
    assert!(lacking.is_empty(), "\n{}\nSee docs/contributing.", lacking.join("\n"));
}

fn code_list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

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

/// A code that nothing provokes may have been misspelled, or never be given.
#[test]
fn every_code_is_provoked_by_a_test() {
    let mut all = String::new();
    for path in [files("tests", ".rs"), files("tests/snapshots", ".snap"), files("fixtures/checks", ".toml")].concat() {
        if path.file_name() != Path::new(file!()).file_name() {
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
