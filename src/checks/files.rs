//! The files that a submission consists of.

use camino::Utf8Path;

use super::{Check, Context, Needs};
use crate::report::{Code, Finding, NO_LOG_LINE, Severity};
use caddie_files::Encoding;
use caddie_folder::{Fact, Lined, NotCounted, Shows};
use caddie_rulebook::{FileKind, RequiredFile};

/// Metadata of the check.
pub const CHECK: Check = Check {
    name: "files",
    about: "The files that a submission consists of are present and readable.",
    rules: &["pkg-readme", "pkg-log", "pkg-truncated-folder"],
    needs: Needs::Nothing,
    run,
};

/// Scripts that a message names.
const SCRIPTS_NAMED: usize = 5;

fn run(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(context.rulebook.files.iter().flat_map(|file| required(context, file)));
    other_logs(context, &mut findings);
    not_read(context, &mut findings);
    encodings(context, &mut findings);
    findings
}

/// Reports README and logs in another encoding than other tools expect; caddie read them all the same.
fn encodings(context: &Context<'_>, findings: &mut Vec<Finding>) {
    // A byte order mark alone is passed over by what reads prose and logs.
    let others = context.folder.encodings.iter().filter(|(_, encoding)| *encoding != Encoding::Utf8Mark);
    for (file, encoding) in others {
        let is_log = context.folder.readme.is_none() || !file.as_str().eq_ignore_ascii_case("readme.md");
        let rule = if is_log { "pkg-log" } else { "pkg-readme" };
        let message = format!("{file} is {encoding}; it was read as such, but other tools will not: save it as UTF-8");
        let finding = context.finding(rule, message).code(Code::FileEncoding).severity(Severity::Info);
        findings.push(finding.measured(encoding.to_string()).at(file.clone(), None, encoding.to_string()));
    }
}

/// Tells whether a file whose name (in lower case) is `wanted` was too long to be read; that has a finding of its own.
/// A link is not a file.
fn unread(context: &Context<'_>, wanted: impl Fn(&str) -> bool) -> bool {
    let folder = context.folder;
    let named = |path: &Utf8Path| path.file_name().is_some_and(|name| wanted(&name.to_ascii_lowercase()));
    let mut paths = folder.skipped.iter().map(|skipped| &skipped.path);
    paths.any(|path| named(path) && folder.files.iter().any(|file| file.path == *path))
}

/// Finds the problems of a file that the rulebook demands.
fn required(context: &Context<'_>, file: &RequiredFile) -> Vec<Finding> {
    let finding = |message: String, code| context.finding(&file.rule, message).code(code);
    let missing = |code| vec![finding(format!("{} is missing: {}", file.name, file.add), code)];
    match file.kind {
        FileKind::Readme if context.folder.readme.is_none() && !unread(context, |name| name == "readme.md") => {
            missing(Code::MissingReadme)
        }
        FileKind::Metadata => match &context.folder.submission {
            None => missing(Code::MissingSubmissionJson),
            Some(json) if json.file != file.name => {
                let message =
                    format!("the metadata file is named {}; reviewers' tools look for {}", json.file, file.name);
                let finding = finding(message, Code::NonstandardJsonName).severity(Severity::Warning);
                vec![finding.at(json.file.clone(), None, format!("{} is expected", file.name))]
            }
            Some(_) => Vec::new(),
        },
        FileKind::Log
            if context.runs().is_empty()
                && context.folder.runs.not_logs.is_empty()
                && context.folder.unread_logs().next().is_none() =>
        {
            // A baseline's or a reference's log may be there.
            let whose = if context.folder.runs.others.is_empty() { "" } else { " of the submission's own runs" };
            let message = format!(
                "no training log{whose} is in the folder, so its scores, sizes, times and seeds are unknown: {}",
                file.add
            );
            vec![finding(message, Code::MissingLog)]
        }
        FileKind::Script => scripts(context, file),
        FileKind::File if !context.folder.files.iter().any(|entry| entry.path == file.name) => {
            missing(Code::MissingFile)
        }
        FileKind::Readme | FileKind::Log | FileKind::File => Vec::new(),
    }
}

