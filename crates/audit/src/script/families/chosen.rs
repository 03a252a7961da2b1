//! Losses chosen by looking at the token that came: the smaller of two, the better of several passes.

use std::collections::BTreeMap;

use super::super::taint::Flags;
use super::super::trace::EventKind;
use super::{Case, Family, Lead, Needs, Rule, metric_of, step};

/// Metadata of the family.
pub const FAMILY: Family = Family {
    name: "chosen-by-loss",
    about: "No loss is chosen among several by comparing them on the token that came.",
    rules: &[
        Rule { id: "c4-no-selection", needs: &[Needs::of(Flags::CHOSEN_BY_LOSS, &[EventKind::Report])] },
        Rule {
            id: "c2-no-hindsight",
            needs: &[Needs::of(Flags::CHOSEN_BY_LOSS.with(Flags::HINDSIGHT), &[EventKind::Report])],
        },
    ],
    by_command: &["c2-no-hindsight"],
    beside: Needs::of(Flags::NONE, &[EventKind::Score, EventKind::Loss]),
    run,
};

fn run(case: &Case<'_>) -> Vec<Lead> {
    let mut leads = BTreeMap::new();
    for score in case.scores() {
        if !score.flags.has(Flags::CHOSEN_BY_LOSS) {
            continue;
        }
        let (confidence, because) = case.confidence(score.event);
        leads.entry(score.event.place.line).or_insert_with(|| Lead {
            rule: if score.flags.has(Flags::HINDSIGHT) { "c2-no-hindsight" } else { "c4-no-selection" },
            confidence,
            message: format!(
                "the loss that `{}` sums up is the smaller of several{}, or chosen by comparing them on the token that came",
                metric_of(score.text),
                if score.flags.has(Flags::HINDSIGHT) { "" } else { " passes" },
            ),
            because,
            steps: vec![step(score.event, "the chosen loss is added to the score")],
            clears: "mix the distributions before looking at the token, with weights that do not depend on its loss",
            at_most: None,
        });
    }
    leads.into_values().collect()
}
