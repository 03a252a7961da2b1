//! The README's results against the logs.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::claims::compare_std;
use super::context::run_name;
use super::{Check, Context};
use crate::folder::{Claim, Field, RunLog, Scope};
use crate::report::{Code, Confidence, Finding, Severity};
use crate::stats::{mean, sample_std};

/// Metadata of the check.
pub const CHECK: Check = Check {
    name: "readme-numbers",
    about: "The README's headline and results table state, per seed and over the seeds, what the logs state.",
    rules: &["pkg-headline", "size-claims-agree", "repro"],
    run,
};

fn run(context: &Context<'_>) -> Vec<Finding> {
    let Some(readme) = &context.folder.readme else { return Vec::new() };
    if context.runs().is_empty() {
        return Vec::new();
    }
    let claims = readme.claims();
    let mut findings: Vec<Finding> = readme.headline.iter().filter_map(|claim| headline(context, claim)).collect();
    if claims.is_empty() {
        let message = "README.md has no results table with a seed column; its numbers were not compared with the logs";
        let finding = context.finding("repro", message).code(Code::ReadmeWithoutResults).severity(Severity::Info);
        findings.push(finding.at("README.md", None, "no table with a seed column"));
    }
    findings.extend(claims.iter().filter_map(|claim| judge(context, claim)));
    findings
}

/// The bold score on top. caddie's own form says which statistic each number is; of another form any score that the logs
/// print will do.
fn headline(context: &Context<'_>, claim: &Claim) -> Option<Finding> {
    let runs = context.runs();
    if matches!(claim.field, Field::ValBpbStd) {
        return deviation(context, claim);
    }
    let values: Vec<f64> = runs.iter().filter_map(|run| claim.field.of(run)).collect();
    let largest =
        || runs.iter().max_by(|a, b| claim.field.of(a).partial_cmp(&claim.field.of(b)).unwrap_or(Ordering::Equal));
    let (measured, run) = match claim.scope {
        Scope::Max => (claim.field.of(largest()?)?, largest()),
        _ => (mean(&values)?, None),
    };
    let printed =
        || runs.iter().any(|run| states(run, claim)) || other_means(runs).any(|mean| claim.stated.agrees(mean));
    if claim.stated.agrees(measured) || claim.loose && printed() {
        return None;
    }
    let (field, stated) = (claim.field.name(), claim.stated.value);
    let which = if claim.scope == Scope::Max { "the largest run has" } else { "the mean of the logs is" };
    let rounded = if claim.field == Field::ValBpb { format!("{measured:.8}") } else { measured.to_string() };
    let message = format!("README.md's headline says {field} {stated}, {which} {rounded}");
    let mut finding = mismatch(context, claim, message, measured);
    if claim.loose {
        finding = finding.severity(Severity::Warning).confidence(Confidence::Medium);
    }
    Some(match run {
        Some(run) => finding.at(run.log.clone(), run.line(field), format!("{field} {rounded}")),
        None => runs.iter().fold(finding, |finding, run| {
            let text = claim.field.of(run).map_or_else(|| format!("no {field}"), |value| format!("{field} {value}"));
            finding.at(run.log.clone(), run.line(field), text)
        }),
    })
}

fn judge(context: &Context<'_>, claim: &Claim) -> Option<Finding> {
    match claim.scope {
        Scope::Seed(seed) => of_seed(context, claim, seed),
        Scope::Mean => of_mean(context, claim),
        _ => deviation(context, claim),
    }
}

/// Every log of the seed that the folder holds may be the one that the row is about.
fn of_seed(context: &Context<'_>, claim: &Claim, seed: i64) -> Option<Finding> {
    let others = context.folder.runs.others.iter().map(|other| &other.run);
    let of_seed = |run: &&RunLog| run.seed == Some(seed);
    if context.runs().iter().chain(others).filter(of_seed).any(|run| states(run, claim)) {
        return None;
    }
    let run = context.runs().iter().find(of_seed)?;
    if claim.loose {
        return Some(further_score(context, claim, run));
    }
    let measured = claim.field.of(run)?;
    let field = claim.field.name();
    let message = format!("{}: README.md says {field} {}, the log {measured}", run_name(run), claim.stated.value);
    let finding = mismatch(context, claim, message, measured);
    Some(finding.at(run.log.clone(), run.line(field), format!("{field} {measured}")))
}

