//! The checks: each turns a [`Folder`] into findings, and none prints or stops the others.
//!
//! One file a family, its metadata on top; [`REGISTRY`] lists them all, and the rulebook names them by rule.

mod calibration;
mod claims;
mod context;
pub mod coverage;
mod denominator;
pub mod diff;
mod drift;
mod extra;
#[cfg(test)]
mod facts_tests;
mod files;
pub mod find;
pub mod git;
mod hardware;
mod ledger;
mod logs;
mod metadata;
mod package;
mod readme;
mod recipe;
mod score;
mod secrets;
mod seeds;
mod significance;
mod size;
pub mod sizing;
mod source;
mod time;
pub mod walk;

use camino::Utf8Path;

pub use context::{Context, Track, finding_on};

use crate::Result;
use crate::folder::{Field, Folder, RunLog, Scope, Submission};
use crate::report::{Finding, FolderReport, RunFacts, Scores, Size};
use crate::rulebook::Rulebook;
use crate::stats::{mean, sample_std};

/// One check with its metadata.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// As the rulebook names it.
    pub name: &'static str,
    /// What it compares, in one sentence.
    pub about: &'static str,
    /// Rules that its findings speak to.
    pub rules: &'static [&'static str],
    /// Finds.
    pub run: fn(&Context<'_>) -> Vec<Finding>,
}

/// Every check, in the order in which a reader would ask.
pub const REGISTRY: &[&Check] = &[
    &files::CHECK,
    &metadata::CHECK,
    &size::CAP,
    &size::PARTS,
    &size::CODE,
    &time::TRAIN,
    &time::EVAL,
    &calibration::CHECK,
    &hardware::CHECK,
    &seeds::CHECK,
    &drift::CHECK,
    &denominator::CHECK,
    &logs::CHECK,
    &logs::SHARDS,
    &source::CHECK,
    &score::CHECK,
    &claims::CHECK,
    &readme::CHECK,
    &ledger::CHECK,
    &recipe::CHECK,
    &significance::CHECK,
    &diff::CHECK,
    &extra::FILES,
    &extra::PROGRAMS,
    &package::CHECK,
    &secrets::CHECK,
];

/// What a verification may be told.
#[derive(Debug, Clone, Default)]
pub struct VerifyOptions {
    /// Another cap than the rulebook's, decimal bytes.
    pub cap: Option<u64>,
    /// What the score is tested against: a pull request (`#1493`), a records folder, or a value in bits per byte.
    pub against: Option<String>,
}

impl VerifyOptions {
    /// Refuses what no folder could be verified with, before anything is read.
    ///
    /// # Errors
    /// When `against` names no baseline.
    pub fn check(&self, rulebook: &Rulebook) -> Result<()> {
        self.against.as_deref().map_or(Ok(()), |against| significance::check_against(against, &rulebook.records))
    }
}

/// Reads the folder and runs every check on it.
///
/// # Errors
/// When the folder cannot be listed, or the options name no baseline. What is wrong inside it is a finding.
pub fn verify(folder: &Utf8Path, options: &VerifyOptions) -> Result<FolderReport> {
    let rulebook = Rulebook::builtin()?;
    options.check(&rulebook)?;
    Ok(verify_read(&Folder::read(folder)?, &rulebook, options))
}

/// Runs every check on a folder that was read.
pub fn verify_read(folder: &Folder, rulebook: &Rulebook, options: &VerifyOptions) -> FolderReport {
    let mut context = Context::new(folder, rulebook, options.cap);
    context.against.clone_from(&options.against);
    // Another challenge need not have every rule: a check that no rule names is not asked, and nothing is found on a
    // rule that is not there.
    let asked = REGISTRY.iter().filter(|check| rulebook.names_check(check.name));
    let mut findings: Vec<Finding> = asked.flat_map(|check| (check.run)(&context)).collect();
    findings.retain(|finding| rulebook.rule(&finding.rule).is_some());
    without_consequences(&mut findings);
    // Stable: findings of one severity stay in the registry's order.
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    FolderReport {
        path: folder.path.clone(),
        track: context.track.name().map(str::to_owned),
        verdict: FolderReport::verdict_of(&findings),
        runs: folder.runs.official.iter().map(RunFacts::from).collect(),
        scores: scores(&folder.runs.official),
        size: size_of(&context),
        claimed: folder.metadata().map(|metadata| claimed(&context, metadata)),
        significance: context.comparison().tests.clone(),
        findings,
    }
}

