//! Workflow commands that GitHub shows as annotations: the gravest findings, as many as GitHub shows, and the number of
//! those left out.

use std::fmt::Write;

use super::{Evidence, Finding, FolderReport, Format, Report, Severity, place};
use caddie_files::text::{cut, printable};

/// Annotations of one level that GitHub shows for a step; it drops further ones without a word.
const SHOWN: usize = 10;
/// Most further places that a message names.
const FURTHER: usize = 4;

/// Metadata of the format.
pub(super) const FORMAT: Format = Format {
    name: "github",
    extension: "txt",
    about: "Annotations of a GitHub workflow.",
    write: |report, _| render(report),
};

fn render(report: &Report) -> String {
    let mut text = String::new();
    let mut left_out = 0;
    for level in ["error", "warning", "notice"] {
        let findings =
            report.folders.iter().flat_map(|folder| folder.findings.iter().map(move |finding| (folder, finding)));
        let mut of_level: Vec<_> = findings.filter(|(_, finding)| level_of(finding.severity) == level).collect();
        of_level.sort_by_key(|(_, finding)| std::cmp::Reverse(finding.severity));
        // A folder that cannot be read comes first of all; the last line is a notice, so one notice less is shown.
        let unread = if level == "error" { report.failures.as_slice() } else { &[] };
        let shown = if level == "notice" { SHOWN - 1 } else { SHOWN };
        for failure in unread.iter().take(shown) {
            let file = property(&report.root.relative(&failure.path));
            let _ = writeln!(text, "::error file={file},title=caddie%3A unreadable::{}", data(&failure.reason));
        }
        let room = shown.saturating_sub(unread.len());
        for (folder, finding) in of_level.iter().take(room) {
            text.push_str(&annotation(report, folder, finding, level));
        }
        left_out += (unread.len() + of_level.len()).saturating_sub(shown);
    }
    if left_out > 0 {
        let noun = if left_out == 1 { "finding" } else { "findings" };
        let _ = writeln!(text, "::notice title=caddie::{left_out} more {noun}; the whole report has them");
    }
    text
}

fn level_of(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Unknown | Severity::Warning => "warning",
        Severity::Info => "notice",
    }
}

fn annotation(report: &Report, folder: &FolderReport, finding: &Finding, level: &str) -> String {
    let first = finding.evidence.first();
    let file = place::file_of(folder, first);
    let mut properties = format!("file={}", property(&report.root.relative(&folder.path.join(file))));
    if let Some(line) = first.and_then(|place| place.line) {
        let _ = write!(properties, ",line={line},endLine={line}");
    }
    let code = finding.code.map_or_else(String::new, |code| format!(" {}", code.name()));
    let title = property(&format!("caddie: {}{code}", finding.rule));
    let unknown = if finding.severity == Severity::Unknown { "not determined: " } else { "" };
    let mut message = format!("{unknown}{}", printable(&finding.message));
    for place in finding.evidence.iter().skip(1).take(FURTHER) {
        message += &further(place);
    }
    if let Some(clear) = &finding.clear {
        let _ = write!(message, "\nTo clear it: {}", cut(&printable(clear), 400));
    }
    format!("::{level} {properties},title={title}::{}\n", data_lines(&message))
}

fn further(evidence: &Evidence) -> String {
    format!("\n{}: {}", printable(&place::short(evidence)), cut(&printable(&evidence.text), 160))
}

/// Escapes a message of one line.
fn data(text: &str) -> String {
    data_lines(&printable(text))
}

/// Percent-encodes characters that would end a command's message; its own line breaks stay.
fn data_lines(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Percent-encodes characters that would end a property as well.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_a_command_early() {
        assert_eq!(property("a,b:c%d"), "a%2Cb%3Ac%25d");
        assert_eq!(data("x\n::error::y"), "x ::error::y");
        assert_eq!(data_lines("x\n::error::y"), "x%0A::error::y");
    }
}
