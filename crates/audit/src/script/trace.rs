//! The events of a script in order, which the families of rules judge.

use std::rc::Rc;

use super::pieces::Table;
use super::taint::{Stamp, TaintId};

/// A call on the way from the entry point.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Frame {
    /// The function that was called.
    pub function: String,
    /// The line (1-based) of the call.
    pub line: u64,
}

/// The place and time of an event.
#[derive(Debug, Clone)]
pub struct Place {
    /// Line in the innermost source, 1-based.
    pub line: u64,
    /// The loops around it, outermost first, with the iteration that was followed.
    pub loops: Rc<[Stamp]>,
    /// The calls from the entry point to the line.
    pub path: Rc<[Frame]>,
    /// True when a condition around it is not known.
    pub uncertain: bool,
    /// The iteration of a loop that it ended, in a branch that ends with `continue`: the rest of that iteration does
    /// not see it.
    pub ended: Option<Stamp>,
}

/// The kinds of things that learn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learner {
    /// A step of an optimizer.
    Gradient,
    /// A step on a tensor of its own, which belongs to no model: an offset, a bias, a temperature.
    Offset,
    /// Counts or a cache, keyed by tokens.
    Table,
}

/// An action of the script.
#[derive(Debug, Clone)]
pub enum Action {
    /// Parameters or a table are changed with the help of `data`.
    Update { learner: Learner, data: TaintId },
    /// A loss is computed from `data`, its targets among it.
    Loss { data: TaintId },
    /// A loss is added to the reported sum.
    Score { data: TaintId },
    /// A number is printed, in a line of this text.
    Report { text: Rc<str>, data: TaintId },
    /// The model is run on `data`; `discarded` where nothing takes its result: calibration, warm-up.
    Forward { data: TaintId, discarded: bool },
    /// A function is registered that a layer calls with the tensors that go through it; `products`: it multiplies
    /// matrices.
    Hook { products: bool },
    /// Content made from `data` is written to a file.
    Written { data: TaintId },
    /// An entry of a table is looked up under a hash that holds the token that came.
    Lookup { data: TaintId },
    /// A class of the token that came decides by a threshold that no probability and no loss reaches.
    NeverReached { threshold: f64 },
    /// The time is compared with a limit; `None`: one that is not known.
    Clock { seconds: Option<f64> },
    /// The program reaches outside: network, another process, code built at run time.
    Outside {
        what: Outside,
        name: Rc<str>,
        /// The argument: the words of a command, a path or address; parts that are not known are holes.
        given: Rc<str>,
    },
    /// A module is imported.
    Import {
        name: Rc<str>,
        /// True when the script goes on where it is missing.
        attempted: bool,
    },
    /// Random numbers begin anew from a seed.
    Seed { library: Rc<str>, value: Option<i64>, data: TaintId },
    /// A model takes up the state that is kept in a file.
    Restore { data: TaintId },
    /// A function is called that says how many bytes a token has; its number in [`Trace::tables`].
    ByteTable { number: usize },
    /// Values pass through code that is not followed; its number in [`Trace::beyond`].
    Unfollowed { number: usize },
    /// Several processes put together what each of them has of `data`.
    Collected { data: TaintId },
}

/// The sort of an event: an [`Action`] without its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    Update,
    Loss,
    Score,
    Report,
    Forward,
    Hook,
    Written,
    Lookup,
    NeverReached,
    Clock,
    Outside,
    Import,
    Seed,
    Restore,
    ByteTable,
    Unfollowed,
    Collected,
}

impl Action {
    /// Its kind.
    pub fn kind(&self) -> EventKind {
        match self {
            Action::Update { .. } => EventKind::Update,
            Action::Loss { .. } => EventKind::Loss,
            Action::Score { .. } => EventKind::Score,
            Action::Report { .. } => EventKind::Report,
            Action::Forward { .. } => EventKind::Forward,
            Action::Hook { .. } => EventKind::Hook,
            Action::Written { .. } => EventKind::Written,
            Action::Lookup { .. } => EventKind::Lookup,
            Action::NeverReached { .. } => EventKind::NeverReached,
            Action::Clock { .. } => EventKind::Clock,
            Action::Outside { .. } => EventKind::Outside,
            Action::Import { .. } => EventKind::Import,
            Action::Seed { .. } => EventKind::Seed,
            Action::Restore { .. } => EventKind::Restore,
            Action::ByteTable { .. } => EventKind::ByteTable,
            Action::Unfollowed { .. } => EventKind::Unfollowed,
            Action::Collected { .. } => EventKind::Collected,
        }
    }

