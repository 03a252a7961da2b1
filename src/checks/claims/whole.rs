//! Checks of numbers over all runs, other than the score and the total bytes.

use super::{not_logged, place};
use crate::checks::Context;
use crate::checks::shown::{apart, said, shown};
use crate::report::{Code, Confidence, Finding, Severity};
use caddie_files::text::thousands;
use caddie_folder::{Claim, Fact, Field, MetricLine, RunLog, Scope, Shows, Submission};
use caddie_rulebook::stats::mean;

/// Largest relative difference of val_bpb / val_loss among evaluations of one model: the ratios of a document-wise and
/// of a stream evaluation differ by 3e-5.
const RATIO_TOLERANCE: f64 = 1e-4;
/// Least nats per token of the field's subword models.
const LEAST_LOSS: f64 = 1.3;

pub(super) fn claimed(context: &Context<'_>, claim: &Claim) -> Option<Finding> {
    let runs = context.runs();
    if runs.is_empty() {
        return loss_in_the_place_of_the_score(context, claim);
    }
    if matches!(
        claim.field,
        Field::PreQuantValBpb | Field::PreQuantValLoss | Field::FurtherValBpb | Field::FurtherValLoss
    ) {
        return further(context, claim);
    }
    let field = claim.field.name();
    let (code, rule, severity) = code_of(claim.field);
    let values: Vec<f64> = runs.iter().filter_map(|run| claim.field.of(run)).collect();
    let (Some(mean), Some(max)) = (mean(&values), values.iter().copied().reduce(f64::max)) else {
        return unlogged(context, rule, claim);
    };
    let agrees = match claim.scope {
        Scope::Max => claim.stated.agrees(max),
        Scope::Mean => claim.stated.near(mean),
        _ => runs.iter().any(|run| is_of(claim, run)) || claim.stated.agrees(mean) || claim.stated.agrees(max),
    };
    if agrees || claim.field == Field::EvalSeconds && clocks_agree(runs, claim) {
        return None;
    }
    let (code, severity) = match claim.field {
        Field::ValLoss if is_bpb(runs, claim) => (Code::JsonValLossIsBpb, Severity::Error),
        // The budget, not the clock.
        Field::TrainSeconds if claim.stated.value == context.limits.train_seconds && max < claim.stated.value => {
            (code, Severity::Info)
        }
        _ => (code, severity),
    };
    let measured = if claim.scope == Scope::Max { max } else { mean };
    let (claimed, other) = apart(claim.field, claim.stated.value, measured);
    let logged = match claim.scope {
        _ if code == Code::JsonValLossIsBpb => format!("which is the val_bpb; the logs' val_loss is {mean:.8}"),
        Scope::Max => format!("the largest run has {other}"),
        Scope::Mean => format!("the mean of the logs is {other}"),
        _ => said(claim.field, &values),
    };
    let message = format!("{} claims {} {claimed}, {logged}", context.json_name(), claim.key);
    let finding =
        place(context, context.finding(rule, message).code(code).severity(severity), claim).measured(measured);
    // A mean is shown by its first part, a maximum by the run that has it.
    let mut stating = runs.iter().filter_map(|run| Some((run, claim.field.of(run)?)));
    let wanted = |value: f64| claim.scope == Scope::Mean || value == max;
    let (run, value) = stating.find(|(_, value)| wanted(*value))?;
    Some(finding.in_log(run, claim.field.logged(run), format!("{field} {value}")))
}

/// Reports a val_loss that no subword model reaches, in a folder without logs and without a val_bpb: it is probably the
/// val_bpb.
fn loss_in_the_place_of_the_score(context: &Context<'_>, claim: &Claim) -> Option<Finding> {
    let scored = context.folder.metadata().is_some_and(|metadata| metadata.headline().is_some());
    if scored || claim.field != Field::ValLoss || claim.stated.value >= LEAST_LOSS {
        return None;
    }
    let message = format!(
        "{} has no val_bpb, and its {} {} is too low for nats per token of a subword model: it may be the val_bpb",
        context.json_name(),
        claim.key,
        claim.stated.value
    );
    let finding = context.finding("pkg-json", message).code(Code::JsonValLossIsBpb).severity(Severity::Warning);
    Some(place(context, finding.confidence(Confidence::Low), claim))
}

/// Tells whether the claim is a number of this run. A loss must be that of the official line; any other number may be
/// whatever the log states under the name.
fn is_of(claim: &Claim, run: &RunLog) -> bool {
    match claim.field {
        Field::ValLoss => {
            run.val_loss.value().is_some_and(|loss| claim.stated.agrees(loss) || claim.is_open(loss, run.decimals))
        }
        _ => claim.is_of(run),
    }
}

/// Tells whether the claim is a mean or a maximum over the runs of any of their evaluation clocks.
fn clocks_agree(runs: &[RunLog], claim: &Claim) -> bool {
    let clocks: Vec<Vec<f64>> = runs.iter().map(caddie_folder::eval_clocks).collect();
    let shortest = clocks.iter().map(Vec::len).min().unwrap_or(0);
    (0..shortest).any(|index| {
        let values: Vec<f64> = clocks.iter().filter_map(|clocks| clocks.get(index).copied()).collect();
        let max = values.iter().copied().reduce(f64::max);
        mean(&values).is_some_and(|mean| claim.stated.near(mean)) || max.is_some_and(|max| claim.stated.agrees(max))
    })
}

fn is_bpb(runs: &[RunLog], claim: &Claim) -> bool {
    let scores: Vec<f64> = runs.iter().filter_map(|run| run.val_bpb.value()).collect();
    scores.iter().copied().chain(mean(&scores)).any(|bpb| claim.stated.agrees(bpb))
}

