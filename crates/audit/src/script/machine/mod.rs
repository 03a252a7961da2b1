//! Follows a script over its syntax tree: from the entry point, call by call, with constants folded, values followed by
//! their origin, and every loop entered twice so that one iteration can see the results of the one before.
//!
//! Nothing is executed. A value that is not known is `Unknown`; both branches of a condition that is not known are
//! followed. docs/audit-interpreter.md explains it.

mod arguments;
mod assignments;
mod branching;
mod bytes;
mod calls;
mod classes;
mod comparisons;
mod containers;
mod expressions;
mod files;
mod folding;
mod held;
mod library;
mod loops;
mod methods;
mod mixtures;
mod modules;
mod operators;
mod options;
mod order;
mod state;
mod statements;
mod subscripts;
mod symbols;
#[cfg(test)]
mod tests;
mod texts;
mod updates;
mod values;
mod views;
mod witness;

use super::config::Config;
use super::taint::Taints;
use super::trace::Trace;
use caddie_python::Module;
pub use state::Doubts;
use state::{Assumptions, Branches, Budget, Classes, Events, Libraries, Loops, Memory, Scopes, Symbols};

/// Sets of origins that are told apart at most.
const MAX_SETS: usize = 100_000;
/// Objects that are told apart at most.
const MAX_OBJECTS: usize = 60_000;

/// A statement that ends a block early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Continue,
    Break,
    Return,
}

/// The interpreter: the script, and everything that is kept while it is followed.
pub struct Machine<'a, 'c> {
    module: &'a Module,
    taints: Taints,
    scopes: Scopes<'a>,
    classes: Classes<'a>,
    memory: Memory<'a>,
    loops: Loops<'a>,
    branches: Branches,
    assumptions: Assumptions<'a, 'c>,
    libraries: Libraries<'a>,
    symbols: Symbols<'a>,
    events: Events,
    budget: Budget,
}

/// The result of following a script.
#[derive(Debug)]
pub struct Followed {
    pub trace: Trace,
    pub taints: Taints,
    /// The switches that were doubted, in order.
    pub doubted: Vec<String>,
}

/// Follows `module` and returns the events of its run. Where the log shows that a setting was not as supposed, the
/// script is followed once more from the beginning with that setting. `processes` is the number of processes where the
/// configuration does not state it.
pub fn follow(module: &Module, config: &Config, doubts: &Doubts, processes: u64) -> Followed {
    let mut machine = Machine::new(module, config, doubts, processes);
    machine.run();
    let Some(config) = machine.assumptions.corrected() else { return machine.followed() };
    let mut machine = Machine::new(module, &config, doubts, processes);
    machine.run();
    machine.followed()
}

impl<'a, 'c> Machine<'a, 'c> {
    fn new(module: &'a Module, config: &'c Config, doubts: &'c Doubts, processes: u64) -> Machine<'a, 'c> {
        Machine {
            module,
            taints: Taints::default(),
            scopes: Scopes::new(module.bodies()),
            classes: Classes::default(),
            memory: Memory::default(),
            loops: Loops::default(),
            branches: Branches::default(),
            assumptions: Assumptions::new(config, doubts, processes),
            libraries: Libraries::default(),
            symbols: Symbols::default(),
            events: Events::default(),
            budget: Budget::default(),
        }
    }

    fn run(&mut self) {
        let body = self.module.body();
        self.block(body);
        self.events.trace.complete = !self.exhausted();
    }

    fn followed(self) -> Followed {
        Followed { trace: self.events.trace, taints: self.taints, doubted: self.assumptions.doubted }
    }

    /// Tells whether a bound was reached: nothing is followed from here on.
    fn exhausted(&self) -> bool {
        self.budget.is_spent() || self.memory.heap.len() >= MAX_OBJECTS || self.taints.count() >= MAX_SETS
    }

    /// Counts one step; false when it is one too many.
    fn step(&mut self) -> bool {
        self.budget.step();
        !self.exhausted()
    }
}
