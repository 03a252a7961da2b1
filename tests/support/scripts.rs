//! The made-up scripts of `fixtures/audit`, whole: where a script says `# prelude: NAME, NAME`, the pieces of
//! `fixtures/audit/prelude` of these names stand, two empty lines apart.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::path::{Path, PathBuf};

/// The line of a script in whose place pieces are put.
const DIRECTIVE: &str = "# prelude: ";

/// The scripts, below the root of the repository.
pub struct Scripts {
    folder: PathBuf,
}

impl Scripts {
    pub fn of(repository: impl AsRef<Path>) -> Scripts {
        Scripts { folder: repository.as_ref().join("fixtures/audit") }
    }

    /// The whole text of `NAME.py`.
    #[track_caller]
    pub fn text(&self, name: &str) -> String {
        let path = self.folder.join(format!("{name}.py"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let lines = text.lines().map(|line| match line.strip_prefix(DIRECTIVE) {
            Some(names) => names.split(", ").map(|piece| self.piece(name, piece)).collect::<Vec<_>>().join("\n\n\n"),
            None => line.to_owned(),
        });
        lines.collect::<Vec<_>>().join("\n") + "\n"
    }

    #[track_caller]
    fn piece(&self, name: &str, piece: &str) -> String {
        let path = self.folder.join(format!("prelude/{piece}.py"));
        let text = std::fs::read_to_string(path).unwrap_or_else(|_| {
            let known = named(&self.folder.join("prelude")).join(", ");
            panic!("fixtures/audit/{name}.py: the prelude has no piece {piece:?}; it has {known}")
        });
        text.trim_end().to_owned()
    }

    /// The names of the scripts, sorted, without `.py`.
    pub fn names(&self) -> Vec<String> {
        named(&self.folder)
    }

    /// The names of the pieces that no script has.
    pub fn unused_pieces(&self) -> Vec<String> {
        let names = self.names();
        let texts = names.iter().map(|name| std::fs::read_to_string(self.folder.join(format!("{name}.py"))));
        let texts = texts.collect::<Result<Vec<_>, _>>().expect("the scripts");
        let used: Vec<&str> = texts
            .iter()
            .flat_map(|text| text.lines().filter_map(|line| line.strip_prefix(DIRECTIVE)))
            .flat_map(|names| names.split(", "))
            .collect();
        named(&self.folder.join("prelude")).into_iter().filter(|piece| !used.contains(&piece.as_str())).collect()
    }
}

/// The Python files of a folder, sorted, without `.py`.
fn named(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"));
    let mut names: Vec<String> = names.filter_map(|name| Some(name.strip_suffix(".py")?.to_owned())).collect();
    names.sort();
    assert!(!names.is_empty(), "{}: no scripts", folder.display());
    names
}
