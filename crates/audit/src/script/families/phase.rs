//! The phase of an event, told by the order of events: before training, during it, or evaluation.

use super::super::taint::Flags;
use super::super::trace::{Action, Event, Learner};
use super::Case;

/// The phase in which an event happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The event comes before the first step on training tokens.
    Before,
    Training,
    /// The event comes after the last step on training tokens, up to the last reported score.
    Evaluation,
    After,
    /// The script trains on nothing.
    Unknown,
}

impl Case<'_> {
    /// Returns the phase of the event of this number.
    pub(super) fn phase(&self, number: usize) -> Phase {
        let events = &self.trace.events;
        let Some(first) = events.iter().position(|event| self.trains(event)) else { return Phase::Unknown };
        let last = events.iter().rposition(|event| self.trains(event)).unwrap_or(first);
        let reported = events.iter().rposition(|event| matches!(event.action, Action::Report { .. }));
        match number {
            _ if number < first => Phase::Before,
            _ if number <= last => Phase::Training,
            _ if reported.is_none_or(|reported| number > reported) => Phase::After,
            _ => Phase::Evaluation,
        }
    }

    /// Tells whether the event is a step on training tokens.
    pub(super) fn trains(&self, event: &Event) -> bool {
        let Action::Update { learner: Learner::Gradient, data } = &event.action else { return false };
        let flags = self.taints.flags(*data);
        flags.has(Flags::TRAIN) && !flags.has(Flags::VAL)
    }
}
