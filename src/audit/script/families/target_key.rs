//! Probabilities looked up under a key that holds the token that came (C2): the entry of the target alone, which no
//! other token of the vocabulary had to share its probability with.

use std::collections::BTreeMap;

use super::super::taint::Flags;
use super::{Case, Family, Lead, metric_of, step};

/// Metadata of the family.
pub const FAMILY: Family = Family {
    name: "target-key",
    about: "No table is looked up under a hash that holds the token to be predicted.",
    rules: &["c2-target-key"],
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
            steps: vec![step(score.event, "the loss made from that entry is added to the score")],
            clears: "look up every token of the vocabulary under the context and normalise before the token is read",
        });
    }
    leads.into_values().collect()
}
