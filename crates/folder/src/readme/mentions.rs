//! Files that a README names: as part of the folder, or as something to run.

use std::sync::LazyLock;

use regex::Regex;
use serde::Serialize;

/// One file name in the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mention {
    /// The name as written, with its folder.
    pub name: String,
    /// True if the text says that the file is here: in a list of files, or as a script to run.
    pub promised: bool,
    /// 1-based.
    pub line: u64,
    pub text: String,
}

/// Longest line that is examined.
const MAX_LINE: usize = 2_000;

static NAME: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"[A-Za-z0-9_./-]*[A-Za-z0-9_]\.(?:py|sh|log|txt|json|tsv|csv)\b").ok());
/// `- `setup.sh` — …` in a list of files, `bash setup.sh` as a command.
static LISTED: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^[-*]\s+`([^`*]+)`").ok());
static RUN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?:^|\s|`)(?:bash|sh|source)\s+(?:\./)?([A-Za-z0-9_./-]+\.sh)\b").ok());

/// Finds the mentions of a line. `section` is the heading above the line: only a list of the folder's own files
/// promises them.
pub(super) fn of_line(line: &str, number: u64, fenced: bool, section: &str) -> Vec<Mention> {
    let Some(names) = NAME.as_ref().filter(|_| line.len() <= MAX_LINE && line.contains('.')) else { return Vec::new() };
    let section = section.to_lowercase();
    let own_files = ["file", "content", "includ", "folder"].iter().any(|word| section.contains(word));
    let promised = |name: &str| {
        let first = |pattern: &LazyLock<Option<Regex>>| {
            pattern.as_ref().and_then(|p| p.captures(line)).and_then(|found| Some(found.get(1)?.as_str().to_owned()))
        };
        first(&RUN).is_some_and(|run| run == name)
            || own_files && !fenced && first(&LISTED).is_some_and(|listed| listed == name)
    };
    let mentions = names.find_iter(line).map(|found| {
        let name = found.as_str().trim_start_matches("./").to_owned();
        Mention { promised: promised(&name), name, line: number, text: line.chars().take(200).collect() }
    });
    mentions.take(8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promised_files_are_told_from_named_ones() {
        let found = |line: &str| -> Vec<(String, bool)> {
            of_line(line, 1, false, "Included files")
                .into_iter()
                .map(|mention| (mention.name, mention.promised))
                .collect()
        };
        assert_eq!(found("- `setup_mamba3.sh` — installs"), [("setup_mamba3.sh".to_owned(), true)]);
        assert_eq!(found("run `bash setup.sh` first"), [("setup.sh".to_owned(), true)]);
        assert!(!of_line("- `manifest.json`", 1, false, "Public artifacts")[0].promised, "in another place");
        assert_eq!(found("python3 data/cached.py --x"), [("data/cached.py".to_owned(), false)]);
        assert_eq!(
            found("- `train_v*.txt` (note that `train_v0.txt` is on 2xH100)")[0],
            ("train_v0.txt".to_owned(), false)
        );
    }
}
