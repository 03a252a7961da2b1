//! Scores that come after an update which used the very tokens that are scored (C3), or after a pass over all of them.
//!
//! Every update that reached a score of the headline is placed: it used an earlier slice of the validation data, the
//! same one, or the whole.

use std::collections::{BTreeMap, HashSet};

use super::super::taint::{Bound, Flags, Region, Taint, TaintId};
use super::super::trace::{Action, Event, EventKind, Learner};
use super::{Case, Family, Lead, Needs, Rule, Scored, metric_of, slot, step};
use caddie_rulebook::Confidence;

/// An update with validation tokens, and a score that it reaches.
const LEARNS: &[Needs] = &[Needs::of(Flags::VAL, &[EventKind::Update, EventKind::Report])];

/// The same in a script that trains on training tokens.
const LEARNS_AFTER_TRAINING: &[Needs] =
    &[Needs::of(Flags::VAL.with(Flags::TRAIN), &[EventKind::Update, EventKind::Report])];

/// Metadata of the family.
pub const FAMILY: Family = Family {
    name: "adapt-before-score",
    about: "The loss of every token is fixed before anything learns from that token, in one pass.",
    rules: &[
        Rule { id: "c3-score-first", needs: LEARNS },
        Rule { id: "c3-no-adapt-then-score", needs: LEARNS },
        Rule { id: "c4-single-pass", needs: LEARNS_AFTER_TRAINING },
        Rule { id: "val-prequant-ttt", needs: LEARNS_AFTER_TRAINING },
        Rule { id: "val-no-train", needs: LEARNS },
        Rule { id: "c3-ttt-warmup", needs: LEARNS_AFTER_TRAINING },
    ],
    by_command: &["c3-score-first", "c3-no-adapt-then-score", "c4-single-pass", "val-prequant-ttt", "val-no-train"],
    beside: Needs::of(
        Flags::SHIFTED.with(Flags::BY_TARGET).with(Flags::OF_PARTS),
        &[EventKind::Score, EventKind::Loss],
    ),
    run,
};

/// The relation of an update to a score that it reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum UpdateOrder {
    /// It used slices that were scored before.
    Earlier,
    /// It used positions of the same window, but of those before the scored ones.
    Context,
    /// It lies in the loop of the scores, but the data that it used are not tied to the loop's slices.
    Unclear,
    /// It used the slice that is scored after it.
    SameSlice,
    /// It lies in an earlier iteration of a loop over the same data.
    EarlierPassage,
    /// It lies in a pass of its own, before the scores begin.
    PassBefore,
}

/// Returns the relation of `update` to `score`, which it reached.
fn order(case: &Case<'_>, update: &Event, score: &Event) -> UpdateOrder {
    let (
        Action::Update { data: used, learner },
        Action::Score { data: scored } | Action::Loss { data: scored } | Action::Report { data: scored, .. },
    ) = (&update.action, &score.action)
    else {
        return UpdateOrder::Unclear;
    };
    let (used, scored) = (case.taints.get(*used), case.taints.get(*scored));
    // After `if not windows: update(chunk); continue` the rest of this iteration was not reached with it.
    if update.place.ended.is_some_and(|iteration| score.place.loops.contains(&iteration)) {
        return UpdateOrder::Earlier;
    }
    let mut shared = false;
    for (of_update, of_score) in update.place.loops.iter().zip(score.place.loops.iter()) {
        if of_update.entered != of_score.entered {
            break;
        }
        shared = true;
        let earlier = of_update.iteration < of_score.iteration;
        match (used.iteration(of_update.entered), scored.iteration(of_score.entered)) {
            (Some(used), Some(scored)) if used < scored => return UpdateOrder::Earlier,
            (None, Some(_)) if earlier => return UpdateOrder::Unclear,
            (_, None) if earlier => return UpdateOrder::EarlierPassage,
            _ => {}
        }
    }
    // A sum whose single scores were not recognized: it was taken up in the loop, in which order is not known.
    let summed = matches!(score.action, Action::Report { .. });
    if summed && update.place.loops.iter().any(|stamp| scored.iteration(stamp.entered).is_some()) {
        return UpdateOrder::Unclear;
    }
    match (shared, learner) {
        (true, Learner::Offset) => positions(used, scored),
        // Everything that the weights or a table learnt reaches every position after it, unless it was the context
        // alone.
        (true, _) if positions(used, scored) == UpdateOrder::Context => UpdateOrder::Context,
        (true, _) => UpdateOrder::SameSlice,
        (false, _) => UpdateOrder::PassBefore,
    }
}

