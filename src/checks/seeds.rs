//! Checks that there are as many runs with distinct seeds as are demanded, and that each log has the seed that its name
//! and submission.json say.

use std::collections::BTreeMap;

use super::{Check, Context, Needs};
use crate::report::{Code, Finding, Severity};
use caddie_folder::{Claim, Fact, Field, NotCounted, RunLog, Scope, Shows, Submission};

/// Metadata of the check.
pub const CHECK: Check = Check {
    name: "seeds",
    about: "There are as many runs with distinct seeds as are demanded, and file names and submission.json agree with the logs.",
    rules: &["stat-seeds", "stat-seed-choice"],
    needs: Needs::ANY_RUN,
    run,
};

/// A score in submission.json with at least this many decimals tells runs apart.
const TELLING_DECIMALS: i32 = 4;

fn run(context: &Context<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = [too_few(context), without_seed(context)].into_iter().flatten().collect();
    findings.extend(mislabelled(context));
    findings.extend(repeated(context));
    findings.extend(not_reported(context));
    findings.extend(odd(context));
    findings
}

fn too_few(context: &Context<'_>) -> Option<Finding> {
    let (runs, wanted) = (context.runs(), context.limits.seeds);
    if runs.is_empty() || runs.len() >= wanted {
        return None;
    }
    let message = format!("{} of {wanted} runs: the folder holds too few logs", runs.len());
    let finding = context.finding("stat-seeds", message).code(Code::FewerThan3SeedLogs);
    let finding = finding.severity(context.on_record(Severity::Warning)).measured(runs.len()).limit(wanted);
    Some(runs.iter().fold(finding, at_seed))
}

fn without_seed(context: &Context<'_>) -> Option<Finding> {
    let silent: Vec<&RunLog> = context.runs().iter().filter(|run| run.seed.is_none()).collect();
    if silent.is_empty() {
        return None;
    }
    let which = super::time::of_runs(&silent, context.runs().len());
    let message = format!("the seed of {which} is unknown: the log states none");
    let finding = context.finding("stat-seeds", message).severity(context.on_record(Severity::Unknown));
    Some(silent.into_iter().fold(finding, |finding, run| finding.at(run.log.clone(), None, "no seed line")))
}

/// Reports several runs of one seed.
fn repeated(context: &Context<'_>) -> Option<Finding> {
    let mut by_seed: BTreeMap<i64, Vec<&RunLog>> = BTreeMap::new();
    for run in context.runs() {
        if let Some(seed) = run.seed.value() {
            by_seed.entry(seed).or_default().push(run);
        }
    }
    by_seed.retain(|_, same| same.len() > 1);
    if by_seed.is_empty() {
        return None;
    }
    let list: Vec<String> =
        by_seed.iter().map(|(seed, same)| format!("{} runs have seed {seed}", same.len())).collect();
    let message = format!("{}: these are repeats of one seed, not further seeds", list.join(", "));
    let finding = context.finding("stat-seeds", message).code(Code::SameSeedInSeveralLogs);
    let finding = finding.measured(by_seed.keys().copied().collect::<Vec<i64>>());
    // Outside the record track several logs of one seed are usually ablations, unless they are named as seeds.
    let otherwise = |seed: i64, run: &RunLog| label(context, run).is_some_and(|(named, _)| named != seed);
    let labelled = by_seed.iter().any(|(seed, same)| same.iter().any(|run| otherwise(*seed, run)));
    let severity = if !context.competes() && !labelled { Severity::Info } else { Severity::Error };
    Some(by_seed.into_values().flatten().fold(finding.severity(severity), at_seed))
}

/// Reports runs that are named for another seed than their log states.
fn mislabelled(context: &Context<'_>) -> Option<Finding> {
    let wrong =
        |run: &'_ RunLog| label(context, run).filter(|(named, _)| run.seed.value().is_some_and(|seed| seed != *named));
    let runs: Vec<(&RunLog, (i64, String))> =
        context.runs().iter().filter_map(|run| wrong(run).map(|label| (run, label))).collect();
    let (first, (named, by)) = runs.first()?;
    let logged = first.seed.value()?;
    let more = if runs.len() > 1 { format!(", and so for {} more", runs.len() - 1) } else { String::new() };
    let swapped = runs.iter().skip(1).find(|(run, (other, _))| run.seed.value() == Some(*named) && *other == logged);
    let message = match swapped {
        Some((second, _)) => {
            let mut pair = [(*named, &first.log), (logged, &second.log)];
            pair.sort_by_key(|(seed, _)| *seed);
            let [(a, log_of_a), (b, log_of_b)] = pair;
            format!("the logs of seeds {a} and {b} are swapped: {log_of_a} is of seed {b}, {log_of_b} of seed {a}")
        }
        None => format!("{} is seed {named} by {by}, its log says seed {logged}{more}", first.log),
    };
    let finding = context.finding("stat-seeds", message).code(Code::SeedLabelMismatch);
    // `h100_seed2.log` may be the second seed, where submission.json knows no seed 2.
    let claimed = claimed_seeds(context);
    let counted = runs.iter().all(|(_, (named, _))| (0..10).contains(named) && !claimed.contains(named));
    // An evaluation alone prints the seed of its settings, not the one that trained the model.
    let evaluations = runs.iter().all(|(run, _)| run.is_eval_only());
    let finding = finding.severity(if counted || evaluations { Severity::Warning } else { Severity::Error });
    let finding = finding.measured(logged).claimed(*named);
    Some(runs.iter().fold(finding, |finding, (run, (named, by))| {
        let seed = run.seed.value().unwrap_or_default();
        finding.in_log(run, run.seed, format!("seed:{seed}, seed {named} by {by}"))
    }))
}

