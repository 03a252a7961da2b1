//! Every other number that submission.json states about the runs, against the logs, at the precision it is stated with.

use super::context::run_name;
use super::{Check, Context};
use crate::folder::{Claim, Field, RunLog, Scope, Submission};
use crate::report::{Code, Finding, Severity};
use crate::stats::{mean, sample_std};

/// Metadata of the check.
pub const CHECK: Check = Check {
    name: "claimed-numbers",
    about: "Bytes, times, steps, losses and deviations in submission.json are those of the logs.",
    rules: &["size-claims-agree", "repro", "pkg-log"],
    run,
};

fn run(context: &Context<'_>) -> Vec<Finding> {
    let Some(metadata) = context.folder.metadata() else { return Vec::new() };
    let mut findings: Vec<Finding> = metadata.claims.iter().filter_map(|claim| judge(context, claim)).collect();
    findings.extend(unlogged_seeds(context, metadata));
    findings
}

fn judge(context: &Context<'_>, claim: &Claim) -> Option<Finding> {
    match (claim.field, claim.scope) {
        // The headline is a check of its own.
        (Field::ValBpb, Scope::Whole | Scope::Mean) => None,
        (Field::ValBpbStd | Field::ValLossStd, _) => deviation(context, claim),
        (Field::Runs, _) => run_count(context, claim),
        (_, Scope::Seed(seed)) => {
            let run = context.runs().iter().find(|run| run.seed == Some(seed))?;
            of_seed(context, claim, run)
        }
        _ => of_whole(context, claim),
    }
}

fn run_count(context: &Context<'_>, claim: &Claim) -> Option<Finding> {
    let runs = context.runs().len();
    if runs == 0 || claim.stated.agrees(runs as f64) {
        return None;
    }
    let message = format!("{} claims {} runs, the logs are of {runs}", context.json_name(), claim.stated.value);
    let finding = context.finding("pkg-log", message).code(Code::SeedWithoutLog).severity(Severity::Warning);
    Some(place(context, finding.measured(runs), claim))
}

/// A seed that is claimed and has no log cannot be checked; where its score is that of another seed's log, it is
/// mislabelled.
fn unlogged_seeds(context: &Context<'_>, metadata: &Submission) -> Vec<Finding> {
    let runs = context.runs();
    let mut findings = Vec::new();
    let mut missing = Vec::new();
    for seed in metadata.seeds.iter().filter(|seed| !runs.iter().any(|run| run.seed == Some(**seed))) {
        let claim = metadata.claim(Field::ValBpb, Scope::Seed(*seed));
        let log =
            claim.and_then(|claim| runs.iter().find(|run| run.val_bpb.is_some_and(|bpb| claim.stated.agrees(bpb))));
        match (claim, log) {
            (Some(claim), Some(run)) => {
                let message = format!(
                    "{} gives seed {seed} the score of {}, which is of seed {}",
                    context.json_name(),
                    run.log,
                    run.seed.map_or_else(|| "unknown".to_owned(), |seed| seed.to_string())
                );
                let finding = context.finding("repro", message).code(Code::SeedLabelMismatch).severity(Severity::Error);
                let finding = place(context, finding, claim).claimed(*seed);
                findings.push(finding.at(run.log.clone(), run.line("seed"), run_name(run)));
            }
            _ => missing.push(seed.to_string()),
        }
    }
    if !missing.is_empty() && !runs.is_empty() {
        let missing = missing.join(", ");
        let message = format!("{} names seed {missing}, of which no log is here", context.json_name());
        let finding = context.finding("pkg-log", message).code(Code::SeedWithoutLog).severity(Severity::Warning);
        let line = metadata.line_of("seeds");
        findings.push(finding.at(context.json_name(), line, format!("seeds without a log: {missing}")));
    }
    findings
}

