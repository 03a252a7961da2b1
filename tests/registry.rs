//! Whoever adds a check, a family of the audit, a code, a rule or a format of reports finds here what still lacks: each
//! of these tests names the file and what belongs into it. docs/contributing shows the steps.

#[path = "registry/cases.rs"]
mod cases;
#[path = "registry/pages.rs"]
mod pages;
#[path = "registry/rulebook.rs"]
mod rulebook;
mod support;

use std::path::{Path, PathBuf};

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
