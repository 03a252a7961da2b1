//! Rules that cannot be judged by the folder's files. Without a finding such a rule is not kept but unknown, and no
//! report may count it among the passed ones.

use super::{Context, Needs, REGISTRY};
use crate::report::{AuditFacts, Unjudged};
use caddie_audit::script::FAMILIES;

/// Lists the rules that nothing in the folder decides, each with the reason. The first check that the rulebook names
/// for a rule decides it; the others add evidence.
pub(super) fn of(context: &Context<'_>, audit: &AuditFacts) -> Vec<Unjudged> {
    let decided = context.rulebook.rules.iter().filter(|rule| !rule.id.starts_with("pr-"));
    let unjudged = decided.filter_map(|rule| {
        let because = missing(context, audit, rule.checks.first()?)?;
        Some(Unjudged { rule: rule.id.clone(), because })
    });
    unjudged.collect()
}

/// Explains what this check lacked; `None` where it lacked nothing.
fn missing(context: &Context<'_>, audit: &AuditFacts, check: &str) -> Option<String> {
    if FAMILIES.iter().any(|family| family.name == check) {
        let judged = audit.complete && audit.scores > 0;
        return (!judged).then(|| "the script was not followed to a score that it reports".to_owned());
    }
    match &REGISTRY.iter().find(|known| known.name == check)?.needs {
        Needs::Run(_) if context.runs().is_empty() => Some(no_runs(context)),
        Needs::Run(states) if !context.runs().iter().any(states) => {
            Some("no log states what this rule compares".to_owned())
        }
        Needs::Script if context.executed().is_none() => Some("no script could be read".to_owned()),
        Needs::Metadata if context.folder.metadata().is_none() => Some("no submission.json could be read".to_owned()),
        Needs::Comparison if context.comparison().tests.is_empty() => {
            Some("the score was compared with no record".to_owned())
        }
        _ => None,
    }
}

/// Explains why there is no run: no log, or logs that could not be read or have no known form.
fn no_runs(context: &Context<'_>) -> String {
    let unknown = !context.folder.runs.not_logs.is_empty() || context.folder.unread_logs().next().is_some();
    let why = if unknown { "no log of the folder could be understood" } else { "the folder holds no log of its runs" };
    why.to_owned()
}
