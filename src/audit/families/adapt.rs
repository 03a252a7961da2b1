//! Scores that come after an update which used the very tokens that are scored (C3), or after a pass over all of them.
//!
//! For every score that reaches the headline, every update that reached the score is placed: did it use an earlier
//! slice of the validation data, the same one, or the whole?

use super::super::taint::{Flags, Taints};
use super::super::trace::{Action, Event, Learner, Trace};

/// How an update stands to a score that it reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// It used slices that were scored before.
    Earlier,
    /// It lies in the loop of the scores, but what it used is not tied to the loop's slices.
    Unclear,
    /// It used the slice that is scored after it.
    SameSlice,
    /// It lies in an earlier passage of a loop over the same data.
    EarlierEpoch,
    /// It lies in a pass of its own, before the scores begin.
    PassBefore,
}

/// One update that a score comes after.
#[derive(Debug, Clone)]
pub struct Found {
    pub order: Order,
    pub learner: Learner,
    /// Numbers of the events.
    pub update: u32,
    pub score: u32,
    pub report: u32,
}

/// How `update` stands to `score`, which it reached.
pub fn order(update: &Event, score: &Event, taints: &Taints) -> Order {
    let (Action::Update { data: used, .. }, Action::Score { data: scored } | Action::Loss { data: scored }) =
        (&update.action, &score.action)
    else {
        return Order::Unclear;
    };
    let (used, scored) = (taints.get(*used), taints.get(*scored));
    let mut shared = false;
    for (of_update, of_score) in update.place.loops.iter().zip(score.place.loops.iter()) {
        if of_update.entered != of_score.entered {
            break;
        }
        shared = true;
        match (used.iteration(of_update.entered), scored.iteration(of_score.entered)) {
            (Some(used), Some(scored)) if used < scored => return Order::Earlier,
            (Some(_), Some(_)) => {}
            (None, Some(_)) if of_update.iteration < of_score.iteration => return Order::Unclear,
            (None, Some(_)) => {}
            (_, None) if of_update.iteration < of_score.iteration => return Order::EarlierEpoch,
            (_, None) => {}
        }
    }
    if shared { Order::SameSlice } else { Order::PassBefore }
}

/// The gravest order for each report of a score.
pub fn find(trace: &Trace, taints: &Taints) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    for (number, event) in trace.events.iter().enumerate() {
        let Action::Report { text, data } = &event.action else { continue };
        if !text.to_ascii_lowercase().contains("bpb") {
            continue;
        }
        for score in &taints.get(*data).scores {
            let Some(of_score) = trace.events.get(*score as usize) else { continue };
            let (Action::Score { data } | Action::Loss { data }) = &of_score.action else { continue };
            for update in &taints.get(*data).updates {
                let Some(of_update) = trace.events.get(*update as usize) else { continue };
                let Action::Update { learner, data } = &of_update.action else { continue };
                if !taints.flags(*data).has(Flags::VAL) {
                    continue;
                }
                let order = order(of_update, of_score, taints);
                let report = u32::try_from(number).unwrap_or(u32::MAX);
                found.push(Found { order, learner: *learner, update: *update, score: *score, report });
            }
        }
    }
    found
}
