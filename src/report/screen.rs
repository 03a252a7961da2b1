//! The report on one folder in one screen: verdict, record, score, size and the gravest findings, then what to do next.
//! `--details` shows everything else.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::group::{Group, by_weight};
use super::pen::Pen;
use super::record::record;
use super::{Confidence, Finding, FolderReport, Look, Report, Severity, facts, place};
use caddie_files::text::{columns, cut, cut_front, one_line, printable, wrapped};

/// Lines of the smallest usual terminal, less one for the prompt that follows.
const LINES: usize = 23;
/// Most lines of one finding, and of the record.
const LINES_EACH: usize = 2;
/// Columns that a cut text keeps on the narrowest terminal.
const NARROW: usize = 20;
/// Columns of the severity before a finding.
const LEVEL: usize = 9;

/// Writes the page; it has at most [`LINES`] lines, unless the terminal is so narrow that its fixed part has more.
pub(super) fn render(report: &Report, folder: &FolderReport, look: Look) -> String {
    let screen = Screen { folder, look, pen: Pen { color: look.color } };
    let head = screen.head(report);
    let foot = closing(report, folder, look, true);
    let used = head.lines().count() + foot.lines().count() + 2;
    let found = screen.findings(LINES.saturating_sub(used).max(2));
    let gap = if found.is_empty() { "" } else { "\n" };
    format!("{head}{gap}{found}\n{foot}")
}

/// Writes the last three lines: the verdict, the counts and the next command. `short` says where the rest is shown.
pub(super) fn closing(report: &Report, folder: &FolderReport, look: Look, short: bool) -> String {
    let pen = Pen { color: look.color };
    let hint = if short { "; --details shows lines, runs, bytes and tests" } else { "" };
    let left_out =
        if report.left_out > 0 { format!("; {} left out by filters", report.left_out) } else { String::new() };
    let counts = format!("{}{left_out}{hint}", facts::tally(folder));
    let counts = look.width.map_or(counts.clone(), |width| cut(&counts, width.max(NARROW)));
    let next = report.next.as_ref().map_or_else(String::new, |next| {
        // A command is not cut: it is there to be copied.
        format!("next: {}\n", printable(next))
    });
    format!("{}\n{counts}\n{next}", pen.verdict(folder.verdict, 0))
}

/// Writes the verdict and the subject.
pub(super) fn headline(folder: &FolderReport, look: Look) -> String {
    let path = one_line(facts::name(folder));
    let (verdict, tally) = (folder.verdict, facts::tally(folder));
    let used = verdict.name().len() + columns(&path) + columns(&tally) + 6;
    // Folders are told apart by the ends of their paths.
    let room = |width: usize| width.saturating_sub(verdict.name().len() + 2).max(NARROW);
    let path = look.width.map_or(path.clone(), |width| cut_front(&path, room(width)));
    // A long path leaves the tally a line of its own rather than broken in the middle.
    let between = if look.width.is_some_and(|width| used > width) { "\n  " } else { "  " };
    format!("{}  {path}{between}({tally})\n", Pen { color: look.color }.verdict(verdict, 0))
}

/// Returns the labelled lines about a records folder; a pull request as a whole has none.
pub(super) fn summary(report: &Report, folder: &FolderReport) -> Vec<(&'static str, String)> {
    if !facts::is_a_folder(folder) {
        return Vec::new();
    }
    let score = match (facts::score(folder), facts::metric(folder)) {
        (Some(score), Some(metric)) => format!("val_bpb {score} of {}", one_line(metric)),
        (Some(score), None) => format!("val_bpb {score}"),
        (None, _) => "unknown".to_owned(),
    };
    let record = record(folder, &report.policies()).map(|record| ("record", record));
    let rows = [
        ("score", score),
        ("size", facts::size(&folder.size)),
        ("track", facts::track(folder)),
        ("audit", facts::audit(folder)),
    ];
    let probed = facts::probed(folder).map(|probed| ("probed", probed));
    let unread = facts::unread(folder).map(|files| ("unread", files));
    record.into_iter().chain(rows).chain(probed).chain(unread).collect()
}

struct Screen<'a> {
    folder: &'a FolderReport,
    look: Look,
    pen: Pen,
}

