//! Mixtures of experts in which one gives no probability to the token that came (C2): the mixture does not sum to 1.

use std::collections::BTreeMap;

use super::super::taint::Flags;
use super::super::trace::{Action, EventKind};
use super::{Case, Family, Lead, Needs, Rule, Scored, metric_of, step};
use caddie_rulebook::Confidence;

/// Metadata of the family.
pub const FAMILY: Family = Family {
    name: "mixed-losses",
    about: "Every loss that is mixed into the loss of a token is that token's own loss under an expert.",
    rules: &[Rule {
        id: "c2-normalised",
        needs: &[
            Needs::of(Flags::UNNORMALIZED, &[EventKind::Score, EventKind::Report]),
            Needs::of(Flags::WHERE_SEEN, &[EventKind::Score, EventKind::Report]),
        ],
    }],
    by_command: &["c2-normalised"],
    beside: Needs::of(Flags::NONE, &[EventKind::Loss]),
    run,
};

fn run(case: &Case<'_>) -> Vec<Lead> {
    let mut leads = BTreeMap::new();
    for score in case.scores() {
        if !matches!(score.event.action, Action::Score { .. }) {
            continue;
        }
        if score.flags.has(Flags::WHERE_SEEN) {
            leads.entry(score.event.place.line).or_insert_with(|| where_seen(case, &score));
        }
        if !score.flags.has(Flags::UNNORMALIZED) {
            continue;
        }
        let (confidence, because) = case.confidence(score.event);
        leads.entry(score.event.place.line).or_insert_with(|| Lead {
            rule: "c2-normalised",
            confidence: confidence.min(Confidence::Medium),
            message: format!(
                "the loss that `{}` sums up mixes losses of experts with an entropy, which is the loss of no token: the mixture \
                 is no distribution",
                metric_of(score.text)
            ),
            because: format!("{because}; the weight of that expert is not known"),
            steps: vec![step(score.event, "the loss made from the mixture is added to the score")],
            clears: "mix distributions over the vocabulary, each of which sums to 1",
            at_most: None,
        });
    }
    leads.into_values().collect()
}

/// A mixture that is taken for the tokens which a table has counted, and the model alone for all others.
fn where_seen(case: &Case<'_>, score: &Scored<'_>) -> Lead {
    let (mut confidence, because) = case.confidence(score.event);
    // The condition is the matter itself, and one of its branches always runs.
    if score.event.place.uncertain && case.trace.complete {
        confidence = Confidence::Medium;
    }
    Lead {
        rule: "c2-normalised",
        confidence: confidence.min(Confidence::Medium),
        message: format!(
            "the loss that `{}` sums up is that of a mixture where a table has counted the token that came, and of one part alone \
             where it has not: over the vocabulary these probabilities sum to more than 1",
            metric_of(score.text)
        ),
        because: format!("{because}; that the weights do not make up for it is supposed"),
        steps: vec![step(score.event, "the loss under that condition is added to the score")],
        clears: "decide by the context alone whether to mix, and weigh the model down for every token of that context",
        at_most: None,
    }
}
