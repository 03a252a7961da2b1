//! Scores that come from other code than the script that is followed: a log of another script, or a second script that
//! prints the claim. What that code does with the tokens is not known, so that C1 to C4 are undecided for the score.

use camino::{Utf8Path, Utf8PathBuf};

use super::{beside, claimed};
use crate::printed::{self, Foreign};
use caddie_folder::{Folder, RunLog};
use caddie_python::Module;
use caddie_rulebook::{Confidence, Finding, Rulebook, Severity, finding_on};

/// Characters of a line that a finding shows.
const EXCERPT: usize = 160;

/// A log with lines that the script cannot have printed; `root` is the path of the folder as the report names it.
pub(super) fn of_another_script(path: &Utf8Path, root: &str, line: &Foreign, rulebook: &Rulebook) -> Finding {
    let text: String = line.text.chars().take(EXCERPT).collect();
    let message = format!(
        "C1 to C4 are undecided for the logged score: no print that {} can reach makes `{text}`, so that the log is not that of \
         the script which is followed",
        path.file_name().unwrap_or("the script")
    );
    finding_on(rulebook, "c1-causal", message)
        .severity(Severity::Unknown)
        .confidence(Confidence::Low)
        .clear("ship the script that made the logs, or the logs of the one that ships")
        .at(format!("{root}{}", line.log), Some(line.line), text)
}

/// A claim that only a log of no run states, in a line which another script of the folder prints and this one cannot.
pub(super) fn by_another_script(
    path: &Utf8Path,
    root: &str,
    script: &Module,
    folder: &Folder,
    run: &RunLog,
    rulebook: &Rulebook,
) -> Option<Finding> {
    let (log, number, text) = claimed::elsewhere(folder, run)?;
    let own = Utf8Path::new(path.as_str().strip_prefix(root)?);
    let with_it = beside::neighbors(own, script, folder);
    let followed = |file: &Utf8Path| file == own || with_it.iter().any(|other| other.path == file);
    let (by_it, by_others): (Vec<Utf8PathBuf>, Vec<_>) =
        printed::makers(folder, &text).into_iter().partition(|file| followed(file));
    let other = by_others.first().filter(|_| by_it.is_empty())?;
    let message = format!(
        "C1 to C4 are undecided for the claimed score: {other} prints the line of {log} that states it, a script that is run \
         beside {own} and is not followed"
    );
    let finding = finding_on(rulebook, "c1-causal", message)
        .severity(Severity::Unknown)
        .confidence(Confidence::Low)
        .clear(
            "ship one script that makes the score, so that it can be followed, and run on tokens of known probability",
        )
        .at(format!("{root}{other}"), None, "prints the claimed score");
    Some(finding.at(format!("{root}{log}"), Some(number), text.chars().take(EXCERPT).collect::<String>()))
}
