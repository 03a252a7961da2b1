//! Checks of tables about seeds: per seed, and in rows named mean.

use std::collections::BTreeMap;

use super::mismatch;
use crate::checks::Context;
use crate::checks::claims::{other_means, swapped};
use crate::checks::context::run_name;
use crate::checks::shown::apart;
use crate::report::{Code, Confidence, Finding, Severity};
use caddie_folder::{Claim, Fact, Field, RunLog, Scope, Shows};
use caddie_rulebook::stats::mean;

/// Most places that one finding shows.
const SHOWN: usize = 6;
/// Most numbers of one column that are kept for its finding.
const MAX_LISTED: usize = 64;

/// Most differing numbers whose neighbors are looked at: a README has a few, a hostile one a million.
const MAX_EXAMINED: usize = 256;
/// Most lines between two rows of one table of seeds.
const TABLE: u64 = 12;

/// Numbers of one kind, with the run and its own value.
type Differing<'a> = Vec<(&'a Claim, &'a RunLog, f64)>;

pub(super) fn run(context: &Context<'_>, claims: &[Claim]) -> Vec<Finding> {
    let swapped = swapped::pairs(context.runs(), claims, TABLE);
    let pairs = swapped.iter().map(|pair| pair.finding(context, "README.md", "pkg-headline", Code::ReadmeScoreNeLog));
    let mut findings: Vec<Finding> = pairs.collect();
    let mut unread: Vec<&str> = Vec::new();
    let mut examined = 0;
    let mut approximate: Differing<'_> = Vec::new();
    let mut further: BTreeMap<&str, Differing<'_>> = BTreeMap::new();
    for claim in claims.iter().filter(|claim| !swapped.iter().any(|pair| pair.explains(claim))) {
        match claim.scope {
            Scope::Seed(seed) => {
                let Some((run, measured)) = differs(context, claim, seed) else { continue };
                let score = matches!(claim.field, Field::ValBpb | Field::ValLoss);
                if score && context.printed(run, claim.stated).is_some() {
                    unread.push(column_of(claim));
                    continue;
                }
                examined += 1;
                if examined <= MAX_EXAMINED && is_beside_official_scores(context, claims, claim) {
                    findings.extend(wrong_score(context, claim, run));
                } else if claim.stated.approximate {
                    approximate.push((claim, run, measured));
                } else if claim.loose && claim.field == Field::ValBpb {
                    let listed = further.entry(column_of(claim)).or_default();
                    // A second table often repeats the first.
                    if listed.len() < MAX_LISTED
                        && !listed.iter().any(|(known, ..)| known.scope == claim.scope && known.stated == claim.stated)
                    {
                        listed.push((claim, run, measured));
                    }
                } else {
                    findings.push(of_seed(context, claim, run, measured));
                }
            }
            // The mean of what stands in lines that are not read.
            Scope::Mean if unread.contains(&column_of(claim)) => {}
            Scope::Mean => findings.extend(of_mean(context, claim)),
            _ => {}
        }
    }
    findings.extend(roughly(context, &approximate));
    findings.extend(further.into_iter().map(|(column, differing)| {
        let of_the_score = claims.iter().any(|claim| column_of(claim) == column && is_headline(context, claim));
        further_score(context, column, &differing, of_the_score)
    }));
    findings
}

fn column_of(claim: &Claim) -> &str {
    claim.key.split(',').next().unwrap_or(&claim.key)
}

/// Returns the run of the seed and its value, where no log of the seed states the number. Every log of the seed in the
/// folder may be the one that the row is about.
fn differs<'a>(context: &Context<'a>, claim: &Claim, seed: i64) -> Option<(&'a RunLog, f64)> {
    let of_seed = |run: &&RunLog| run.seed.value() == Some(seed);
    if context.every_run().filter(of_seed).any(|run| claim.is_of(run)) {
        return None;
    }
    let run = context.runs().iter().find(of_seed)?;
    let logged = claim.field.of(run)?;
    // Of several evaluations the one that the column is probably about.
    let nearest = |a: &f64, b: &f64| (a - claim.stated.value).abs().total_cmp(&(b - claim.stated.value).abs());
    let scores = run.metric_lines.iter().map(|line| line.val_bpb).chain(run.pre_quant_val_bpb.value());
    // What is off by less than this is another rounding or another clock.
    let tolerance = match claim.field {
        Field::EvalSeconds => 0.001,
        Field::StepAvgMs => 0.005,
        _ => 0.0,
    };
    let measured = match claim.field {
        Field::ValBpb if claim.loose => scores.min_by(nearest).unwrap_or(logged),
        Field::EvalSeconds => caddie_folder::eval_clocks(run).into_iter().min_by(nearest).unwrap_or(logged),
        _ => logged,
    };
    // `~5,589` of 5,591 keeps its word.
    let tolerance = if claim.stated.approximate && claim.field != Field::ValBpb { 0.001 } else { tolerance };
    let off = (claim.stated.value - measured).abs();
    let binary = claim.is_mebibytes_of(measured);
    // The last digit of a table may be rounded up.
    let rounded = matches!(claim.field, Field::ValBpb | Field::ValLoss) && claim.stated.decimals >= 4;
    let same = binary || rounded && claim.stated.near(measured);
    (off > measured.abs() * tolerance && !same).then_some((run, measured))
}

fn of_seed(context: &Context<'_>, claim: &Claim, run: &RunLog, measured: f64) -> Finding {
    let field = claim.field.name();
    let (stated, logged) = apart(claim.field, claim.stated.value, measured);
    let message = format!("{}: README.md says {field} {stated}, the log {logged}", run_name(run));
    let finding = mismatch(context, claim, message, measured);
    finding.in_log(run, claim.field.logged(run), format!("{field} {measured}"))
}

