//! Rules that a folder gives nothing to judge by. Without a finding such a rule is not kept but unknown, and no report
//! may count it among what passes.

use super::Context;
use crate::report::{AuditFacts, Unjudged};
use caddie_audit::script::FAMILIES;
use caddie_folder::RunLog;

/// What a check looks at, beyond the list of files that every folder has.
enum Needs {
    /// At least one run for which the question answers true: a log that states the number that is compared.
    Run(fn(&RunLog) -> bool),
    /// The script that counts.
    Script,
    /// A submission.json that can be read.
    Metadata,
    /// A record to compare the score with.
    Comparison,
}

/// A run of any kind.
fn any(_: &RunLog) -> bool {
    true
}

/// What each check needs. A check that is not listed needs nothing, or is a family of the script's audit.
const NEEDS: &[(&str, Needs)] = &[
    ("metadata", Needs::Metadata),
    ("size-cap", Needs::Run(any)),
    ("size-parts", Needs::Run(|run| run.bytes_total.is_some())),
    ("code-size", Needs::Script),
    ("external-programs", Needs::Script),
    ("train-time", Needs::Run(any)),
    ("eval-time", Needs::Run(any)),
    ("calibration-time", Needs::Run(any)),
    ("hardware", Needs::Run(any)),
    ("seeds", Needs::Run(any)),
    ("drift", Needs::Run(any)),
    ("denominator", Needs::Run(|run| run.val_bpb.is_some() && run.val_loss.is_some())),
    ("logs", Needs::Run(any)),
    ("train-shards", Needs::Run(|run| run.train_shards.is_some())),
    ("log-source", Needs::Run(|run| run.source.is_some())),
    ("claimed-score", Needs::Run(|run| run.val_bpb.is_some())),
    ("plausible-score", Needs::Run(|run| run.val_bpb.is_some())),
    ("claimed-numbers", Needs::Run(any)),
    ("ledger", Needs::Run(any)),
    ("recipe", Needs::Run(any)),
    ("significance", Needs::Comparison),
];

/// The rules that nothing in the folder decides, each with the reason. The first check that the rulebook names for a
/// rule is the one that decides it; the others add evidence.
pub(super) fn of(context: &Context<'_>, audit: &AuditFacts) -> Vec<Unjudged> {
    let decided = context.rulebook.rules.iter().filter(|rule| !rule.id.starts_with("pr-"));
    let unjudged = decided.filter_map(|rule| {
        let because = missing(context, audit, rule.checks.first()?)?;
        Some(Unjudged { rule: rule.id.clone(), because })
    });
    unjudged.collect()
}

/// Why this check had nothing to look at; `None` where it had.
fn missing(context: &Context<'_>, audit: &AuditFacts, check: &str) -> Option<String> {
    if FAMILIES.iter().any(|family| family.name == check) {
        let judged = audit.complete && audit.scores > 0;
        return (!judged).then(|| "the script was not followed to a score that it reports".to_owned());
    }
    let (_, needs) = NEEDS.iter().find(|(name, _)| *name == check)?;
    match needs {
        Needs::Run(_) if context.runs().is_empty() => Some(no_runs(context)),
        Needs::Run(states) if !context.runs().iter().any(states) => {
            Some("no log states what this rule compares".to_owned())
        }
        Needs::Script if context.executed().is_none() => Some("there is no script that could be read".to_owned()),
        Needs::Metadata if context.folder.metadata().is_none() => {
            Some("there is no submission.json that could be read".to_owned())
        }
        Needs::Comparison if context.comparison().tests.is_empty() => {
            Some("the score was compared with no record".to_owned())
        }
        _ => None,
    }
}

/// Why there is no run: no log, or logs that could not be read or are of no known form.
fn no_runs(context: &Context<'_>) -> String {
    let unknown = !context.folder.runs.not_logs.is_empty() || context.folder.unread_logs().next().is_some();
    let why = if unknown { "no log of the folder could be understood" } else { "the folder holds no log of its runs" };
    why.to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::REGISTRY;
    use super::*;

    #[test]
    fn what_is_needed_is_said_of_checks_that_exist() {
        for (name, _) in NEEDS {
            assert!(REGISTRY.iter().any(|check| check.name == *name), "{name} is no check");
        }
        // Whoever adds a check has to say here whether it can be done without logs.
        let without = ["files", "readme-numbers", "pull-request", "extra-files", "package", "secrets"];
        for check in REGISTRY {
            let listed = NEEDS.iter().any(|(name, _)| *name == check.name);
            assert!(listed != without.contains(&check.name), "{} is not listed, or listed twice", check.name);
        }
    }
}
