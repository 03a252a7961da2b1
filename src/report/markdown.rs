//! A comment for a pull request: verdict, scores and size first, findings gravest first, their evidence folded away.
//!
//! Every text may come from a stranger, so nothing in it mentions a person, links to a thread or a page, or is HTML.

use std::fmt::Write;

use super::group::{Group, groups};
use super::{Finding, FolderReport, Format, Report, Severity, UnreadFolder, Verdict, facts, place};
use caddie_files::text::{cut, padded, printable, thousands};

/// GitHub refuses comments of more than 65,536 characters; bytes are never fewer than characters.
const MAX_BYTES: usize = 60_000;
/// Folders in the table of several.
const ROWS: usize = 100;
/// Runs in a table.
const RUNS: usize = 50;
/// Most findings of one group, and places of one finding, that are shown.
const LIKE: usize = 10;

/// Metadata of the format.
pub(super) const FORMAT: Format = Format {
    name: "markdown",
    extension: "md",
    about: "A comment for a pull request.",
    write: |report, _| render(report),
};

fn render(report: &Report) -> String {
    let foot = format!("<sub>caddie {} · rulebook {}</sub>\n", report.caddie, prose(&report.rulebook));
    let mut page = Comment { text: String::new(), room: MAX_BYTES - foot.len() - 200, left_out: 0 };
    if report.folders.len() + report.failures.len() > 1 {
        overview(&mut page, report);
    }
    for folder in &report.folders {
        section(&mut page, folder);
    }
    for failure in &report.failures {
        page.push(&unread(failure));
    }
    if page.left_out > 0 {
        let _ = writeln!(
            page.text,
            "\n*Cut to fit a comment: {} parts are left out; `--format json` has all.*\n",
            page.left_out
        );
    }
    page.text + &foot
}

/// A comment under construction: parts are added whole or not at all, so that every tag is closed.
struct Comment {
    text: String,
    room: usize,
    left_out: usize,
}

impl Comment {
    /// Appends the part if there is room, and tells whether there was.
    fn push(&mut self, part: &str) -> bool {
        let fits = self.text.len() + part.len() <= self.room;
        if fits {
            self.text.push_str(part);
        } else {
            self.left_out += 1;
        }
        fits
    }
}

fn overview(page: &mut Comment, report: &Report) {
    let of = |verdict| report.folders.iter().filter(|folder| folder.verdict == verdict).count();
    let counts: Vec<String> = [Verdict::Fail, Verdict::Unknown, Verdict::Warn, Verdict::Pass]
        .into_iter()
        .filter(|verdict| of(*verdict) > 0)
        .map(|verdict| format!("{} {}", of(verdict), verdict_text(verdict)))
        .chain((!report.failures.is_empty()).then(|| format!("{} unread", report.failures.len())))
        .collect();
    let folders = report.folders.len() + report.failures.len();
    page.push(&format!("## {folders} folders: {}\n\n", counts.join(", ")));
    page.push("| folder | verdict | val_bpb | headroom | findings |\n|---|---|--:|--:|---|\n");
    for folder in report.folders.iter().take(ROWS) {
        let cells = [
            cell_code(facts::name(folder)),
            verdict_text(folder.verdict).to_owned(),
            folder.scores.val_bpb_mean.map_or_else(unknown, |mean| format!("{mean:.5}")),
            folder.size.headroom.map_or_else(unknown, thousands),
            facts::tally(folder),
        ];
        page.push(&format!("| {} |\n", cells.join(" | ")));
    }
    page.push("\n");
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn section(page: &mut Comment, folder: &FolderReport) {
    let verdict = verdict_text(folder.verdict);
    page.push(&format!("### {}: {verdict} ({})\n\n", code(facts::name(folder)), facts::tally(folder)));
    if facts::is_a_folder(folder) {
        page.push(&scores(folder));
    }
    let groups = groups(&folder.findings);
    for group in &groups {
        page.push(&item(group));
    }
    page.push("\n");
    if facts::is_a_folder(folder) {
        page.push(&runs(folder));
    }
    if groups.iter().any(has_details) && page.push("<details><summary>evidence and citations</summary>\n\n") {
        for group in &groups {
            page.push(&details(group));
        }
        page.text.push_str("</details>\n\n");
    }
}

fn verdict_text(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Warn => "pass with warnings",
        Verdict::Fail => "fail",
        Verdict::Unknown => "not decided",
    }
}

