//! The report for a person at a terminal: one folder in one screen, several as a table, or each in full.

use std::fmt::Write;

use super::group::{Group, by_weight};
use super::pen::Pen;
use super::{Confidence, FolderReport, Format, Look, Report, RunFacts, facts, place, screen, table};
use caddie_files::text::one_line;
use caddie_files::text::{columns, cut, cut_front, padded, printable, thousands, wrapped};

/// Most places that a finding shows; JSON has them all.
const PLACES: usize = 8;
/// Most findings of one group that are shown with their evidence.
const LIKE: usize = 12;
/// Columns that a cut text keeps on the narrowest terminal.
const NARROW: usize = 20;

/// Metadata of the format.
pub(super) const FORMAT: Format = Format {
    name: "plain",
    extension: "txt",
    about: "For a person at a terminal: one folder in one screen, several as a table.",
    write: render,
};

/// Writes one folder in one screen, and several as a table, unless the look asks for each in full.
fn render(report: &Report, look: Look) -> String {
    match report.folders.as_slice() {
        _ if look.quiet || look.details => in_full(report, look),
        // A folder that cannot be read is told on standard error.
        [folder] if report.failures.is_empty() => screen::render(report, folder, look),
        [] if report.failures.len() < 2 => in_full(report, look),
        _ => table::render(report, look),
    }
}

fn in_full(report: &Report, look: Look) -> String {
    let mut text = String::new();
    for (index, folder) in report.folders.iter().enumerate() {
        if index > 0 && !look.quiet {
            text.push('\n');
        }
        text += &screen::headline(folder, look);
        if !look.quiet {
            FolderPage { folder, look, pen: Pen { color: look.color } }.write(&mut text, report);
        }
    }
    if look.quiet {
        for failure in &report.failures {
            let word = Pen { color: look.color }.alarm("unread");
            let _ = writeln!(text, "{word}  {}  ({})", one_line(failure.path.as_str()), one_line(&failure.reason));
        }
    }
    if let Some(line) = facts::undecided(&report.catalog().1).filter(|_| look.details && !look.quiet) {
        text.push('\n');
        text.push_str(&wrapped("", &line, 2, look.width));
    }
    if !look.quiet && look.details && report.folders.len() + report.failures.len() > 1 {
        text.push('\n');
        text.push_str(&report.render_table(look));
    } else if let Some(folder) = report.folders.first().filter(|_| !look.quiet) {
        text.push('\n');
        text.push_str(&screen::closing(report, folder, look, false));
    }
    text
}

/// One folder and its look.
struct FolderPage<'a> {
    folder: &'a FolderReport,
    look: Look,
    pen: Pen,
}

