//! Checks that submission.json is valid and has the keys that the leaderboard needs.

use super::{Check, Context, Needs};
use crate::report::{Code, Finding, Severity};
use caddie_files::Encoding;
use caddie_folder::submission::Quoted;
use caddie_folder::{Fact, Lined, Shows, SubmissionFile};

/// Metadata of the check.
pub const CHECK: Check = Check {
    name: "metadata",
    about: "submission.json is valid JSON and states the required keys.",
    rules: &["pkg-json"],
    needs: Needs::Metadata,
    run,
};

fn run(context: &Context<'_>) -> Vec<Finding> {
    let Some(file) = &context.folder.submission else { return Vec::new() };
    let metadata = match &file.content {
        Ok(metadata) => metadata,
        // The files check says that a pointer lies there; what the real file holds is unknown, not wrong.
        Err(_) if context.folder.pointer(&file.file).is_some() => return Vec::new(),
        Err(error) => {
            let message = format!("{} cannot be read: line {}: {}", file.file, error.line, error.reason);
            let finding = context.finding("pkg-json", message).code(Code::JsonInvalid);
            return vec![finding.at(file.file.clone(), Some(error.line), error.reason.clone())];
        }
    };
    let mut findings: Vec<Finding> = encoding(context, file).into_iter().collect();
    findings.extend(as_text(context, &metadata.quoted));
    let present = |key: &str| match key {
        // Under its own key, where the leaderboard reads it: another spelling does not serve.
        "val_bpb" => {
            let quoted = metadata.quoted.iter().any(|quoted| quoted.key == key);
            quoted || metadata.claims.iter().any(|claim| claim.key == key)
        }
        _ => metadata.text(key).is_some(),
    };
    let keys = context.rulebook.metadata.keys.iter().map(String::as_str);
    let missing: Vec<&str> = keys.filter(|key| !present(key)).collect();
    if !missing.is_empty() {
        let severity = if missing.contains(&"val_bpb") { Severity::Error } else { Severity::Warning };
        let message = format!("{} does not state {}; add it", file.file, missing.join(", "));
        let line = missing.iter().find_map(|key| metadata.key(key)).map(|key| key.line);
        let finding = context.finding("pkg-json", message).code(Code::JsonMissingField).severity(severity);
        findings.push(finding.at(file.file.clone(), line, format!("missing or empty: {}", missing.join(", "))));
    }
    let nulls: Vec<&str> = metadata.null_keys.iter().map(|key| key.value.as_str()).collect();
    if !nulls.is_empty() {
        let message = format!("{} leaves {} null", file.file, nulls.join(", "));
        let line = metadata.null_keys.first().map(|key| key.line);
        let finding = context.finding("pkg-json", message).code(Code::JsonNullField).severity(Severity::Warning);
        findings.push(finding.at(file.file.clone(), line, format!("null: {}", nulls.join(", "))));
    }
    findings.extend(unknown_track(context, metadata.text("track")));
    findings.extend(metric_line(context, metadata.text("metric_line")));
    findings
}

/// Reports an encoding other than UTF-8, which Python's json.load refuses, and the leaderboard's tools with it.
fn encoding(context: &Context<'_>, file: &SubmissionFile) -> Option<Finding> {
    let severity = match file.encoding {
        Encoding::Utf8 => return None,
        // Many readers pass over the mark.
        Encoding::Utf8Mark => Severity::Warning,
        _ => Severity::Error,
    };
    let message = format!("{} is {}; Python's json.load refuses it: save it as UTF-8", file.file, file.encoding);
    let finding = context.finding("pkg-json", message).code(Code::FileEncoding).severity(severity);
    Some(finding.at(file.file.clone(), Some(file.encoded_line), file.encoding.to_string()))
}

/// Reports numbers in quotes. Those that are one number are compared as such; the others state nothing that can be
/// compared.
fn as_text(context: &Context<'_>, quoted: &[Quoted]) -> Vec<Finding> {
    const NAMED: usize = 6;
    let of = |understood: bool| quoted.iter().filter(move |quoted| quoted.understood == understood);
    let finding = |understood: bool| {
        let first = of(understood).next()?;
        let names: Vec<String> = of(understood).take(NAMED).map(|q| format!("{} \"{}\"", q.key, q.text)).collect();
        let more = of(understood).count().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let then = if understood {
            "it was compared as the number it states"
        } else {
            "it is not a number and was not compared"
        };
        let names = names.join(", ");
        let message = format!("{} writes as text what must be a number: {names}{more}; {then}", context.json_name());
        let finding = context.finding("pkg-json", message).code(Code::JsonNumberAsText).severity(Severity::Warning);
        let places = of(understood).fold(finding, |finding, quoted| {
            finding.at(context.json_name(), Some(quoted.line), format!("\"{}\": \"{}\"", quoted.key, quoted.text))
        });
        Some(places.claimed(first.text.clone()))
    };
    [finding(true), finding(false)].into_iter().flatten().collect()
}

/// Reports a track that is not one of the challenge's, in the folder's place or in submission.json.
fn unknown_track(context: &Context<'_>, stated: Option<Lined<&str>>) -> Vec<Finding> {
    let other = context.track.filter(|track| !track.record);
    let checked = other.map_or("a record", |track| track.name.as_str());
    let unknown = |track: &str| context.rulebook.track(track).is_none();
    let finding = |track: &str| {
        let message = format!("track \"{track}\" is unknown; checked as {checked}");
        context.finding("pkg-json", message).code(Code::TrackUnknown).severity(Severity::Warning).claimed(track)
    };
    let placed = context.placed_track().filter(|track| unknown(track));
    let placed = placed
        .map(|track| finding(&track).at(".", None, format!("in a folder {}{track}", context.rulebook.track_prefix)));
    let stated = stated.filter(|track| unknown(track.value));
    let at_line = |track: Lined<&str>| finding(track.value).at(context.json_name(), Some(track.line), track.value);
    let stated = stated.map(at_line);
    placed.into_iter().chain(stated).collect()
}

/// Checks that the metric that submission.json names is the one that gives the logs' scores.
fn metric_line(context: &Context<'_>, stated: Option<Lined<&str>>) -> Option<Finding> {
    let Lined { value: claimed, line } = stated?;
    let run = context.runs().iter().find(|run| run.metric.text().is_some_and(|metric| metric != claimed))?;
    let metric = run.metric.text()?;
    let message = format!("{} names the metric {claimed}, the score of {} is {metric}", context.json_name(), run.log);
    let finding = context.finding("pkg-json", message).code(Code::JsonMetricNeLog).severity(Severity::Warning);
    let finding = finding.claimed(claimed).measured(metric).at(context.json_name(), Some(line), claimed);
    Some(finding.in_log(run, &run.metric, metric))
}
