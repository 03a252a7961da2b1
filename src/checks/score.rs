//! Checks of the headline: the statistic and the metric that the claimed val_bpb is.

mod identity;
mod name;
mod unlogged;

use std::collections::BTreeMap;

use super::claims::{one_run_a_seed, sample};
use super::{Check, Context, Needs, denominator};
use crate::report::{Code, Finding, Severity};
use caddie_folder::metric;
use caddie_folder::{Claim, Fact, Field, InLog, Log, LogLine, MetricLine, RunLog, Scope, Shows, Stated};
use caddie_rulebook::stats::mean;

/// Metadata of the check.
pub const CHECK: Check = Check {
    name: "claimed-score",
    about: "The claimed val_bpb is the mean of the logs' official scores, of the quantized model.",
    rules: &["pkg-headline", "score-metric", "size-scored-artifact", "repro"],
    needs: Needs::Run(|run| run.val_bpb.is_some()),
    run,
};

/// Largest error of a mean of values rounded to five digits.
const ROUNDED_MEAN: f64 = 1e-5;
// Tolerances of reading, not of a rule.

/// Largest difference between a mean over more seeds and one over some of them, bits per byte.
const NEAR: f64 = 0.01;
/// Bits per byte by which a later evaluation must be worse than all earlier ones to count as failed.
const WORSE: f64 = 0.005;

