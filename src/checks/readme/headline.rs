//! Checks of the score on top of a README, and of the labelled numbers in its prose.

use std::cmp::Ordering;

use super::mismatch;
use crate::checks::Context;
use crate::checks::claims::{other_means, sample};
use crate::checks::score::undecidable;
use crate::checks::shown::{apart, shown};
use crate::report::{Code, Confidence, Finding, Severity};
use caddie_folder::{Claim, Fact, Field, Readme, RunLog, Scope, Shows};
use caddie_rulebook::stats::mean;

/// Largest relative error of a time marked as approximate.
const ROUGH: f64 = 0.01;
/// Most scores of titles and `| Metric | Value |` tables that are looked for in the logs.
const MAX_SCORES: usize = 50;

/// Checks a headline in caddie's own form, which says which statistic each number is.
pub(super) fn rendered(context: &Context<'_>, claim: &Claim) -> Option<Finding> {
    let runs = context.runs();
    if matches!(claim.field, Field::ValBpbStd) {
        return None;
    }
    let values: Vec<f64> = runs.iter().filter_map(|run| claim.field.of(run)).collect();
    let largest =
        || runs.iter().max_by(|a, b| claim.field.of(a).partial_cmp(&claim.field.of(b)).unwrap_or(Ordering::Equal));
    let (measured, run) = match claim.scope {
        Scope::Max => (claim.field.of(largest()?)?, largest()),
        _ => (mean(&values)?, None),
    };
    if claim.stated.agrees(measured) {
        return None;
    }
    let (field, stated) = (claim.field.name(), claim.stated.value);
    let which = if claim.scope == Scope::Max { "the largest run has" } else { "the mean of the logs is" };
    let rounded = if claim.field == Field::ValBpb { format!("{measured:.8}") } else { measured.to_string() };
    let message = format!("README.md's headline says {field} {stated}, {which} {rounded}");
    let finding = mismatch(context, claim, message, measured);
    Some(match run {
        Some(run) => finding.in_log(run, claim.field.logged(run), format!("{field} {rounded}")),
        None => at_every_run(finding, runs, claim.field),
    })
}

/// Checks headlines and `| Metric | Value |` tables in other forms: any score that the logs print, and any mean of such
/// scores, will do. Numbers in no log make one finding, and a headline of another metric than the official one another.
pub(super) fn foreign(context: &Context<'_>, readme: &Readme) -> Vec<Finding> {
    let titles: Vec<Claim> = readme.prose.iter().filter(|claim| claim.field == Field::ValBpb).cloned().collect();
    let tables: Vec<Claim> = readme.tables.iter().flat_map(|table| table.scores()).collect();
    let mut findings = Vec::new();
    let unknown = titles.iter().chain(&tables).take(MAX_SCORES).find(|claim| !is_logged(context, claim));
    if let Some(claim) = unknown {
        findings.extend(not_logged(context, claim));
    }
    if let Some(claim) = titles.first().filter(|claim| is_logged(context, claim)) {
        findings.extend(other_metric(context, claim));
    }
    findings
}

fn is_logged(context: &Context<'_>, claim: &Claim) -> bool {
    stated_by_logs(context, claim) || context.runs().iter().any(|run| context.printed(run, claim.stated).is_some())
}

fn stated_by_logs(context: &Context<'_>, claim: &Claim) -> bool {
    let own = sample(context);
    let others: Vec<f64> = context.folder.runs.others.iter().filter_map(|other| other.run.val_bpb.value()).collect();
    let means = other_means(context.runs(), Field::ValBpb).into_iter().chain(mean(&own.values)).chain(mean(&others));
    context.every_run().any(|run| claim.is_of(run))
        || means.into_iter().any(|mean| claim.stated.near(mean) || (claim.stated.value - mean).abs() <= own.unit / 2.0)
        || own.values.iter().any(|value| claim.stated.agrees(*value))
}

