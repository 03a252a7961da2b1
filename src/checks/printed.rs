//! Checks that the lines of the logs are lines that the shipped scripts print.

use super::{Check, Context, Needs};
use crate::report::{Code, Confidence, Finding, Severity};
use caddie_audit::printed::Foreign;

/// Metadata of the check.
pub const CHECK: Check = Check {
    name: "log-lines",
    about: "Every line of the logs that states a value is one that a print of the scripts makes.",
    rules: &["pkg-log-source-match"],
    needs: Needs::Script,
    run,
};

/// Kinds of lines that the evidence shows.
const SHOWN: usize = 5;
/// Characters of a line that a message quotes.
const QUOTED: usize = 80;

fn run(context: &Context<'_>) -> Vec<Finding> {
    // The audit compares them: where the script that ran is another one, it decides nothing about the score.
    let kinds = context.audited().map(|audited| audited.foreign.as_slice()).unwrap_or_default();
    let Some(first) = kinds.first() else { return Vec::new() };
    let lines: usize = kinds.iter().map(|kind| kind.lines).sum();
    let script = context.folder.script.as_ref().map_or("the script", |script| script.path.as_str());
    let others = if context.folder.code.len() > 1 { " or of another script here" } else { "" };
    let message = format!(
        "no print that {script}{others} can reach makes {} of the logs, such as `{}`",
        counted(lines, kinds.len()),
        quoted(first)
    );
    let finding = context.finding("pkg-log-source-match", message).code(Code::LogLineNotOfScript);
    let severity = context.on_record(Severity::Warning);
    let finding = finding.severity(severity).confidence(Confidence::Medium).measured(lines);
    vec![kinds.iter().take(SHOWN).fold(finding, |finding, kind| {
        let times = if kind.lines > 1 { format!(" ({} such lines)", kind.lines) } else { String::new() };
        finding.at(kind.log.clone(), Some(kind.line), format!("{}{times}", kind.text))
    })]
}

/// Writes `1 line`, `7 lines`, `40 lines of 3 kinds`.
fn counted(lines: usize, kinds: usize) -> String {
    match (lines, kinds) {
        (1, _) => "1 line".to_owned(),
        (_, 1) => format!("{lines} lines"),
        _ => format!("{lines} lines of {kinds} kinds"),
    }
}

fn quoted(kind: &Foreign) -> String {
    let short: String = kind.text.chars().take(QUOTED).collect();
    if short.len() < kind.text.len() { format!("{short}…") } else { short }
}
