//! Within one crate a type's name belongs to one type, so that a reader who meets it need not ask which is meant.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Every Rust file below `folder`.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) = entries.partition(|path| path.is_dir());
    let here = files.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    folders.iter().flat_map(|folder| sources(folder)).chain(here).collect()
}

/// The name that a line declares: a struct, an enum, a trait or an alias. Associated types stand deeper than a module's
/// items and are not counted.
fn declared(line: &str) -> Option<&str> {
    let item = line.strip_prefix("pub ").or_else(|| {
        let rest = line.strip_prefix("pub(")?;
        rest.split_once(") ").map(|(_, item)| item)
    });
    let item = item.unwrap_or(line);
    let name = ["struct ", "enum ", "trait ", "type "].iter().find_map(|kind| item.strip_prefix(kind))?;
    let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
    Some(&name[..end])
}

/// Names that several types of a crate share, each with its files.
fn shared(src: &Path) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in sources(src) {
        let text = std::fs::read_to_string(&path).unwrap();
        // Types of tests stay in their file.
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for name in code.lines().filter_map(declared) {
            found.entry(name.to_owned()).or_default().push(path.display().to_string());
        }
    }
    found.retain(|_, files| files.len() > 1);
    found
}

#[test]
fn no_crate_has_two_types_of_one_name() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let crates = std::fs::read_dir(root.join("crates")).unwrap().map(|entry| entry.unwrap().path());
    for each in crates.chain([root.to_owned(), root.join("engine")]) {
        let found = shared(&each.join("src"));
        assert!(found.is_empty(), "in {}, several types have one name: {found:#?}", each.display());
    }
}

#[test]
fn declarations_are_seen_whatever_their_visibility() {
    for (line, name) in [
        ("struct A<'a> {", Some("A")),
        ("pub struct B;", Some("B")),
        ("pub(super) enum C {", Some("C")),
        ("pub(in crate::x) trait D: E {", Some("D")),
        ("type F = u8;", Some("F")),
        ("    type Err = String;", None),
        ("fn struct_of() {", None),
    ] {
        assert_eq!(declared(line), name, "{line}");
    }
}
