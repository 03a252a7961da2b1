//! The conditions around the statement that is followed: the number that are not known, and the things that these
//! compare.

use crate::script::taint::Flags;

/// Numbers of conditions around the statement, by sort.
#[derive(Debug, Default)]
pub(in super::super) struct Branches {
    /// Conditions whose value is not known.
    unknown: usize,
    /// Number of conditions that compare losses on the token that came.
    by_loss: usize,
    /// Number of conditions that compare losses of one iteration.
    by_hindsight: usize,
    /// Number of conditions on the counts of the token that came.
    by_count: usize,
    /// Blocks that go on after a failure.
    attempts: usize,
}

impl Branches {
    /// A branch begins under a condition that is not known and was made from `condition`.
    pub fn enter(&mut self, condition: Flags) {
        self.unknown += 1;
        self.by_loss += usize::from(condition.has(Flags::CHOSEN_BY_LOSS));
        self.by_hindsight += usize::from(condition.has(Flags::HINDSIGHT));
        self.by_count += usize::from(condition.has(Flags::SEEN));
    }

    /// The branch ends that began under `condition`.
    pub fn leave(&mut self, condition: Flags) {
        self.unknown -= 1;
        self.by_loss -= usize::from(condition.has(Flags::CHOSEN_BY_LOSS));
        self.by_hindsight -= usize::from(condition.has(Flags::HINDSIGHT));
        self.by_count -= usize::from(condition.has(Flags::SEEN));
    }

    /// Tells whether every condition around the statement is known.
    pub fn are_known(&self) -> bool {
        self.unknown == 0
    }

    /// Returns the flags of a loss that is kept here: it was chosen, where a condition compares losses.
    pub fn choice(&self) -> Flags {
        match (self.by_loss, self.by_hindsight) {
            (0, _) => Flags::default(),
            (_, 0) => Flags::CHOSEN_BY_LOSS,
            _ => Flags::CHOSEN_BY_LOSS.with(Flags::HINDSIGHT),
        }
    }

    /// Tells whether a condition asks how often the token that came was counted.
    pub fn by_count(&self) -> bool {
        self.by_count > 0
    }

    /// A block begins that goes on after a failure.
    pub fn attempt(&mut self) {
        self.attempts += 1;
    }

    /// Ends that block.
    pub fn after_attempt(&mut self) {
        self.attempts -= 1;
    }

    /// Tells whether the script goes on where the statement fails.
    pub fn is_attempted(&self) -> bool {
        self.attempts > 0
    }
}
