//! The state of the interpreter while it follows a script, in groups: each has a file with the methods that need only
//! it.

mod assumptions;
mod branches;
mod budget;
mod classes;
mod events;
mod libraries;
mod loops;
mod memory;
mod names;
mod scopes;
mod symbols;

pub(super) use assumptions::Assumptions;
pub use assumptions::Doubts;
pub(super) use branches::Branches;
pub(super) use budget::Budget;
pub(super) use classes::Classes;
pub(super) use events::Events;
pub(super) use libraries::Libraries;
pub(super) use loops::Loops;
pub(super) use memory::Memory;
pub(super) use names::{Changes, Names};
pub(super) use scopes::Scopes;
pub(super) use symbols::Symbols;