fn of_seed(context: &Context<'_>, claim: &Claim, run: &RunLog) -> Option<Finding> {
    let (rule, code, severity) = match claim.field {
        Field::ValBpb | Field::ValLoss => ("repro", Code::SeedScoreNeLog, Severity::Error),
        Field::BytesTotal => ("size-claims-agree", Code::SeedBytesNeLog, Severity::Error),
        Field::BytesModel | Field::BytesCode => ("size-claims-agree", Code::SeedBytesNeLog, Severity::Warning),
        Field::Steps => ("repro", Code::SeedStepsNeLog, Severity::Warning),
        Field::TrainSeconds => ("repro", Code::SeedTrainTimeNeLog, Severity::Warning),
        Field::EvalSeconds => ("repro", Code::SeedEvalTimeNeLog, Severity::Warning),
        _ => ("repro", Code::JsonTimeNeLog, Severity::Info),
    };
    let name = run_name(run);
    let field = claim.field.name();
    let Some(measured) = claim.field.of(run) else {
        return Some(not_logged(context, rule, claim, &format!("{name}: the log states no {field}")));
    };
    let code_as_raw = claim.field == Field::BytesCode
        && run.bytes_code_uncompressed.is_some_and(|raw| claim.stated.agrees(raw as f64));
    if claim.stated.agrees(measured) || code_as_raw {
        return None;
    }
    // A slip in the last digits of a score is no other score.
    let slip = matches!(claim.field, Field::ValBpb | Field::ValLoss)
        && (claim.stated.value - measured).abs() <= context.limits.headline_tolerance_bpb;
    let severity = if slip { Severity::Warning } else { severity };
    let message =
        format!("{name}: {} claims {field} {}, the log says {measured}", context.json_name(), claim.stated.value);
    let finding = place(context, context.finding(rule, message).code(code).severity(severity), claim);
    Some(finding.measured(measured).at(run.log.clone(), run.line(field), format!("{field} {measured}")))
}

fn of_whole(context: &Context<'_>, claim: &Claim) -> Option<Finding> {
    let field = claim.field.name();
    let rule = if is_bytes(claim.field) { "size-claims-agree" } else { "repro" };
    let mut values: Vec<f64> = context.runs().iter().filter_map(|run| claim.field.of(run)).collect();
    if values.is_empty() {
        if context.runs().is_empty() {
            return None;
        }
        return Some(not_logged(context, rule, claim, &format!("no log states {field}")));
    }
    let statistics = Statistics::over(&values)?;
    if claim.field == Field::BytesCode {
        values.extend(context.runs().iter().filter_map(|run| run.bytes_code_uncompressed).map(|raw| raw as f64));
    }
    let agrees = |value: f64| claim.stated.agrees(value);
    let one_run = values.iter().any(|value| agrees(*value));
    let (code, severity, explained) = match (claim.field, claim.scope) {
        (_, Scope::Max) => (code_of(claim.field), Severity::Warning, agrees(statistics.max)),
        (_, Scope::Mean) => (code_of(claim.field), Severity::Warning, agrees(statistics.mean)),
        (Field::BytesTotal, _) if agrees(statistics.max) => return None,
        (Field::BytesTotal, _) if one_run || agrees(statistics.mean) => (Code::JsonBytesNotMax, Severity::Info, false),
        _ => (code_of(claim.field), severity_of(claim.field), one_run || agrees(statistics.mean)),
    };
    if explained {
        return None;
    }
    let message = match code {
        Code::JsonBytesNotMax => {
            let which = if one_run { "one run's" } else { "the mean" };
            format!(
                "{} claims {field} {}, {which}; the largest run has {}",
                context.json_name(),
                claim.stated.value,
                statistics.max
            )
        }
        _ => {
            let logged: Vec<String> = values.iter().map(f64::to_string).collect();
            let logged = match claim.scope {
                Scope::Max => format!("the largest run has {}", statistics.max),
                Scope::Mean => format!("the mean of the logs is {}", statistics.mean),
                _ => format!("the logs say {}", logged.join(", ")),
            };
            format!("{} claims {} {}, {logged}", context.json_name(), claim.key, claim.stated.value)
        }
    };
    let measured = if claim.scope == Scope::Mean { statistics.mean } else { statistics.max };
    let finding =
        place(context, context.finding(rule, message).code(code).severity(severity), claim).measured(measured);
    // A mean is shown by its first part, a maximum by the run that has it.
    let mut stating = context.runs().iter().filter_map(|run| Some((run, claim.field.of(run)?)));
    let wanted = |value: f64| claim.scope == Scope::Mean || value == statistics.max;
    let (run, value) = stating.find(|(_, value)| wanted(*value))?;
    Some(finding.at(run.log.clone(), run.line(field), format!("{field} {value}")))
}

