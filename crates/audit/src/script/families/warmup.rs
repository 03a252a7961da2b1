//! Steps on training data before the clocked training begins, whose effect stays: training that the clock does not see.

use super::super::taint::Flags;
use super::super::trace::{Action, Event, EventKind, Learner};
use super::{Case, Family, Lead, Needs, Rule, step};

/// Metadata of the family.
pub const FAMILY: Family = Family {
    name: "unclocked-training",
    about: "The state from before the warm-up is put back when the clocked training loop begins.",
    rules: &[Rule {
        id: "time-clock-scope-train",
        needs: &[Needs::of(Flags::TRAIN, &[EventKind::Update, EventKind::Clock, EventKind::Report])],
    }],
    by_command: &[],
    beside: Needs::of(Flags::VAL, &[EventKind::Restore, EventKind::Score, EventKind::Loss]),
    run,
};

fn run(case: &Case<'_>) -> Vec<Lead> {
    let events = &case.trace.events;
    let clocked = |event: &Event| {
        let Some(outermost) = event.place.loops.first() else { return false };
        events.iter().any(|other| {
            matches!(other.action, Action::Clock { .. })
                && other.place.loops.first().is_some_and(|stamp| stamp.entered == outermost.entered)
        })
    };
    let trains = |number: &u32| -> Option<&Event> {
        let event = events.get(*number as usize)?;
        let Action::Update { learner: Learner::Gradient, data } = &event.action else { return None };
        let flags = case.taints.flags(*data);
        (flags.has(Flags::TRAIN) && !flags.has(Flags::VAL)).then_some(event)
    };
    let scores = case.scores();
    let mut reached: Vec<u32> = scores.iter().flat_map(|score| score.updates.iter().copied()).collect();
    reached.sort_unstable();
    reached.dedup();
    let Some((last, training)) =
        reached.iter().filter_map(|number| Some((*number, trains(number)?))).find(|(_, event)| clocked(event))
    else {
        return Vec::new();
    };
    let before =
        reached.iter().take_while(|number| **number < last).find_map(|number| Some((*number, trains(number)?)));
    // A step under an unknown condition may be undone under another.
    let in_loop = |event: &Event| !event.place.loops.is_empty() && !event.place.uncertain;
    let Some((number, event)) = before.filter(|(_, event)| in_loop(event)) else { return Vec::new() };
    // Some state was put back in between: whether it was all of it is not told apart.
    let between = events.iter().skip(number as usize).take((last - number) as usize);
    if between.into_iter().any(|event| matches!(event.action, Action::Restore { .. })) {
        return Vec::new();
    }
    let (confidence, because) = case.confidence(event);
    vec![Lead {
        rule: "time-clock-scope-train",
        confidence,
        message: "steps on training tokens come before the loop that watches the clock, and their effect stays"
            .to_owned(),
        because,
        steps: vec![step(event, "a step before the clocked loop"), step(training, "the clocked training")],
        clears: "put back weights and optimizer state after the warm-up, or start the clock before it",
        at_most: None,
    }]
}
