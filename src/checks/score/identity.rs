//! Checks that the logs can be those of the claimed runs.

use crate::checks::Context;
use crate::report::{Code, Finding, Severity};
use caddie_folder::{Fact, Field, Scope, Shows, Submission};

/// Relative difference of parameter counts from which the model is another one, not another way of counting.
const OTHER_MODEL: f64 = 0.02;
/// Relative difference of sizes from which the artifact is another one.
const OTHER_SIZE: f64 = 0.01;

/// Reports logs of other runs: the claimed score is in no log, and the model, or the seeds and sizes, are others as
/// well.
pub(super) fn other_run(context: &Context<'_>) -> Option<Finding> {
    let metadata = context.folder.metadata()?;
    let reasons: Vec<String> =
        [parameters(context, metadata), seeds_and_size(context, metadata)].into_iter().flatten().collect();
    if reasons.is_empty() {
        return None;
    }
    let message = format!("no log is of the claimed runs: {}", reasons.join("; "));
    let finding = context.finding("repro", message).code(Code::LogIsOtherRun).severity(Severity::Error);
    Some(context.runs().iter().take(5).fold(finding, |finding, run| {
        let seed = run.seed.value().map_or_else(|| "no seed".to_owned(), |seed| format!("seed {seed}"));
        let text = format!(
            "{seed}, {} parameters",
            run.model_params.value().map_or_else(|| "?".to_owned(), |n| n.to_string())
        );
        finding.in_log(run, run.model_params, text)
    }))
}

fn parameters(context: &Context<'_>, metadata: &Submission) -> Option<String> {
    let claimed = metadata.claim(Field::ModelParams, Scope::Whole)?.stated.value;
    let logged: Vec<f64> = context.every_run().filter_map(|run| Field::ModelParams.of(run)).collect();
    let other = |logged: &f64| (logged / claimed - 1.0).abs() > OTHER_MODEL;
    let shown = logged.first().filter(|_| logged.iter().all(other))?;
    Some(format!("claimed {claimed} parameters, logged {shown}"))
}

fn seeds_and_size(context: &Context<'_>, metadata: &Submission) -> Option<String> {
    let logged: Vec<i64> = context.every_run().filter_map(|run| run.seed.value()).collect();
    if logged.is_empty() || metadata.seeds.is_empty() || metadata.seed_numbers().any(|seed| logged.contains(&seed)) {
        return None;
    }
    let mut sizes = metadata.claims.iter().filter(|claim| claim.field == Field::BytesTotal);
    let totals: Vec<f64> = context.every_run().filter_map(|run| Field::BytesTotal.of(run)).collect();
    let same = |claimed: f64| totals.iter().any(|logged| (logged / claimed - 1.0).abs() <= OTHER_SIZE);
    if totals.is_empty() || sizes.any(|claim| same(claim.stated.value)) {
        return None;
    }
    let claimed: Vec<i64> = metadata.seed_numbers().collect();
    Some(format!("claimed seeds {claimed:?}, logged {logged:?}, and no size is near a claimed one"))
}
