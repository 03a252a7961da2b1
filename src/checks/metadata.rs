//! submission.json itself: valid, and with the keys that the leaderboard needs.

use super::{Check, Context, Track};
use crate::folder::submission::canonical_track;
use crate::report::{Code, Finding, Severity};

/// Metadata of the check.
pub const CHECK: Check = Check {
    name: "metadata",
    about: "submission.json is valid JSON and states the required keys.",
    rules: &["pkg-json"],
    run,
};

fn run(context: &Context<'_>) -> Vec<Finding> {
    let Some(file) = &context.folder.submission else { return Vec::new() };
    let metadata = match &file.content {
        Ok(metadata) => metadata,
        Err(error) => {
            let message = format!("{} cannot be read: line {}: {}", file.file, error.line, error.reason);
            let finding = context.finding("pkg-json", message).code(Code::JsonInvalid);
            return vec![finding.at(file.file.clone(), Some(error.line), error.reason.clone())];
        }
    };
    let mut findings = Vec::new();
    let present = |key: &str| match key {
        // Under its own key, where the leaderboard reads it: another spelling does not serve.
        "val_bpb" => metadata.claims.iter().any(|claim| claim.key == key),
        _ => metadata.text(key).is_some(),
    };
    let keys = context.rulebook.metadata.keys.iter().map(String::as_str);
    let missing: Vec<&str> = keys.filter(|key| !present(key)).collect();
    if !missing.is_empty() {
        let severity = if missing.contains(&"val_bpb") { Severity::Error } else { Severity::Warning };
        let message = format!("{} does not state {}; add it", file.file, missing.join(", "));
        let line = missing.iter().find_map(|key| metadata.line_of(key));
        let finding = context.finding("pkg-json", message).code(Code::JsonMissingField).severity(severity);
        findings.push(finding.at(file.file.clone(), line, format!("missing or empty: {}", missing.join(", "))));
    }
    let nulls: Vec<&str> = metadata.null_keys.iter().map(String::as_str).collect();
    if !nulls.is_empty() {
        let message = format!("{} leaves {} null", file.file, nulls.join(", "));
        let line = nulls.first().and_then(|key| metadata.line_of(key));
        let finding = context.finding("pkg-json", message).code(Code::JsonNullField).severity(Severity::Warning);
        findings.push(finding.at(file.file.clone(), line, format!("null: {}", nulls.join(", "))));
    }
    findings.extend(unknown_track(context, metadata.text("track")));
    findings.extend(metric_line(context, metadata.text("metric_line")));
    findings
}

/// A track that is not one of the challenge's, in the folder's place or in submission.json.
fn unknown_track(context: &Context<'_>, stated: Option<(&str, u64)>) -> Vec<Finding> {
    let checked = match context.track.name() {
        Some("non_record_16mb") => "non_record_16mb",
        _ => "a record",
    };
    let unknown = |track: &str| canonical_track(track).is_none();
    let finding = |track: &str| {
        let message = format!("track \"{track}\" is unknown; checked as {checked}");
        context.finding("pkg-json", message).code(Code::TrackUnknown).severity(Severity::Warning).claimed(track)
    };
    let placed = Track::placed(context.folder).filter(|track| unknown(track));
    let placed = placed.map(|track| finding(&track).at(".", None, format!("in a folder track_{track}")));
    let stated = stated.filter(|(track, _)| unknown(track));
    let stated = stated.map(|(track, line)| finding(track).at(context.json_name(), Some(line), track));
    placed.into_iter().chain(stated).collect()
}

/// The metric that submission.json names is the one that gives the logs' scores.
fn metric_line(context: &Context<'_>, stated: Option<(&str, u64)>) -> Option<Finding> {
    let (claimed, line) = stated?;
    let run = context.runs().iter().find(|run| run.metric.as_deref().is_some_and(|metric| metric != claimed))?;
    let metric = run.metric.as_deref()?;
    let message = format!("{} names the metric {claimed}, the score of {} is {metric}", context.json_name(), run.log);
    let finding = context.finding("pkg-json", message).code(Code::JsonMetricNeLog).severity(Severity::Warning);
    let finding = finding.claimed(claimed).measured(metric).at(context.json_name(), Some(line), claimed);
    Some(finding.at(run.log.clone(), run.line("metric"), metric))
}
