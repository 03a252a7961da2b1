//! Tables of results that lie beside the logs, or instead of them: `results.tsv`.

use camino::{Utf8Path, Utf8PathBuf};

use super::number::Stated;
use caddie_files::FileEntry;

/// Most tables that are read, and most lines of one.
const MAX_TABLES: usize = 20;
const MAX_LINES: usize = 10_000;

/// One table, as lines.
#[derive(Debug, Clone, PartialEq)]
pub struct Results {
    pub file: Utf8PathBuf,
    lines: Vec<String>,
}

/// Reads the `*.tsv` and `*.csv` of the folder at `root`; one that cannot be read states nothing.
pub(super) fn read(root: &Utf8Path, files: &[FileEntry]) -> Vec<Results> {
    let tables = files.iter().filter(|file| matches!(file.path.extension(), Some("tsv" | "csv")));
    let texts =
        tables.take(MAX_TABLES).filter_map(|file| Some((file, caddie_files::read_text(&root.join(&file.path)).ok()?)));
    texts.map(|(file, text)| Results { file: file.path.clone(), lines: lines(&text) }).collect()
}

fn lines(text: &str) -> Vec<String> {
    text.lines().take(MAX_LINES).map(str::to_owned).collect()
}

impl Results {
    /// The first line with a cell that is `stated`, and its number.
    pub fn line_with(&self, stated: Stated) -> Option<(u64, String)> {
        let holds = |line: &str| {
            line.split(['\t', ',', ';'])
                .filter_map(Stated::parse)
                .any(|cell| cell.decimals >= 3 && (cell.agrees(stated.value) || stated.agrees(cell.value)))
        };
        let (number, line) = (1..).zip(&self.lines).find(|(_, line)| holds(line))?;
        Some((number, line.chars().take(200).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_with_the_score_is_found() {
        let table = Results { file: "results.tsv".into(), lines: lines("exp\tval_bpb\n001\t1.36\n008\t1.32814313\n") };
        let stated = |text: &str| Stated::parse(text).expect("a number");
        assert_eq!(table.line_with(stated("1.3281")).map(|(line, _)| line), Some(3));
        assert_eq!(table.line_with(stated("1.3600")), None, "1.36 commits to too few digits");
    }
}
