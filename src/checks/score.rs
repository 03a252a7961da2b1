//! The headline: which statistic of which metric the claimed val_bpb is.

use std::collections::BTreeMap;

use super::{Check, Context};
use crate::folder::{Claim, Field, RunLog, Scope, Stated};
use crate::report::{Code, Finding, Severity};
use crate::stats::mean;

/// Metadata of the check.
pub const CHECK: Check = Check {
    name: "claimed-score",
    about: "The claimed val_bpb is the mean of the logs' official scores, of the quantised model.",
    rules: &["pkg-headline", "score-metric", "size-scored-artifact"],
    run,
};

/// Difference that a mean of values rounded to five digits may have.
const ROUNDED_MEAN: f64 = 1e-5;

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
    let metadata = context.folder.metadata();
    let claim = metadata.and_then(|metadata| {
        metadata.claim(Field::ValBpb, Scope::Whole).or_else(|| metadata.claim(Field::ValBpb, Scope::Mean))
    });
    if let Some(claim) = claim {
        findings.extend(headline(context, claim));
    }
    findings
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
        let message = format!("{described} is the run {}; the mean of {} runs is {measured:.8}", run.log, scores.len());
        let finding = context.finding("score-metric", message).code(Code::JsonScoreNotMean);
        let finding = finding.severity(context.on_record(Severity::Warning));
        finding.at(run.log.clone(), run.line("val_bpb"), metric_text(run))
    } else if let Some((name, log, line)) = other_metric(runs, claim.stated) {
        let message = format!("{described} is {name}; the official metric gives {measured:.8}");
        let finding = context.finding("score-metric", message).code(Code::HeadlineIsOtherMetric);
        finding.severity(Severity::Warning).at(log, line, name)
    } else if let Some(run) = runs.iter().find(|run| before_quantisation(run, claim.stated)) {
        let message = format!("{described} is a score of the weights before quantisation; after it: {measured:.8}");
        let finding = context.finding("size-scored-artifact", message).code(Code::PreQuantScore);
        finding.at(run.log.clone(), run.line("pre_quant_val_bpb"), "before quantisation")
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
