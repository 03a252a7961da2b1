//! The report on many folders: one or two rows for each, then the number of findings of each kind.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::group::by_weight;
use super::pen::Pen;
use super::{FolderReport, Look, Report, Severity, Verdict, facts};
use caddie_files::text::one_line;
use caddie_files::text::{columns, counted, cut, printable, thousands};

/// Columns before the folder's name on a terminal.
const NAMES: [&str; 6] = ["verdict", "val_bpb ± std", "runs", "bytes", "headroom", "err/unk/warn"];
/// Columns that a cut text keeps on the narrowest terminal.
const NARROW: usize = 20;
/// The text that stands in place of a verdict for a row that was not read.
const UNREAD: &str = "unread";

pub(super) fn render(report: &Report, look: Look) -> String {
    let pen = Pen { color: look.color };
    let mut text = match look.width {
        Some(width) => for_terminal(report, pen, width),
        None => for_pipe(report),
    };
    totals(&mut text, report, pen, look.width);
    text
}

/// Writes rows under a heading for each parent folder, each with its worst finding below.
fn for_terminal(report: &Report, pen: Pen, width: usize) -> String {
    let rows: Vec<[String; 6]> = report.folders.iter().map(row).collect();
    let column = |index: usize| {
        let cells = rows.iter().map(|row| columns(&row[index]));
        cells.chain([columns(NAMES[index])]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..NAMES.len()).map(column).collect();
    let used = widths.iter().map(|width| width + 2).sum::<usize>();
    let room = width.saturating_sub(used);
    let name = |folder: &FolderReport| printable(folder.path.file_name().unwrap_or(facts::name(folder)));
    // One layout for all rows: names in the row where all of them fit, else in lines of their own.
    let beside = report.folders.iter().all(|folder| columns(&name(folder)) <= room);
    let indent = widths.first().map_or(0, |width| width + 2);
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{}",
        pen.dim(line(&NAMES.map(str::to_owned), &widths, if beside { "folder" } else { "" }).trim_end())
    );
    let mut parent = None;
    for (folder, row) in report.folders.iter().zip(&rows) {
        let here = folder.path.parent().map(|parent| printable(parent.as_str())).unwrap_or_default();
        if parent.as_ref() != Some(&here) {
            if !here.is_empty() {
                let _ = writeln!(text, "{}", pen.dim(&here));
            }
            parent = Some(here);
        }
        let plain = line(row, &widths, if beside { name(folder) } else { String::new() }.as_str());
        // The verdict is the first cell, so that its color shifts no column.
        let rest: String = plain.chars().skip(folder.verdict.name().len()).collect();
        let _ = writeln!(text, "{}{}", pen.verdict(folder.verdict, 0), rest.trim_end());
        if !beside {
            let _ = writeln!(text, "{:indent$}{}", "", name(folder));
        }
        if let Some(worst) = worst(folder) {
            let worst = cut(&worst, width.saturating_sub(indent).max(NARROW));
            let _ = writeln!(text, "{:indent$}{}", "", pen.dim(&worst));
        }
    }
    for failure in &report.failures {
        let _ = writeln!(
            text,
            "{}  {}",
            pen.alarm(&format!("{UNREAD:width$}", width = indent.saturating_sub(2))),
            printable(failure.path.as_str())
        );
        let reason = cut(&printable(&failure.reason), width.saturating_sub(indent).max(NARROW));
        let _ = writeln!(text, "{:indent$}{reason}", "");
    }
    text
}

