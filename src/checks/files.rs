//! The files that a submission consists of.

use camino::Utf8Path;

use super::{Check, Context};
use crate::folder::NotCounted;
use crate::report::{Code, Finding, Severity};

/// Metadata of the check.
pub const CHECK: Check = Check {
    name: "files",
    about: "README.md, submission.json, the training script and the logs are present and readable.",
    rules: &["pkg-readme", "pkg-log", "pkg-truncated-folder"],
    run,
};

/// Scripts that a message names.
const SCRIPTS_NAMED: usize = 5;

fn run(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    required(context, &mut findings);
    scripts(context, &mut findings);
    other_logs(context, &mut findings);
    not_read(context, &mut findings);
    findings
}

fn required(context: &Context<'_>, findings: &mut Vec<Finding>) {
    let folder = context.folder;
    // A file that is too long to be read is reported as that; a link is no file.
    let unread = |wanted: &dyn Fn(&str) -> bool| {
        let mut paths = folder.skipped.iter().map(|skipped| &skipped.path);
        let named = |path: &Utf8Path| path.file_name().is_some_and(|name| wanted(&name.to_ascii_lowercase()));
        paths.any(|path| named(path) && folder.files.iter().any(|file| file.path == *path))
    };
    if folder.readme.is_none() && !unread(&|name| name == "readme.md") {
        let message = "README.md is missing: add one that explains the submission and shows its results";
        findings.push(context.finding("pkg-readme", message).code(Code::MissingReadme));
    }
    match &folder.submission {
        None => {
            let message = "submission.json is missing: add one with author, github_id, name, val_bpb and date";
            findings.push(context.finding("pkg-truncated-folder", message).code(Code::MissingSubmissionJson));
        }
        Some(json) if json.file != "submission.json" => {
            let message =
                format!("the metadata file is named {}; reviewers' tools look for submission.json", json.file);
            let finding = context.finding("pkg-truncated-folder", message).code(Code::NonstandardJsonName);
            findings.push(finding.severity(Severity::Warning).at(
                json.file.clone(),
                None,
                "submission.json is expected",
            ));
        }
        Some(_) => {}
    }
    if context.runs().is_empty() && folder.runs.not_logs.is_empty() && !unread(&|name| name.ends_with(".log")) {
        // A baseline's or a reference's log may be there.
        let whose = if folder.runs.others.is_empty() { "" } else { " of the submission's own runs" };
        let message = format!(
            "no training log{whose} is in the folder, so its scores, sizes, times and seeds are unknown: add the log of \
             each seed (train_seed<N>.log)"
        );
        findings.push(context.finding("pkg-log", message).code(Code::MissingLog));
    }
}

fn scripts(context: &Context<'_>, findings: &mut Vec<Finding>) {
    let Some(script) = &context.folder.script else {
        // A study may keep its code in a folder of its own.
        let below = context.folder.files.iter().filter(|file| file.path.extension() == Some("py"));
        let below: Vec<&str> = below.map(|file| file.path.as_str()).take(SCRIPTS_NAMED).collect();
        if let Some(first) = below.first() {
            let message = format!("there is no train_gpt.py; Python lies below the folder: {}", below.join(", "));
            let finding = context.finding("pkg-truncated-folder", message).code(Code::NonstandardScriptName);
            findings.push(finding.severity(Severity::Warning).at(*first, None, "not taken as the script"));
            return;
        }
        let message = "no Python script is in the folder: add the train_gpt.py that produced the logs";
        findings.push(context.finding("pkg-truncated-folder", message).code(Code::MissingTrainScript));
        return;
    };
    if script.path != "train_gpt.py" {
        let names: Vec<&str> = context.folder.scripts().map(|file| file.path.as_str()).collect();
        let message = format!("there is no train_gpt.py; the scripts are {}", names.join(", "));
        let finding = context.finding("pkg-truncated-folder", message).code(Code::NonstandardScriptName);
        findings.push(finding.severity(Severity::Warning).at(script.path.clone(), None, "taken as the script"));
    }
    if script.bytes == 0 {
        let message = format!("{} is empty; the script that produced the logs is missing", script.path);
        let finding = context.finding("pkg-truncated-folder", message).code(Code::EmptyTrainScript);
        findings.push(finding.measured(0).at(script.path.clone(), None, "0 bytes"));
    }
}

fn other_logs(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for other in &context.folder.runs.others {
        let log = &other.run.log;
        let (code, severity, message) = match &other.why {
            NotCounted::CopyOf(original) => {
                (Code::DuplicateLog, Severity::Info, format!("{log} is the same file as {original}; counted once"))
            }
            NotCounted::ClaimedIn(claimed) => {
                let message = format!("{log} is not counted: {claimed} gives this seed's claimed score");
                (Code::OtherLog, Severity::Info, message)
            }
            NotCounted::PrintedIn(other) => {
                (Code::OtherLog, Severity::Info, format!("{log} prints the run of {other} again; counted once"))
            }
            NotCounted::OtherRunInFile => {
                (Code::OtherLog, Severity::Info, format!("{log} holds several runs; another of them is counted"))
            }
            NotCounted::NamedOtherwise(word) => {
                let message = format!("{log} is not counted: its name says {word}, and it gives no claimed score");
                (Code::OtherLog, Severity::Info, message)
            }
            NotCounted::Unfinished(scored) => {
                let message = format!("{log} is not counted: it states no score, {scored} does for this seed");
                (Code::OtherLog, Severity::Info, message)
            }
            // A further seed that is left out of the claim is the seeds check's to report.
            NotCounted::NotClaimed => {
                let message = format!("{log} is not counted: the claimed scores are those of other logs");
                (Code::OtherLog, Severity::Info, message)
            }
        };
        let score = other.run.val_bpb.map_or_else(|| "no score".to_owned(), |bpb| format!("val_bpb {bpb}"));
        let finding = context.finding("pkg-log", message).code(code).severity(severity);
        findings.push(finding.at(log.clone(), other.run.line("val_bpb"), score));
    }
}

/// What was not read is unknown where a submission needs it, and worth a line elsewhere.
fn not_read(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for skipped in &context.folder.skipped {
        let name = skipped.path.file_name().unwrap_or(".").to_ascii_lowercase();
        let needed = name == "readme.md"
            || name == "."
            || [".json", ".py", ".log", ".zst"].iter().any(|end| name.ends_with(end));
        let severity = if needed { Severity::Unknown } else { Severity::Info };
        let message = format!("{} was not read: {}", skipped.path, skipped.reason);
        let finding = context.finding("pkg-truncated-folder", message).code(Code::UnreadableFile);
        findings.push(finding.severity(severity).at(skipped.path.clone(), None, skipped.reason.clone()));
    }
    for log in &context.folder.runs.not_logs {
        let message = format!("{log} is no training log that is understood; nothing in it was compared");
        let finding = context.finding("pkg-log", message).code(Code::OtherLog).severity(Severity::Info);
        findings.push(finding.at(log.clone(), None, "no step, metric or stop line"));
    }
}
