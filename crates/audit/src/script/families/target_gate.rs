//! Gates that read the token that came (C1): whether it starts a word, stands within one or is a boundary decides how
//! its own probability is made.

use std::collections::BTreeMap;

use super::super::taint::Flags;
use super::super::trace::{Action, EventKind};
use super::{Case, Family, Lead, Needs, Rule, metric_of, step};
use caddie_rulebook::Confidence;

/// Metadata of the family.
pub const FAMILY: Family = Family {
    name: "target-gate",
    about: "No gate, mask or weight of an expert reads the token whose probability it makes.",
    rules: &[Rule {
        id: "c1-no-target-gate",
        needs: &[Needs::of(Flags::TARGET_GATE, &[EventKind::Score, EventKind::Report])],
    }],
    by_command: &["c1-no-target-gate"],
    beside: Needs::of(Flags::OF_PARTS, &[EventKind::Loss, EventKind::NeverReached]),
    run,
};

fn run(case: &Case<'_>) -> Vec<Lead> {
    let mut leads = BTreeMap::new();
    let never = case.trace.events.iter().find_map(|event| match event.action {
        Action::NeverReached { threshold } => Some((event.place.line, threshold)),
        _ => None,
    });
    let scores = case.scores();
    for score in &scores {
        // Bytes are counted by classes of the target as well: only a value that is summed up as a loss is looked at. A
        // value made of the bytes of the target, in any part of the report, is the business of `byte-mixture`.
        let of_bytes = scores.iter().any(|other| other.text == score.text && other.flags.has(Flags::OF_PARTS));
        let made = score.flags.has(Flags::TARGET_GATE) && !of_bytes;
        if !matches!(score.event.action, Action::Score { .. }) || !made {
            continue;
        }
        // Accepted runs (#2135) switch such experts off that way.
        let (confidence, because) = match never {
            Some((line, threshold)) => (
                Confidence::Low,
                format!(
                    "{} compares with {threshold}, which nothing reaches: the gate may have been off",
                    case.at(line)
                ),
            ),
            None => case.confidence(score.event),
        };
        leads.entry(score.event.place.line).or_insert_with(|| Lead {
            rule: "c1-no-target-gate",
            confidence,
            message: format!(
                "the loss that `{}` sums up depends on a class of the token that came",
                metric_of(score.text)
            ),
            because,
            steps: vec![step(score.event, "the loss made under that condition is added to the score")],
            clears: "take the class of the token before, or of every token of the vocabulary, and normalize",
            at_most: None,
        });
    }
    leads.into_values().collect()
}
