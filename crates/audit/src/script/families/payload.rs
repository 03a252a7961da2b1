//! Validation tokens that come with the entry (#168, #262): a file holds them, and the loss is struck out where it
//! does; or they are written where the artifact is made.

use std::collections::BTreeMap;

use super::super::taint::Flags;
use super::super::trace::{Action, Event, EventKind, Learner};
use super::{Case, Family, Lead, Needs, Rule, metric_of, step};
use caddie_rulebook::Confidence;

/// Metadata of the family.
pub const FAMILY: Family = Family {
    name: "validation-payload",
    about: "No validation token comes with the entry, nor a correction for one.",
    rules: &[
        Rule { id: "val-no-payload", needs: &[Needs::of(Flags::FORETOLD, &[EventKind::Score, EventKind::Report])] },
        Rule {
            id: "size-no-val-or-train-payload",
            needs: &[Needs::of(Flags::NONE, &[EventKind::Update, EventKind::Written, EventKind::Score])],
        },
    ],
    by_command: &[],
    beside: Needs::of(Flags::NONE, &[EventKind::Loss]),
    run,
};

fn run(case: &Case<'_>) -> Vec<Lead> {
    let mut leads: BTreeMap<u64, Lead> = BTreeMap::new();
    for score in case.scores() {
        if !matches!(score.event.action, Action::Score { .. }) || !score.flags.has(Flags::FORETOLD) {
            continue;
        }
        let (confidence, because) = case.confidence(score.event);
        leads.entry(score.event.place.line).or_insert_with(|| Lead {
            rule: "val-no-payload",
            confidence,
            message: format!(
                "the loss that `{}` sums up depends on whether a file that came with the script holds the token",
                metric_of(score.text)
            ),
            because,
            steps: vec![step(
                score.event,
                "the loss that is changed where the file holds the token is added to the score",
            )],
            clears: "score every token with the model's probability",
            at_most: None,
        });
    }
    let events = &case.trace.events;
    let learns = |event: &Event| matches!(event.action, Action::Update { learner: Learner::Gradient, .. });
    let trained = events.iter().position(learns).unwrap_or(usize::MAX);
    let scored = events.iter().rposition(|event| matches!(event.action, Action::Score { .. })).unwrap_or(0);
    for event in events.iter().take(scored).skip(trained) {
        if let Action::Written { .. } = event.action {
            leads.entry(event.place.line).or_insert_with(|| Lead {
                rule: "size-no-val-or-train-payload",
                confidence: Confidence::Low,
                message: "data made of validation tokens are written to a file before those tokens are scored"
                    .to_owned(),
                because: "it is not known whether the file belongs to the artifact".to_owned(),
                steps: vec![step(event, "it is written")],
                clears: "write nothing that is made of validation tokens, or delete it before the artifact is packed",
                at_most: None,
            });
        }
    }
    leads.into_values().collect()
}