struct Statistics {
    mean: f64,
    max: f64,
}

impl Statistics {
    fn over(values: &[f64]) -> Option<Statistics> {
        Some(Statistics { mean: mean(values)?, max: values.iter().copied().reduce(f64::max)? })
    }
}

fn is_bytes(field: Field) -> bool {
    matches!(field, Field::BytesTotal | Field::BytesModel | Field::BytesCode)
}

fn code_of(field: Field) -> Code {
    match field {
        Field::BytesTotal => Code::JsonBytesNeLog,
        Field::BytesModel => Code::JsonModelBytesNeLog,
        Field::BytesCode => Code::JsonCodeBytesNeLog,
        Field::ValLoss | Field::PreQuantValBpb | Field::PreQuantValLoss => Code::JsonValLossNeLog,
        Field::Steps | Field::ModelParams => Code::JsonStepsNeLog,
        Field::ScoredDocuments | Field::ScoredTokens | Field::ScoredBytes => Code::LedgerNeLog,
        _ => Code::JsonTimeNeLog,
    }
}

/// Numbers that only describe the run are worth a line; those that count, a warning.
fn severity_of(field: Field) -> Severity {
    match field {
        Field::PreQuantValBpb | Field::PreQuantValLoss | Field::StepAvgMs | Field::ModelParams => Severity::Info,
        _ => Severity::Warning,
    }
}

fn deviation(context: &Context<'_>, claim: &Claim) -> Option<Finding> {
    let of = if claim.field == Field::ValBpbStd { Field::ValBpb } else { Field::ValLoss };
    let values: Vec<f64> = context.runs().iter().filter_map(|run| of.of(run)).collect();
    let Some(sample) = sample_std(&values) else {
        let why = format!("{} logs state {}, too few for a standard deviation", values.len(), of.name());
        return Some(not_logged(context, "repro", claim, &why));
    };
    let (code, severity, what) = compare_std(claim, sample, values.len())?;
    let message = format!(
        "{} claims {} {}{what}: the sample form is {sample:.8}",
        context.json_name(),
        claim.key,
        claim.stated.value
    );
    let finding = context.finding("repro", message).code(code).severity(severity).measured(sample);
    Some(place(context, finding, claim))
}

/// `None` when the claim is the sample standard deviation; else what it is. One unit of the last digit is allowed,
/// because authors compute it from rounded scores.
pub(super) fn compare_std(claim: &Claim, sample: f64, n: usize) -> Option<(Code, Severity, &'static str)> {
    let unit = 10f64.powi(-(claim.stated.decimals as i32));
    let near = |value: f64| (claim.stated.value - value).abs() <= unit * 1.000_001;
    if claim.stated.agrees(sample) {
        return None;
    }
    let population = sample * ((n as f64 - 1.0) / n as f64).sqrt();
    if claim.stated.agrees(population) {
        return Some((Code::StdIsPopulation, Severity::Info, ", the population standard deviation"));
    }
    if near(sample) { None } else { Some((Code::StdMismatch, Severity::Warning, ", which is neither form")) }
}

/// A claim that no log decides is neither right nor wrong.
fn not_logged(context: &Context<'_>, rule: &'static str, claim: &Claim, why: &str) -> Finding {
    let message =
        format!("{} claims {} {}, which cannot be compared: {why}", context.json_name(), claim.key, claim.stated.value);
    // What only describes the run does not leave the folder undecided.
    let severity = if severity_of(claim.field) == Severity::Info { Severity::Info } else { Severity::Unknown };
    place(context, context.finding(rule, message).severity(severity), claim)
}

fn place(context: &Context<'_>, finding: Finding, claim: &Claim) -> Finding {
    finding.claimed(claim.stated.value).at(context.json_name(), Some(claim.line), claim.text.clone())
}
