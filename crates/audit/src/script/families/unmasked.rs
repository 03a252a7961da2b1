//! Attention without a mask (C1): each position is scored with the tokens after it, the one to be predicted among them, as
//! in a masked or diffusion model whose pseudo-likelihood is reported (#1053).

use std::collections::BTreeMap;

use super::super::taint::Flags;
use super::super::trace::{Action, EventKind};
use super::{Case, Family, Lead, Needs, Rule, metric_of, step};
use caddie_rulebook::Confidence;

/// Words with which a script calls its score a bound of the likelihood.
const BOUNDS: [&str; 2] = ["elbo", "variational"];

/// Metadata of the family.
pub const FAMILY: Family = Family {
    name: "attention-mask",
    about: "Attention of a scored position reaches no position after it.",
    rules: &[Rule {
        id: "c1-causal",
        needs: &[Needs::of(Flags::UNMASKED.with(Flags::VAL), &[EventKind::Score, EventKind::Report])],
    }],
    by_command: &["c1-causal"],
    beside: Needs::of(Flags::NONE, &[EventKind::Loss]),
    run,
};

fn run(case: &Case<'_>) -> Vec<Lead> {
    let mut leads = BTreeMap::new();
    for score in case.scores() {
        if !matches!(score.event.action, Action::Score { .. }) || !score.flags.has(Flags::UNMASKED.with(Flags::VAL)) {
            continue;
        }
        let (confidence, because) = case.confidence(score.event);
        // The sum over masks that are drawn with the right weights bounds the likelihood over orders of the tokens.
        let source = case.module.source().to_ascii_lowercase();
        let bounds = BOUNDS.iter().any(|word| source.contains(word));
        let (most, supposed) = match bounds {
            true => (Confidence::Low, "the script calls it a bound of the likelihood, on which nobody has ruled"),
            false => (Confidence::Medium, "it is supposed that a window of several tokens goes through it"),
        };
        leads.entry(score.event.place.line).or_insert_with(|| Lead {
            rule: "c1-causal",
            confidence: confidence.min(most),
            message: format!(
                "the loss that `{}` sums up is made by attention without a mask, which sees the tokens after the one that it \
                 scores",
                metric_of(score.text)
            ),
            because: format!("{because}; {supposed}"),
            steps: vec![step(score.event, "the loss is added to the score")],
            clears: "score with causal attention, or by the chain rule over the order in which tokens are revealed",
            at_most: None,
        });
    }
    leads.into_values().collect()
}
