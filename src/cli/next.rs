//! The command that comes after a report on one folder: what clears its gravest finding, or what brings it further on
//! its way to a pull request.

use camino::Utf8Path;

use crate::checks::git::{Stage, stage};
use crate::render::script::quoted;
use crate::report::{Code, FolderReport, Severity};

/// Returns the command, or a sentence where none is to be run. `committed` says that the folder was read from a commit.
pub(super) fn next(folder: &FolderReport, committed: bool) -> Option<String> {
    let gravest =
        folder.findings.iter().filter(|finding| finding.severity > Severity::Info).max_by(|a, b| {
            (a.severity, a.confidence).cmp(&(b.severity, b.confidence)).then(std::cmp::Ordering::Greater)
        });
    match gravest {
        Some(gravest) => {
            packing(folder, gravest.severity).or_else(|| Some(format!("caddie explain {}", gravest.name())))
        }
        None if committed => Some("gh pr create".to_owned()),
        None => Some(onwards(&folder.path)),
    }
}

/// Packs the script, where that alone brings the entry below the limit and nothing graver is found.
fn packing(folder: &FolderReport, gravest: Severity) -> Option<String> {
    let over = |code| matches!(code, Some(Code::SizeOverCapShipped | Code::SizeOverCapLogged));
    let found = folder.findings.iter().find(|finding| finding.severity == gravest && over(finding.code))?;
    let script = folder.size.script.as_ref().filter(|_| found.severity > Severity::Info)?;
    folder.size.packed_max.filter(|bytes| *bytes <= folder.size.limit)?;
    let script = quoted(folder.path.join(script).as_str());
    Some(format!("caddie pack {script} -o packed.py"))
}

/// Brings a folder in which nothing is to be corrected into a pull request.
fn onwards(folder: &Utf8Path) -> String {
    match stage(folder) {
        None => "nothing to correct; copy the folder into a clone of the challenge, then git add it".to_owned(),
        Some(Stage::Untracked) => format!("git add {}", quoted(folder.as_str())),
        Some(Stage::Staged) => "git commit".to_owned(),
        Some(Stage::Committed) => "gh pr create".to_owned(),
        Some(Stage::Merged) => "nothing to correct; the folder is on origin's branch".to_owned(),
    }
}
