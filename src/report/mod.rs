//! What the checks found, as types and in every output format. Nothing is decided here.

mod code;
mod finding;
mod folder_report;
mod github;
mod json;
mod markdown;
mod plain;

use std::fmt::Write;

use serde::Serialize;

pub use code::Code;
pub use finding::{Confidence, Evidence, Finding, Severity};
pub use folder_report::{FolderReport, RunFacts, Scores, Significance, Size, Verdict};

/// What one command found over all its folders.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Version of this shape; it grows when a field changes its meaning or goes.
    pub schema_version: u32,
    /// caddie's version.
    pub caddie: &'static str,
    /// The rulebook's id and version.
    pub rulebook: String,
    pub folders: Vec<FolderReport>,
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For a person at a terminal.
    Plain,
    /// The published schema, for programs.
    Json,
    /// A comment for a pull request.
    Markdown,
    /// Annotations of a GitHub workflow.
    Github,
}

/// How plain output looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Look {
    pub colour: bool,
    /// Verdict and score only.
    pub quiet: bool,
}

impl Report {
    /// A report over folders, in this version's shape.
    pub fn new(rulebook: String, folders: Vec<FolderReport>) -> Report {
        Report { schema_version: 1, caddie: env!("CARGO_PKG_VERSION"), rulebook, folders }
    }

    /// The gravest finding, if there is any.
    pub fn worst(&self) -> Option<Severity> {
        self.folders.iter().flat_map(|folder| &folder.findings).map(|finding| finding.severity).max()
    }

    /// The report as text, ending in a line feed.
    pub fn render(&self, format: Format, look: Look) -> String {
        match format {
            Format::Plain => plain::render(self, look),
            Format::Json => json::render(self),
            Format::Markdown => markdown::render(self),
            Format::Github => github::render(self),
        }
    }
}

/// `15,863,489`: counts are read in groups of three digits.
pub fn thousands(value: impl Into<i128>) -> String {
    let value: i128 = value.into();
    let digits = value.unsigned_abs().to_string();
    let mut text = String::from(if value < 0 { "-" } else { "" });
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Text from a stranger's file for one line of a terminal: no control characters, bounded length.
pub fn one_line(text: &str) -> String {
    const MAX: usize = 160;
    let mut line = String::new();
    for c in text.trim().chars().take(MAX) {
        if c.is_control() || is_invisible(c) {
            let _ = write!(line, "{}", c.escape_unicode());
        } else {
            line.push(c);
        }
    }
    if text.trim().chars().count() > MAX {
        line.push('…');
    }
    line
}

/// A message for one line: it names files and texts of strangers, and may be long.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || is_invisible(c) { '\u{fffd}' } else { c }).collect()
}

/// Bidirectional overrides and zero-width characters, which make a line read other than it is.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_grouped_and_foreign_text_is_harmless() {
        assert_eq!(
            (thousands(15_863_489), thousands(-1_000), thousands(7)),
            ("15,863,489".into(), "-1,000".into(), "7".into())
        );
        assert_eq!(one_line("a\u{1b}[31mb"), "a\\u{1b}[31mb");
        assert_eq!(one_line(&"x".repeat(500)).chars().count(), 161);
    }

    #[test]
    fn codes_are_unique_and_described() {
        let names: std::collections::HashSet<_> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        assert!(Code::ALL.iter().all(|code| code.description().ends_with('.')));
    }
}
