//! The symbols that names stand for in the bounds of slices.

use rustc_hash::FxHashMap;

use crate::script::taint::Bound;

/// The expression that each name was last assigned, by function.
#[derive(Debug, Default)]
pub(in super::super) struct Symbols<'a>(FxHashMap<(usize, &'a str), Bound>);

impl<'a> Symbols<'a> {
    /// A name of a function stands for this.
    pub fn set(&mut self, function: usize, name: &'a str, bound: Bound) {
        self.0.insert((function, name), bound);
    }

    /// Returns the symbol that a name of a function stands for.
    pub fn get(&self, function: usize, name: &str) -> Option<Bound> {
        self.0.get(&(function, name)).copied()
    }
}