/// Score, size, track and significance as one small table.
fn scores(folder: &FolderReport) -> String {
    let mut rows = vec![
        ("val_bpb", facts::score(folder).unwrap_or_else(|| "unknown".to_owned())),
        ("size", facts::size(&folder.size)),
        ("track", facts::track(folder)),
        ("audit", facts::audit(folder)),
    ];
    rows.extend(facts::probed(folder).map(|probed| ("probed", probed)));
    // The tests by which the policies are decided; the other readings are in the plain report and in JSON.
    let deciding = folder.significance.iter().filter(|test| test.decides);
    rows.extend(deciding.map(|test| ("significance", facts::significance(test))));
    let mut text = String::from("| | |\n|---|---|\n");
    for (name, value) in rows {
        let _ = writeln!(text, "| {name} | {} |", prose(&value));
    }
    text + "\n"
}

/// The runs and the accountings of the size, folded.
fn runs(folder: &FolderReport) -> String {
    let mut text = String::from("<details><summary>runs and sizes</summary>\n\n");
    if !folder.runs.is_empty() {
        text += "| seed | val_bpb | val_loss | train s | eval s | steps | bytes | log |\n";
        text += "|--:|--:|--:|--:|--:|--:|--:|---|\n";
    }
    for run in folder.runs.iter().take(RUNS) {
        let cells = [
            show(run.seed),
            show(run.val_bpb.map(|value| padded(value, run.decimals))),
            show(run.val_loss.map(|value| padded(value, run.decimals))),
            show(run.train_seconds),
            show(run.eval_seconds),
            show(run.steps),
            show(run.bytes_total.map(thousands)),
            cell_code(run.log.as_str()),
        ];
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    if folder.runs.len() > RUNS {
        let _ = writeln!(text, "\n{} more runs.", folder.runs.len() - RUNS);
    }
    text += "\n| bytes | | |\n|---|--:|---|\n";
    for row in facts::accountings(&folder.size) {
        let _ = writeln!(text, "| {} | {} | {} |", prose(&row.label), thousands(row.bytes), prose(&row.remark));
    }
    if !folder.size.programs.is_empty() {
        let _ = writeln!(text, "\nSystem programs that the scripts call: {}.", folder.size.programs.join(", "));
    }
    text + "\n</details>\n\n"
}

fn item(group: &Group<'_>) -> String {
    let Some(head) = group.head() else { return String::new() };
    let message = prose(&cut(group.message(), 400));
    format!("- {} {}{}: {message}\n", severity(head.severity), name(head), group.times())
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "**error**",
        Severity::Unknown => "**unknown**",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}

fn name(finding: &Finding) -> String {
    let code_name = finding.code.map_or_else(String::new, |code| format!(" {}", code.name()));
    code(&format!("{}{code_name}", finding.rule))
}

fn has_details(group: &Group<'_>) -> bool {
    group.findings.len() > 1
        || group.head().is_some_and(|finding| !finding.evidence.is_empty() || !finding.citations.is_empty())
}

/// The evidence and citations of a group, folded.
fn details(group: &Group<'_>) -> String {
    let Some(head) = group.head().filter(|_| has_details(group)) else { return String::new() };
    let times = group.times();
    let mut text = format!("{} {}{times}\n\n", severity(head.severity), name(head));
    for finding in group.findings.iter().take(LIKE) {
        let _ = writeln!(text, "- {}", prose(&cut(&finding.message, 400)));
        for place in finding.evidence.iter().take(LIKE) {
            let _ = writeln!(text, "  - {}: {}", code(&place::short(place)), code(&cut(&place.text, 160)));
        }
    }
    let more = group.findings.len().saturating_sub(LIKE);
    if more > 0 {
        let _ = writeln!(text, "- {more} more like these");
    }
    if let Some(clear) = &head.clear {
        let _ = writeln!(text, "\nTo clear it: {}", prose(clear));
    }
    if !head.citations.is_empty() {
        let _ = writeln!(text, "\nRule: {}", prose(&head.citations.join("; ")));
    }
    text + "\n"
}

fn unread(failure: &UnreadFolder) -> String {
    format!("### {}: unread\n\n{}\n\n", code(failure.path.as_str()), prose(&failure.reason))
}

fn show<T: std::fmt::Display>(value: Option<T>) -> String {
    value.map_or_else(unknown, |value| value.to_string())
}

/// A code span around any text: its fence is longer than every run of backticks inside.
fn code(text: &str) -> String {
    let text = printable(text.trim());
    if text.is_empty() {
        return "(empty)".to_owned();
    }
    let mut longest = 0;
    let mut run = 0;
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(longest + 1);
    if longest == 0 { format!("{fence}{text}{fence}") } else { format!("{fence} {text} {fence}") }
}

/// A code span inside a table cell, where a bar ends the cell even between backticks.
fn cell_code(text: &str) -> String {
    code(&text.replace('|', "¦"))
}

/// Escapes a stranger's text so that no markup, HTML, mention or link to a thread or page comes out of it.
fn prose(text: &str) -> String {
    let text = printable(text);
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '$' => safe.push_str("&#36;"),
            '\\' | '`' | '*' | '_' | '~' | '[' | ']' | '|' => {
                safe.push('\\');
                safe.push(c);
            }
            // GitHub looks for these in the rendered text: only something between keeps them apart.
            '@' | '#' => {
                safe.push(c);
                safe.push_str("&#8203;");
            }
            '/' if safe.ends_with(":/") => safe.push_str("&#8203;/"),
            '.' if safe.to_ascii_lowercase().ends_with("www") => safe.push_str("&#8203;."),
            '-' if safe.to_ascii_lowercase().ends_with("gh") => safe.push_str("&#8203;-"),
            _ => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_stranger_mentions_nobody_and_links_nowhere() {
        let hostile = "@openai see #1 GH-2 owner/repo#3 https://evil.example www.evil.example <img src=x> [a](b) ![c](d) `e` **f** $g$ | h";
        let safe = prose(hostile);
        assert_eq!(
            safe,
            "@&#8203;openai see #&#8203;1 GH&#8203;-2 owner/repo#&#8203;3 https:/&#8203;/evil.example \
             www&#8203;.evil.example &lt;img src=x&gt; \\[a\\](b) !\\[c\\](d) \\`e\\` \\*\\*f\\*\\* &#36;g&#36; \\| h"
        );
    }

    #[test]
    fn a_code_span_cannot_be_left() {
        assert_eq!(code("a"), "`a`");
        assert_eq!(code("a`b``c"), "``` a`b``c ```");
        assert_eq!(code(" \n "), "(empty)");
        assert_eq!(cell_code("a|b"), "`a¦b`");
    }

    proptest! {
        #[test]
        fn prose_holds_no_markup(text in any::<String>()) {
            let safe = prose(&text);
            let is_tag = |(at, c): (usize, char)| c == '<' && !safe[..at].ends_with('\\');
            prop_assert!(!safe.char_indices().any(is_tag));
            let marks = safe.match_indices(['@', '#']).all(|(at, c)| safe[at + c.len()..].starts_with("&#8203;") || safe[..at].ends_with('&'));
            prop_assert!(marks, "{safe}");
        }
    }
}