fn not_logged(context: &Context<'_>, claim: &Claim) -> Option<Finding> {
    let scores: Vec<f64> = context.runs().iter().filter_map(|run| run.val_bpb.value()).collect();
    let measured = mean(&scores)?;
    // The seeds that the score is of may have no log.
    let difference = (claim.stated.value - measured).abs();
    let unlogged = claim.scope == Scope::Mean && undecidable(context, difference).is_some();
    let message = format!(
        "README.md says val_bpb {}, which is in no log; the mean of {} runs is {measured:.8}",
        claim.stated.value,
        scores.len()
    );
    let severity = match claim.stated.approximate || unlogged {
        true => Severity::Info,
        false => Severity::Warning,
    };
    let finding = context.finding("pkg-headline", message).code(Code::ReadmeScoreNeLog).severity(severity);
    let finding = finding.confidence(Confidence::Medium).measured(measured).claimed(claim.stated.value);
    let finding = finding.at("README.md", Some(claim.line), claim.text.clone());
    Some(at_every_run(finding, context.runs(), Field::ValBpb))
}

/// Reports a title that gives another evaluation of the runs than the official one, which submission.json gives.
fn other_metric(context: &Context<'_>, title: &Claim) -> Option<Finding> {
    let own = sample(context);
    let official = own.values.iter().any(|value| title.stated.agrees(*value));
    let near_mean = mean(&own.values).is_some_and(|mean| title.stated.near(mean));
    let others = context.folder.runs.others.iter().map(|other| &other.run);
    let in_others = others.into_iter().any(|run| run.val_bpb.value().is_some_and(|bpb| title.stated.agrees(bpb)));
    let json = context.folder.metadata().and_then(|metadata| metadata.headline())?;
    if official
        || near_mean
        || in_others
        || json.stated.agrees(title.stated.value)
        || title.stated.agrees(json.stated.value)
    {
        return None;
    }
    let (run, line) = context.runs().iter().find_map(|run| {
        let line = run.metric_lines.iter().find(|line| title.stated.agrees(line.val_bpb))?;
        Some((run, line))
    })?;
    let message = format!(
        "README.md's headline {} is {} of {}; {} claims {} ({})",
        title.stated.value,
        line.name,
        run.log,
        context.json_name(),
        json.stated.value,
        run.metric.text().unwrap_or("the official metric")
    );
    let finding = context.finding("score-metric", message).code(Code::HeadlineIsOtherMetric).severity(Severity::Info);
    let finding = finding.claimed(title.stated.value).measured(json.stated.value);
    let finding = finding.at("README.md", Some(title.line), title.text.clone());
    Some(finding.at(run.log.clone(), Some(line.line), format!("{} val_bpb:{}", line.name, line.val_bpb)))
}

/// Compares the bytes, steps, sizes and times that the prose gives under a name.
pub(super) fn labelled(context: &Context<'_>, readme: &Readme) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut sizes: Vec<f64> = Vec::new();
    for claim in &readme.prose {
        findings.extend(match claim.field {
            Field::BytesTotal if claim.stated.is_coarse() => {
                let again = sizes.contains(&claim.stated.value) || sizes.len() >= MAX_SCORES;
                sizes.push(claim.stated.value);
                if again { None } else { units(context, claim) }
            }
            Field::BytesTotal | Field::BytesModel | Field::BytesCode | Field::Steps => exact(context, claim),
            Field::EvalSeconds => eval_time(context, claim),
            Field::TrainSeconds => exact(context, claim),
            Field::PreQuantValBpb => before_quantization(context, claim),
            _ => None,
        });
    }
    findings.extend(sum(context, readme));
    findings
}

fn exact(context: &Context<'_>, claim: &Claim) -> Option<Finding> {
    let values: Vec<f64> = context.every_run().filter_map(|run| claim.field.of(run)).collect();
    let first = *values.first()?;
    // What the submission counts may be the shipped script's.
    let script = context.folder.scripts().any(|script| claim.stated.agrees(script.bytes as f64));
    let logged = context.every_run().any(|run| claim.is_of(run));
    if logged || mean(&values).is_some_and(|mean| claim.stated.near(mean)) || script && claim.field == Field::BytesCode
    {
        return None;
    }
    let field = claim.field.name();
    let (stated, logged) = apart(claim.field, claim.stated.value, first);
    let message = format!("README.md says {field} {stated}, which is in no log (the first says {logged})");
    Some(mismatch(context, claim, message, first).severity(Severity::Info).confidence(Confidence::Medium))
}

