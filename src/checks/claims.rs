//! Comparison of every other number that submission.json states about the runs with the logs, at the stated precision.

mod bytes;
mod chosen;
mod deviation;
mod statistic;
pub(super) mod swapped;
mod whole;

pub(super) use chosen::one_run_a_seed;
pub(super) use deviation::{Form, form};
pub(super) use statistic::{reading, sample};
pub(super) use whole::other_means;

use super::context::run_name;
use super::score::{after_quantization, before_quantization};
use super::shown::{apart, shown};
use super::{Check, Context, Needs, denominator};
use crate::report::{Code, Finding, Severity};
use caddie_folder::{Claim, Fact, Field, Lined, MetricLine, RunLog, Scope, Shows, Submission};
use caddie_rulebook::stats::mean;

/// Metadata of the check.
pub const CHECK: Check = Check {
    name: "claimed-numbers",
    about: "Bytes, times, steps, losses and deviations in submission.json are those of the logs.",
    rules: &[
        "size-claims-agree",
        "size-scored-artifact",
        "repro",
        "pkg-log",
        "bpb-formula",
        "stat-seed-choice",
        "pkg-json",
    ],
    needs: Needs::ANY_RUN,
    run,
};

fn run(context: &Context<'_>) -> Vec<Finding> {
    let Some(metadata) = context.folder.metadata() else { return Vec::new() };
    let swapped = swapped::pairs(context.runs(), &metadata.claims, u64::MAX);
    let explained = |claim: &Claim| swapped.iter().any(|pair| pair.explains(claim));
    let claims = once(&metadata.claims).filter(|claim| !explained(claim));
    let mut findings: Vec<Finding> = claims.filter_map(|claim| judge(context, claim)).collect();
    findings
        .extend(swapped.iter().map(|pair| pair.finding(context, context.json_name(), "repro", Code::SeedScoreNeLog)));
    findings.extend(bytes::total(context, metadata));
    findings.extend(whole::loss_of_another_tokenizer(context, metadata));
    findings.extend(unlogged_seeds(context, metadata));
    findings.extend(selected_seeds(context, metadata));
    findings.extend(reruns(context, metadata));
    findings
}

/// Returns the claims without those that repeat another under a second name: `val_loss` and `mean_val_loss`.
fn once(claims: &[Claim]) -> impl Iterator<Item = &Claim> {
    let same_scope = |a: Scope, b: Scope| a == b || !matches!(a, Scope::Seed(_)) && !matches!(b, Scope::Seed(_));
    claims.iter().enumerate().filter_map(move |(index, claim)| {
        let repeats = |other: &Claim| {
            other.field == claim.field && other.stated == claim.stated && same_scope(other.scope, claim.scope)
        };
        // The neighbors are enough: a file has a few dozen numbers, a hostile one thousands.
        let before = claims.get(index.saturating_sub(64)..index).unwrap_or_default();
        (!before.iter().any(repeats)).then_some(claim)
    })
}

fn judge(context: &Context<'_>, claim: &Claim) -> Option<Finding> {
    match (claim.field, claim.scope) {
        // The headline is a check of its own, and the total bytes are judged together.
        (Field::ValBpb, Scope::Whole | Scope::Mean) | (Field::BytesTotal, Scope::Whole | Scope::Max | Scope::Mean) => {
            None
        }
        (Field::ValBpbStd | Field::ValLossStd, _) => deviation::claimed(context, claim),
        (Field::Runs, _) => run_count(context, claim),
        (_, Scope::Seed(seed)) => {
            let run = context.runs().iter().find(|run| run.seed.value() == Some(seed))?;
            of_seed(context, claim, run)
        }
        _ => whole::claimed(context, claim),
    }
}

fn run_count(context: &Context<'_>, claim: &Claim) -> Option<Finding> {
    let runs = context.runs().len();
    if runs == 0 || claim.stated.agrees(runs as f64) {
        return None;
    }
    let message = format!("{} claims {} runs, the logs hold {runs}", context.json_name(), claim.stated.value);
    let finding = context.finding("pkg-log", message).code(Code::SeedWithoutLog).severity(Severity::Warning);
    Some(place(context, finding.measured(runs), claim))
}

