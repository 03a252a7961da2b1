//! Checks of the total bytes in submission.json: the run, the statistic, or the sum of parts that they are.

use super::statistic::{Statistic, statistic};
use super::{not_logged, place};
use crate::checks::Context;
use crate::checks::context::{counted_bytes, run_name};
use crate::checks::score::repeats;
use crate::checks::shown::{apart, said, shown};
use crate::report::{Code, Finding, Severity};
use caddie_files::text::thousands;
use caddie_folder::{Claim, Fact, Field, RunLog, Scope, Shows, Submission};
use caddie_rulebook::stats::mean;

/// Unit of rounded numbers: a multiple of it is not a count.
const ROUND: f64 = 10_000.0;

/// Judges every total that the file states over the runs.
pub(super) fn total(context: &Context<'_>, metadata: &Submission) -> Vec<Finding> {
    let over = |claim: &&Claim| claim.field == Field::BytesTotal && !matches!(claim.scope, Scope::Seed(_));
    metadata.claims.iter().filter(over).flat_map(|claim| judge(context, metadata, claim)).collect()
}

fn judge(context: &Context<'_>, metadata: &Submission, claim: &Claim) -> Vec<Finding> {
    let runs = context.runs();
    let totals: Vec<f64> = runs.iter().filter_map(counted_bytes).map(|bytes| bytes as f64).collect();
    let (Some(max), Some(mean)) = (totals.iter().copied().reduce(f64::max), mean(&totals)) else {
        return unlogged(context, claim).into_iter().collect();
    };
    let is = statistic(runs, Field::BytesTotal, claim.stated);
    let agrees = match claim.scope {
        Scope::Max => claim.stated.agrees(max),
        Scope::Mean => claim.stated.near(mean),
        _ => claim.stated.agrees(max),
    };
    if agrees {
        return Vec::new();
    }
    let bytes = |value: f64| shown(Field::BytesTotal, value);
    let (file, value) = (context.json_name(), claim.stated.value);
    let finding = |code, severity, message: String| {
        let finding = context.finding("size-claims-agree", message).code(code).severity(severity);
        let finding = place(context, finding, claim).measured(max);
        let largest = runs.iter().find(|run| counted_bytes(run).is_some_and(|bytes| bytes as f64 == max));
        largest.into_iter().fold(finding, |finding, run| finding.in_log(run, run.bytes_total, format!("{} bytes", max)))
    };
    let which = match &is {
        Some(Statistic::Run(run)) => Some(format!("{}'s", run_name(run))),
        Some(Statistic::Mean) => Some("the mean".to_owned()),
        _ => None,
    };
    if let (Some(which), Scope::Whole) = (which, claim.scope) {
        if !repeats(runs) {
            return Vec::new();
        }
        let message =
            format!("{file} claims bytes_total {}, {which}; the largest run has {}", bytes(value), bytes(max));
        return vec![finding(Code::JsonBytesNotMax, Severity::Info, message)];
    }
    // Of a packing that no log shows: the claim's own parts add up, and the logs' do not.
    if let Some(parts) = own_parts(metadata, claim).filter(|_| claimed_score_is_elsewhere(runs, metadata)) {
        let message = format!(
            "{file} claims bytes_total {} = {parts}, a packing that no log shows; {}",
            bytes(value),
            said(Field::BytesTotal, &totals)
        );
        return vec![finding(Code::LogTotal, Severity::Info, message)];
    }
    let (claimed, logged) = match claim.scope {
        Scope::Mean => {
            let (claimed, mean) = apart(Field::BytesTotal, value, mean);
            (claimed, format!("the mean of the logs is {mean}"))
        }
        _ => (bytes(value), said(Field::BytesTotal, &totals)),
    };
    let mut findings = vec![finding(
        Code::JsonBytesNeLog,
        Severity::Warning,
        format!("{file} claims {} {claimed}, {logged}", claim.key),
    )];
    if let Some(formula) = formula(context, claim) {
        let message = format!("{file}: {} {} is {formula}", claim.key, bytes(value));
        findings.push(finding(Code::JsonBytesFormula, Severity::Info, message));
    } else if value % ROUND == 0.0 {
        let below = if value < max { format!("and below the largest run's {}", bytes(max)) } else { "".to_owned() };
        let message = format!("{file}: {} {} is a rounded number {below}", claim.key, bytes(value));
        findings.push(finding(Code::JsonBytesRounded, Severity::Warning, message.trim_end().to_owned()));
    }
    findings
}

