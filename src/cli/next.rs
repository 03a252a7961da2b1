//! The command that comes after a report on one folder: what clears its gravest finding, or what brings it further on
//! its way to a pull request.

use camino::Utf8Path;

use crate::checks::git::{Stage, stage};
use crate::render::script::quoted;
use crate::report::{Code, Finding, FolderReport, Severity};

/// Returns the command, or a sentence where none is to be run. `committed` says that the folder was read from a commit.
pub(super) fn next(folder: &FolderReport, committed: bool) -> Option<String> {
    let gravest =
        folder.findings.iter().filter(|finding| finding.severity > Severity::Info).max_by(|a, b| {
            (a.severity, a.confidence).cmp(&(b.severity, b.confidence)).then(std::cmp::Ordering::Greater)
        });
    match gravest {
        Some(gravest) if is_for_a_probe(gravest) && !committed => {
            Some(format!("caddie probe entropy {}", quoted(folder.path.as_str())))
        }
        Some(gravest) => {
            packing(folder, gravest.severity).or_else(|| Some(format!("caddie explain {}", gravest.name())))
        }
        None if committed => Some("gh pr create".to_owned()),
        None => Some(onwards(&folder.path)),
    }
}

/// Tells whether running the script on tokens of known probability may decide what reading it did not.
fn is_for_a_probe(finding: &Finding) -> bool {
    finding.severity == Severity::Unknown
        && finding.clear.as_ref().is_some_and(|clear| clear.contains("caddie probe entropy"))
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

#[cfg(test)]
mod tests {
    use super::*;
    use caddie_rulebook::{Rulebook, finding_on};

    #[test]
    fn the_probe_is_offered_for_what_reading_leaves_open() {
        let rulebook = Rulebook::builtin().expect("the rulebook");
        let found =
            |severity, clear: &str| finding_on(&rulebook, "c1-causal", "undecided").severity(severity).clear(clear);
        assert!(is_for_a_probe(&found(Severity::Unknown, "run `caddie probe entropy` on the folder")));
        assert!(!is_for_a_probe(&found(Severity::Unknown, "ship the script that made the logs")));
        assert!(!is_for_a_probe(&found(Severity::Error, "run `caddie probe entropy` on the folder")));
    }
}