/// Reports claimed seeds without a log, which cannot be checked. A seed whose score is in another seed's log is
/// mislabelled.
fn unlogged_seeds(context: &Context<'_>, metadata: &Submission) -> Vec<Finding> {
    let runs = context.runs();
    let mut findings = Vec::new();
    let mut missing: Vec<Lined<i64>> = Vec::new();
    for named in metadata.seeds.iter().filter(|named| !runs.iter().any(|run| run.seed.value() == Some(named.value))) {
        let seed = named.value;
        let claim = metadata.claim(Field::ValBpb, Scope::Seed(seed));
        let log = claim
            .and_then(|claim| runs.iter().find(|run| run.val_bpb.value().is_some_and(|bpb| claim.stated.agrees(bpb))));
        match (claim, log, log.and_then(|run| run.seed.value())) {
            // A log that states no seed gives the score and contradicts nothing.
            (Some(_), Some(_), None) => {}
            (Some(claim), Some(run), Some(logged)) => {
                let message = format!(
                    "{} gives seed {seed} the score of {}, which is of seed {logged}",
                    context.json_name(),
                    run.log
                );
                // An evaluation alone prints the seed of its settings, not the one that trained the model.
                let severity = if run.is_eval_only() { Severity::Warning } else { Severity::Error };
                let finding = context.finding("repro", message).code(Code::SeedLabelMismatch).severity(severity);
                let finding = place(context, finding, claim).claimed(seed);
                findings.push(finding.in_log(run, run.seed, run_name(run)));
            }
            _ => missing.push(*named),
        }
    }
    if let Some(first) = missing.first().filter(|_| !runs.is_empty()) {
        let seeds = missing.iter().map(|seed| seed.value.to_string()).collect::<Vec<_>>().join(", ");
        let scored = missing.iter().any(|seed| is_claimed_without_log(context, metadata, seed.value));
        let (names, severity) = match scored && context.competes() {
            true => ("claims a score of", Severity::Error),
            false => ("names", Severity::Warning),
        };
        let message = format!("{} {names} seed {seeds}, which has no log here", context.json_name());
        let finding = context.finding("pkg-log", message).code(Code::SeedWithoutLog).severity(severity);
        findings.push(finding.at(context.json_name(), Some(first.line), format!("seeds without a log: {seeds}")));
    }
    findings
}

/// Tells whether the seed is claimed with a score of its own that nothing in the folder can be the log of. A run without
/// a seed, or a log whose form is not read, may be the seed's.
fn is_claimed_without_log(context: &Context<'_>, metadata: &Submission, seed: i64) -> bool {
    let number = seed.to_string();
    let may_be = |run: &RunLog| run.seed.value().is_none_or(|logged| logged == seed);
    let is_named = |name: &str| name.split(|c: char| !c.is_ascii_digit()).any(|digits| digits == number);
    let mut files = context.folder.files.iter().map(|file| &file.path);
    metadata.claim(Field::ValBpb, Scope::Seed(seed)).is_some()
        && !context.every_run().any(may_be)
        && !files.any(|path| matches!(path.extension(), Some("log" | "txt")) && is_named(path.as_str()))
}

/// Reports that more seeds were run than are reported, by the submission's own disclosure.
fn selected_seeds(context: &Context<'_>, metadata: &Submission) -> Option<Finding> {
    let excluded = metadata.excluded.as_ref()?;
    let list = |seeds: &[i64]| seeds.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
    let mean_of_all = mean(&excluded.val_bpb.iter().map(|(_, bpb)| *bpb).collect::<Vec<_>>());
    let all = mean_of_all.filter(|_| excluded.val_bpb.len() == excluded.all.len());
    let all = all.map(|mean| format!("; the mean of all is {mean:.5}")).unwrap_or_default();
    let message = format!(
        "{} discloses {} seeds, of which {} are reported; left out: {}{all}",
        context.json_name(),
        excluded.all.len(),
        excluded.all.len() - excluded.seeds.len(),
        list(&excluded.seeds)
    );
    let finding = context.finding("stat-seed-choice", message).code(Code::SelectedSeeds).severity(Severity::Warning);
    let finding = finding.measured(excluded.all.len()).claimed(metadata.seeds.len());
    Some(finding.at(context.json_name(), Some(excluded.line), format!("\"{}\"", excluded.key)))
}

