//! A comment for a pull request.

use std::fmt::Write;

use super::{Finding, FolderReport, Report, Severity, Verdict, one_line, printable, thousands};

pub(super) fn render(report: &Report) -> String {
    let mut text = String::new();
    for folder in &report.folders {
        folder_section(&mut text, folder);
    }
    let _ = writeln!(text, "<sub>caddie {} · rulebook {}</sub>", report.caddie, report.rulebook);
    text
}

fn folder_section(text: &mut String, folder: &FolderReport) {
    let verdict = match folder.verdict {
        Verdict::Pass => "pass",
        Verdict::Warn => "pass with warnings",
        Verdict::Fail => "fail",
        Verdict::Unknown => "not decided",
    };
    let _ = writeln!(text, "### `{}`: {verdict}\n", code(folder.path.as_str()));
    if !folder.runs.is_empty() {
        let _ = writeln!(text, "| seed | val_bpb | val_loss | train s | eval s | steps | bytes | log |");
        let _ = writeln!(text, "|---|---|---|---|---|---|---|---|");
        for run in &folder.runs {
            let bytes = run.bytes_total.map(thousands);
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} | {} | `{}` |",
                show(run.seed),
                show(run.val_bpb),
                show(run.val_loss),
                show(run.train_seconds),
                show(run.eval_seconds),
                show(run.steps),
                show(bytes),
                code(run.log.as_str())
            );
        }
        let _ = writeln!(text);
    }
    if let Some(mean) = folder.scores.val_bpb_mean {
        let std = folder.scores.val_bpb_std.map_or_else(String::new, |std| format!(" ± {std:.6} (sample std)"));
        let _ = writeln!(text, "Mean val_bpb **{mean:.8}**{std} over {} runs.", folder.scores.runs);
    }
    if let Some(headroom) = folder.size.headroom {
        let _ = writeln!(text, "Headroom {} bytes under {}.", thousands(headroom), thousands(folder.size.limit));
    }
    let _ = writeln!(text);
    for finding in &folder.findings {
        finding_item(text, finding);
    }
    let _ = writeln!(text);
}

fn finding_item(text: &mut String, finding: &Finding) {
    let severity = match finding.severity {
        Severity::Error => "**error**",
        Severity::Unknown => "**unknown**",
        Severity::Warning => "warning",
        Severity::Info => "info",
    };
    let _ = writeln!(text, "- {severity} `{}`: {}", finding.rule, prose(&finding.message));
    for place in &finding.evidence {
        let line = place.line.map_or_else(String::new, |line| format!(":{line}"));
        let _ = writeln!(text, "  - `{}{line}`: `{}`", code(place.file.as_str()), code(&place.text));
    }
}

fn show<T: std::fmt::Display>(value: Option<T>) -> String {
    value.map_or_else(|| "unknown".to_owned(), |value| value.to_string())
}

/// For inside backticks, and inside a table cell.
fn code(text: &str) -> String {
    one_line(text).replace('`', "'").replace('|', "\\|")
}

/// A message names files and texts of strangers: no mentions, links or HTML come out of it.
fn prose(text: &str) -> String {
    printable(text).replace('<', "&lt;").replace('@', "@\u{200b}").replace('[', "\\[")
}