/// Reports a score before quantization that no log prints and that is not a mean of the logs'.
fn before_quantization(context: &Context<'_>, claim: &Claim) -> Option<Finding> {
    let logged = context.runs().iter().find_map(|run| run.pre_quant_val_bpb.value())?;
    let means = other_means(context.runs(), Field::PreQuantValBpb).into_iter();
    let means = means.chain(other_means(context.runs(), Field::ValBpb));
    if context.every_run().any(|run| claim.is_of(run)) || means.into_iter().any(|mean| claim.stated.near(mean)) {
        return None;
    }
    let message = format!(
        "README.md says val_bpb {} before quantization, which is in no log (the first says {logged})",
        claim.stated.value
    );
    let finding = context.finding("repro", message).code(Code::ReadmeDiagNeLog).severity(Severity::Warning);
    let finding = finding.confidence(Confidence::Medium).measured(logged).claimed(claim.stated.value);
    Some(finding.at("README.md", Some(claim.line), claim.text.clone()))
}

/// Reports sizes in the wrong unit: `15.1 MB` of an artifact that has 15,878,809 bytes, which are 15.1 MiB.
fn units(context: &Context<'_>, claim: &Claim) -> Option<Finding> {
    let totals: Vec<f64> = context.every_run().filter_map(|run| Field::BytesTotal.of(run)).collect();
    let agrees = |bytes: f64| claim.stated.agrees(bytes);
    if totals.is_empty() || totals.iter().copied().chain(mean(&totals)).any(agrees) {
        return None;
    }
    let binary = totals.iter().copied().find(|bytes| claim.is_mebibytes_of(*bytes))?;
    let message =
        format!("README.md's {} MB are MiB: {} bytes", claim.stated.value / 1e6, shown(Field::BytesTotal, binary));
    let finding = context.finding("size-claims-agree", message).code(Code::Units).severity(Severity::Info);
    Some(finding.measured(binary).claimed(claim.stated.value).at("README.md", Some(claim.line), claim.text.clone()))
}

fn eval_time(context: &Context<'_>, claim: &Claim) -> Option<Finding> {
    let clocks: Vec<f64> = context.every_run().flat_map(caddie_folder::eval_clocks).collect();
    let rough = |clock: &f64| {
        claim.stated.near(*clock) || claim.stated.approximate && (claim.stated.value / clock - 1.0).abs() <= ROUGH
    };
    let nearest = clocks
        .iter()
        .copied()
        .min_by(|a, b| (a - claim.stated.value).abs().total_cmp(&(b - claim.stated.value).abs()))?;
    // `600s train / 600s eval` is the rule.
    if clocks.iter().any(rough) || claim.stated.value == context.limits.eval_seconds {
        return None;
    }
    let message = format!(
        "README.md says {} s of evaluation; the nearest clock in the logs is {nearest:.1} s",
        claim.stated.value
    );
    let finding = context.finding("repro", message).code(Code::ReadmeDiagNeLog).severity(Severity::Info);
    let finding = finding.measured(nearest).claimed(claim.stated.value);
    Some(finding.at("README.md", Some(claim.line), claim.text.clone()))
}

/// Checks that the model and the code that the README gives add up to the total that it gives.
fn sum(context: &Context<'_>, readme: &Readme) -> Option<Finding> {
    let only = |field: Field| {
        let mut claims = readme.prose.iter().filter(|claim| claim.field == field && !claim.stated.is_coarse());
        let first = claims.next()?;
        claims.next().is_none().then_some(first)
    };
    let (total, model, code) = (only(Field::BytesTotal)?, only(Field::BytesModel)?, only(Field::BytesCode)?);
    let sum = model.stated.value + code.stated.value;
    if sum == total.stated.value {
        return None;
    }
    let bytes = |value: f64| shown(Field::BytesTotal, value);
    let message = format!(
        "README.md says {} bytes in total, but {} of model and {} of code are {}",
        bytes(total.stated.value),
        bytes(model.stated.value),
        bytes(code.stated.value),
        bytes(sum)
    );
    let finding = context.finding("size-claims-agree", message).code(Code::ReadmeDiagNeLog).severity(Severity::Warning);
    let finding = finding.measured(sum).claimed(total.stated.value);
    Some(
        [total, model, code]
            .into_iter()
            .fold(finding, |finding, claim| finding.at("README.md", Some(claim.line), claim.text.clone())),
    )
}

fn at_every_run(finding: Finding, runs: &[RunLog], field: Field) -> Finding {
    runs.iter().take(5).fold(finding, |finding, run| {
        let name = field.name();
        let text = field.of(run).map_or_else(|| format!("no {name}"), |value| format!("{name} {value}"));
        finding.in_log(run, field.logged(run), text)
    })
}