fn scripts(context: &Context<'_>, file: &RequiredFile) -> Vec<Finding> {
    let Some(script) = &context.folder.script else {
        // A study may keep its code in a folder of its own.
        let below = context.folder.files.iter().filter(|file| file.path.extension() == Some("py"));
        let below: Vec<&str> = below.map(|file| file.path.as_str()).take(SCRIPTS_NAMED).collect();
        if let Some(first) = below.first() {
            let message = format!("there is no {}; Python lies below the folder: {}", file.name, below.join(", "));
            let finding = context.finding(&file.rule, message).code(Code::NonstandardScriptName);
            return vec![finding.severity(Severity::Warning).at(*first, None, "not taken as the script")];
        }
        let message = format!("no Python script is in the folder: {}", file.add);
        return vec![context.finding(&file.rule, message).code(Code::MissingTrainScript)];
    };
    let mut findings = Vec::new();
    if script.path != file.name {
        let others = context.folder.scripts().map(|file| file.path.as_str()).filter(|path| *path != script.path);
        let others: Vec<&str> = others.collect();
        let because = context.folder.script_because.as_ref().map_or_else(String::new, ToString::to_string);
        let (message, severity) = if others.contains(&file.name.as_str()) {
            let message = format!("{} is not the script that counts: {} is ({because})", file.name, script.path);
            (message, context.on_record(Severity::Warning))
        } else {
            let listed = listed(&others);
            let message = format!("there is no {}; {} is taken for it ({because}){listed}", file.name, script.path);
            (message, Severity::Warning)
        };
        let finding = context.finding(&file.rule, message).code(Code::NonstandardScriptName);
        let taken = format!("taken as the script: {because}");
        findings.push(finding.severity(severity).at(script.path.clone(), None, taken));
    }
    if script.bytes == 0 {
        let message = format!("{} is empty; the script that produced the logs is missing", script.path);
        let finding = context.finding(&file.rule, message).code(Code::EmptyTrainScript);
        findings.push(finding.measured(0).at(script.path.clone(), None, "0 bytes"));
    }
    findings
}

/// Lists the other files in words. A folder may hold hundreds of scripts, so only the first few are named.
fn listed(names: &[&str]) -> String {
    const NAMED: usize = 6;
    if names.is_empty() {
        return String::new();
    }
    let more = names.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("; beside it: {}{more}", names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", "))
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
            NotCounted::Trial(scored) => {
                let message = format!(
                    "{log} is not counted: it states neither seed nor score, and trained for less than half as long as {scored}"
                );
                (Code::OtherLog, Severity::Info, message)
            }
            // A further seed that is left out of the claim is the seeds check's to report.
            NotCounted::NotClaimed => {
                let message = format!("{log} is not counted: the claimed scores are those of other logs");
                (Code::OtherLog, Severity::Info, message)
            }
        };
        let score = other.run.val_bpb.value().map_or_else(|| "no score".to_owned(), |bpb| format!("val_bpb {bpb}"));
        let finding = context.finding("pkg-log", message).code(code).severity(severity);
        findings.push(finding.in_log(&other.run, other.run.val_bpb, score));
    }
}

/// Reports files that were not read: as unknown where a submission needs them, as a line of information elsewhere.
fn not_read(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for skipped in &context.folder.skipped {
        let name = skipped.path.file_name().unwrap_or(".").to_ascii_lowercase();
        let needed = name == "readme.md"
            || name == "."
            || context.folder.pointer(&skipped.path).is_some()
            || context.folder.unread_logs().any(|log| log.path == skipped.path)
            || [".json", ".py", ".log", ".zst"].iter().any(|end| name.ends_with(end));
        let severity = if needed { Severity::Unknown } else { Severity::Info };
        let message = format!("{} was not read: {}", skipped.path, skipped.reason);
        let finding = context.finding("pkg-truncated-folder", message).code(Code::UnreadableFile);
        findings.push(finding.severity(severity).at(skipped.path.clone(), None, skipped.reason.clone()));
    }
    for (log, Lined { value: dropped, line }) in &context.folder.runs.dropped {
        let runs = if *dropped == 1 { "run was" } else { "runs were" };
        let message = format!("{log} holds too many runs: {dropped} {runs} not read; give each run a log of its own");
        let finding = context.finding("pkg-log", message).code(Code::MultiRunLog).severity(Severity::Unknown);
        findings.push(finding.measured(*dropped).at(log.clone(), Some(*line), format!("{dropped} more")));
    }
    not_logs(context, findings);
}

/// Reports files with names of logs that have no known form. Where no other log is understood, everything that logs are
/// read for is unknown, and one finding says so.
fn not_logs(context: &Context<'_>, findings: &mut Vec<Finding>) {
    let (runs, not_logs) = (&context.folder.runs, &context.folder.runs.not_logs);
    if let Some(first) = not_logs.first().filter(|_| runs.official.is_empty() && runs.others.is_empty()) {
        let more = not_logs.len() - 1;
        let names = if more == 0 { format!("{first} is") } else { format!("{first} and {more} more are") };
        let message = format!(
            "{names} not in a known log format, so scores, sizes, times, hardware and seeds are unknown: read the logs \
             yourself, or print the challenge's lines (docs/verify.md, What is read)"
        );
        let finding = context.finding("pkg-log", message).code(Code::OtherLog).severity(Severity::Unknown);
        findings.push(not_logs.iter().fold(finding, |finding, log| finding.at(log.clone(), None, NO_LOG_LINE)));
        return;
    }
    for log in not_logs {
        let message = format!("{log} is not a training log of a known form; nothing in it was compared");
        // The log of a claimed seed is needed; any other file that calls itself a log may be none.
        let needed = context.folder.logs_not_understood().any(|needed| needed == log);
        let severity = if needed { Severity::Unknown } else { Severity::Info };
        let finding = context.finding("pkg-log", message).code(Code::OtherLog).severity(severity);
        findings.push(finding.at(log.clone(), None, NO_LOG_LINE));
    }
}