/// Compares claims about further runs of the same seeds with any log of their seed that states them.
fn reruns(context: &Context<'_>, metadata: &Submission) -> Vec<Finding> {
    let mut findings = Vec::new();
    for claim in metadata.reruns.iter().flat_map(|rerun| &rerun.claims) {
        let Scope::Seed(seed) = claim.scope else { continue };
        let of_seed: Vec<&RunLog> = context.every_run().filter(|run| run.seed.value() == Some(seed)).collect();
        let Some(run) = of_seed.last() else { continue };
        if of_seed.iter().any(|run| claim.is_of(run)) {
            continue;
        }
        let message = format!(
            "seed {seed}: {} claims {} {}, no log of the seed states it",
            context.json_name(),
            claim.key,
            shown(claim.field, claim.stated.value)
        );
        let finding = context.finding("repro", message).code(seed_code(claim.field).0).severity(Severity::Warning);
        findings.push(place(context, finding, claim).in_log(run, run.seed, "a log of the seed"));
    }
    findings
}

/// Returns code, rule and severity of a seed's number that is not its log's.
fn seed_code(field: Field) -> (Code, &'static str, Severity) {
    match field {
        Field::ValBpb | Field::ValLoss => (Code::SeedScoreNeLog, "repro", Severity::Error),
        Field::BytesTotal => (Code::SeedBytesNeLog, "size-claims-agree", Severity::Error),
        Field::BytesModel | Field::BytesCode => (Code::SeedBytesNeLog, "size-claims-agree", Severity::Warning),
        Field::Steps => (Code::SeedStepsNeLog, "repro", Severity::Warning),
        Field::TrainSeconds => (Code::SeedTrainTimeNeLog, "repro", Severity::Warning),
        Field::EvalSeconds => (Code::SeedEvalTimeNeLog, "repro", Severity::Warning),
        Field::StepAvgMs => (Code::JsonMsPerStepNeLog, "repro", Severity::Info),
        Field::PreQuantValBpb | Field::PreQuantValLoss | Field::FurtherValBpb | Field::FurtherValLoss => {
            (Code::JsonDiagNeLog, "repro", Severity::Info)
        }
        _ => (Code::JsonTimeNeLog, "repro", Severity::Info),
    }
}