/// Returns the relation of the positions of a window that an update used to those that are scored in the same window.
fn positions(used: &Taint, scored: &Taint) -> UpdateOrder {
    let only = |of: &Taint, without: &Taint| -> Vec<Region> {
        of.regions.iter().filter(|region| !without.regions.contains(region)).copied().collect()
    };
    let (used, scored) = (only(used, scored), only(scored, used));
    if used.is_empty() {
        return UpdateOrder::SameSlice;
    }
    let meet = |one: Option<Bound>, other: Option<Bound>| matches!((one, other), (Some(a), Some(b)) if a.meets(b));
    let any = |how: &dyn Fn(&Region, &Region) -> bool| used.iter().any(|u| scored.iter().any(|s| how(u, s)));
    if any(&|used, scored| used.lower != scored.lower && meet(used.upper, scored.lower)) {
        return UpdateOrder::Context;
    }
    let same = |used: &Region, scored: &Region| {
        meet(used.lower, scored.lower) || meet(used.upper, scored.upper) || used.upper.is_none()
    };
    if any(&same) { UpdateOrder::SameSlice } else { UpdateOrder::Unclear }
}

/// An update and a score that it reached.
pub(super) struct Pair<'a> {
    pub order: UpdateOrder,
    pub learner: Learner,
    pub update: &'a Event,
    pub number: u32,
    pub score: &'a Event,
    pub text: &'a str,
}

fn run(case: &Case<'_>) -> Vec<Lead> {
    // Each line that updates makes one lead: the gravest of its cases.
    let mut gravest: BTreeMap<u64, Pair<'_>> = BTreeMap::new();
    let scores = case.scores();
    let pairs = pairs(case, &scores);
    // The first step of an offset is taken of a loss that it has not reached yet.
    let offsets: Vec<u64> =
        pairs.iter().filter(|pair| slot::is_slot(case, pair)).map(|pair| pair.update.place.line).collect();
    for pair in pairs {
        let line = pair.update.place.line;
        let of_an_offset = pair.learner == Learner::Offset && offsets.contains(&line);
        let within = matches!(pair.order, UpdateOrder::Unclear | UpdateOrder::SameSlice);
        if pair.order <= UpdateOrder::Context
            || slot::is_slot(case, &pair)
            || within && (of_an_offset || is_of_parts(case, &pair))
        {
            continue;
        }
        if gravest.get(&line).is_none_or(|known| known.order < pair.order) {
            gravest.insert(line, pair);
        }
    }
    gravest.values().map(|pair| lead(case, pair)).collect()
}

/// Tells whether counts of the bytes of a token are taken up one by one, before the whole token is scored: each byte may
/// count for those after it. What they are mixed with is the business of `byte-mixture`.
fn is_of_parts(case: &Case<'_>, pair: &Pair<'_>) -> bool {
    let flags = |event: &Event| event.action.data().map_or(Flags::NONE, |data| case.taints.flags(data));
    pair.learner == Learner::Table && flags(pair.update).has(Flags::BY_TARGET) && flags(pair.score).has(Flags::OF_PARTS)
}

