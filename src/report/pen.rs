//! Colors of plain output, or none.

use super::{Severity, Verdict};

/// Writes words in color where that was asked for.
#[derive(Debug, Clone, Copy)]
pub struct Pen {
    pub color: bool,
}

impl Pen {
    /// Writes a severity's word.
    pub fn severity(self, severity: Severity) -> String {
        self.bold(color_of(severity), severity.name())
    }

    /// Writes a verdict's word, padded to `width`.
    pub fn verdict(self, verdict: Verdict, width: usize) -> String {
        let style = match verdict {
            Verdict::Pass => "32",
            Verdict::Warn => "33",
            Verdict::Fail => "31",
            Verdict::Unknown => "35",
        };
        self.bold(style, &format!("{:width$}", verdict.name()))
    }

    /// Writes a failure.
    pub fn alarm(self, text: &str) -> String {
        self.bold("31", text)
    }

    /// Writes that all is well.
    pub fn good(self, text: &str) -> String {
        self.bold("32", text)
    }

    /// Writes a doubt.
    pub fn doubt(self, text: &str) -> String {
        self.bold("33", text)
    }

    /// Writes a column's name, or less important text.
    pub fn dim(self, text: &str) -> String {
        self.styled("2", text)
    }

    fn bold(self, style: &str, text: &str) -> String {
        self.styled(&format!("1;{style}"), text)
    }

    fn styled(self, style: &str, text: &str) -> String {
        if self.color && !text.is_empty() { format!("\u{1b}[{style}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

fn color_of(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "31",
        Severity::Unknown => "35",
        Severity::Warning => "33",
        Severity::Info => "36",
    }
}