/// The seeds that submission.json names.
fn claimed_seeds(context: &Context<'_>) -> Vec<i64> {
    context.folder.metadata().into_iter().flat_map(Submission::seed_numbers).collect()
}

/// Returns the seed by which a run is named, and the file that names it so.
fn label(context: &Context<'_>, run: &RunLog) -> Option<(i64, String)> {
    let claims: &[Claim] = context.folder.metadata().map_or(&[], |metadata| &metadata.claims);
    // `v6_seed1337_2024.log`: a name that holds the logged seed as well says nothing else.
    if run.seed.value().is_some_and(|seed| numbers_in_name(run).contains(&seed)) {
        return None;
    }
    if let Some(named) = run.seed_in_name() {
        return Some((named, "its name".to_owned()));
    }
    let seeds = claimed_seeds(context);
    // `ternary_log_42.txt`: a bare number is a seed where submission.json names that seed; small ones count the runs.
    let bare = last_number(run).filter(|number| *number > 9 && seeds.contains(number));
    if let Some(named) = bare {
        return Some((named, "its name".to_owned()));
    }
    let seed = run.seed.value()?;
    let score = run.val_bpb.value()?;
    // A claimed score of another seed, which no run of that seed has, is this run's.
    let tells = |claim: &&Claim| {
        let scored = claim.field == Field::ValBpb && claim.stated.decimals >= TELLING_DECIMALS;
        scored && claim.stated.agrees(score)
    };
    let by_json: Vec<i64> = claims
        .iter()
        .filter(tells)
        .filter_map(|claim| if let Scope::Seed(claimed) = claim.scope { Some(claimed) } else { None })
        .collect();
    let taken = |claimed: &i64| context.runs().iter().any(|other| other.seed.value() == Some(*claimed));
    let claimed = *by_json.iter().find(|claimed| **claimed != seed && !taken(claimed))?;
    (!by_json.contains(&seed) && !seeds.contains(&seed)).then(|| (claimed, context.json_name().to_owned()))
}

/// Every number in the file's name.
fn numbers_in_name(run: &RunLog) -> Vec<i64> {
    let name = run.log.file_stem().unwrap_or("");
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

/// Returns the number at the end of a file's name: `ternary_log_42.txt`.
fn last_number(run: &RunLog) -> Option<i64> {
    let name = run.log.file_stem()?;
    let start = name.rfind(|c: char| !c.is_ascii_digit())? + 1;
    leading_number(name.get(start..)?)
}

fn leading_number(text: &str) -> Option<i64> {
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Reports runs of further seeds whose logs are in the folder and that the claim leaves out.
fn not_reported(context: &Context<'_>) -> Option<Finding> {
    let reported: Vec<i64> = context.runs().iter().filter_map(|run| run.seed.value()).collect();
    let claimed = claimed_seeds(context);
    let left_out: Vec<&RunLog> = context
        .folder
        .runs
        .others
        .iter()
        .filter(|other| other.why == NotCounted::NotClaimed && other.run.val_bpb.is_some())
        .map(|other| &other.run)
        .filter(|run| run.seed.value().is_some_and(|seed| !reported.contains(&seed) && !claimed.contains(&seed)))
        .collect();
    let seeds: std::collections::BTreeSet<i64> = left_out.iter().filter_map(|run| run.seed.value()).collect();
    let seeds: Vec<String> = seeds.iter().map(i64::to_string).collect();
    if left_out.is_empty() {
        return None;
    }
    let message = format!(
        "{} runs are reported, the folder holds scored logs of further seeds ({}): say why they are left out",
        reported.len(),
        seeds.join(", ")
    );
    let finding = context.finding("stat-seed-choice", message).code(Code::SelectedSeeds);
    let finding = finding.severity(context.on_record(Severity::Warning)).measured(seeds);
    Some(left_out.into_iter().fold(finding, at_seed))
}

/// Reports unusual seeds: they may have been searched for, and a reader may want to ask.
fn odd(context: &Context<'_>) -> Option<Finding> {
    let usual = |seed: i64| context.rulebook.seeds.is_usual(seed);
    let odd: Vec<&RunLog> =
        context.runs().iter().filter(|run| run.seed.value().is_some_and(|seed| !usual(seed))).collect();
    let seeds: Vec<String> = odd.iter().filter_map(|run| Some(run.seed.value()?.to_string())).collect();
    if seeds.is_empty() || !context.competes() {
        return None;
    }
    let message = format!("unusual seeds ({}): how they were chosen is not known", seeds.join(", "));
    let finding = context.finding("stat-seed-choice", message).severity(Severity::Info);
    Some(odd.into_iter().fold(finding, at_seed))
}

fn at_seed(finding: Finding, run: &RunLog) -> Finding {
    let text = run.seed.value().map_or_else(|| "no seed".to_owned(), |seed| format!("seed:{seed}"));
    finding.in_log(run, run.seed, text)
}