fn run(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = unscored(context);
    findings.extend(in_training(context));
    findings.extend(reread(context));
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

/// Reports runs whose claimed score is another line than the one that their logs' own order of metrics gives.
fn reread(context: &Context<'_>) -> Option<Finding> {
    // A print with fewer digits of the same result is no other metric.
    let own =
        |log: &camino::Utf8Path| context.runs().iter().find(|run| run.log == log).and_then(|run| run.val_bpb.value());
    let other = |official: f64, log: &camino::Utf8Path| own(log).is_none_or(|own| (own - official).abs() > 1e-4);
    let reread: Vec<_> = context.folder.runs.reread.iter().filter(|(log, _, official)| other(*official, log)).collect();
    let of = |log: &camino::Utf8Path| context.runs().iter().find(|run| run.log == log);
    let (log, official, val_bpb) = reread.first()?;
    let name = of(log).and_then(|run| run.metric.text()).unwrap_or("another line");
    let more = if reread.len() > 1 { format!(" (and {} logs more)", reread.len() - 1) } else { String::new() };
    let message =
        format!("{log}: the claim is {name}; the log's own order of metrics gives {official} {val_bpb}{more}");
    // Who claims the worse of two scores gains nothing.
    let gains = reread
        .iter()
        .any(|(log, _, official)| of(log).and_then(|run| run.val_bpb.value()).is_some_and(|own| own < *official));
    let finding = context.finding("score-metric", message).code(Code::HeadlineIsOtherMetric);
    let finding = finding.severity(if gains { Severity::Warning } else { Severity::Info });
    let finding = finding.confidence(crate::report::Confidence::Medium);
    Some(reread.iter().take(5).fold(finding, |finding, (log, ..)| {
        let run = of(log);
        let name = run.and_then(|run| run.metric.text()).unwrap_or_default();
        match run {
            Some(run) => finding.in_log(run, &run.metric, name),
            None => finding.at(log.clone(), None, name),
        }
    }))
}

/// Reports a worse score after the official one: a reader who takes the log's last line takes the wrong one.
fn trailing(context: &Context<'_>, run: &RunLog) -> Option<Finding> {
    let official = run.val_bpb.value()?;
    let last = run.metric_lines.iter().rfind(|line| !line.diagnostic)?;
    // What an evaluation alone scored does not stand among the lines of the training.
    let at = run.val_bpb.filter(|score| score.log == Log::Own)?.line;
    // A round trip after the sliding window is worse and no failure; what is worse than all before it is.
    let before = run.metric_lines.iter().filter(|line| line.line <= at).map(|line| line.val_bpb);
    let worst_before = before.fold(official, f64::max);
    if last.line <= at || last.val_bpb <= worst_before + WORSE {
        return None;
    }
    let message = format!(
        "{}: the log ends with {} val_bpb {}, worse than the official {} {official}",
        run.log,
        last.name,
        last.val_bpb,
        run.metric.text().unwrap_or("score")
    );
    let finding = context.finding("score-metric", message).code(Code::TrailingWorseMetric).severity(Severity::Warning);
    let finding = finding.measured(official).in_log(run, last, format!("{} val_bpb:{}", last.name, last.val_bpb));
    Some(finding.in_log(run, run.val_bpb, metric_text(run)))
}

/// Reports runs without a score of the quantized model; they decide nothing about the claim.
fn unscored(context: &Context<'_>) -> Vec<Finding> {
    let unscored = context.runs().iter().filter(|run| run.val_bpb.is_none());
    unscored
        .map(|run| {
            let message = format!("{}: no score of the quantized model is in the log", run.log);
            let finding = context.finding("size-scored-artifact", message).code(Code::ScoreUnknown);
            let text = run.pre_quant_val_bpb.value().map_or_else(
                || "no metric line".to_owned(),
                |bpb| format!("last validation before quantization: val_bpb {bpb}"),
            );
            finding.severity(Severity::Unknown).in_log(run, run.pre_quant_val_bpb, text)
        })
        .collect()
}

/// Reports runs whose claimed score is the last validation in training, because their logs end without one of the artifact.
fn in_training(context: &Context<'_>) -> Option<Finding> {
    let unquantized = |run: &&RunLog| run.metric.text() == Some(metric::IN_TRAINING);
    let runs: Vec<&RunLog> = context.runs().iter().filter(unquantized).collect();
    let first = runs.first()?;
    let more = if runs.len() > 1 { format!(" (and {} logs more)", runs.len() - 1) } else { String::new() };
    let message = format!(
        "{}: the claim is the last validation in training, and no line of the log scores the artifact{more}",
        first.log
    );
    let finding = context.finding("size-scored-artifact", message).code(Code::PreQuantScore);
    let finding = finding.severity(context.on_record(Severity::Warning));
    Some(runs.iter().take(5).fold(finding, |finding, run| {
        finding.in_log(
            run,
            run.val_bpb,
            format!("{} val_bpb:{}", metric::IN_TRAINING, run.val_bpb.value().unwrap_or_default()),
        )
    }))
}

fn headline(context: &Context<'_>, claim: &Claim) -> Option<Finding> {
    let runs = context.runs();
    let scores: Vec<f64> = runs.iter().filter_map(|run| run.val_bpb.value()).collect();
    let file = context.json_name();
    let place = |finding: Finding| finding.claimed(claim.stated.value).at(file, Some(claim.line), claim.text.clone());
    let Some(measured) = mean(&scores) else {
        let message = format!("{file} claims val_bpb {}, and no log states a score to compare", claim.stated.value);
        let finding = context.finding("pkg-headline", message).code(Code::ScoreUnknown);
        return Some(place(finding.severity(Severity::Unknown)));
    };
    let unit = sample(context).unit;
    if claim.stated.agrees(measured) || (claim.stated.value - measured).abs() <= unit / 2.0 {
        return None;
    }
    // What the logs divide by is judged where the denominators are.
    let corrected: Vec<f64> = runs.iter().filter_map(|run| denominator::corrected(context, run)).collect();
    if corrected.len() == scores.len() && denominator::is_corrected(claim.stated, &corrected) {
        return None;
    }
    let described = format!("val_bpb {} of {file}", claim.stated.value);
    let difference = (claim.stated.value - measured).abs();
    let finding = if difference <= ROUNDED_MEAN {
        let message = format!("{described} is the mean {measured:.8} up to rounding of its parts");
        context.finding("score-metric", message).code(Code::Rounding).severity(Severity::Info)
    } else if let Some(run) = runs.iter().find(|run| run.val_bpb.value().is_some_and(|bpb| claim.stated.agrees(bpb))) {
        if !repeats(runs) {
            return None;
        }
        let message = format!("{described} is the run {}; the mean of {} runs is {measured:.8}", run.log, scores.len());
        let finding = context.finding("score-metric", message).code(Code::JsonScoreNotMean);
        finding.severity(Severity::Warning).in_log(run, run.val_bpb, metric_text(run))
    } else if let Some((name, run, line)) = other_metric(runs, claim.stated) {
        let message = format!("{described} is {name}; the official metric gives {measured:.8}");
        let finding = context.finding("score-metric", message).code(Code::HeadlineIsOtherMetric);
        finding.severity(Severity::Warning).in_log(run, line, name)
    } else if let Some((run, line)) = of_some_run(runs, |run| before_quantization(run, claim.stated)) {
        let message = format!("{described} is a score of the weights before quantization; after it: {measured:.8}");
        let finding = context.finding("size-scored-artifact", message).code(Code::PreQuantScore);
        // Who claims the worse of two scores gains nothing.
        let gains = claim.stated.value < measured;
        let finding = finding.severity(if gains { Severity::Error } else { Severity::Warning });
        finding.in_log(run, line, "before quantization")
    } else if let Some(chosen) = one_run_a_seed(runs, claim.stated) {
        of_chosen(context, &chosen, &format!("{described} is the mean of one log a seed"), measured)
    } else if let Some((file, line, text)) = printed(context, claim) {
        let message = format!(
            "{described} or a seed's score stands in a line that is not read as a result; the lines that are read give {measured:.8}"
        );
        let finding = context.finding("pkg-headline", message).code(Code::ClaimNotInLogs);
        finding.severity(Severity::Unknown).at(file, Some(line), text)
    } else if let Some(seeds) = undecidable(context, difference) {
        let message = format!(
            "{described} cannot be checked: no log gives the score of seed {seeds}; the mean of the others is {measured:.8}"
        );
        context.finding("pkg-headline", message).code(Code::ClaimNotInLogs).severity(Severity::Unknown)
    } else {
        let message = format!(
            "{described} is in no log: {} {measured:.8}; state that, or add the logs it comes from",
            if scores.len() == 1 {
                "the only run gives".to_owned()
            } else {
                format!("the mean of {} runs is", scores.len())
            }
        );
        let slip = difference <= context.limits.headline_tolerance_bpb;
        let severity = if slip { Severity::Warning } else { Severity::Error };
        let finding = context.finding("pkg-headline", message).code(Code::ClaimNotInLogs).severity(severity);
        runs.iter().fold(finding, |finding, run| finding.in_log(run, run.val_bpb, metric_text(run)))
    };
    Some(place(finding.measured(measured)))
}

/// Notes which of several logs of one seed a claim counts.
fn of_chosen(context: &Context<'_>, chosen: &[&RunLog], claim: &str, measured: f64) -> Finding {
    let runs = context.runs();
    let left: Vec<&RunLog> = runs.iter().filter(|run| !chosen.iter().any(|taken| std::ptr::eq(*taken, *run))).collect();
    let contested = |run: &&&RunLog| left.iter().any(|left| left.seed.value() == run.seed.value());
    let name = |run: &&RunLog| format!("{} ({})", run.log, run.val_bpb.value().unwrap_or_default());
    let message = format!(
        "{claim}: {} counts, {} does not; the mean of all {} is {measured:.8}",
        chosen.iter().filter(contested).map(name).collect::<Vec<_>>().join(", "),
        left.iter().map(name).collect::<Vec<_>>().join(", "),
        runs.len()
    );
    let finding = context.finding("pkg-headline", message).code(Code::OneLogPerSeed).severity(Severity::Info);
    left.into_iter().fold(finding, |finding, run| finding.in_log(run, run.val_bpb, metric_text(run)))
}

/// Tells whether the runs repeat one experiment, so that their mean has a meaning: the same model on the same
/// validation data, trained for about as long.
pub(super) fn repeats(runs: &[RunLog]) -> bool {
    let same = |of: fn(&RunLog) -> Option<u64>| {
        let mut values = runs.iter().filter_map(of);
        let first = values.next();
        values.all(|value| Some(value) == first)
    };
    let steps = || runs.iter().filter_map(|run| run.steps.value());
    let as_long = steps().min().zip(steps().max()).is_none_or(|(least, most)| most <= least.saturating_mul(3) / 2);
    same(|run| run.model_params.value()) && same(|run| run.val_tokens.value()) && as_long
}

/// Finds the claim, or the claimed score of a seed, in a line of the logs that the log reader does not take for a
/// result.
fn printed(context: &Context<'_>, claim: &Claim) -> Option<(camino::Utf8PathBuf, u64, String)> {
    let whole = context.runs().iter().find_map(|run| context.printed(run, claim.stated));
    whole.or_else(|| {
        let metadata = context.folder.metadata()?;
        context.runs().iter().find_map(|run| {
            let claimed = metadata.claim(Field::ValBpb, Scope::Seed(run.seed.value()?))?;
            if claimed.is_of(run) { None } else { context.printed(run, claimed.stated) }
        })
    })
}

/// Returns the claimed seeds without a log, where the claim is near the mean of the others and no log contradicts the
/// claim of its own seed. The claim may then be the mean over all seeds.
pub(super) fn undecidable(context: &Context<'_>, difference: f64) -> Option<String> {
    let missing = context.unlogged_seeds();
    if missing.is_empty() || difference > NEAR {
        return None;
    }
    let in_readme = context.folder.readme.as_ref().map(|readme| readme.claims()).unwrap_or_default();
    let in_json = context.folder.metadata().map(|metadata| metadata.claims.as_slice()).unwrap_or_default();
    let contradicted = context.runs().iter().any(|run| {
        let of_run =
            |claim: &&Claim| claim.field == Field::ValBpb && run.seed.value().map(Scope::Seed) == Some(claim.scope);
        let claims: Vec<&Claim> = in_json.iter().chain(&in_readme).filter(of_run).collect();
        !claims.is_empty() && !claims.iter().any(|claim| claim.is_of(run))
    });
    let list = || missing.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
    (!contradicted).then(list)
}

/// Returns the first result that `of` finds in a run.
fn of_some_run<T>(runs: &[RunLog], of: impl Fn(&RunLog) -> Option<T>) -> Option<(&RunLog, T)> {
    runs.iter().find_map(|run| Some((run, of(run)?)))
}

fn metric_text(run: &RunLog) -> String {
    format!("{} val_bpb:{}", run.metric.text().unwrap_or("?"), run.val_bpb.value().unwrap_or(f64::NAN))
}

/// Finds another metric's line, or its mean over the runs, that is the claim.
fn other_metric(runs: &[RunLog], claim: Stated) -> Option<(String, &RunLog, &MetricLine)> {
    let mut by_name: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for run in runs {
        for line in run.metric_lines.iter().filter(|line| after_quantization(line)) {
            if claim.agrees(line.val_bpb) {
                return Some((line.name.clone(), run, line));
            }
            by_name.entry(&line.name).or_default().push(line.val_bpb);
        }
    }
    let (name, _) = by_name.iter().find(|(_, values)| mean(values).is_some_and(|mean| claim.agrees(mean)))?;
    // A mean is shown by its first part.
    let part =
        |run: &'_ RunLog| run.metric_lines.iter().position(|line| line.name == *name && after_quantization(line));
    let (run, at) = runs.iter().find_map(|run| Some((run, part(run)?)))?;
    Some((format!("the mean of {name}"), run, run.metric_lines.get(at)?))
}

/// Finds the line that gives the claim, where it is a score of the weights before quantization.
pub(super) fn before_quantization(run: &RunLog, claim: Stated) -> Option<LogLine> {
    let mut before = run.metric_lines.iter().filter(|line| !after_quantization(line));
    let validated = run.pre_quant_val_bpb.filter(|bpb| claim.agrees(bpb.value));
    validated.log_line().or_else(|| before.find(|line| claim.agrees(line.val_bpb)).log_line())
}

/// Tells whether the line scores quantized weights: `diagnostic quantized` is a score of the artifact before its
/// test-time training.
pub(super) fn after_quantization(line: &MetricLine) -> bool {
    !line.diagnostic || line.name.contains("quantized") && !line.name.contains("pre-quant")
}
