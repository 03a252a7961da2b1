//! Modules of the folder that a script imports: they are read with it.

use camino::Utf8Path;

use caddie_folder::Folder;
use caddie_folder::executed::imports;
use caddie_python::Script;
use caddie_python::{MAX_SOURCE_BYTES, Module};

/// Modules that are read with a script at most.
const MAX_BESIDE: usize = 24;

/// The script at `path` with the modules beside it that it imports, and those that they import; `None` where there are
/// none.
pub fn with_neighbors(path: &Utf8Path, script: &Module, folder: &Folder) -> Option<Module> {
    let found = neighbors(path, script, folder);
    if found.is_empty() {
        return None;
    }
    let files: Vec<(&Utf8Path, &str)> = found.iter().map(|other| (&*other.path, other.text.as_str())).collect();
    Module::with_neighbors(script.source(), &files).ok()
}

/// The modules beside the script at `path` that it imports, and those that they import.
pub fn neighbors<'a>(path: &Utf8Path, script: &Module, folder: &'a Folder) -> Vec<&'a Script> {
    let mut found: Vec<&Script> = Vec::new();
    let mut open: Vec<String> = imports(script).collect();
    while let Some(name) = open.pop() {
        let beside = folder.code.iter().find(|other| {
            let at_the_top = other.path.components().count() == 1 && other.path.file_name() != path.file_name();
            at_the_top && other.path.file_stem() == Some(name.as_str())
        });
        let known = |other: &Script| found.iter().any(|known| known.path == other.path);
        let length: usize = found.iter().map(|other| other.text.len()).sum();
        let fits = |other: &Script| script.source().len() + length + other.text.len() < MAX_SOURCE_BYTES;
        let Some(other) = beside.filter(|other| !known(other) && fits(other) && found.len() < MAX_BESIDE) else {
            continue;
        };
        // One that no Python reads is left out, as Python would fail on it.
        if let Ok(module) = Module::parse(&other.text) {
            open.extend(imports(&module));
            found.push(other);
        }
    }
    found
}
