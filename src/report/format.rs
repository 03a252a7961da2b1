//! The formats of reports. Each is one file with its metadata on top, and one entry of [`FORMATS`].

use super::{Look, Report, github, html, json, junit, markdown, plain, sarif};

/// A way of writing a report.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    /// The name that `--format` and `--report` take.
    pub name: &'static str,
    /// The usual ending of its file name, without the dot.
    pub extension: &'static str,
    /// The format's readers, in one sentence.
    pub about: &'static str,
    /// Writes a report that ends in a line feed; only formats for people have a look.
    pub write: fn(&Report, Look) -> String,
}

/// Every format, in the order of the help.
pub const FORMATS: &[&Format] =
    &[&plain::FORMAT, &json::FORMAT, &sarif::FORMAT, &junit::FORMAT, &github::FORMAT, &markdown::FORMAT, &html::FORMAT];

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

/// Compares formats by their names.
impl PartialEq for Format {
    fn eq(&self, other: &Format) -> bool {
        self.name == other.name
    }
}

impl Eq for Format {}
