//! Three runs with three seeds, and each log the seed that its name says.

use std::collections::BTreeMap;

use super::{Check, Context, Track};
use crate::folder::RunLog;
use crate::report::{Code, Finding, Severity};

/// Metadata of the check.
pub const CHECK: Check = Check {
    name: "seeds",
    about: "There are three runs with distinct seeds, and file names agree with the logs.",
    rules: &["stat-seeds", "time-nonrecord"],
    run,
};

fn run(context: &Context<'_>) -> Vec<Finding> {
    let runs = context.runs();
    let mut findings = Vec::new();
    if !runs.is_empty() && runs.len() < context.limits.seeds {
        let message = format!("{} of {} runs: the folder holds too few logs", runs.len(), context.limits.seeds);
        let finding = context.finding("stat-seeds", message).code(Code::FewerThan3SeedLogs);
        let finding = finding.severity(context.on_record(Severity::Warning));
        let finding = finding.measured(runs.len()).limit(context.limits.seeds);
        findings.push(runs.iter().fold(finding, at_seed));
    }
    let mut by_seed: BTreeMap<i64, Vec<&RunLog>> = BTreeMap::new();
    for run in runs {
        match run.seed {
            Some(seed) => by_seed.entry(seed).or_default().push(run),
            None => {
                let message = format!("{}: the seed is unknown; the log states none", run.log);
                let finding = context.finding("stat-seeds", message);
                let finding = finding.severity(context.on_record(Severity::Unknown));
                findings.push(finding.at(run.log.clone(), None, "no seed line"));
            }
        }
        findings.extend(mislabelled(context, run));
    }
    for (seed, same) in by_seed.into_iter().filter(|(_, same)| same.len() > 1) {
        let message = format!("{} logs have seed {seed}: these are repeats of one seed, not further seeds", same.len());
        let finding = context.finding("stat-seeds", message).code(Code::SameSeedInSeveralLogs).measured(seed);
        // Outside the record track several logs of one seed are usually ablations.
        let labelled = same.iter().filter(|run| seed_in_name(run).is_some_and(|named| named != seed)).count();
        let severity =
            if context.track == Track::NonRecord && labelled == 0 { Severity::Info } else { Severity::Error };
        findings.push(same.into_iter().fold(finding.severity(severity), at_seed));
    }
    findings
}

fn mislabelled(context: &Context<'_>, run: &RunLog) -> Option<Finding> {
    let (named, logged) = (seed_in_name(run)?, run.seed?);
    if named == logged {
        return None;
    }
    let message = format!("{} is named for seed {named}, its log says seed {logged}", run.log);
    let finding = context.finding("stat-seeds", message).code(Code::SeedLabelMismatch).severity(Severity::Error);
    Some(at_seed(finding.measured(logged).claimed(named), run))
}

/// The number after `seed` in a file name: `train_seed42.log`, `train_seed_42.txt`, `log_10mins_seed-42.txt`.
fn seed_in_name(run: &RunLog) -> Option<i64> {
    let name = run.log.file_stem()?;
    let (_, rest) = name.rsplit_once("seed")?;
    let digits: String = rest.trim_start_matches(['_', '-']).chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn at_seed(finding: Finding, run: &RunLog) -> Finding {
    let text = run.seed.map_or_else(|| "no seed".to_owned(), |seed| format!("seed:{seed}"));
    finding.at(run.log.clone(), run.line("seed"), text)
}
