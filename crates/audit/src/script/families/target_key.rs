//! Probabilities looked up under a key that holds the token that came (C2): the entry of the target alone, which no
//! other token of the vocabulary had to share its probability with.

use std::collections::BTreeMap;

use super::super::taint::Flags;
use super::super::trace::{Action, Event, EventKind};
use super::{Case, Family, Lead, Needs, Rule, metric_of, step};

/// Metadata of the family.
pub const FAMILY: Family = Family {
    name: "target-key",
    about: "No table is looked up under a hash that holds the token to be predicted.",
    rules: &[Rule { id: "c2-target-key", needs: &[Needs::of(Flags::TARGET_LOOKUP, &[EventKind::Report])] }],
    by_command: &["c2-target-key"],
    beside: Needs::of(Flags::VAL, &[EventKind::Score, EventKind::Loss, EventKind::Lookup]),
    run,
};

fn run(case: &Case<'_>) -> Vec<Lead> {
    let mut leads = BTreeMap::new();
    for score in case.scores() {
        if !score.flags.has(Flags::TARGET_LOOKUP) {
            continue;
        }
        let (confidence, because) = case.confidence(score.event);
        leads.entry(score.event.place.line).or_insert_with(|| Lead {
            rule: "c2-target-key",
            confidence,
            message: format!(
                "the loss that `{}` sums up depends on a table entry whose key holds the token that came",
                metric_of(score.text)
            ),
            because,
            steps: {
                let looked_up = looked_up(case, score.event).map(|event| step(event, "the entry is looked up"));
                let kept = step(score.event, "the loss made from that entry is added to the score");
                looked_up.into_iter().chain([kept]).collect()
            },
            clears: "look up every token of the vocabulary under the context and normalize before the token is read",
            at_most: None,
        });
    }
    leads.into_values().collect()
}

/// Finds the last such look-up before the score: its result is the value that is scored.
fn looked_up<'a>(case: &Case<'a>, score: &Event) -> Option<&'a Event> {
    let events = &case.trace.events;
    let until = events.iter().position(|event| std::ptr::eq(event, score))?;
    events.iter().take(until).rev().find(|event| match &event.action {
        Action::Lookup { data } => case.taints.flags(*data).has(Flags::VAL),
        _ => false,
    })
}