fn of_seed(context: &Context<'_>, claim: &Claim, run: &RunLog) -> Option<Finding> {
    let (code, rule, severity) = seed_code(claim.field);
    let (name, field) = (run_name(run), claim.field.name());
    let further = severity == Severity::Info;
    let Some(measured) = claim.field.of(run) else {
        if further && !(code == Code::JsonDiagNeLog && !run.metric_lines.is_empty() && !claim.is_of(run)) {
            return None;
        }
        if further {
            let message = format!(
                "{name}: {} claims {} {}, which no line of the log states",
                context.json_name(),
                claim.key,
                shown(claim.field, claim.stated.value)
            );
            return Some(place(context, context.finding(rule, message).code(code).severity(severity), claim));
        }
        return Some(not_logged(context, rule, claim, &format!("{name}: the log states no {field}")));
    };
    // Of a score the seed's own line counts; of the others whatever the log states under that name.
    let score = matches!(claim.field, Field::ValBpb | Field::ValLoss);
    let coarse = score && claim.is_open(measured, run.decimals);
    if claim.stated.agrees(measured) || coarse || !score && claim.is_of(run) {
        return None;
    }
    if claim.field == Field::BytesTotal
        && let Some(finding) = bytes::other_accounting(context, claim, run)
    {
        return Some(finding);
    }
    if claim.field == Field::ValBpb {
        let corrected: Vec<f64> = denominator::corrected(context, run).into_iter().collect();
        if denominator::is_corrected(claim.stated, &corrected) {
            return None;
        }
        if before_quantization(run, claim.stated).is_some() {
            return Some(not_quantized(context, claim, run, measured));
        }
        let other = |line: &&MetricLine| after_quantization(line) && claim.stated.agrees(line.val_bpb);
        if let Some(line) = run.metric_lines.iter().find(other) {
            let message = format!(
                "{name}: {} claims val_bpb {}, which is {}; {} gives {measured}",
                context.json_name(),
                claim.stated.value,
                line.name,
                run.metric.text().unwrap_or("the official metric")
            );
            let finding = context.finding(rule, message).code(code).severity(Severity::Warning).measured(measured);
            return Some(place(context, finding, claim).in_log(run, line, line.name.clone()));
        }
    }
    // A slip in the last digits of a score is no other score.
    let slip = score && (claim.stated.value - measured).abs() <= context.limits.headline_tolerance_bpb;
    if score && let Some((file, line, text)) = context.printed(run, claim.stated) {
        let message = format!(
            "{name}: {} claims {field} {}, which stands in a line that is not read as a result; the others give {measured}",
            context.json_name(),
            claim.stated.value
        );
        let finding = context.finding(rule, message).code(code).severity(Severity::Unknown);
        return Some(place(context, finding, claim).at(file, Some(line), text));
    }
    let severity = if slip { Severity::Warning } else { severity };
    let (claimed, logged) = apart(claim.field, claim.stated.value, measured);
    let message = format!("{name}: {} claims {field} {claimed}, the log says {logged}", context.json_name());
    let finding = place(context, context.finding(rule, message).code(code).severity(severity), claim);
    Some(finding.measured(measured).in_log(run, claim.field.logged(run), format!("{field} {measured}")))
}

/// Reports a seed's score that is that of its weights before quantization. Where the headline is that of the artifacts,
/// only the seeds' labels are wrong; and a claim of the worse of two scores gains nothing.
fn not_quantized(context: &Context<'_>, claim: &Claim, run: &RunLog, measured: f64) -> Finding {
    let scores: Vec<f64> = context.runs().iter().filter_map(|run| run.val_bpb.value()).collect();
    let headline = context.folder.metadata().and_then(|metadata| metadata.headline());
    let sound = headline.zip(mean(&scores)).is_some_and(|(headline, mean)| {
        headline.stated.near(mean) || scores.iter().any(|score| headline.stated.agrees(*score))
    });
    let message = format!(
        "{}: {} claims val_bpb {}, a score of the weights before quantization; after it: {measured}",
        run_name(run),
        context.json_name(),
        claim.stated.value
    );
    let gains = claim.stated.value < measured;
    let severity = if sound || !gains { Severity::Warning } else { Severity::Error };
    let finding = context.finding("size-scored-artifact", message).code(Code::PreQuantScore).severity(severity);
    place(context, finding, claim).measured(measured).in_log(run, run.val_bpb, "after quantization")
}

/// Reports a claim that no log decides: it is neither right nor wrong.
fn not_logged(context: &Context<'_>, rule: &'static str, claim: &Claim, why: &str) -> Finding {
    let claimed = shown(claim.field, claim.stated.value);
    let message = format!("{} claims {} {claimed}, which cannot be compared: {why}", context.json_name(), claim.key);
    // What only describes the run does not leave the folder undecided.
    let counts = matches!(
        claim.field,
        Field::ValBpb | Field::ValLoss | Field::BytesTotal | Field::BytesModel | Field::BytesCode
    );
    let severity = if counts { Severity::Unknown } else { Severity::Info };
    place(context, context.finding(rule, message).severity(severity), claim)
}

fn place(context: &Context<'_>, finding: Finding, claim: &Claim) -> Finding {
    finding.claimed(claim.stated.value).at(context.json_name(), Some(claim.line), claim.text.clone())
}
