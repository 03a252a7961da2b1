//! `train_gpt.py` of a native folder: a short launcher with the engine's source and the recipe embedded.
//!
//! The file that ships is the file that is counted: `bytes_code` is its length. It depends on the recipe and the
//! engine's source alone, so it is known before training ends and the log can state it.

use std::collections::BTreeMap;
use std::io::Write;

use bzip2::Compression;
use bzip2::write::BzEncoder;
use caddie_python::encoding::latin1_literal;
use include_dir::{Dir, include_dir};

use crate::artifact::tarball;

static ENGINE_SRC: Dir = include_dir!("$CARGO_MANIFEST_DIR/engine/src");
static FORMAT_SRC: Dir = include_dir!("$CARGO_MANIFEST_DIR/crates/format/src");
const FORMAT_MANIFEST: &str = include_str!("../../crates/format/Cargo.toml");
const ENGINE_MANIFEST: &str = include_str!("../../engine/Cargo.toml");
const ENGINE_BUILD: &str = include_str!("../../engine/build.rs");
const ENGINE_LOCK: &str = include_str!("../../engine/Cargo.lock");
const WORKSPACE: &str = include_str!("../../templates/engine_workspace.toml");
const TEMPLATE: &str = include_str!("../../templates/train_gpt.py");

/// The libtorch that the engine is written against, as PyTorch's package names it.
pub const TORCH: &str = "2.11.0";

/// Builds the complete script: the folder ships it, and `bytes_code` is its length. White space around the recipe does
/// not count.
pub fn train_gpt_py(recipe_toml: &str) -> Vec<u8> {
    let template = TEMPLATE.replace("@TORCH@", TORCH);
    let (before, after) =
        template.split_once("@PAYLOAD@").unwrap_or_else(|| unreachable!("the template has a payload"));
    [before.as_bytes(), &latin1_literal(&compress(&payload(recipe_toml))), after.as_bytes()].concat()
}

/// Length of [`train_gpt_py`] in bytes: the counted code.
pub fn code_bytes(recipe_toml: &str) -> u64 {
    train_gpt_py(recipe_toml).len() as u64
}

/// Version of the embedded engine.
pub fn engine_version() -> String {
    let manifest: Option<toml::Table> = ENGINE_MANIFEST.parse().ok();
    let version = manifest.as_ref().and_then(|m| m.get("package")?.get("version")?.as_str());
    version.unwrap_or_else(|| unreachable!("engine/Cargo.toml states a version")).to_owned()
}

/// Modules of the engine that only the toolkit calls, by their folder and name.
const TOOLKIT_ONLY: [(&str, &str); 3] = [("quant", "budget"), ("quant", "inspect"), ("evaluate", "next")];

/// Every file that the script unpacks, by path.
pub fn sources(recipe_toml: &str) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    collect(&ENGINE_SRC, "engine/src", &mut files);
    collect(&FORMAT_SRC, "crates/format/src", &mut files);
    for (path, text) in [
        ("Cargo.toml", WORKSPACE),
        ("Cargo.lock", ENGINE_LOCK),
        ("engine/Cargo.toml", shipped_manifest(ENGINE_MANIFEST)),
        ("crates/format/Cargo.toml", shipped_manifest(FORMAT_MANIFEST)),
        ("engine/build.rs", &shipped(ENGINE_BUILD)),
        ("recipe.toml", &format!("{}\n", recipe_toml.trim())),
    ] {
        files.insert(path.to_owned(), text.as_bytes().to_vec());
    }
    files
}

fn collect(dir: &Dir<'_>, root: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for file in dir.files() {
        let path = file.path().to_string_lossy();
        // An editor's leftovers are not the engine's source.
        if !path.rsplit('/').next().is_some_and(|name| name.starts_with('.') || name.ends_with('~')) {
            let content = file.contents();
            let is_source = path.ends_with(".rs") || path.ends_with(".cpp");
            let content = match std::str::from_utf8(content) {
                Ok(source) if is_source => without_indentation(without_toolkit(&path, shipped(source))).into_bytes(),
                _ => content.to_vec(),
            };
            if TOOLKIT_ONLY.iter().any(|(folder, name)| *path == format!("{folder}/{name}.rs")) {
                continue;
            }
            files.insert(format!("{root}/{path}"), content);
        }
    }
    dir.dirs().for_each(|inner| collect(inner, root, files));
}

/// Returns a shipped source without the lines that declare and export modules of the toolkit.
fn without_toolkit(path: &str, source: String) -> String {
    let gone: Vec<&str> =
        TOOLKIT_ONLY.iter().filter(|(dir, _)| path == format!("{dir}/mod.rs")).map(|(_, name)| *name).collect();
    let declares = |line: &&str| {
        let line = line.trim_start_matches("pub ");
        gone.iter().any(|name| line == format!("mod {name};") || line.starts_with(&format!("use {name}::")))
    };
    if gone.is_empty() {
        source
    } else {
        source.lines().filter(|line| !declares(line)).map(|line| format!("{line}\n")).collect()
    }
}

