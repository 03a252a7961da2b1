//! Byte mixtures (C2): the probability of the token that came, mixed with that of its bytes under counts of bytes. The
//! bytes of one token are no distribution over the vocabulary; beyond the cases seen, nobody has ruled.

use std::collections::BTreeMap;

use super::super::taint::Flags;
use super::super::trace::{Action, Event, EventKind};
use super::{Case, Family, Lead, Needs, Rule, metric_of, step};
use caddie_rulebook::Confidence;

/// Metadata of the family.
pub const FAMILY: Family = Family {
    name: "byte-mixture",
    about: "No loss of a token is mixed with counts of the bytes of that token.",
    rules: &[Rule { id: "c2-byte-mixture", needs: &[Needs::of(Flags::OF_PARTS, &[EventKind::Report])] }],
    by_command: &["c2-byte-mixture"],
    beside: Needs::of(Flags::NONE, &[EventKind::Score, EventKind::Loss]),
    run,
};

fn run(case: &Case<'_>) -> Vec<Lead> {
    let claimed: BTreeMap<u64, Lead> = case
        .scores()
        .iter()
        .filter(|score| score.flags.has(Flags::OF_PARTS))
        .map(|score| (score.event.place.line, lead(score.event, score.text, case.confidence(score.event))))
        .collect();
    if !claimed.is_empty() {
        return claimed.into_values().collect();
    }
    // The logs of such entries often claim it under a name of its own, beside the contest's.
    let reported = case.trace.events.iter().filter_map(|event| match &event.action {
        Action::Report { text, data } if text.contains("bpb") && case.taints.flags(*data).has(Flags::OF_PARTS) => {
            let because = "it is reported, but it may not be the claimed score".to_owned();
            Some((text.clone(), lead(event, text, (Confidence::Low, because))))
        }
        _ => None,
    });
    reported.collect::<BTreeMap<_, Lead>>().into_values().collect()
}

fn lead(event: &Event, text: &str, (confidence, because): (Confidence, String)) -> Lead {
    Lead {
        rule: "c2-byte-mixture",
        confidence,
        message: format!("`{}` mixes losses of tokens with counts of the bytes of those tokens", metric_of(text)),
        because,
        steps: vec![step(event, "the mixture is reported")],
        clears: "mix distributions over the whole vocabulary before the token is looked at",
        at_most: None,
    }
}
