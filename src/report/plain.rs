//! For a person at a terminal: verdict, headroom and the worst findings in the first lines, the evidence below.

use std::fmt::Write;

use super::{Finding, FolderReport, Look, Report, Severity, Verdict, one_line, printable, thousands};

/// Findings that are shown in short before the runs.
const WORST: usize = 3;

pub(super) fn render(report: &Report, look: Look) -> String {
    let mut text = String::new();
    for (index, folder) in report.folders.iter().enumerate() {
        if index > 0 && !look.quiet {
            text.push('\n');
        }
        let pen = Pen { colour: look.colour };
        headline(&mut text, folder, pen);
        if !look.quiet {
            summary(&mut text, folder, pen);
            runs(&mut text, folder);
            text.push_str(&super::significance_table(folder));
            details(&mut text, folder, pen);
        }
    }
    text
}

fn headline(text: &mut String, folder: &FolderReport, pen: Pen) {
    let (word, style) = match folder.verdict {
        Verdict::Pass => ("pass", "32"),
        Verdict::Warn => ("warn", "33"),
        Verdict::Fail => ("fail", "31"),
        Verdict::Unknown => ("unknown", "35"),
    };
    let count = |severity| folder.findings.iter().filter(|finding| finding.severity == severity).count();
    let counts: Vec<String> = [
        (count(Severity::Error), "error"),
        (count(Severity::Unknown), "unknown"),
        (count(Severity::Warning), "warning"),
        (count(Severity::Info), "info"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, name)| format!("{count} {name}"))
    .collect();
    let counts = if counts.is_empty() { "no findings".to_owned() } else { counts.join(", ") };
    let _ = writeln!(text, "{}  {}  ({counts})", pen.bold(style, word), one_line(folder.path.as_str()));
}

fn summary(text: &mut String, folder: &FolderReport, pen: Pen) {
    let score = match folder.scores.val_bpb_mean {
        Some(mean) => {
            let std = folder.scores.val_bpb_std.map_or_else(String::new, |std| format!(" ± {std:.6}"));
            let plural = if folder.scores.runs == 1 { "" } else { "s" };
            format!("val_bpb {mean:.8}{std} over {} run{plural}", folder.scores.runs)
        }
        None => "unknown".to_owned(),
    };
    let counted = folder.size.logged_max.or(folder.size.shipped_max);
    let size = match (counted, folder.size.headroom) {
        (Some(counted), Some(headroom)) => format!(
            "{} of {} bytes, headroom {}",
            thousands(counted),
            thousands(folder.size.limit),
            thousands(headroom)
        ),
        _ => format!("unknown, limit {} bytes", thousands(folder.size.limit)),
    };
    let _ = writeln!(text, "  score  {score}");
    let _ = writeln!(text, "  size   {size}");
    let _ = writeln!(text, "  track  {}", folder.track.as_deref().unwrap_or("not stated; checked as a record"));
    for finding in folder.findings.iter().filter(|finding| finding.severity > Severity::Info).take(WORST) {
        let _ = writeln!(text, "  {} {}", pen.severity(finding.severity), one_line(&finding.message));
    }
}

fn runs(text: &mut String, folder: &FolderReport) {
    if folder.runs.is_empty() {
        return;
    }
    let mut rows =
        vec![["seed", "val_bpb", "val_loss", "train s", "eval s", "steps", "bytes", "log"].map(str::to_owned)];
    for run in &folder.runs {
        rows.push([
            show(run.seed),
            show(run.val_bpb),
            show(run.val_loss),
            show(run.train_seconds.map(seconds)),
            show(run.eval_seconds.map(seconds)),
            show(run.steps),
            show(run.bytes_total.map(thousands)),
            one_line(run.log.as_str()),
        ]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..8).map(width).collect();
    let _ = writeln!(text);
    for row in &rows {
        let (log, numbers) = (&row[7], &row[..7]);
        let cells: Vec<String> = numbers.iter().zip(&widths).map(|(cell, width)| format!("{cell:>width$}")).collect();
        let _ = writeln!(text, "  {}  {log}", cells.join("  "));
    }
}

fn details(text: &mut String, folder: &FolderReport, pen: Pen) {
    for finding in &folder.findings {
        let _ = writeln!(text);
        detail(text, finding, pen);
    }
}

fn detail(text: &mut String, finding: &Finding, pen: Pen) {
    let code = finding.code.map_or_else(String::new, |code| format!(" {}", code.name()));
    let _ = writeln!(text, "{}[{}]{code}", pen.severity(finding.severity), finding.rule);
    let _ = writeln!(text, "  {}", printable(&finding.message));
    for place in &finding.evidence {
        let line = place.line.map_or_else(String::new, |line| format!(":{line}"));
        let _ = writeln!(text, "  --> {}{line}: {}", one_line(place.file.as_str()), one_line(&place.text));
    }
    if !finding.citations.is_empty() {
        let _ = writeln!(text, "  rule: {}", finding.citations.join("; "));
    }
}

fn seconds(value: f64) -> String {
    format!("{value:.3}")
}

fn show<T: std::fmt::Display>(value: Option<T>) -> String {
    value.map_or_else(|| "?".to_owned(), |value| value.to_string())
}

/// Colours, or none.
#[derive(Clone, Copy)]
struct Pen {
    colour: bool,
}

impl Pen {
    fn bold(self, style: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[1;{style}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn severity(self, severity: Severity) -> String {
        match severity {
            Severity::Error => self.bold("31", "error"),
            Severity::Unknown => self.bold("35", "unknown"),
            Severity::Warning => self.bold("33", "warning"),
            Severity::Info => self.bold("36", "info"),
        }
    }
}