/// Returns a manifest without its last section, which only tests need.
fn shipped_manifest(manifest: &'static str) -> &'static str {
    manifest.split("\n[dev-dependencies]").next().unwrap_or(manifest)
}

/// Returns a source file as it ships: without its modules of tests and its comments, which no run needs and which are more
/// than a third of the packed script. The first sentence of each Rust file stays, so that a reader of the unpacked source knows
/// its purpose.
///
/// Tests and comments are found by rustfmt's form: tests begin with `#[cfg(test)]` above a `mod` and end at a `}` with
/// the same indentation, and a comment is a line of its own.
fn shipped(source: &str) -> String {
    let mut kept = String::with_capacity(source.len());
    let mut lines = source.lines().peekable();
    let mut head_is_over = false;
    while let Some(line) = lines.next() {
        let (text, indent) = (line.trim_start(), line.len() - line.trim_start().len());
        let is_module = |next: &&str| next.trim_start().starts_with("mod ") && next.ends_with('{');
        let shipped = if text == "#[cfg(test)]" && lines.peek().is_some_and(is_module) {
            let end = format!("{}}}", " ".repeat(indent));
            lines.by_ref().find(|line| *line == end);
            None
        } else if text.starts_with("//!") && !head_is_over {
            let sentence = first_sentence(line);
            head_is_over = sentence.is_some();
            Some(sentence.unwrap_or(line))
        } else {
            (!text.starts_with("//")).then_some(line)
        };
        if let Some(line) = shipped {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// Returns a shipped source without indentation, which `cargo fmt` gives back: 2 % of the packed script. One with a raw string, or
/// a string over several lines whose first does not end in `\`, stays as it is, because there it could be text.
fn without_indentation(source: String) -> String {
    let odd = |line: &str| {
        let quotes = line.replace("\\\\", "").replace("\\\"", "").replace("'\"'", "").matches('"').count();
        quotes % 2 == 1
    };
    let raw = |line: &str| {
        let begins = |(at, _): (usize, &str)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        line.contains("r#\"") || line.match_indices("r\"").any(begins)
    };
    let mut inside = false;
    for line in source.lines() {
        inside ^= odd(line);
        if raw(line) || inside && !line.ends_with('\\') {
            return source;
        }
    }
    source.lines().map(|line| format!("{}\n", line.trim_start())).collect()
}

/// Returns the line up to the end of a sentence in it; `None` where the sentence goes on in the next line.
fn first_sentence(line: &str) -> Option<&str> {
    match line.find(". ") {
        Some(end) => Some(&line[..=end]),
        None => line.ends_with('.').then_some(line),
    }
}

fn payload(recipe_toml: &str) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in sources(recipe_toml) {
        tarball::append(&mut tar, &path, content.len() as u64, 0, content.as_slice())
            .unwrap_or_else(|e| unreachable!("{path} goes into a tar in memory: {e}"));
    }
    tar.into_inner().unwrap_or_else(|e| unreachable!("a tar in memory ends: {e}"))
}

/// Compresses by bzip2, which does better on source code of this length than LZMA.
fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = BzEncoder::new(Vec::new(), Compression::best());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.unwrap_or_else(|e| unreachable!("bzip2 compresses in memory: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_of_tests_and_comments_do_not_ship_and_everything_else_does() {
        let source = "//! What it is\n//! for. And more.\n//! Much more.\n/// Says why.\nmod a {\n    fn kept() {}\n\n    #[cfg(test)]\n    mod tests {\n        fn gone() {\n        }\n    }\n}\n\
                      #[cfg(test)]\npub(crate) fn only_for_tests() {\n}\n#[cfg(test)]\nmod tests {\n    fn gone() {}\n}\n\
                      fn kept_too() {}\n";
        let kept = "//! What it is\n//! for.\nmod a {\n    fn kept() {}\n\n}\n#[cfg(test)]\npub(crate) fn only_for_tests() {\n}\nfn kept_too() {}\n";
        assert_eq!(shipped(source), kept);
        assert_eq!(
            without_indentation("fn a() {\n    b(\"c \\\n       d\", '\"');\n}\n".into()),
            "fn a() {\nb(\"c \\\nd\", '\"');\n}\n"
        );
        for text in ["fn a() {\n    b(\"c\n       d\");\n}\n", "fn a() {\n    b(r\"c \\\n       d\");\n}\n"] {
            assert_eq!(without_indentation(text.into()), text);
        }
        for (path, content) in sources("") {
            let text = String::from_utf8(content).expect("the engine's source is text");
            assert!(!text.contains("#[test]") && !text.contains("dev-dependencies"), "{path} ships tests");
        }
    }
}
