//! The full names of things in libraries, and the known facts about them.

use std::rc::Rc;

use rustc_hash::FxHashMap;

use crate::script::machine::library::{Known, known};

/// Bytes of the full name of something in a library.
const MAX_NAME: usize = 256;

/// Names that were met, each made once.
#[derive(Debug, Default)]
pub(in super::super) struct Libraries<'a> {
    names: FxHashMap<(Rc<str>, &'a str), Rc<str>>,
    builtins: FxHashMap<&'a str, Rc<str>>,
    known: FxHashMap<Rc<str>, Known>,
}

impl<'a> Libraries<'a> {
    /// Returns the full name of a name that nothing in the script binds.
    pub fn builtin(&mut self, name: &'a str) -> Rc<str> {
        self.builtins.entry(name).or_insert_with(|| name.into()).clone()
    }

    /// `torch.nn` of `torch` and `nn`.
    pub fn within(&mut self, full: &Rc<str>, name: &'a str) -> Rc<str> {
        // Nothing in a library lies deeper; attributes of attributes would grow for ever.
        if full.len() > MAX_NAME {
            return full.clone();
        }
        let made = self.names.entry((full.clone(), name));
        made.or_insert_with(|| format!("{full}.{name}").into()).clone()
    }

    /// Returns the known facts about the function of this full name.
    pub fn known(&mut self, name: &str) -> Known {
        if let Some(found) = self.known.get(name) {
            return *found;
        }
        let found = known(name);
        self.known.insert(name.into(), found);
        found
    }
}
