//! The checks: each turns a [`Folder`] into findings without printing, and none stops another.
//!
//! Each family has one file with its metadata on top. [`REGISTRY`] lists all checks, and the rulebook names the checks
//! of each rule.

mod accountings;
mod calibration;
mod claims;
mod context;
pub mod coverage;
pub(crate) mod denominator;
pub mod diff;
mod drift;
mod extra;
#[cfg(test)]
mod facts_tests;
mod figures;
mod files;
pub mod find;
pub mod fix;
pub mod git;
mod hardware;
mod ledger;
mod logs;
mod metadata;
mod package;
mod physics;
mod plausible;
mod printed;
mod probed;
mod readme;
mod recipe;
mod score;
pub mod secrets;
mod seeds;
mod shown;
mod significance;
mod size;
pub mod sizing;
mod source;
mod time;
mod unjudged;
pub mod walk;

use camino::Utf8Path;

pub use accountings::size_of;
pub use context::Context;
pub use figures::figures;

use crate::report::{AuditFacts, Code, Finding, FolderReport, RunFacts, Scores, Severity};
use caddie_audit::script::FAMILIES;
use caddie_files::Result;
use caddie_folder::{Fact, Folder, RunLog, Submission};
use caddie_rulebook::stats::{mean, sample_std};
use caddie_rulebook::{Rule, Rulebook};

/// One check with its metadata.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// The name in the rulebook.
    pub name: &'static str,
    /// The comparison that the check makes, in one sentence.
    pub about: &'static str,
    /// Rules of its findings.
    pub rules: &'static [&'static str],
    /// The inputs without which it has nothing to judge, so that its rules are unknown and not kept.
    pub needs: Needs,
    /// The function that makes the findings.
    pub run: fn(&Context<'_>) -> Vec<Finding>,
}

/// The inputs of a check, beyond the list of files that every folder has.
#[derive(Debug, Clone, Copy)]
pub enum Needs {
    /// No further input.
    Nothing,
    /// At least one run for which the function returns true: a log that states the compared number.
    Run(fn(&RunLog) -> bool),
    /// The script that counts.
    Script,
    /// A submission.json that can be read.
    Metadata,
    /// A record to compare the score with.
    Comparison,
}

