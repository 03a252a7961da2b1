//! The report: the checks' results as types and in every output format. Nothing is decided here.

pub mod chart;
mod explanation;
mod facts;
mod figures;
mod folder_report;
mod format;
mod github;
mod group;
mod html;
mod json;
mod junit;
mod markdown;
mod pen;
mod place;
mod plain;
mod record;
mod sarif;
mod screen;
mod significance;
mod table;

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use serde::Serialize;

pub use caddie_rulebook::{Code, Confidence, Evidence, Finding, NO_LOG_LINE, Severity};
pub use explanation::{Explanation, Topic};
pub use figures::{Documents, Evaluations, Figures};
pub use folder_report::{
    AuditFacts, ClaimedAs, FolderReport, Probed, RunFacts, Scores, Significance, Size, Unjudged, Verdict,
};
pub use format::{FORMATS, Format};
pub use pen::Pen;
pub use place::Root;
pub use significance::{p_value, significance_table};

use caddie_rulebook::{Policy, Rule, Rulebook};

/// Most characters of a message that are kept, in every format: a message is a sentence, not a file.
const MAX_MESSAGE: usize = 2_000;
/// Most characters of a quoted line that are kept, in every format.
const MAX_QUOTE: usize = 1_000;

/// The JSON Schema of `verify --format json`.
pub const VERIFY_SCHEMA: &str = include_str!("../../docs/verify.schema.json");

/// The report of one command over all its folders.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Version of this shape; it grows when a field changes its meaning or is removed.
    pub schema_version: u32,
    /// caddie's version.
    pub caddie: &'static str,
    /// The rulebook's id and version.
    pub rulebook: String,
    pub folders: Vec<FolderReport>,
    /// Folders that could not be read, so that nothing is known about them.
    pub failures: Vec<UnreadFolder>,
    /// The root to which annotations and SARIF state paths relatively.
    #[serde(skip)]
    pub root: Root,
    /// The rules that formats with a catalog show; the builtin ones where nothing is given.
    #[serde(skip)]
    pub book: Option<Rulebook>,
    /// The command that comes next, for the last line of plain output on one folder.
    #[serde(skip)]
    pub next: Option<String>,
    /// Findings that a filter left out, for the counts of plain output.
    #[serde(skip)]
    pub left_out: usize,
    /// What the page draws, by the folder's path; a folder without it is shown without curves and documents.
    #[serde(skip)]
    pub figures: BTreeMap<Utf8PathBuf, Figures>,
}

/// A folder that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnreadFolder {
    pub path: Utf8PathBuf,
    /// One sentence that says what is wrong and what to do.
    pub reason: String,
}

/// The look of plain output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Look {
    pub color: bool,
    /// True for one line per folder.
    pub quiet: bool,
    /// True to show every finding of every folder, even of several.
    pub details: bool,
    /// Columns of the terminal; `None` in a pipe, where no line is broken or cut to fit.
    pub width: Option<usize>,
}

impl UnreadFolder {
    /// Makes a failure of `path`; the reason does not repeat the path where the error begins with it.
    pub fn new(path: Utf8PathBuf, error: &caddie_files::Error) -> UnreadFolder {
        let text = error.to_string();
        let reason = text.strip_prefix(path.as_str()).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(&text);
        UnreadFolder { reason: reason.to_owned(), path }
    }
}

impl Report {
    /// A report over folders, in this version's shape.
    pub fn new(rulebook: String, mut folders: Vec<FolderReport>) -> Report {
        folders.iter_mut().flat_map(|folder| &mut folder.findings).for_each(bound);
        Report {
            schema_version: 1,
            caddie: env!("CARGO_PKG_VERSION"),
            rulebook,
            folders,
            failures: Vec::new(),
            root: Root::default(),
            book: None,
            next: None,
            left_out: 0,
            figures: BTreeMap::new(),
        }
    }

    /// Names the rulebook that the folders were verified by, where it is not the builtin one.
    pub fn with_rulebook(mut self, book: Rulebook) -> Report {
        self.book = Some(book);
        self
    }

    /// Names the command that comes next.
    pub fn with_next(mut self, next: Option<String>) -> Report {
        self.next = next;
        self
    }

    /// Adds what the page draws.
    pub fn with_figures(mut self, figures: impl IntoIterator<Item = (Utf8PathBuf, Figures)>) -> Report {
        self.figures.extend(figures);
        self
    }

    /// The policies by which the significance of a score is decided.
    fn policies(&self) -> Vec<Policy> {
        let book = self.book.clone().or_else(|| Rulebook::builtin().ok());
        book.map(|book| book.policies).unwrap_or_default()
    }

    /// The repository and the rules of the challenge.
    fn catalog(&self) -> (String, Vec<Rule>) {
        let book = self.book.clone().or_else(|| Rulebook::builtin().ok());
        book.map(|book| (book.repository, book.rules)).unwrap_or_default()
    }

    /// Adds the folders that could not be read.
    pub fn with_failures(mut self, failures: impl IntoIterator<Item = UnreadFolder>) -> Report {
        self.failures.extend(failures);
        self
    }

    /// Sets the root to which annotations and SARIF state paths relatively; without it paths are as given.
    pub fn with_root(mut self, root: Root) -> Report {
        self.root = root;
        self
    }

    /// The gravest finding, if there is any.
    pub fn worst(&self) -> Option<Severity> {
        self.folders.iter().flat_map(|folder| &folder.findings).map(|finding| finding.severity).max()
    }

    /// The report as text, ending in a line feed.
    pub fn render(&self, format: &Format, look: Look) -> String {
        (format.write)(self, look)
    }

    /// Every folder in a row or two, then how often each kind of finding occurs.
    pub fn render_table(&self, look: Look) -> String {
        table::render(self, look)
    }
}

/// Keeps what a stranger's file can put into a report within bounds.
fn bound(finding: &mut Finding) {
    let limit = |text: &mut String, max: usize| {
        if let Some((end, _)) = text.char_indices().nth(max) {
            text.truncate(end);
            text.push('…');
        }
    };
    limit(&mut finding.message, MAX_MESSAGE);
    finding.clear.iter_mut().for_each(|text| limit(text, MAX_MESSAGE));
    finding.evidence.iter_mut().for_each(|place| limit(&mut place.text, MAX_QUOTE));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_described() {
        let names: std::collections::HashSet<_> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        assert!(Code::ALL.iter().all(|code| code.description().ends_with('.')));
    }
}
