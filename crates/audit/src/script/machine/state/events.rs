//! The trace of the script's actions, and the place where it is at the moment.

use std::rc::Rc;

use caddie_python::ast;
use rustc_hash::FxHashMap;

use crate::script::taint::Stamp;
use crate::script::trace::{Action, Frame, Place, Trace};

/// The trace, with the calls around the statement that is followed and its line.
#[derive(Debug)]
pub(in super::super) struct Events {
    pub trace: Trace,
    path: Vec<Frame>,
    /// The same as `path`, shared by the events.
    shared: Option<Rc<[Frame]>>,
    /// The line of the statement or call, 1-based.
    pub line: u64,
    /// Functions that say how many bytes a token has, by definition: their number among the tables of the trace.
    pub builders: FxHashMap<*const ast::StmtFunctionDef, Option<usize>>,
}

impl Default for Events {
    fn default() -> Events {
        Events { trace: Trace::default(), path: Vec::new(), shared: None, line: 1, builders: FxHashMap::default() }
    }
}

impl Events {
    /// A call begins.
    pub fn enter(&mut self, call: Frame) {
        self.path.push(call);
        self.shared = None;
    }

    /// The innermost call ends.
    pub fn leave(&mut self) {
        self.path.pop();
        self.shared = None;
    }

    /// Notes an event at the present line, within these loops, under conditions that are all known or not. Returns the
    /// number of the event.
    pub fn add(&mut self, action: Action, loops: Rc<[Stamp]>, certain: bool) -> u32 {
        let path = self.shared.get_or_insert_with(|| self.path.as_slice().into()).clone();
        self.trace.add(Place { line: self.line, loops, path, uncertain: !certain, ended: None }, action)
    }

    /// The number that the next event will have, and how many calls are around the statement: for
    /// [`Trace::discard`].
    pub fn here(&self) -> (usize, usize) {
        (self.trace.events.len(), self.path.len())
    }

    /// Tells whether a method of a model is being followed.
    pub fn within_module(&self) -> bool {
        self.path.iter().any(|frame| frame.function.ends_with(".forward"))
    }
}
