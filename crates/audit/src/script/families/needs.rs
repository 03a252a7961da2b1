//! The needs of a rule: the facts about values and the events of a script without which it has nothing to find.

use super::super::taint::{Flags, Taints};
use super::super::trace::{EventKind, Trace};

/// A rule that the leads of a family speak to.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Its id in the rulebook.
    pub id: &'static str,
    /// The facts and events that its leads are made of: where none of these arises, there is no lead.
    pub needs: &'static [Needs],
}

/// Facts and events, all of which have to arise.
#[derive(Debug, Clone, Copy)]
pub struct Needs {
    /// Facts about values that some event is about.
    pub taints: Flags,
    pub events: &'static [EventKind],
}

impl Needs {
    /// No needs: the rule looks at the syntax tree, or at the folder.
    pub const NOTHING: Needs = Needs { taints: Flags::NONE, events: &[] };

    /// These facts, and these events.
    pub const fn of(taints: Flags, events: &'static [EventKind]) -> Needs {
        Needs { taints, events }
    }
}

/// The facts and events that arise in a script.
#[derive(Debug, Clone, Default)]
pub struct Arisen {
    taints: Flags,
    events: Vec<EventKind>,
}

impl Arisen {
    /// Collects everything that arose when a script was followed.
    pub fn of(trace: &Trace, taints: &Taints) -> Arisen {
        let mut arisen = Arisen::default();
        for event in &trace.events {
            let kind = event.action.kind();
            if !arisen.events.contains(&kind) {
                arisen.events.push(kind);
            }
            let about = event.action.data().map_or(Flags::NONE, |data| taints.flags(data));
            arisen.taints = arisen.taints.with(about);
        }
        arisen
    }

    /// Tells whether all of this arose.
    fn has(&self, needs: &Needs) -> bool {
        self.taints.has(needs.taints) && needs.events.iter().all(|kind| self.events.contains(kind))
    }

    /// Tells whether a rule may have something to find.
    pub fn allows(&self, rule: &Rule) -> bool {
        rule.needs.iter().any(|needs| self.has(needs))
    }
}
