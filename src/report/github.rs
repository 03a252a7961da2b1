//! Workflow commands that GitHub shows as annotations.

use std::fmt::Write;

use super::{Report, Severity, printable};

pub(super) fn render(report: &Report) -> String {
    let mut text = String::new();
    for folder in &report.folders {
        for finding in &folder.findings {
            let level = match finding.severity {
                Severity::Error => "error",
                Severity::Unknown | Severity::Warning => "warning",
                Severity::Info => "notice",
            };
            let mut properties = String::new();
            match finding.evidence.first() {
                Some(place) => {
                    let _ = write!(properties, "file={},", property(folder.path.join(&place.file).as_str()));
                    if let Some(line) = place.line {
                        let _ = write!(properties, "line={line},");
                    }
                }
                None => {
                    let _ = write!(properties, "file={},", property(folder.path.as_str()));
                }
            }
            let title = property(&format!("caddie: {}", finding.rule));
            let _ = writeln!(text, "::{level} {properties}title={title}::{}", data(&printable(&finding.message)));
        }
    }
    text
}

/// Percent-encodes what would end a command's message.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Percent-encodes what would end a property as well.
fn property(text: &str) -> String {
    data(&printable(text)).replace(':', "%3A").replace(',', "%2C")
}