/// Writes one line per folder in columns, where only the finding is cut: for `grep`, `sort` and files.
fn for_pipe(report: &Report) -> String {
    let mut rows: Vec<Vec<String>> = vec![
        ["folder", "track", "verdict", "val_bpb", "std", "runs", "bytes", "headroom", "errors", "unknown", "warnings"]
            .iter()
            .chain(&["worst finding"])
            .map(|name| (*name).to_owned())
            .collect(),
    ];
    for folder in &report.folders {
        let count = |severity| folder.count(severity).to_string();
        rows.push(vec![
            cell(facts::name(folder)),
            cell(folder.track.as_deref().unwrap_or("?")),
            folder.verdict.name().to_owned(),
            folder.scores.val_bpb_mean.map_or_else(unknown, |mean| format!("{mean:.8}")),
            folder.scores.val_bpb_std.map_or_else(unknown, |std| format!("{std:.6}")),
            folder.scores.runs.to_string(),
            facts::counted_bytes(&folder.size).map_or_else(unknown, thousands),
            folder.size.headroom.map_or_else(unknown, thousands),
            count(Severity::Error),
            count(Severity::Unknown),
            count(Severity::Warning),
            worst(folder).unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    for failure in &report.failures {
        let mut row = vec!["?".to_owned(); 12];
        row[0] = cell(failure.path.as_str());
        row[2] = UNREAD.to_owned();
        row[11] = one_line(&failure.reason);
        rows.push(row);
    }
    let widths: Vec<usize> =
        (0..11).map(|index| rows.iter().map(|row| columns(&row[index])).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for row in &rows {
        for (index, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let pad = " ".repeat(width.saturating_sub(columns(cell)));
            text.push_str(&if index < 3 { format!("{cell}{pad}  ") } else { format!("{pad}{cell}  ") });
        }
        text.push_str(&row[11]);
        text.push('\n');
    }
    text
}

/// Writes a path or a name as one cell that keeps the spaces of folder names.
fn cell(text: &str) -> String {
    printable(text)
}

fn unknown() -> String {
    "?".to_owned()
}

fn row(folder: &FolderReport) -> [String; 6] {
    let score = match (folder.scores.val_bpb_mean, folder.scores.val_bpb_std) {
        (Some(mean), Some(std)) => format!("{mean:.5} ± {std:.5}"),
        (Some(mean), None) => format!("{mean:.5}          "),
        (None, _) => unknown(),
    };
    let counts = [Severity::Error, Severity::Unknown, Severity::Warning].map(|severity| folder.count(severity));
    [
        folder.verdict.name().to_owned(),
        score,
        folder.scores.runs.to_string(),
        facts::counted_bytes(&folder.size).map_or_else(unknown, thousands),
        folder.size.headroom.map_or_else(unknown, thousands),
        counts.map(|count| count.to_string()).join("/"),
    ]
}

/// Writes a line with the verdict to the left and numbers to the right.
fn line(cells: &[String; 6], widths: &[usize], name: &str) -> String {
    let mut line = String::new();
    for (index, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let pad = " ".repeat(width.saturating_sub(columns(cell)));
        line.push_str(&if index == 0 { format!("{cell}{pad}  ") } else { format!("{pad}{cell}  ") });
    }
    line + name
}

/// Returns the gravest and surest finding above information, with its rule.
fn worst(folder: &FolderReport) -> Option<String> {
    let group = by_weight(&folder.findings).into_iter().next()?;
    let head = group.head().filter(|finding| finding.severity > Severity::Info)?;
    Some(one_line(&format!("{} {}{}: {}", head.severity.name(), head.name(), group.times(), group.message())))
}

/// Writes how often each kind of finding occurs, gravest and most frequent first, and the verdicts of the folders.
fn totals(text: &mut String, report: &Report, pen: Pen, width: Option<usize>) {
    let mut kinds: BTreeMap<(Severity, &str, &str), (usize, usize)> = BTreeMap::new();
    for folder in &report.folders {
        let mut seen = std::collections::BTreeSet::new();
        for finding in &folder.findings {
            let key = (finding.severity, finding.name(), finding.rule.as_str());
            let entry = kinds.entry(key).or_default();
            entry.0 += 1;
            entry.1 += usize::from(seen.insert(key));
        }
    }
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    kinds.sort_by_key(|((severity, _, _), (count, _))| std::cmp::Reverse((*severity, *count)));
    if !kinds.is_empty() {
        let digits = |count: usize| count.to_string().len();
        let finds = kinds.iter().map(|(_, (finds, _))| digits(*finds)).max().unwrap_or(0).max(8);
        let _ =
            writeln!(text, "\n{}", pen.dim(&format!("{:>finds$}  {:>7}  severity  finding", "findings", "folders")));
        for ((severity, kind, rule), (count, folders)) in kinds {
            let pad = " ".repeat(8_usize.saturating_sub(severity.name().len()));
            let rule = if kind == rule { String::new() } else { format!(" ({})", one_line(rule)) };
            let name = format!("{}{rule}", one_line(kind));
            let used = finds + 21;
            let name = width.map_or_else(|| name.clone(), |width| cut(&name, width.saturating_sub(used).max(NARROW)));
            let _ = writeln!(text, "{count:>finds$}  {folders:>7}  {}{pad}  {name}", pen.severity(severity));
        }
    }
    let of = |verdict| report.folders.iter().filter(|folder| folder.verdict == verdict).count();
    let mut counts: Vec<String> = [Verdict::Pass, Verdict::Warn, Verdict::Unknown, Verdict::Fail]
        .into_iter()
        .map(|verdict| (of(verdict), verdict.name()))
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| format!("{count} {name}"))
        .collect();
    if !report.failures.is_empty() {
        counts.push(format!("{} {UNREAD}", report.failures.len()));
    }
    let folders = counted(report.folders.len() + report.failures.len(), "folder");
    let hint = if width.is_some() { "; --details shows every finding" } else { "" };
    let _ = writeln!(text, "\n{folders}: {}{hint}", counts.join(", "));
}
