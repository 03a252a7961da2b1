//! The loops around the statement that is followed, and the names that branches bound which left one early.

use std::rc::Rc;

use super::Changes;
use crate::script::machine::Flow;
use crate::script::taint::{Stamp, Taint};

/// Names bound by branches that left a loop early.
#[derive(Debug, Default)]
struct Left<'a> {
    /// Changes of branches that left with `break`: they hold after the loop.
    broke: Vec<Changes<'a>>,
    /// Changes of branches that left with `continue`: they hold from the next iteration on.
    continued: Vec<Changes<'a>>,
}

/// The loops that are being followed, outermost first.
#[derive(Debug, Default)]
pub(in super::super) struct Loops<'a> {
    active: Vec<Stamp>,
    /// For each of them, the number of loops that had been entered when its present iteration began.
    begun: Vec<u32>,
    /// The number of loops entered so far, which is the number of the last one.
    entered: u32,
    /// Names bound by branches that left, for each loop that is a statement and no comprehension.
    left: Vec<Left<'a>>,
    /// The same as `active`, shared by the events.
    shared: Option<Rc<[Stamp]>>,
}

impl<'a> Loops<'a> {
    /// Enters a loop; how many are around it, for [`Loops::leave`].
    pub fn enter(&mut self) -> usize {
        self.entered += 1;
        self.active.push(Stamp { entered: self.entered, iteration: 0 });
        self.begun.push(self.entered);
        self.shared = None;
        self.active.len() - 1
    }

    /// The innermost loop begins this iteration.
    pub fn iterate(&mut self, iteration: usize) {
        if let Some(last) = self.active.last_mut() {
            last.iteration = u8::try_from(iteration).unwrap_or(u8::MAX);
        }
        if let Some(begun) = self.begun.last_mut() {
            *begun = self.entered;
        }
        self.shared = None;
    }

    /// Leaves every loop but the `outer` outermost ones.
    pub fn leave(&mut self, outer: usize) {
        self.active.truncate(outer);
        self.begun.truncate(outer);
        self.shared = None;
    }

    /// The loops, outermost first.
    pub fn active(&self) -> &[Stamp] {
        &self.active
    }

    /// The innermost loop.
    pub fn innermost(&self) -> Option<Stamp> {
        self.active.last().copied()
    }

    /// Returns the number of loops around the statement.
    pub fn depth(&self) -> usize {
        self.active.len()
    }

    /// Tells whether no loop is around the statement.
    pub fn is_empty(&self) -> bool {
        self.active.is_empty()
    }

    /// Tells whether the loop of this number is being followed.
    pub fn is_active(&self, entered: u32) -> bool {
        self.active.iter().any(|stamp| stamp.entered == entered)
    }

    /// The loops, as an event keeps them.
    pub fn shared(&mut self) -> Rc<[Stamp]> {
        self.shared.get_or_insert_with(|| self.active.as_slice().into()).clone()
    }

    /// The loops around the innermost one in whose present iteration a counter went on already: it is selected by a loop
    /// that was entered and left again since that iteration began.
    pub fn went_on(&self, counter: &Taint) -> Vec<Stamp> {
        let Some((_, outer)) = self.active.split_last() else { return Vec::new() };
        let over = counter.stamps.iter().map(|stamp| stamp.entered).filter(|entered| !self.is_active(*entered));
        let over: Vec<u32> = over.collect();
        let since = outer.iter().zip(&self.begun);
        let went_on =
            |(stamp, begun): &(&Stamp, &u32)| over.iter().any(|left| (stamp.entered + 1..=**begun).contains(left));
        since.filter(went_on).map(|(stamp, _)| *stamp).collect()
    }

    /// The body of a loop begins that is a statement.
    pub fn begin_body(&mut self) {
        self.left.push(Left::default());
    }

    /// Keeps the names bound by a branch that leaves the innermost loop, or goes on with it.
    pub fn keep_left(&mut self, flow: Flow, changes: &Changes<'a>) {
        if let (Flow::Break | Flow::Continue, Some(left), false) = (flow, self.left.last_mut(), changes.is_empty()) {
            let kept = if flow == Flow::Break { &mut left.broke } else { &mut left.continued };
            kept.push(changes.clone());
        }
    }

    /// Takes the names bound by branches that went on with the next iteration.
    pub fn take_continued(&mut self) -> Vec<Changes<'a>> {
        self.left.last_mut().map(|left| std::mem::take(&mut left.continued)).unwrap_or_default()
    }

    /// Ends the body. Returns the names bound by branches that broke out of it.
    pub fn end_body(&mut self) -> Vec<Changes<'a>> {
        self.left.pop().unwrap_or_default().broke
    }
}
