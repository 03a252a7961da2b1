//! The formats of reports: each is a file with its metadata on top, and a line of [`FORMATS`].

use super::{Look, Report, github, json, junit, markdown, plain, sarif};

/// A way of writing a report.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    /// As `--format` and `--report` name it.
    pub name: &'static str,
    /// What the name of its file usually ends with, without the dot.
    pub extension: &'static str,
    /// Whom it is for, in one sentence.
    pub about: &'static str,
    /// Writes a report, ending in a line feed; only what a person reads has a look.
    pub write: fn(&Report, Look) -> String,
}

/// Every format, in the order of the help.
pub const FORMATS: &[&Format] =
    &[&plain::FORMAT, &json::FORMAT, &sarif::FORMAT, &junit::FORMAT, &github::FORMAT, &markdown::FORMAT];

impl Format {
    /// The format of that name.
    pub fn named(name: &str) -> Option<&'static Format> {
        FORMATS.iter().copied().find(|format| format.name == name)
    }

    /// The names of all formats.
    pub fn names() -> impl Iterator<Item = &'static str> {
        FORMATS.iter().map(|format| format.name)
    }
}

/// Formats are told apart by their names.
impl PartialEq for Format {
    fn eq(&self, other: &Format) -> bool {
        self.name == other.name
    }
}

impl Eq for Format {}
