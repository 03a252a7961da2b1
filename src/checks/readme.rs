//! The README's results against the logs.

mod files;
mod headline;
mod rows;
mod seeds;

use super::claims::{Form, form, sample};
use super::{Check, Context, Needs};
use crate::report::{Code, Finding, Severity};
use caddie_folder::{Claim, Fact, Field, Scope};
use caddie_rulebook::stats::sample_std;

/// Metadata of the check.
pub const CHECK: Check = Check {
    name: "readme-numbers",
    about: "The README's headline, tables and labelled numbers state what the logs state.",
    rules: &["pkg-headline", "size-claims-agree", "repro", "score-metric", "pkg-readme"],
    needs: Needs::Nothing,
    run,
};

/// Distinct standard deviations that are judged; a README has one or two.
const MAX_SPREADS: usize = 32;

fn run(context: &Context<'_>) -> Vec<Finding> {
    let Some(readme) = &context.folder.readme else { return Vec::new() };
    let mut findings: Vec<Finding> = files::missing(context, readme).into_iter().collect();
    if context.runs().is_empty() {
        return findings;
    }
    let claims = readme.claims();
    findings.extend(readme.headline.iter().filter_map(|claim| headline::rendered(context, claim)));
    findings.extend(headline::foreign(context, readme));
    findings.extend(headline::labelled(context, readme));
    if claims.is_empty() {
        let message = "README.md has no results table with a seed column; its numbers were not compared with the logs";
        let finding = context.finding("repro", message).code(Code::ReadmeWithoutResults).severity(Severity::Info);
        findings.push(finding.at("README.md", None, "no table with a seed column"));
    }
    findings.extend(seeds::run(context, &claims));
    findings.extend(rows::run(context, readme));
    findings.extend(deviations(context, &claims));
    findings.extend(only_in_json(context, &claims));
    findings.extend(files::labels(context, readme));
    findings
}

/// Compares the standard deviations of the headline, the prose and the results table, each stated number once.
fn deviations(context: &Context<'_>, claims: &[Claim]) -> Vec<Finding> {
    let Some(readme) = &context.folder.readme else { return Vec::new() };
    // In prose and headline it is that of the score; in a table only the column of the score is sure.
    let in_prose = readme.headline.iter().chain(&readme.prose).filter(|claim| claim.field == Field::ValBpbStd);
    let spreads = |claim: &&Claim| matches!(claim.field, Field::ValBpbStd | Field::ValLossStd);
    let in_tables = claims.iter().filter(spreads).filter(|claim| !claim.loose && !of_other_scores(context, claim));
    let mut seen: Vec<(Field, f64)> = Vec::new();
    let mut findings = Vec::new();
    for claim in in_prose.chain(in_tables) {
        if seen.len() < MAX_SPREADS && !seen.contains(&(claim.field, claim.stated.value)) {
            seen.push((claim.field, claim.stated.value));
            findings.extend(deviation(context, claim));
        }
    }
    findings
}

/// Reports the population form in submission.json where the README gives no other that tells a reader the spread.
fn only_in_json(context: &Context<'_>, claims: &[Claim]) -> Option<Finding> {
    let readme = context.folder.readme.as_ref()?;
    let stated = readme.headline.iter().chain(&readme.prose).chain(claims).any(|claim| claim.field == Field::ValBpbStd);
    let claim = context.folder.metadata()?.claim(Field::ValBpbStd, Scope::Whole).filter(|_| !stated)?;
    let scores = sample(context);
    let std = scores.std()?;
    if form(claim.stated, std, scores.values.len()) != Form::Population {
        return None;
    }
    let message = format!(
        "README.md states no standard deviation; the only one, {} in {}, is the population form of {std:.8}",
        claim.stated.value,
        context.json_name()
    );
    let finding = context.finding("repro", message).code(Code::StdJson).severity(Severity::Info).measured(std);
    Some(finding.claimed(claim.stated.value).at(context.json_name(), Some(claim.line), claim.text.clone()))
}

