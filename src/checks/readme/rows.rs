//! Checks of rows in other tables that give the score of a log: the row's other numbers are that log's too.

use crate::checks::Context;
use crate::checks::shown::apart;
use crate::report::{Code, Confidence, Finding, Severity};
use caddie_folder::{Claim, Fact, Field, Readme, RunLog, Shows};

/// Least decimals of a score that identifies a log; with fewer, a match may be chance.
const DIGITS: i32 = 4;
/// Relative difference beyond which a number is about something else: steps of another schedule, or a part's size.
const COMPARABLE: f64 = 0.5;

pub(super) fn run(context: &Context<'_>, readme: &Readme) -> Vec<Finding> {
    let mut findings = Vec::new();
    for row in readme.scored_rows() {
        if row.score.stated.decimals < DIGITS || row.score.stated.approximate {
            continue;
        }
        let states = |run: &&RunLog| run.val_bpb.value().is_some_and(|bpb| row.score.stated.agrees(bpb));
        let mut runs = context.every_run().filter(states);
        // Of two runs with the score nobody knows which is meant.
        let (Some(run), None) = (runs.next(), runs.next()) else { continue };
        findings.extend(row.claims.iter().filter_map(|claim| judge(context, &row.score, claim, run)));
    }
    findings
}

fn judge(context: &Context<'_>, score: &Claim, claim: &Claim, run: &RunLog) -> Option<Finding> {
    if !matches!(claim.field, Field::Steps | Field::BytesTotal) || claim.stated.approximate || claim.is_of(run) {
        return None;
    }
    let measured = claim.field.of(run)?;
    let comparable = (claim.stated.value / measured - 1.0).abs() < COMPARABLE;
    if !comparable || claim.stated.near(measured) || claim.is_mebibytes_of(measured) {
        return None;
    }
    let field = claim.field.name();
    let (stated, logged) = apart(claim.field, claim.stated.value, measured);
    let message = format!(
        "README.md's row with val_bpb {} is {} and says {field} {stated}, the log {logged}",
        score.stated.value, run.log
    );
    let finding = context.finding("repro", message).code(Code::ReadmeDiagNeLog).severity(Severity::Warning);
    let finding = finding.confidence(Confidence::Medium).measured(measured).claimed(claim.stated.value);
    let finding = finding.at("README.md", Some(claim.line), claim.text.clone());
    Some(finding.in_log(run, claim.field.logged(run), format!("{field} {measured}")))
}