impl FolderPage<'_> {
    fn write(&self, text: &mut String, report: &Report) {
        for (name, value) in screen::summary(report, self.folder) {
            let _ = writeln!(text, "  {name:6}  {}", self.fit(&value, 10));
        }
        self.runs(text);
        self.sizes(text);
        self.significance(text);
        for group in by_weight(&self.folder.findings) {
            text.push('\n');
            self.detail(text, &group);
        }
    }

    /// Cuts a text to the columns of the terminal that are left after `used`; in a pipe to a generous line.
    fn fit(&self, text: &str, used: usize) -> String {
        self.look.width.map_or_else(|| one_line(text), |width| cut(text, width.saturating_sub(used).max(NARROW)))
    }

    fn runs(&self, text: &mut String) {
        if self.folder.runs.is_empty() {
            return;
        }
        let names = ["seed", "val_bpb", "val_loss", "train s", "eval s", "steps", "bytes"].map(str::to_owned);
        let mut rows = vec![names];
        rows.extend(self.folder.runs.iter().map(numbers));
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
        let used: usize = widths.iter().map(|width| width + 2).sum::<usize>() + 2;
        let logs = self.folder.runs.iter().map(|run| printable(run.log.as_str()));
        let _ = writeln!(text);
        for (row, log) in rows.iter().zip(std::iter::once("log".to_owned()).chain(logs)) {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:>width$}")).collect();
            let log = match self.look.width {
                Some(width) => cut_front(&log, width.saturating_sub(used).max(NARROW / 2)),
                None => one_line(&log),
            };
            let _ = writeln!(text, "  {}  {log}", cells.join("  "));
        }
    }

    fn sizes(&self, text: &mut String) {
        if !facts::is_a_folder(self.folder) {
            return;
        }
        let rows = facts::accountings(&self.folder.size);
        let label = rows.iter().map(|row| columns(&row.label)).max().unwrap_or(0);
        let digits = rows.iter().map(|row| thousands(row.bytes).len()).max().unwrap_or(0);
        let _ = writeln!(text, "\n  bytes");
        for row in rows {
            let label = format!("{}{}", row.label, " ".repeat(label - columns(&row.label)));
            let number = format!("  {label}  {:>digits$}", thousands(row.bytes));
            if row.remark.is_empty() {
                let _ = writeln!(text, "{number}");
            } else {
                let indent = columns(&number) + 2;
                text.push_str(&wrapped(&format!("{number}  "), &row.remark, indent, self.look.width));
            }
        }
        let programs = &self.folder.size.programs;
        if !programs.is_empty() {
            let _ = writeln!(text, "  system programs: {}", programs.join(", "));
        }
    }

    fn significance(&self, text: &mut String) {
        if self.folder.significance.is_empty() {
            return;
        }
        let _ = writeln!(text, "\n  significance");
        for line in super::significance_table(self.folder).lines() {
            let fitted = self.look.width.map(|width| cut(line, width));
            let _ = writeln!(text, "{}", fitted.as_deref().unwrap_or(line));
        }
    }

    fn detail(&self, text: &mut String, group: &Group<'_>) {
        let Some(head) = group.head() else { return };
        let code = head.code.map_or_else(String::new, |code| format!(" {}", code.name()));
        let times = group.times();
        let rule = one_line(&head.rule);
        let sure = match head.confidence {
            Confidence::High => String::new(),
            confidence => format!(" ({} confidence)", confidence.name()),
        };
        let _ = writeln!(text, "{}[{rule}]{code}{times}{sure}", self.pen.severity(head.severity));
        for finding in group.findings.iter().take(LIKE) {
            text.push_str(&wrapped("  ", &printable(&finding.message), 2, self.look.width));
            for place in finding.evidence.iter().take(PLACES) {
                let first = format!("  --> {}: ", one_line(&place::short(place)));
                text.push_str(&wrapped("", &format!("{first}{}", one_line(&place.text)), 6, self.look.width));
            }
            let more = finding.evidence.len().saturating_sub(PLACES);
            if more > 0 {
                let _ = writeln!(text, "  --> {more} more places");
            }
        }
        let more = group.findings.len().saturating_sub(LIKE);
        if more > 0 {
            let _ = writeln!(text, "  {more} more like these; --format json lists all");
        }
        if let Some(clear) = &head.clear {
            text.push_str(&wrapped("  to clear it: ", &printable(clear), 4, self.look.width));
        }
        if !head.citations.is_empty() {
            let citations = printable(&head.citations.join("; "));
            text.push_str(&wrapped("  rule: ", &citations, 8, self.look.width));
        }
    }
}

/// The numbers of a run, as a row of the table.
fn numbers(run: &RunFacts) -> [String; 7] {
    [
        show(run.seed.map(|seed| seed.to_string())),
        show(run.val_bpb.map(|value| padded(value, run.decimals))),
        show(run.val_loss.map(|value| padded(value, run.decimals))),
        show(run.train_seconds.map(seconds)),
        show(run.eval_seconds.map(seconds)),
        show(run.steps.map(|steps| steps.to_string())),
        show(run.bytes_total.map(thousands)),
    ]
}

fn seconds(value: f64) -> String {
    format!("{value:.3}")
}

fn show(value: Option<String>) -> String {
    value.unwrap_or_else(|| "?".to_owned())
}