fn deviation(context: &Context<'_>, claim: &Claim) -> Option<Finding> {
    let scores = sample(context);
    let of = if claim.field == Field::ValBpbStd { Field::ValBpb } else { Field::ValLoss };
    let values: Vec<f64> = match of {
        Field::ValBpb => scores.values.clone(),
        _ => context.runs().iter().filter_map(|run| of.of(run)).collect(),
    };
    let std = sample_std(&values)?;
    let (code, severity, what) = match form(claim.stated, std, values.len()) {
        Form::Sample | Form::NearSample => return None,
        Form::Population => (Code::StdIsPopulation, Severity::Info, ", the population standard deviation"),
        Form::Neither if scores.is_near(claim.stated, std) || unlogged_seeds(context) => return None,
        Form::Neither => (Code::ReadmeStdMismatch, Severity::Warning, ", which is neither form"),
    };
    let message =
        format!("README.md says {} {}{what}: the sample form is {std:.8}", claim.field.name(), claim.stated.value);
    let finding = context.finding("repro", message).code(code).severity(severity).measured(std);
    Some(finding.claimed(claim.stated.value).at("README.md", Some(claim.line), claim.text.clone()))
}

/// Tells whether the README's table has seeds without a log in the folder. Its statistics then cannot be compared.
fn unlogged_seeds(context: &Context<'_>) -> bool {
    !context.unlogged_seeds().is_empty()
}

/// Tells whether the deviation is that of other scores: of another evaluation, as a column named `val_bpb` may show, or
/// of set-aside runs, as in a second table.
fn of_other_scores(context: &Context<'_>, claim: &Claim) -> bool {
    let others = context.folder.runs.others.iter().filter_map(|other| other.run.val_bpb.value()).collect();
    let before = context.runs().iter().filter_map(|run| run.pre_quant_val_bpb.value()).collect();
    let last_of = |name: &str| -> Vec<f64> {
        let last = context.runs().iter().filter_map(|run| run.metric_lines.iter().rfind(|line| line.name == name));
        last.map(|line| line.val_bpb).collect()
    };
    let official = context.runs().first().and_then(|run| run.metric.text());
    let lines = context.runs().first().map(|run| run.metric_lines.as_slice()).unwrap_or_default();
    let names = lines.iter().map(|line| line.name.as_str()).filter(|name| Some(*name) != official).take(64);
    let samples: Vec<Vec<f64>> = names.map(last_of).chain([others, before]).collect();
    samples.iter().any(|values| sample_std(values).is_some_and(|std| claim.stated.agrees(std)))
}

/// Reports a number of the README that is not the logs'; `sure` when its name leaves no doubt which number is meant.
fn mismatch(context: &Context<'_>, claim: &Claim, message: String, measured: f64) -> Finding {
    let score = matches!(claim.field, Field::ValBpb | Field::ValLoss);
    let (rule, code, severity) = match claim.field {
        Field::ValBpb => ("pkg-headline", Code::ReadmeScoreNeLog, Severity::Error),
        // The leaderboard does not rank by it.
        Field::ValLoss => ("repro", Code::ReadmeScoreNeLog, Severity::Warning),
        Field::BytesTotal | Field::BytesModel | Field::BytesCode => {
            ("size-claims-agree", Code::ReadmeBytesNeLog, Severity::Warning)
        }
        Field::Steps => ("repro", Code::ReadmeStepsNeLog, Severity::Info),
        Field::StepAvgMs => ("repro", Code::ReadmeTimeNeLog, Severity::Info),
        _ => ("repro", Code::ReadmeTimeNeLog, Severity::Warning),
    };
    let slip = score && (claim.stated.value - measured).abs() <= context.limits.headline_tolerance_bpb;
    let severity = match severity {
        // A number marked as approximate accuses nobody.
        _ if claim.stated.approximate => Severity::Info,
        Severity::Error if slip || claim.loose => Severity::Warning,
        Severity::Warning if claim.loose => Severity::Info,
        severity => severity,
    };
    let finding = context.finding(rule, message).code(code).severity(severity);
    finding.measured(measured).claimed(claim.stated.value).at("README.md", Some(claim.line), claim.text.clone())
}