/// Every update with validation tokens, with every score that it reached.
pub(super) fn pairs<'a>(case: &Case<'a>, scores: &[Scored<'a>]) -> Vec<Pair<'a>> {
    let mut pairs = Vec::new();
    for score in scores {
        for number in &score.updates {
            let Some(update) = case.trace.events.get(*number as usize) else { continue };
            let Action::Update { learner, data } = &update.action else { continue };
            if case.taints.flags(*data).has(Flags::VAL) {
                let order = order(case, update, score.event);
                pairs.push(Pair {
                    order,
                    learner: *learner,
                    update,
                    number: *number,
                    score: score.event,
                    text: score.text,
                });
            }
        }
    }
    pairs
}

fn lead(case: &Case<'_>, pair: &Pair<'_>) -> Lead {
    let learns = match pair.learner {
        Learner::Offset => "a tensor is fitted to validation tokens",
        Learner::Gradient => "the weights are updated on validation tokens",
        Learner::Table => "counts of validation tokens are taken up",
    };
    let (rule, how) = match pair.order {
        UpdateOrder::PassBefore if trained_before(case, pair.number) && scored_in_pass(case, pair.update) => {
            ("c4-single-pass", "in a pass that scores them, and they are scored again with what it learnt")
        }
        UpdateOrder::PassBefore if trained_before(case, pair.number) && warms_up(case, pair) => {
            ("c3-ttt-warmup", "the same few of them at every step, before the scores begin, and their effect stays")
        }
        UpdateOrder::PassBefore if trained_before(case, pair.number) => {
            ("val-prequant-ttt", "in a pass of its own, before the scores begin")
        }
        UpdateOrder::PassBefore => ("val-no-train", "as if they were training data"),
        UpdateOrder::EarlierPassage => {
            ("c3-no-adapt-then-score", "in an earlier iteration over the same tokens, and a later one gives the score")
        }
        _ => ("c3-score-first", "before the loss of the same tokens is taken"),
    };
    let (mut confidence, mut because) = case.confidence(pair.update);
    if pair.order == UpdateOrder::Unclear {
        confidence = Confidence::Low;
        because = "the tokens that the update uses could not be tied to the loop that scores".to_owned();
    }
    if rule == "c3-ttt-warmup" {
        confidence = confidence.min(Confidence::Medium);
    }
    // Each of several processes may take up the tokens before its own share, which is allowed.
    if rule == "val-prequant-ttt" && pair.learner == Learner::Table && pair.update.place.uncertain {
        confidence = Confidence::Low;
        because = "the tokens may be those before the share of the validation set that is scored here".to_owned();
    }
    Lead {
        rule,
        confidence,
        message: format!("{learns} {how}: `{}` reports what comes after", metric_of(pair.text)),
        because,
        steps: vec![step(pair.update, learns), step(pair.score, "the loss that is reported is taken")],
        clears: "take the loss of a slice before any update that uses it, and report that loss",
        at_most: None,
    }
}

/// Tells whether the update uses one slice that no loop around it selects: a warm-up, not a pass over the data.
fn warms_up(case: &Case<'_>, pair: &Pair<'_>) -> bool {
    let Action::Update { data, .. } = &pair.update.action else { return false };
    let data = case.taints.get(*data);
    let selected = pair.update.place.loops.iter().any(|stamp| data.iteration(stamp.entered).is_some());
    pair.learner != Learner::Table && !selected && !data.regions.is_empty()
}

/// Tells whether the model was trained on training data before this event: otherwise the event is the training itself.
fn trained_before(case: &Case<'_>, number: u32) -> bool {
    case.trace.events.iter().take(number as usize).any(|event| match &event.action {
        Action::Update { learner: Learner::Gradient, data } => {
            let flags = case.taints.flags(*data);
            flags.has(Flags::TRAIN) && !flags.has(Flags::VAL)
        }
        _ => false,
    })
}

/// Tells whether scores are taken in the loops around the update: losses without a gradient, or losses reported in bits
/// per byte, of the slices that these loops select. The running loss of the training itself is no score, nor is an
/// evaluation between two epochs.
fn scored_in_pass(case: &Case<'_>, update: &Event) -> bool {
    let Action::Update { data: used, .. } = &update.action else { return false };
    let used = case.taints.get(*used);
    let scores_of = |data: &TaintId| case.taints.get(*data).scores.iter().copied();
    let (mut trained_on, mut reported) = (HashSet::new(), HashSet::new());
    for event in &case.trace.events {
        match &event.action {
            Action::Update { learner: Learner::Gradient, data } => trained_on.extend(scores_of(data)),
            Action::Report { text, data }
                if event.place.loops.is_empty() && text.to_ascii_lowercase().contains("bpb") =>
            {
                reported.extend(scores_of(data));
            }
            _ => {}
        }
    }
    case.trace.events.iter().zip(0..).any(|(event, number)| {
        let Action::Score { data } = &event.action else { return false };
        let scored = case.taints.get(*data);
        let selects = |entered| used.iteration(entered).is_some() && scored.iteration(entered).is_some();
        let mut shared = update.place.loops.iter().map(|stamp| stamp.entered);
        let within =
            shared.any(|entered| selects(entered) && event.place.loops.iter().any(|stamp| stamp.entered == entered));
        within && (reported.contains(&number) || !scores_of(data).all(|loss| trained_on.contains(&loss)))
    })
}
