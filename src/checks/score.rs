//! The headline: which statistic of which metric the claimed val_bpb is.

mod identity;
mod name;
mod unlogged;

use std::collections::BTreeMap;

use super::claims::sample;
use super::{Check, Context};
use crate::folder::{Claim, Field, RunLog, Scope, Stated};
use crate::report::{Code, Finding, Severity};
use crate::stats::mean;

/// Metadata of the check.
pub const CHECK: Check = Check {
    name: "claimed-score",
    about: "The claimed val_bpb is the mean of the logs' official scores, of the quantised model.",
    rules: &["pkg-headline", "score-metric", "size-scored-artifact", "repro"],
    run,
};

/// Difference that a mean of values rounded to five digits may have.
const ROUNDED_MEAN: f64 = 1e-5;
/// Bits per byte by which a later evaluation is a failed one: a round trip printed after the sliding window is 0.03
/// worse and no failure, a test-time training that diverged is far off.
const WORSE: f64 = 0.1;

fn run(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = unscored(context);
    for (log, official, val_bpb) in &context.folder.runs.reread {
        let chosen = context.runs().iter().find(|run| run.log == *log);
        let name = chosen.and_then(|run| run.metric.as_deref()).unwrap_or("another line");
        let message = format!("{log}: the claim is {name}; the log's own order of metrics gives {official} {val_bpb}");
        let finding = context.finding("score-metric", message).code(Code::HeadlineIsOtherMetric);
        let finding = finding.severity(Severity::Warning).confidence(crate::report::Confidence::Medium);
        findings.push(finding.at(log.clone(), chosen.and_then(|run| run.line("metric")), name));
    }
    findings.extend(context.runs().iter().filter_map(|run| trailing(context, run)));
    if let Some(claim) = context.folder.metadata().and_then(|metadata| metadata.headline()) {
        let finding = headline(context, claim);
        let elsewhere = finding.as_ref().is_some_and(|finding| finding.code == Some(Code::ClaimNotInLogs));
        findings.extend(finding);
        findings.extend(elsewhere.then(|| identity::other_run(context)).flatten());
    }
    findings.extend(name::folder_name(context));
    findings.extend(unlogged::run(context));
    findings
}

/// A worse score after the official one: who takes the last line of the log takes the wrong one.
fn trailing(context: &Context<'_>, run: &RunLog) -> Option<Finding> {
    let official = run.val_bpb?;
    let last = run.metric_lines.iter().rfind(|line| !line.diagnostic)?;
    let after = run.line("val_bpb").is_some_and(|line| last.line > line);
    if !after || last.val_bpb <= official + WORSE {
        return None;
    }
    let message = format!(
        "{}: the log ends with {} val_bpb {}, worse than the official {} {official}",
        run.log,
        last.name,
        last.val_bpb,
        run.metric.as_deref().unwrap_or("score")
    );
    let finding = context.finding("score-metric", message).code(Code::TrailingWorseMetric).severity(Severity::Warning);
    let finding = finding.measured(official).at(
        run.log.clone(),
        Some(last.line),
        format!("{} val_bpb:{}", last.name, last.val_bpb),
    );
    Some(finding.at(run.log.clone(), run.line("val_bpb"), metric_text(run)))
}

/// A run without a score of the quantised model decides nothing about the claim.
fn unscored(context: &Context<'_>) -> Vec<Finding> {
    let unscored = context.runs().iter().filter(|run| run.val_bpb.is_none());
    unscored
        .map(|run| {
            let message = format!("{}: no score of the quantised model is in the log", run.log);
            let finding = context.finding("size-scored-artifact", message).code(Code::ScoreUnknown);
            let text = run.pre_quant_val_bpb.map_or_else(
                || "no metric line".to_owned(),
                |bpb| format!("last validation before quantisation: val_bpb {bpb}"),
            );
            finding.severity(Severity::Unknown).at(run.log.clone(), run.line("pre_quant_val_bpb"), text)
        })
        .collect()
}