/// Compares a score of another evaluation with any line of a log that states it, or the mean of such lines.
fn further(context: &Context<'_>, claim: &Claim) -> Option<Finding> {
    let runs = context.runs();
    let printed = context.every_run().any(|run| claim.is_of(run));
    if printed || other_means(runs, claim.field).into_iter().any(|mean| claim.stated.near(mean)) {
        return None;
    }
    let message = format!(
        "{} claims {} {}, which is in no log",
        context.json_name(),
        claim.key,
        shown(claim.field, claim.stated.value)
    );
    let finding = context.finding("repro", message).code(Code::JsonDiagNeLog).severity(Severity::Info);
    Some(place(context, finding, claim))
}

/// Returns the means over the runs of each metric that they print, the last validation of the loop included.
pub(in crate::checks) fn other_means(runs: &[RunLog], field: Field) -> Vec<f64> {
    let loss = matches!(field, Field::ValLoss | Field::PreQuantValLoss | Field::FurtherValLoss);
    let mut by_name: std::collections::BTreeMap<&str, Vec<f64>> = std::collections::BTreeMap::new();
    for run in runs {
        for line in &run.metric_lines {
            by_name.entry(&line.name).or_default().extend(if loss { line.val_loss } else { Some(line.val_bpb) });
        }
        let pre_quant = if loss { run.pre_quant_val_loss.value() } else { run.pre_quant_val_bpb.value() };
        by_name.entry("").or_default().extend(pre_quant);
    }
    by_name.into_values().filter_map(|values| mean(&values)).collect()
}

/// Judges a claim about a field that no log states. Code bytes can still be compared with the script, a size in
/// megabytes with the log's.
fn unlogged(context: &Context<'_>, rule: &'static str, claim: &Claim) -> Option<Finding> {
    let script = context.folder.script.as_ref();
    if let Some(script) = script.filter(|_| claim.field == Field::BytesCode) {
        if claim.stated.agrees(script.bytes as f64) {
            return None;
        }
        let message = format!(
            "{} claims {} {}, {} is {} bytes, and no log states them",
            context.json_name(),
            claim.key,
            shown(claim.field, claim.stated.value),
            script.path,
            thousands(script.bytes)
        );
        let finding = context.finding(rule, message).code(Code::JsonCodeBytesNeLog).severity(Severity::Warning);
        let finding = place(context, finding, claim).measured(script.bytes);
        return Some(finding.at(script.path.clone(), None, format!("{} bytes", script.bytes)));
    }
    Some(not_logged(context, rule, claim, &format!("no log states {}", claim.field.name())))
}

/// Checks that the two numbers of submission.json have the ratio of the logs' lines, because val_bpb / val_loss is a
/// constant of the tokenizer and the validation split.
pub(super) fn loss_of_another_tokenizer(context: &Context<'_>, metadata: &Submission) -> Option<Finding> {
    let bpb = metadata.headline()?;
    let loss = metadata
        .claim(Field::ValLoss, Scope::Whole)
        .or_else(|| metadata.claim(Field::ValLoss, Scope::Mean))
        .filter(|loss| loss.stated.value > 0.0 && bpb.stated.value > 0.0)?;
    let claimed = bpb.stated.value / loss.stated.value;
    let logged = context.every_run().flat_map(|run| &run.metric_lines);
    let ratio = |line: &MetricLine| Some(line.val_bpb / line.val_loss.filter(|loss| *loss > 0.0)?);
    let ratios: Vec<f64> = logged.filter_map(ratio).collect();
    // The digits that the two numbers leave open.
    let open = bpb.stated.unit() / bpb.stated.value + loss.stated.unit() / loss.stated.value + RATIO_TOLERANCE;
    let printed = |ratio: f64| (claimed / ratio - 1.0).abs() <= open + 2e-4;
    let nearest = ratios.iter().copied().min_by(|a, b| (a - claimed).abs().total_cmp(&(b - claimed).abs()))?;
    if printed(nearest) || is_bpb(context.runs(), loss) {
        return None;
    }
    let message = format!(
        "{}: val_bpb / val_loss is {claimed:.6}, in the logs {nearest:.6}: the two numbers are not of one evaluation",
        context.json_name()
    );
    let finding = context.finding("bpb-formula", message).code(Code::JsonBpbLossRatio).severity(Severity::Warning);
    let finding = finding.claimed(claimed).measured(nearest);
    let finding = finding.at(context.json_name(), Some(bpb.line), bpb.text.clone());
    Some(finding.at(context.json_name(), Some(loss.line), loss.text.clone()))
}

/// Returns code, rule and severity of a number over the runs that is not the logs'.
fn code_of(field: Field) -> (Code, &'static str, Severity) {
    match field {
        Field::BytesModel => (Code::JsonModelBytesNeLog, "size-claims-agree", Severity::Warning),
        Field::BytesCode => (Code::JsonCodeBytesNeLog, "size-claims-agree", Severity::Warning),
        Field::ValLoss => (Code::JsonValLossNeLog, "repro", Severity::Warning),
        Field::Steps => (Code::JsonStepsNeLog, "repro", Severity::Warning),
        Field::StepAvgMs => (Code::JsonMsPerStepNeLog, "repro", Severity::Info),
        Field::ModelParams => (Code::JsonDiagNeLog, "repro", Severity::Info),
        Field::ScoredDocuments | Field::ScoredTokens | Field::ScoredBytes => {
            (Code::LedgerNeLog, "repro", Severity::Warning)
        }
        _ => (Code::JsonTimeNeLog, "repro", Severity::Warning),
    }
}