/// A column whose name leaves open which evaluation it shows: that no line of the log states the number is worth a
/// line, and no more.
fn further_score(context: &Context<'_>, claim: &Claim, run: &RunLog) -> Finding {
    let message =
        format!("README.md's column {} gives {}, which no line of {} states", claim.key, claim.stated.value, run.log);
    let finding = context.finding("repro", message).code(Code::ReadmeDiagNeLog).severity(Severity::Info);
    let finding = finding.confidence(Confidence::Low).claimed(claim.stated.value);
    finding.at("README.md", Some(claim.line), claim.text.clone())
}

fn states(run: &RunLog, claim: &Claim) -> bool {
    let raw_code = run.bytes_code_uncompressed.filter(|_| claim.field == Field::BytesCode).map(|raw| raw as f64);
    let own = claim.field.of(run).into_iter().chain(raw_code).any(|value| claim.stated.agrees(value));
    own || any_metric(run, claim)
}

/// A table may show the other evaluations of a run beside the official one.
fn any_metric(run: &RunLog, claim: &Claim) -> bool {
    let others = run.metric_lines.iter().map(|line| line.val_bpb).chain(run.pre_quant_val_bpb);
    claim.field == Field::ValBpb && others.into_iter().any(|bpb| claim.stated.agrees(bpb))
}

fn of_mean(context: &Context<'_>, claim: &Claim) -> Option<Finding> {
    let values: Vec<f64> = context.runs().iter().filter_map(|run| claim.field.of(run)).collect();
    let measured = mean(&values)?;
    // A mean of values that were rounded for the table is off by less than the last digit of each.
    let unit = 10f64.powi(-(claim.stated.decimals as i32));
    let near = |mean: f64| (claim.stated.value - mean).abs() <= unit * 1.000_001;
    if claim.loose || near(measured) || claim.field == Field::ValBpb && other_means(context.runs()).any(near) {
        return None;
    }
    let message = format!(
        "README.md says the mean {} is {}, over {} logs it is {measured:.8}",
        claim.field.name(),
        claim.stated.value,
        values.len()
    );
    Some(mismatch(context, claim, message, measured))
}

/// Means over the runs of the other metrics that they print, the last validation of the loop included.
fn other_means(runs: &[RunLog]) -> impl Iterator<Item = f64> {
    let mut by_name: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for run in runs {
        for line in &run.metric_lines {
            by_name.entry(&line.name).or_default().push(line.val_bpb);
        }
        by_name.entry("").or_default().extend(run.pre_quant_val_bpb);
    }
    by_name.into_values().filter_map(|values| mean(&values))
}

fn deviation(context: &Context<'_>, claim: &Claim) -> Option<Finding> {
    if claim.loose {
        return None;
    }
    let of = if claim.field == Field::ValBpbStd { Field::ValBpb } else { Field::ValLoss };
    let values: Vec<f64> = context.runs().iter().filter_map(|run| of.of(run)).collect();
    let sample = sample_std(&values)?;
    let (code, severity, what) = compare_std(claim, sample, values.len())?;
    let code = if code == Code::StdMismatch { Code::ReadmeStdMismatch } else { code };
    let message =
        format!("README.md says {} {}{what}: the sample form is {sample:.8}", claim.field.name(), claim.stated.value);
    let finding = context.finding("repro", message).code(code).severity(severity).measured(sample);
    Some(finding.claimed(claim.stated.value).at("README.md", Some(claim.line), claim.text.clone()))
}

fn mismatch(context: &Context<'_>, claim: &Claim, message: String, measured: f64) -> Finding {
    let score = matches!(claim.field, Field::ValBpb | Field::ValLoss);
    let (rule, code, severity) = match claim.field {
        Field::ValBpb | Field::ValLoss => ("pkg-headline", Code::ReadmeScoreNeLog, Severity::Error),
        Field::BytesTotal | Field::BytesModel | Field::BytesCode => {
            ("size-claims-agree", Code::ReadmeBytesNeLog, Severity::Warning)
        }
        Field::Steps => ("repro", Code::ReadmeStepsNeLog, Severity::Info),
        _ => ("repro", Code::ReadmeTimeNeLog, Severity::Warning),
    };
    let slip = score && (claim.stated.value - measured).abs() <= context.limits.headline_tolerance_bpb;
    // A number marked as approximate accuses nobody.
    let severity = match severity {
        _ if claim.stated.approximate => Severity::Info,
        Severity::Error if slip => Severity::Warning,
        severity => severity,
    };
    let finding = context.finding(rule, message).code(code).severity(severity);
    finding.measured(measured).claimed(claim.stated.value).at("README.md", Some(claim.line), claim.text.clone())
}
