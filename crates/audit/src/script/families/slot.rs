//! Tensors of their own that are fitted to validation tokens at evaluation: the offset of a window (SLOT), the bias of
//! the logits (ETLB). Fitted to the very positions that are scored they break C1 and C3; fitted to positions that were
//! scored before, nobody has ruled (#1336, #1399).

use std::collections::{BTreeMap, BTreeSet};

use super::super::taint::Flags;
use super::super::trace::{Action, EventKind, Learner};
use super::adapt::{Pair, UpdateOrder, pairs};
use super::{Case, Family, Lead, Needs, Rule, metric_of, step};
use caddie_rulebook::Confidence;

/// Metadata of the family.
pub const FAMILY: Family = Family {
    name: "fitted-offset",
    about: "No offset or bias is fitted to the positions whose loss it then lowers.",
    rules: &[
        Rule {
            id: "slot-standard",
            needs: &[Needs::of(Flags::VAL.with(Flags::SHIFTED), &[EventKind::Update, EventKind::Report])],
        },
        Rule {
            id: "slot-causal",
            needs: &[Needs::of(Flags::VAL.with(Flags::SHIFTED), &[EventKind::Update, EventKind::Report])],
        },
        Rule {
            id: "etlb",
            needs: &[Needs::of(
                Flags::VAL.with(Flags::SHIFTED).with(Flags::ADDED),
                &[EventKind::Update, EventKind::Report],
            )],
        },
    ],
    by_command: &["slot-standard", "slot-causal", "etlb"],
    beside: Needs::of(Flags::ANEW.with(Flags::SHARED), &[EventKind::Score, EventKind::Loss]),
    run,
};

/// Tells whether a pair is about an offset of the window that is scored, which this family judges.
pub(super) fn is_slot(case: &Case<'_>, pair: &Pair<'_>) -> bool {
    pair.learner == Learner::Offset
        && matches!(pair.order, UpdateOrder::Unclear | UpdateOrder::SameSlice)
        && flags(case, pair).has(Flags::SHIFTED)
}

/// Returns the flags of the data that the update was made from.
fn flags(case: &Case<'_>, pair: &Pair<'_>) -> Flags {
    match &pair.update.action {
        Action::Update { data, .. } => case.taints.flags(*data),
        _ => Flags::default(),
    }
}

/// Tells whether one tensor is fitted to several windows at once: it has one row, and the tokens that it is fitted to were
/// chosen by a loop over the windows of a batch, which had ended by then.
fn is_shared(case: &Case<'_>, pair: &Pair<'_>) -> bool {
    let Action::Update { data, .. } = &pair.update.action else { return false };
    let (fitted, around) = (case.taints.get(*data), &pair.update.place.loops);
    let Some(outermost) = around.first() else { return false };
    let of_a_batch = |entered: u32| entered > outermost.entered && around.iter().all(|stamp| stamp.entered != entered);
    fitted.flags.has(Flags::SHARED) && fitted.stamps.iter().any(|stamp| of_a_batch(stamp.entered))
}

fn run(case: &Case<'_>) -> Vec<Lead> {
    let scores = case.scores();
    let mut gravest: BTreeMap<u64, Pair<'_>> = BTreeMap::new();
    // Lists lines whose tensor keeps in a later window the values that were fitted in an earlier one.
    let mut kept = BTreeSet::new();
    for pair in pairs(case, &scores) {
        if pair.learner != Learner::Offset || !flags(case, &pair).has(Flags::SHIFTED) {
            continue;
        }
        let line = pair.update.place.line;
        if matches!(pair.order, UpdateOrder::Earlier | UpdateOrder::EarlierPassage | UpdateOrder::PassBefore) {
            kept.insert(line);
        }
        // A pass of its own before the scores is no question of windows, but the bias is fitted all the same.
        let rank = |order: UpdateOrder| match order {
            UpdateOrder::EarlierPassage | UpdateOrder::PassBefore => UpdateOrder::Earlier,
            other => other,
        };
        if gravest.get(&line).is_none_or(|known| rank(known.order) < rank(pair.order)) {
            gravest.insert(line, pair);
        }
    }
    gravest.values().filter_map(|pair| lead(case, pair, kept.contains(&pair.update.place.line))).collect()
}

fn lead(case: &Case<'_>, pair: &Pair<'_>, kept: bool) -> Option<Lead> {
    let fitted = flags(case, pair);
    let bias = kept && fitted.has(Flags::ADDED) && !fitted.has(Flags::ANEW);
    let (rule, how) = match pair.order {
        UpdateOrder::SameSlice | UpdateOrder::Unclear => (
            "slot-standard",
            "an offset is fitted to the loss of a window and then lowers the loss of the same positions",
        ),
        _ if bias => ("etlb", "a bias of the logits is fitted to validation tokens and kept for those that follow"),
        UpdateOrder::Context if is_shared(case, pair) => (
            "slot-standard",
            "one offset is fitted to the positions before the scored ones of several windows at once, which overlap: it is \
             fitted to tokens that another of these windows scores with it",
        ),
        UpdateOrder::Context => (
            "slot-causal",
            "an offset is fitted to the positions before the scored ones of each window, which nobody has ruled on",
        ),
        UpdateOrder::Earlier => (
            "slot-causal",
            "an offset is fitted to scored tokens and kept for those that follow, which nobody has ruled on",
        ),
        // Any other tensor that is fitted before the scores is the business of `adapt-before-score`.
        UpdateOrder::EarlierPassage | UpdateOrder::PassBefore => return None,
    };
    let (mut confidence, mut because) = case.confidence(pair.update);
    if pair.order == UpdateOrder::Unclear {
        confidence = Confidence::Low;
        because = "the positions that it is fitted to could not be tied to those that are scored".to_owned();
    }
    if pair.order == UpdateOrder::Context && rule == "slot-standard" {
        confidence = confidence.min(Confidence::Medium);
        because = format!("{because}; that the windows overlap is supposed");
    }
    let scored = match pair.order {
        UpdateOrder::SameSlice => "the loss of these positions is taken with it",
        _ => "the loss is taken with it",
    };
    Some(Lead {
        rule,
        confidence,
        message: format!("{how}: `{}` reports what comes after", metric_of(pair.text)),
        because,
        steps: vec![step(pair.update, "the tensor is fitted"), step(pair.score, scored)],
        clears: "fit it to positions whose loss is already fixed, and ask the maintainers: no such record was merged",
        at_most: None,
    })
}
