//! submission.json itself: valid, and with the keys that the leaderboard needs.

use super::{Check, Context};
use crate::report::{Code, Finding, Severity};

/// Metadata of the check.
pub const CHECK: Check = Check {
    name: "metadata",
    about: "submission.json is valid JSON and states the required keys.",
    rules: &["pkg-json"],
    run,
};

const REQUIRED: [&str; 5] = ["author", "github_id", "name", "val_bpb", "date"];

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
        "author" => metadata.author.is_some(),
        "github_id" => metadata.github_id.is_some(),
        // An older spelling of the name serves; the score must stand under its own key, where the leaderboard reads it.
        "name" => metadata.name.is_some(),
        "date" => metadata.date.is_some(),
        _ => metadata.claims.iter().any(|claim| claim.key == key),
    };
    let missing: Vec<&str> = REQUIRED.into_iter().filter(|key| !present(key)).collect();
    if !missing.is_empty() {
        let severity = if missing.contains(&"val_bpb") { Severity::Error } else { Severity::Warning };
        let message = format!("{} does not state {}; add it", file.file, missing.join(", "));
        let line = missing.iter().find_map(|key| metadata.line_of(key));
        let finding = context.finding("pkg-json", message).code(Code::JsonMissingField).severity(severity);
        findings.push(finding.at(file.file.clone(), line, format!("missing or empty: {}", missing.join(", "))));
    }
    let nulls: Vec<&str> = metadata
        .null_keys
        .iter()
        .map(String::as_str)
        // One run has no standard deviation.
        .filter(|key| !(key.contains("std") && context.runs().len() < 2))
        .collect();
    if !nulls.is_empty() {
        let message = format!("{} leaves {} null", file.file, nulls.join(", "));
        let line = nulls.first().and_then(|key| metadata.line_of(key));
        let finding = context.finding("pkg-json", message).code(Code::JsonNullField).severity(Severity::Warning);
        findings.push(finding.at(file.file.clone(), line, format!("null: {}", nulls.join(", "))));
    }
    findings
}
