//! Bounds on the work that is done and on its depth.

/// Statements and expressions that are followed at most.
const MAX_STEPS: usize = 600_000;
/// Names or members that count as one step when they are copied or looked through.
const MEMBERS_A_STEP: usize = 16;
/// Depth of expressions, blocks and calls together.
const MAX_DEPTH: usize = 150;

/// The number of steps that are left, and the depth of the code being followed.
#[derive(Debug)]
pub(in super::super) struct Budget {
    steps_left: usize,
    depth: usize,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget { steps_left: MAX_STEPS, depth: 0 }
    }
}

impl Budget {
    /// Makes a budget of so many steps.
    #[cfg(test)]
    pub fn of(steps: usize) -> Budget {
        Budget { steps_left: steps, depth: 0 }
    }

    /// Counts one step.
    pub fn step(&mut self) {
        self.keep(1);
    }

    /// Counts members that are made and kept, or names that are joined.
    pub fn keep(&mut self, members: usize) {
        self.steps_left = self.steps_left.saturating_sub(members);
    }

    /// Counts members that are copied or looked through at once, so that work on many of them is not done often.
    pub fn spend(&mut self, members: usize) {
        self.keep(members / MEMBERS_A_STEP);
    }

    /// Tells whether no step is left.
    pub fn is_spent(&self) -> bool {
        self.steps_left == 0
    }

    /// Goes one level deeper; false where that is too deep, and nothing has changed.
    pub fn descend(&mut self) -> bool {
        let fits = self.has_room_for(1);
        self.depth += usize::from(fits);
        fits
    }

    /// Comes back from one level deeper.
    pub fn ascend(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// Tells whether so many levels more are not too deep.
    pub fn has_room_for(&self, levels: usize) -> bool {
        self.depth + levels <= MAX_DEPTH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_that_are_kept_cost_more_than_those_that_are_looked_through() {
        let mut budget = Budget::of(100);
        budget.keep(90);
        budget.spend(9 * MEMBERS_A_STEP);
        assert!(!budget.is_spent());
        budget.step();
        assert!(budget.is_spent());
        budget.keep(usize::MAX);
        assert!(budget.is_spent());
    }

    #[test]
    fn no_more_levels_than_fit_are_entered() {
        let mut budget = Budget::default();
        let entered = std::iter::from_fn(|| budget.descend().then_some(())).count();
        assert_eq!(entered, MAX_DEPTH);
        budget.ascend();
        assert!(budget.has_room_for(1) && !budget.has_room_for(2));
    }
}