    /// Returns the data that the action is about, where they are followed.
    pub fn data(&self) -> Option<TaintId> {
        match self {
            Action::Update { data, .. }
            | Action::Loss { data }
            | Action::Score { data }
            | Action::Report { data, .. }
            | Action::Forward { data, .. }
            | Action::Written { data }
            | Action::Collected { data }
            | Action::Lookup { data }
            | Action::Seed { data, .. }
            | Action::Restore { data } => Some(*data),
            Action::Hook { .. }
            | Action::NeverReached { .. }
            | Action::Clock { .. }
            | Action::Outside { .. }
            | Action::Import { .. }
            | Action::ByteTable { .. }
            | Action::Unfollowed { .. } => None,
        }
    }
}

/// The things that lie outside of the script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outside {
    Network,
    Process,
    /// Native code that is loaded or compiled.
    Build,
    /// A Python file that is run.
    Code,
}

/// The kinds of code that is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    /// Code that was compiled: C, C++, CUDA.
    Native,
    /// A file of Python that the script loads by its path.
    File,
    /// Another program.
    Program,
    /// A package that nobody knows.
    Package,
}

/// A place at which following ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    pub what: Beyond,
    /// The full name of the function that is called there.
    pub name: Rc<str>,
    pub line: u64,
}

/// An event with its place.
#[derive(Debug, Clone)]
pub struct Event {
    pub place: Place,
    pub action: Action,
}

/// Everything that was seen.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    pub events: Vec<Event>,
    /// Offsets of the statements that were reached, and of those that certainly were, one bit each.
    statements: Vec<(u64, u64)>,
    /// Tables that functions make of a tokenizer's pieces, once each.
    pub tables: Vec<Table>,
    /// Places at which values pass through code that is not followed, once each.
    pub beyond: Vec<End>,
    /// Names that are deleted a second time, with the lines (1-based) of both statements: the second one fails.
    pub deleted: Vec<(Rc<str>, u64, u64)>,
    /// True when the end was reached within the bounds.
    pub complete: bool,
}

/// Events that are kept at most.
const MAX_EVENTS: usize = 50_000;

impl Trace {
    /// Notes that nothing takes the result of the model, where it was run since the event `from` with so many calls
    /// around it.
    pub fn discard(&mut self, from: usize, depth: usize) {
        for event in self.events.iter_mut().skip(from).filter(|event| event.place.path.len() == depth) {
            if let Action::Forward { discarded, .. } = &mut event.action {
                *discarded = true;
            }
        }
    }

    /// The branch since the event `from` ended `iteration` with `continue`.
    pub fn ended(&mut self, from: usize, iteration: Option<Stamp>) {
        for event in self.events.iter_mut().skip(from) {
            event.place.ended = event.place.ended.or(iteration);
        }
    }

    /// Notes that the statement that begins at `start` was reached, under conditions that are all known or not.
    pub fn reach(&mut self, start: usize, certainly: bool) {
        let word = start / 64;
        if word >= self.statements.len() {
            self.statements.resize(word + 1, (0, 0));
        }
        let bit = 1 << (start % 64);
        if let Some((reached, certain)) = self.statements.get_mut(word) {
            *reached |= bit;
            *certain |= if certainly { bit } else { 0 };
        }
    }

    /// Tells whether the statement that begins at `start` was reached.
    pub fn reached(&self, start: usize) -> bool {
        self.bits(start).is_some_and(|(reached, _)| reached)
    }

    /// Tells whether the statement was reached under conditions that are known.
    pub fn certainly_reached(&self, start: usize) -> bool {
        self.bits(start).is_some_and(|(_, certain)| certain)
    }

    fn bits(&self, start: usize) -> Option<(bool, bool)> {
        let (reached, certain) = self.statements.get(start / 64)?;
        let bit = |word: u64| word >> (start % 64) & 1 == 1;
        Some((bit(*reached), bit(*certain)))
    }

    /// Adds an event; its number.
    pub fn add(&mut self, place: Place, action: Action) -> u32 {
        let id = u32::try_from(self.events.len()).unwrap_or(u32::MAX);
        if self.events.len() < MAX_EVENTS {
            self.events.push(Event { place, action });
        }
        id
    }
}

#[cfg(test)]
impl EventKind {
    /// Every kind.
    pub const EVERY: &[EventKind] = &[
        EventKind::Update,
        EventKind::Loss,
        EventKind::Score,
        EventKind::Report,
        EventKind::Forward,
        EventKind::Hook,
        EventKind::Written,
        EventKind::Lookup,
        EventKind::NeverReached,
        EventKind::Clock,
        EventKind::Outside,
        EventKind::Import,
        EventKind::Seed,
        EventKind::Restore,
        EventKind::ByteTable,
        EventKind::Unfollowed,
        EventKind::Collected,
    ];
}

#[cfg(test)]
impl Trace {
    /// The same with every event of another kind in the place of something that says nothing: the import of no module.
    pub fn only(&self, kinds: &[EventKind]) -> Trace {
        let mut trace = self.clone();
        for event in trace.events.iter_mut().filter(|event| !kinds.contains(&event.action.kind())) {
            event.action = Action::Import { name: "".into(), attempted: true };
        }
        trace
    }
}