impl Screen<'_> {
    fn head(&self, report: &Report) -> String {
        let mut text = headline(self.folder, self.look);
        for (name, value) in summary(report, self.folder) {
            // The record is a sentence whose end counts; the other lines begin with what matters.
            let most = if name == "record" { LINES_EACH } else { 1 };
            text += &self.fitted(&format!("  {name:6}  "), &value, most);
        }
        text
    }

    /// Writes as many findings as fit into `lines`, gravest first.
    fn findings(&self, lines: usize) -> String {
        let groups = worst(by_weight(&self.folder.findings));
        let mut blocks: Vec<(usize, String)> = Vec::new();
        let total: usize = self.folder.findings.len();
        for group in &groups {
            let Some(head) = group.head() else { continue };
            blocks.push((group.findings.len(), self.finding(group, head)));
        }
        let (mut text, mut used, mut shown) = (String::new(), 0, 0);
        let all: usize = blocks.iter().map(|(_, block)| block.lines().count()).sum();
        // One line is kept for what is left out.
        let room = if all <= lines && blocks.iter().map(|(count, _)| count).sum::<usize>() == total {
            lines
        } else {
            lines - 1
        };
        for (count, block) in blocks {
            let needs = block.lines().count();
            if used + needs > room {
                break;
            }
            (used, shown) = (used + needs, shown + count);
            text += &block;
        }
        if shown < total {
            text += &format!("  {} more\n", total - shown);
        }
        text
    }

    fn finding(&self, group: &Group<'_>, head: &Finding) -> String {
        let sure = match head.confidence {
            Confidence::High => String::new(),
            confidence => format!(" ({} confidence)", confidence.name()),
        };
        let name = printable(head.name());
        let message = format!("{}{}{sure} [{name}]", placed(head), group.times());
        let level = format!("  {:1$}", head.severity.name(), LEVEL - 2);
        let block = self.fitted(&format!("{level}  "), &message, LINES_EACH);
        block.replacen(head.severity.name(), &self.pen.severity(head.severity), 1)
    }

    /// Writes a label and a text in at most so many lines of the terminal; in a pipe in one, whole.
    fn fitted(&self, label: &str, text: &str, lines: usize) -> String {
        let Some(width) = self.look.width else { return format!("{label}{}\n", printable(text)) };
        let indent = columns(label);
        let room = width.saturating_sub(indent).max(NARROW);
        if lines == 1 {
            return format!("{label}{}\n", cut(&printable(text), room));
        }
        let whole = wrapped(label, &printable(text), indent, Some(width));
        if whole.lines().count() <= lines {
            return whole;
        }
        // Words that break early leave room unused, so what is kept is cut until it fits.
        let shorter = |most: usize| wrapped(label, &cut(&printable(text), most), indent, Some(width));
        let mut cuts = (1..=room * lines).rev().step_by(4).map(shorter);
        cuts.find(|cut| cut.lines().count() <= lines).unwrap_or(whole)
    }
}

/// Returns the message with the line at which its first evidence stands: `README.md:73 says …`, or before it.
fn placed(finding: &Finding) -> String {
    let message = printable(&finding.message);
    let Some(place) = finding.evidence.first().filter(|place| place.line.is_some()) else { return message };
    let (file, at) = (printable(place.file.as_str()), printable(&place::short(place)));
    match message.split_once(file.as_str()) {
        // The message names a line of its own.
        Some((_, rest))
            if rest.strip_prefix(':').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) =>
        {
            message
        }
        Some((_, rest)) if rest.starts_with(" line ") => message,
        Some((before, rest)) => format!("{before}{at}{rest}"),
        None => format!("{at}: {message}"),
    }
}

/// Tells whether another finding, at least as grave, says the same: the claimed number and the measured one are over
/// the same limit. Of two equally grave ones the measured one tells more.
fn is_told_by(finding: &Finding, other: &Finding) -> bool {
    let same = finding.code.is_some() && finding.code == other.code;
    let same = same && finding.limit.is_some() && finding.limit == other.limit;
    let only_claimed = |finding: &Finding| finding.claimed.is_some() && finding.measured.is_none();
    match (only_claimed(finding), only_claimed(other)) {
        (true, false) => same && other.severity >= finding.severity,
        (false, true) => same && other.severity > finding.severity,
        _ => false,
    }
}

/// The order of findings: severity, confidence, and how many of the same kind came before.
type Rank = (Reverse<Severity>, Reverse<Confidence>, usize);

/// Orders the groups, each fact once: gravest and surest first; among equals, those of different rules or codes come
/// first.
fn worst(groups: Vec<Group<'_>>) -> Vec<Group<'_>> {
    let heads: Vec<&Finding> = groups.iter().filter_map(Group::head).collect();
    let mut seen = HashMap::new();
    let mut ranked: Vec<(Rank, Group<'_>)> = groups
        .into_iter()
        .filter_map(|group| {
            let head = group.head()?;
            if heads.iter().any(|other| is_told_by(head, other)) {
                return None;
            }
            let before: &mut usize = seen.entry((&head.rule, head.code)).or_default();
            *before += 1;
            Some(((Reverse(head.severity), Reverse(head.confidence), *before), group))
        })
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, group)| group).collect()
}