/// Reports a seed's total that is its model with the shipped script, where the log counted another script: a right
/// number by another accounting.
pub(super) fn other_accounting(context: &Context<'_>, claim: &Claim, run: &RunLog) -> Option<Finding> {
    let (model, logged) = (run.bytes_model.value()?, run.bytes_total.value()?);
    let total = |script: &&caddie_files::FileEntry| claim.stated.agrees(model.saturating_add(script.bytes) as f64);
    let script = context.folder.scripts().find(total)?;
    let message = format!(
        "{}: {} claims bytes_total {}, its model with {} of {} bytes; the log says {}",
        run_name(run),
        context.json_name(),
        shown(claim.field, claim.stated.value),
        script.path,
        thousands(script.bytes),
        thousands(logged)
    );
    let finding = context.finding("size-claims-agree", message).code(Code::JsonBytesFormula).severity(Severity::Info);
    let finding = place(context, finding, claim).measured(logged);
    Some(finding.in_log(run, run.bytes_total, format!("{logged} bytes")))
}

/// Finds the sum of parts that the total is, where the log counts another sum: another script, or none.
fn formula(context: &Context<'_>, claim: &Claim) -> Option<String> {
    let runs = context.runs();
    let mut codes: Vec<(String, u64)> = vec![("without code".to_owned(), 0)];
    let script =
        context.folder.scripts().map(|file| (format!("{} of {} bytes", file.path, thousands(file.bytes)), file.bytes));
    codes.extend(script);
    for run in runs {
        let of = |name: &str, bytes: u64| (format!("{name} of {}, {} bytes", run.log, thousands(bytes)), bytes);
        codes.extend(run.bytes_code.value().map(|bytes| of("the code", bytes)));
        codes.extend(run.bytes_code_uncompressed.value().map(|bytes| of("the plain code", bytes)));
    }
    for run in runs {
        let Some(model) = run.bytes_model.value() else { continue };
        let found = codes.iter().find(|(_, code)| claim.stated.agrees(model.saturating_add(*code) as f64));
        if let Some((name, _)) = found {
            return Some(
                format!("the model of {}, {} bytes, with {name}", run.log, thousands(model))
                    .replace("with without", "without"),
            );
        }
    }
    let models: Vec<f64> = runs.iter().filter_map(|run| run.bytes_model.value()).map(|bytes| bytes as f64).collect();
    let mean = mean(&models).filter(|mean| claim.stated.near(*mean))?;
    Some(format!("the mean of the models, {} bytes, without code", shown(Field::BytesModel, mean)))
}

/// Tells whether the total is `bytes_model + bytes_code` of the file itself.
fn own_parts(metadata: &Submission, claim: &Claim) -> Option<String> {
    let part = |field| metadata.claim(field, Scope::Whole).map(|claim| claim.stated.value);
    let (model, code) = (part(Field::BytesModel)?, part(Field::BytesCode)?);
    claim.stated.agrees(model + code).then(|| {
        let part = |bytes| shown(Field::BytesTotal, bytes);
        format!("{} + {}", part(model), part(code))
    })
}

fn claimed_score_is_elsewhere(runs: &[RunLog], metadata: &Submission) -> bool {
    metadata.headline().is_some_and(|claim| !runs.iter().any(|run| claim.is_of(run)))
}

/// Judges a total where no log states bytes: it must agree with megabytes that a log prints.
fn unlogged(context: &Context<'_>, claim: &Claim) -> Option<Finding> {
    let runs = context.runs();
    if runs.is_empty() || claim.scope == Scope::Mean {
        return None;
    }
    let in_megabytes = runs.iter().filter_map(|run| run.megabytes.text());
    let megabytes = format!("{:.2}", claim.stated.value / 1e6);
    if in_megabytes.into_iter().any(|text| text.contains(&megabytes)) {
        return None;
    }
    Some(not_logged(context, "size-claims-agree", claim, "no log states bytes_total"))
}
