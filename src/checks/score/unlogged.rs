//! Claims that no log decides, compared among themselves: submission.json, README.md and tables of results.

use crate::checks::Context;
use crate::checks::claims::{Form, form, sample};
use crate::report::{Code, Finding, Severity};
use caddie_folder::{Claim, Field, Readme, Scope, Stated, Submission};
use caddie_rulebook::stats::mean;

pub(super) fn run(context: &Context<'_>) -> Vec<Finding> {
    let scored = context.runs().iter().any(|run| run.val_bpb.is_some());
    let Some(metadata) = context.folder.metadata() else {
        // Where the file is there and broken, nobody knows what it claims.
        return context.folder.submission.is_none().then(|| only_in_readme(context)).flatten().into_iter().collect();
    };
    let mut findings: Vec<Finding> = own_mean(context, metadata).into_iter().collect();
    if !scored {
        findings.extend(not_readme(context, metadata));
        findings.extend(only_in_table(context, metadata));
    }
    findings
}

/// Reports a README whose scores do not include that of submission.json.
fn not_readme(context: &Context<'_>, metadata: &Submission) -> Option<Finding> {
    let claim = metadata.headline()?;
    let readme = context.folder.readme.as_ref()?;
    let same = |stated: &Stated| stated.agrees(claim.stated.value) || claim.stated.agrees(stated.value);
    if readme.scores.iter().any(|stated| same(&stated.value)) {
        return None;
    }
    let own = best_of(readme).filter(|own| !same(&own.stated))?;
    let message = format!(
        "{} claims val_bpb {}, which README.md nowhere gives (its score is {}), and no log decides",
        context.json_name(),
        claim.stated.value,
        own.stated.value
    );
    // Logs whose scores are in no line that is understood might decide.
    let severity = if context.runs().is_empty() { Severity::Error } else { Severity::Warning };
    let finding = context.finding("pkg-headline", message).code(Code::JsonNeReadme).severity(severity);
    let finding = finding.claimed(claim.stated.value).measured(own.stated.value);
    let finding = finding.at(context.json_name(), Some(claim.line), claim.text.clone());
    Some(finding.at("README.md", Some(own.line), own.text.clone()))
}

/// Returns the README's own score: its headline, else a score of its tables.
fn best_of(readme: &Readme) -> Option<Claim> {
    let score = |claim: &&Claim| claim.field == Field::ValBpb && claim.stated.decimals >= 3;
    let best = |claims: Vec<Claim>| claims.into_iter().min_by(|a, b| a.stated.value.total_cmp(&b.stated.value));
    let stated = readme.headline.iter().chain(&readme.prose).find(score).cloned();
    let in_tables = || readme.tables.iter().flat_map(|table| table.scores()).collect();
    let by_seed = || readme.claims().iter().filter(score).cloned().collect();
    let in_rows = || readme.scored_rows().into_iter().map(|row| row.score).filter(|claim| score(&claim)).collect();
    stated.or_else(|| best(in_tables())).or_else(|| best(by_seed())).or_else(|| best(in_rows()))
}

fn only_in_readme(context: &Context<'_>) -> Option<Finding> {
    let own = best_of(context.folder.readme.as_ref()?)?;
    let message = format!("there is no submission.json; only README.md claims a score ({})", own.stated.value);
    let finding = context.finding("pkg-headline", message).code(Code::ClaimOnlyInReadme).severity(Severity::Info);
    Some(finding.claimed(own.stated.value).at("README.md", Some(own.line), own.text))
}

/// Reports a claimed score that is only in a table of results which the folder holds instead of logs.
fn only_in_table(context: &Context<'_>, metadata: &Submission) -> Option<Finding> {
    let claim = metadata.headline()?;
    let (file, line, text) = context.folder.results.iter().find_map(|table| {
        let (line, text) = table.line_with(claim.stated)?;
        Some((table.file.clone(), line, text))
    })?;
    let message = format!("val_bpb {} is claimed from {file} line {line}; no log shows the run", claim.stated.value);
    let finding = context.finding("pkg-headline", message).code(Code::ClaimOnlyInTsv).severity(Severity::Info);
    Some(finding.claimed(claim.stated.value).at(file, Some(line), text))
}

/// Compares the submission's own mean with its own values per seed, where too few logs are there to decide.
fn own_mean(context: &Context<'_>, metadata: &Submission) -> Option<Finding> {
    let claim = metadata.headline()?;
    let own = sample(context);
    let mean = mean(&own.values).filter(|_| own.claimed && own.values.len() > 1)?;
    if claim.stated.near(mean) || own.values.iter().any(|value| claim.stated.agrees(*value)) {
        return None;
    }
    // Every claimed seed may be worse than a log that the headline is of.
    if context.runs().iter().any(|run| claim.is_of(run)) {
        return None;
    }
    let n = own.values.len();
    let message = format!(
        "{} claims val_bpb {}, its own {n} seeds have the mean {mean:.8}, and not every seed has a log",
        context.json_name(),
        claim.stated.value
    );
    let std = metadata.claim(Field::ValBpbStd, Scope::Whole).zip(own.std());
    let note = std.filter(|(claim, std)| form(claim.stated, *std, n) == Form::Neither);
    let message = if note.is_some() { format!("{message}; nor is the deviation theirs") } else { message };
    let finding = context.finding("score-metric", message).code(Code::JsonScoreNotMean).severity(Severity::Warning);
    Some(finding.claimed(claim.stated.value).measured(mean).at(
        context.json_name(),
        Some(claim.line),
        claim.text.clone(),
    ))
}