impl Needs {
    /// At least one run, with any log.
    const ANY_RUN: Needs = Needs::Run(|_| true);
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
    &printed::CHECK,
    &score::CHECK,
    &plausible::CHECK,
    &physics::CHECK,
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

/// Options for a verification.
#[derive(Debug, Clone, Default)]
pub struct VerifyOptions {
    /// A cap in decimal bytes instead of the rulebook's.
    pub cap: Option<u64>,
    /// The baseline of the score: a pull request (`#1493`), a records folder, or a value in bits per byte.
    pub against: Option<String>,
}

impl VerifyOptions {
    /// Refuses options that fit no folder, before anything is read.
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
    findings.extend(context.audited().into_iter().flat_map(|examined| examined.findings.iter().cloned()));
    findings.retain(|finding| rulebook.rule(&finding.rule).is_some());
    without_consequences(folder, &mut findings);
    // Stable: findings of one severity stay in the registry's order.
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let audit = audit_facts(&context);
    FolderReport {
        path: folder.path.clone(),
        track: context.track.map(|track| track.name.clone()),
        verdict: FolderReport::verdict_of(&findings),
        runs: folder.runs.official.iter().map(RunFacts::from).collect(),
        scores: scores(&folder.runs.official),
        size: size_of(&context),
        claimed: folder.metadata().map(|metadata| claimed(&context, metadata)),
        significance: context.comparison().tests.clone(),
        unjudged: unjudged::of(&context, &audit),
        probed: probed::of(folder),
        audit,
        findings,
    }
}

/// Summarizes what the audit of the script could judge.
fn audit_facts(context: &Context<'_>) -> AuditFacts {
    let examined = context.audited();
    let judged = examined.is_some_and(|examined| examined.complete && examined.scores > 0);
    let of_the_audit = |name: &String| FAMILIES.iter().any(|family| family.name == name);
    let undecided = |rule: &&Rule| !judged && !rule.checks.is_empty() && rule.checks.iter().all(of_the_audit);
    let mut undecided: Vec<String> =
        context.rulebook.rules.iter().filter(undecided).map(|rule| rule.id.clone()).collect();
    // Of code that is not followed the audit says so under the first condition, and means all four.
    let unseen = |finding: &Finding| finding.rule == CONDITIONS[0] && finding.severity == Severity::Unknown;
    if examined.is_some_and(|examined| examined.findings.iter().any(unseen)) {
        let known = |id: &&str| context.rulebook.rule(id).is_some() && !undecided.iter().any(|other| other == id);
        let further: Vec<&str> = CONDITIONS.into_iter().filter(known).collect();
        undecided.extend(further.into_iter().map(str::to_owned));
    }
    let Some(examined) = examined else { return AuditFacts { undecided, ..AuditFacts::default() } };
    AuditFacts {
        script: Some(examined.path.clone()),
        configuration: examined.configuration.clone(),
        complete: examined.complete,
        scores: examined.scores,
        problems: examined.problems.iter().map(ToString::to_string).collect(),
        findings: examined.findings.len(),
        undecided,
    }
}

/// C1 to C4, by their rules.
const CONDITIONS: [&str; 4] = ["c1-causal", "c2-normalised", "c3-score-first", "c4-single-pass"];

/// Codes of findings over all runs, which one more run may settle.
const OVER_ALL_RUNS: &[Code] = &[
    Code::FewerThan3SeedLogs,
    Code::SeedWithoutLog,
    Code::JsonScoreNotMean,
    Code::StdMismatch,
    Code::JsonBytesNeLog,
    Code::JsonBytesNotMax,
    Code::JsonModelBytesNeLog,
    Code::JsonCodeBytesNeLog,
    Code::JsonValLossNeLog,
    Code::JsonStepsNeLog,
    Code::JsonTimeNeLog,
    Code::JsonMsPerStepNeLog,
    Code::JsonDiagNeLog,
    Code::LogIsOtherRun,
    Code::SeedLabelMismatch,
];

/// Removes consequences of missing logs. Where the folder has no log, one finding says so, and findings of unknown
/// scores and sizes would only bury it. The same holds for a log that could not be read or understood: it may state
/// what the others do not, so nobody is accused of leaving it out.
fn without_consequences(folder: &Folder, findings: &mut Vec<Finding>) {
    if folder.unread_logs().next().is_some() || folder.logs_not_understood().next().is_some() {
        let over_all = |finding: &Finding| finding.code.is_some_and(|code| OVER_ALL_RUNS.contains(&code));
        findings.retain(|finding| finding.severity >= Severity::Unknown || !over_all(finding));
        for finding in findings.iter_mut().filter(|finding| over_all(finding)) {
            finding.severity = Severity::Unknown;
        }
    }
    // One finding says so of logs of no known form as well.
    let no_runs = folder.runs.official.is_empty() && folder.runs.others.is_empty() && !folder.runs.not_logs.is_empty();
    if no_runs || findings.iter().any(|finding| finding.code == Some(Code::MissingLog)) {
        let consequence = [Some(Code::ScoreUnknown), Some(Code::SizeNotLogged)];
        findings.retain(|finding| finding.severity != Severity::Unknown || !consequence.contains(&finding.code));
    }
}

/// Returns submission.json in the canonical schema, with the statistic that each of its numbers is by the logs.
fn claimed(context: &Context<'_>, metadata: &Submission) -> serde_json::Value {
    let mut canonical = metadata.canonical();
    let (aggregation, statistics) = claims::reading(context, metadata);
    let track = metadata.track.as_ref().and_then(|stated| context.rulebook.track(&stated.value));
    if let Some(canonical) = canonical.as_object_mut() {
        canonical.insert("track".to_owned(), track.map(|track| track.name.as_str()).into());
        canonical.insert("aggregation".to_owned(), aggregation);
        canonical.insert("statistics".to_owned(), statistics);
    }
    canonical
}

/// Mean and sample standard deviation over the runs that have a score.
fn scores(runs: &[RunLog]) -> Scores {
    let bpb: Vec<f64> = runs.iter().filter_map(|run| run.val_bpb.value()).collect();
    let loss: Vec<f64> = runs.iter().filter_map(|run| run.val_loss.value()).collect();
    Scores {
        val_bpb_mean: mean(&bpb),
        val_bpb_std: sample_std(&bpb),
        val_loss_mean: mean(&loss),
        val_loss_std: sample_std(&loss),
        runs: bpb.len(),
    }
}
