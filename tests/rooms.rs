//! Imports between the rooms of `src/` point one way. Between crates the compiler sees to that; within one it does not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

type Imports = BTreeMap<String, BTreeMap<String, String>>;

/// For every room, the rooms that it names and one place where it does.
fn imports(src: &Path) -> Imports {
    let mut found = Imports::new();
    for (path, room) in files(src) {
        let text = std::fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for (at, _) in code.match_indices("crate::") {
                // `caddie_folder::…` is another crate; `$crate::` would be a macro's.
                let before = code[..at].chars().next_back();
                let rest = &code[at + "crate::".len()..];
                let named: String = rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
                let is_path = before.is_none_or(|c| !c.is_alphanumeric() && c != '_');
                if is_path && !named.is_empty() && named != room {
                    let place = format!("{}:{}", path.display(), number + 1);
                    found.entry(room.clone()).or_default().entry(named).or_insert(place);
                }
            }
        }
    }
    found
}

/// Every source file with its room: the first part of its path below `src`.
fn files(src: &Path) -> Vec<(std::path::PathBuf, String)> {
    let mut open = vec![src.to_owned()];
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let first = path.strip_prefix(src).unwrap().components().next().unwrap();
            let room = first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push((path, room));
            }
        }
    }
    found
}

/// A way from a room back to itself, with the places of its imports.
fn circle(imports: &Imports) -> Option<Vec<String>> {
    fn walk(room: &str, imports: &Imports, way: &mut Vec<(String, String)>, done: &mut BTreeSet<String>) -> bool {
        if done.contains(room) {
            return false;
        }
        for (next, place) in imports.get(room).into_iter().flatten() {
            let back = way.iter().any(|(on_the_way, _)| on_the_way == next) || next == room;
            way.push((room.to_owned(), format!("{room} imports {next} at {place}")));
            if back || walk(next, imports, way, done) {
                return true;
            }
            way.pop();
        }
        done.insert(room.to_owned());
        false
    }
    let mut done = BTreeSet::new();
    imports.keys().find_map(|room| {
        let mut way = Vec::new();
        walk(room, imports, &mut way, &mut done).then(|| way.into_iter().map(|(_, step)| step).collect())
    })
}

#[test]
fn rooms_import_one_another_in_one_direction() {
    for crate_root in
        [".", "crates/folder", "crates/python", "crates/rulebook", "crates/files", "crates/format", "crates/probe"]
    {
        let src = Path::new(env!("CARGO_MANIFEST_DIR")).join(crate_root).join("src");
        let found = imports(&src);
        // calls and eval of the Python reader are two halves of one evaluator.
        let found: Imports =
            found.into_iter().filter(|(room, _)| !(crate_root.ends_with("python") && room == "calls")).collect();
        assert_eq!(
            circle(&found),
            None,
            "imports in a circle in {crate_root}; see ARCHITECTURE.md for what may import what"
        );
    }
}

#[test]
fn a_circle_is_found() {
    let room = |name: &str, place: &str| BTreeMap::from([(name.to_owned(), place.to_owned())]);
    let mut found = Imports::from([("a".to_owned(), room("b", "a.rs:1")), ("b".to_owned(), room("c", "b.rs:2"))]);
    assert_eq!(circle(&found), None);
    found.insert("c".to_owned(), room("a", "c.rs:3"));
    let steps = ["a imports b at a.rs:1", "b imports c at b.rs:2", "c imports a at c.rs:3"].map(str::to_owned).to_vec();
    assert_eq!(circle(&found), Some(steps));
}