/// Where no log is in the folder, one finding says so; that scores and sizes are then unknown would only bury it.
fn without_consequences(findings: &mut Vec<Finding>) {
    use crate::report::{Code, Severity};
    if findings.iter().any(|finding| finding.code == Some(Code::MissingLog)) {
        let consequence = [Some(Code::ScoreUnknown), Some(Code::SizeNotLogged)];
        findings.retain(|finding| finding.severity != Severity::Unknown || !consequence.contains(&finding.code));
    }
}

/// submission.json in the canonical schema, with what the logs say its numbers are.
fn claimed(context: &Context<'_>, metadata: &Submission) -> serde_json::Value {
    let mut canonical = metadata.canonical();
    let (aggregation, statistics) = claims::reading(context, metadata);
    if let Some(canonical) = canonical.as_object_mut() {
        canonical.insert("aggregation".to_owned(), aggregation);
        canonical.insert("statistics".to_owned(), statistics);
    }
    canonical
}

/// Mean and sample standard deviation over the runs that have a score.
fn scores(runs: &[RunLog]) -> Scores {
    let bpb: Vec<f64> = runs.iter().filter_map(|run| run.val_bpb).collect();
    let loss: Vec<f64> = runs.iter().filter_map(|run| run.val_loss).collect();
    Scores {
        val_bpb_mean: mean(&bpb),
        val_bpb_std: sample_std(&bpb),
        val_loss_mean: mean(&loss),
        val_loss_std: sample_std(&loss),
        runs: bpb.len(),
    }
}

/// The accountings of a folder's size under the context's cap.
pub fn size_of(context: &Context<'_>) -> Size {
    let folder = context.folder;
    let limit = context.limits.artifact_bytes;
    let claim = |scope| folder.metadata()?.claim(Field::BytesTotal, scope).map(|claim| claim.stated.value as u64);
    let logged = folder.runs.official.iter().filter_map(context::counted_bytes).max();
    let model = folder.runs.official.iter().filter_map(|run| run.bytes_model).max();
    let model = model.max(folder.model.as_ref().map(|model| model.bytes));
    let shipped_code = folder.script.as_ref().map(|script| script.bytes);
    let shipped_max = model.zip(shipped_code).and_then(|(model, code)| model.checked_add(code));
    let counted = logged.or(shipped_max);
    let over = shipped_max.is_some_and(|total| total > limit) || logged.is_some_and(|total| total > limit);
    let packed_code = if over { context.packed_code() } else { None };
    let claimed = claim(Scope::Max).or_else(|| claim(Scope::Whole));
    Size {
        claimed,
        claimed_as: claimed.map(|claimed| claimed_as(context, claimed)),
        model_max: model,
        helpers_code: context.executed().map(|executed| executed.helper_bytes()),
        logged_max: logged,
        shipped_code,
        packed_code,
        shipped_max,
        packed_max: model.zip(packed_code).and_then(|(model, code)| model.checked_add(code)),
        limit,
        headroom: counted.and_then(|counted| i64::try_from(i128::from(limit) - i128::from(counted)).ok()),
    }
}

/// Which accounting of the runs a claimed total is.
fn claimed_as(context: &Context<'_>, claimed: u64) -> &'static str {
    let runs = &context.folder.runs.official;
    let totals: Vec<u64> = runs.iter().filter_map(context::counted_bytes).collect();
    let models: Vec<u64> = runs.iter().filter_map(|run| run.bytes_model).collect();
    let code = context.folder.script.as_ref().map_or(0, |script| script.bytes);
    let is_mean = |values: &[u64]| {
        let values: Vec<f64> = values.iter().map(|value| *value as f64).collect();
        mean(&values).is_some_and(|mean| (mean - claimed as f64).abs() <= 1.0)
    };
    if totals.iter().max() == Some(&claimed) {
        "logged_max"
    } else if totals.contains(&claimed) {
        "logged_run"
    } else if is_mean(&totals) {
        "logged_mean"
    } else if models.iter().any(|model| model.checked_add(code) == Some(claimed)) {
        "model_and_script"
    } else if models.contains(&claimed) || is_mean(&models) {
        "model_only"
    } else if claimed.is_multiple_of(1_000) && totals.iter().any(|total| total.abs_diff(claimed) < total / 100) {
        "rounded"
    } else {
        "none"
    }
}