/// Tells whether the other rows of the claim's column, in the same table, state the official scores of their runs: then
/// the column is that of the official score, whatever its name, and a number in it is right or wrong.
fn is_beside_official_scores(context: &Context<'_>, claims: &[Claim], claim: &Claim) -> bool {
    let exact = |claim: &Claim| claim.stated.decimals >= 4 && !claim.stated.approximate;
    let in_column = |other: &&Claim| {
        other.field == Field::ValBpb
            && column_of(other) == column_of(claim)
            && other.line != claim.line
            && other.line.abs_diff(claim.line) <= TABLE
    };
    let official = |other: &Claim| {
        let Scope::Seed(seed) = other.scope else { return None };
        let run = context.runs().iter().find(|run| run.seed.value() == Some(seed))?;
        Some(exact(other) && other.stated.agrees(run.val_bpb.value()?))
    };
    // A table with two rows of one seed compares settings, of which only one is the submission's.
    let again = |other: &Claim| other.scope == claim.scope;
    let beside = || claims.iter().filter(in_column);
    let of_seeds: Vec<bool> = beside().filter_map(official).collect();
    claim.field == Field::ValBpb
        && exact(claim)
        && !of_seeds.is_empty()
        && of_seeds.iter().all(|official| *official)
        && !beside().any(again)
}

/// Reports the official score of a seed that is not its log's.
fn wrong_score(context: &Context<'_>, claim: &Claim, run: &RunLog) -> Option<Finding> {
    let measured = run.val_bpb.value()?;
    let (stated, logged) = apart(claim.field, claim.stated.value, measured);
    let message = format!("{} is {stated} in README.md, its log says {logged}", run_name(run));
    let slip = (claim.stated.value - measured).abs() <= context.limits.headline_tolerance_bpb;
    let severity = if slip { Severity::Warning } else { Severity::Error };
    let finding = context.finding("pkg-headline", message).code(Code::ReadmeScoreNeLog).severity(severity);
    let finding = finding.measured(measured).claimed(claim.stated.value);
    let finding = finding.at("README.md", Some(claim.line), claim.text.clone());
    Some(finding.in_log(run, run.val_bpb, format!("val_bpb {measured}")))
}

/// Reports rounded counts that are too far off: `~8,300` steps of a run that has 8,552.
fn roughly(context: &Context<'_>, differing: &Differing<'_>) -> Option<Finding> {
    let (first, ..) = differing.first()?;
    let parts = differing.iter().take(SHOWN).map(|(claim, run, measured)| {
        let (stated, logged) = apart(claim.field, claim.stated.value, *measured);
        format!("{} {} ~{stated}, log {logged}", run_name(run), claim.field.name())
    });
    let message = format!(
        "README.md's table holds approximate numbers that are not the logs': {}",
        parts.collect::<Vec<_>>().join("; ")
    );
    let finding = context.finding("repro", message).code(Code::ReadmeTableApprox).severity(Severity::Warning);
    let finding = finding.claimed(first.stated.value);
    Some(
        differing
            .iter()
            .take(SHOWN)
            .fold(finding, |finding, (claim, ..)| finding.at("README.md", Some(claim.line), claim.text.clone())),
    )
}

/// Tells whether a number of a column is the claimed score. The column is then that of the score, whatever its name.
fn is_headline(context: &Context<'_>, claim: &Claim) -> bool {
    let headline = context.folder.metadata().and_then(|metadata| metadata.headline());
    let same =
        |headline: &Claim| claim.stated.agrees(headline.stated.value) || headline.stated.agrees(claim.stated.value);
    claim.field == Field::ValBpb && claim.stated.decimals >= 4 && headline.is_some_and(same)
}

/// Judges a column whose name leaves the evaluation open, where no line of the seeds' logs states its numbers.
fn further_score(context: &Context<'_>, column: &str, differing: &Differing<'_>, of_the_score: bool) -> Finding {
    let parts = differing.iter().take(SHOWN).map(|(claim, run, measured)| {
        format!("{} {} (nearest in the log: {measured})", run_name(run), claim.stated.value)
    });
    let message = format!("README.md's column {column} is in no log: {}", parts.collect::<Vec<_>>().join("; "));
    let code = if of_the_score { Code::ReadmeScoreNeLog } else { Code::ReadmeDiagNeLog };
    let finding = context.finding("repro", message).code(code).severity(Severity::Warning);
    let finding = finding.confidence(Confidence::Medium);
    differing
        .iter()
        .take(SHOWN)
        .fold(finding, |finding, (claim, ..)| finding.at("README.md", Some(claim.line), claim.text.clone()))
}

fn of_mean(context: &Context<'_>, claim: &Claim) -> Option<Finding> {
    let values: Vec<f64> = context.runs().iter().filter_map(|run| claim.field.of(run)).collect();
    let measured = mean(&values)?;
    // The mean of more seeds than have logs cannot be compared.
    if claim.loose || claim.field == Field::StepAvgMs || !context.unlogged_seeds().is_empty() {
        return None;
    }
    // A mean of values that were rounded for the table is off by less than the last digit of each.
    let other = other_means(context.runs(), claim.field).into_iter().any(|mean| claim.stated.near(mean));
    if claim.stated.near(measured) || matches!(claim.field, Field::ValBpb | Field::ValLoss) && other {
        return None;
    }
    let (stated, logged) = apart(claim.field, claim.stated.value, measured);
    let message = format!(
        "README.md says the mean {} is {stated}, over {} logs it is {logged}",
        claim.field.name(),
        values.len()
    );
    Some(mismatch(context, claim, message, measured))
}