fn headline(context: &Context<'_>, claim: &Claim) -> Option<Finding> {
    let runs = context.runs();
    let scores: Vec<f64> = runs.iter().filter_map(|run| run.val_bpb).collect();
    let file = context.json_name();
    let place = |finding: Finding| finding.claimed(claim.stated.value).at(file, Some(claim.line), claim.text.clone());
    let Some(measured) = mean(&scores) else {
        let message = format!("{file} claims val_bpb {}, and no log states a score to compare", claim.stated.value);
        let finding = context.finding("pkg-headline", message).code(Code::ScoreUnknown);
        return Some(place(finding.severity(Severity::Unknown)));
    };
    if claim.stated.agrees(measured) {
        return None;
    }
    let described = format!("val_bpb {} of {file}", claim.stated.value);
    let difference = (claim.stated.value - measured).abs();
    let finding = if difference <= ROUNDED_MEAN {
        let message = format!("{described} is the mean {measured:.8} up to rounding of its parts");
        context.finding("score-metric", message).code(Code::Rounding).severity(Severity::Info)
    } else if let Some(run) = runs.iter().find(|run| run.val_bpb.is_some_and(|bpb| claim.stated.agrees(bpb))) {
        if !repeats(runs) {
            return None;
        }
        let message = format!("{described} is the run {}; the mean of {} runs is {measured:.8}", run.log, scores.len());
        let finding = context.finding("score-metric", message).code(Code::JsonScoreNotMean);
        finding.severity(Severity::Warning).at(run.log.clone(), run.line("val_bpb"), metric_text(run))
    } else if let Some((name, log, line)) = other_metric(runs, claim.stated) {
        let message = format!("{described} is {name}; the official metric gives {measured:.8}");
        let finding = context.finding("score-metric", message).code(Code::HeadlineIsOtherMetric);
        finding.severity(Severity::Warning).at(log, line, name)
    } else if let Some(run) = runs.iter().find(|run| before_quantisation(run, claim.stated)) {
        let message = format!("{described} is a score of the weights before quantisation; after it: {measured:.8}");
        let finding = context.finding("size-scored-artifact", message).code(Code::PreQuantScore);
        finding.at(run.log.clone(), run.line("pre_quant_val_bpb"), "before quantisation")
    } else if let Some(of_claims) = mean_of_claims(context, claim) {
        let message =
            format!("{described} is the mean of {of_claims}; of the logs it is {measured:.8}; add the other logs");
        let finding = context.finding("pkg-headline", message).code(Code::ClaimNotInLogs);
        finding.severity(Severity::Unknown)
    } else {
        let message = format!(
            "{described} is in no log: the mean of {} runs is {measured:.8}; state that, or add the logs it comes from",
            scores.len()
        );
        let slip = difference <= context.limits.headline_tolerance_bpb;
        let severity = if slip { Severity::Warning } else { Severity::Error };
        let finding = context.finding("pkg-headline", message).code(Code::ClaimNotInLogs).severity(severity);
        runs.iter().fold(finding, |finding, run| finding.at(run.log.clone(), run.line("val_bpb"), metric_text(run)))
    };
    Some(place(finding.measured(measured)))
}

/// Whether the runs repeat one experiment, so that their mean is worth something: the same model on the same
/// validation data, trained for about as long.
pub(super) fn repeats(runs: &[RunLog]) -> bool {
    let same = |of: fn(&RunLog) -> Option<u64>| {
        let mut values = runs.iter().filter_map(of);
        let first = values.next();
        values.all(|value| Some(value) == first)
    };
    let steps = || runs.iter().filter_map(|run| run.steps);
    let as_long = steps().min().zip(steps().max()).is_none_or(|(least, most)| most <= least.saturating_mul(3) / 2);
    same(|run| run.model_params) && same(|run| run.val_tokens) && as_long
}

/// The claim is the mean of the seeds' own claims, of which the logs contradict none and are missing for some.
fn mean_of_claims(context: &Context<'_>, claim: &Claim) -> Option<String> {
    let sample = sample(context);
    let agreed = mean(&sample.values).filter(|_| sample.claimed).is_some_and(|mean| claim.stated.near(mean));
    let metadata = context.folder.metadata()?;
    let contradicted = context.runs().iter().any(|run| {
        let claimed = run.seed.and_then(|seed| metadata.claim(Field::ValBpb, Scope::Seed(seed)));
        claimed.is_none_or(|claimed| !claimed.is_of(run))
    });
    let logs = context.runs().len();
    (agreed && !contradicted).then(|| format!("{} claimed seeds, {logs} of which have a log", sample.values.len()))
}

fn metric_text(run: &RunLog) -> String {
    format!("{} val_bpb:{}", run.metric.as_deref().unwrap_or("?"), run.val_bpb.unwrap_or(f64::NAN))
}

/// Another metric's line, or its mean over the runs, that is the claim.
fn other_metric(runs: &[RunLog], claim: Stated) -> Option<(String, camino::Utf8PathBuf, Option<u64>)> {
    let mut by_name: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for run in runs {
        for line in run.metric_lines.iter().filter(|line| !line.diagnostic) {
            if claim.agrees(line.val_bpb) {
                return Some((line.name.clone(), run.log.clone(), Some(line.line)));
            }
            by_name.entry(&line.name).or_default().push(line.val_bpb);
        }
    }
    let (name, _) = by_name.iter().find(|(_, values)| mean(values).is_some_and(|mean| claim.agrees(mean)))?;
    Some((format!("the mean of {name}"), runs.first()?.log.clone(), None))
}

fn before_quantisation(run: &RunLog, claim: Stated) -> bool {
    let diagnostic = run.metric_lines.iter().filter(|line| line.diagnostic).map(|line| line.val_bpb);
    run.pre_quant_val_bpb.into_iter().chain(diagnostic).any(|bpb| claim.agrees(bpb))
}
