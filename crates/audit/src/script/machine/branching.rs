//! Conditions: the branch that is taken, or both, joined.

use super::super::taint::TaintId;
use super::super::value::{Kind, Value};
use super::state::Changes;
use super::{Flow, Machine};
use caddie_python::ast::{self, Stmt};

impl<'a> Machine<'a, '_> {
    pub(super) fn branches(&mut self, stmt: &'a ast::StmtIf) -> Flow {
        let mut open: Vec<&'a [Stmt]> = Vec::new();
        let mut taint = TaintId::NONE;
        let clauses = stmt.elif_else_clauses.iter().map(|clause| (clause.test.as_ref(), clause.body.as_slice()));
        let mut has_rest = true;
        for (test, body) in std::iter::once((Some(&*stmt.test), stmt.body.as_slice())).chain(clauses) {
            let truth = match test {
                Some(test) => {
                    let value = self.value(test);
                    let of_test = self.taint(&value);
                    taint = self.taints.union(taint, of_test);
                    match self.witnessed(test, body) {
                        Some(truth) => {
                            self.switched(test, truth);
                            Some(truth)
                        }
                        None if value.truth() == Some(false) && self.shown_within(test, body) => {
                            self.switched(test, true);
                            Some(true)
                        }
                        None => value.truth(),
                    }
                }
                None => Some(true),
            };
            match truth {
                Some(true) if self.ends_the_run(body) => {}
                Some(true) => {
                    open.push(body);
                    has_rest = false;
                    break;
                }
                Some(false) => {}
                None => open.push(body),
            }
        }
        if has_rest {
            open.push(&[]);
        }
        self.either(&open, taint)
    }

    /// Tells whether the block, which is reached for sure, raises what nothing catches. The run whose score is claimed went on:
    /// its configuration was another one than supposed, and did not come here.
    fn ends_the_run(&self, body: &[Stmt]) -> bool {
        matches!(body.last(), Some(Stmt::Raise(_))) && self.branches.are_known() && !self.branches.is_attempted()
    }

    /// Follows several blocks, one of which runs; it is not known which. Each begins from the same names, and then they
    /// are joined. Blocks that leave are not joined with the code that follows.
    pub(super) fn either(&mut self, arms: &[&'a [Stmt]], condition: TaintId) -> Flow {
        match arms {
            [] => return Flow::Next,
            [only] => return self.block(only),
            _ => {}
        }
        let (mut after, mut left) = (None, None);
        let condition = self.taints.flags(condition);
        self.branches.enter(condition);
        for arm in arms {
            self.scopes.names().begin();
            let before = self.events.trace.events.len();
            let flow = self.block(arm);
            if flow == Flow::Continue {
                self.events.trace.ended(before, self.loops.innermost());
            }
            let changes = self.scopes.names().end();
            self.budget.keep(changes.len());
            self.loops.keep_left(flow, &changes);
            if flow == Flow::Next {
                after = Some(match after.take() {
                    Some(other) => self.join_changes(other, changes),
                    None => changes,
                });
            } else {
                left = Some(match left.take() {
                    Some((Flow::Continue, kept)) => (flow, kept),
                    Some(found) => found,
                    None => (flow, changes),
                });
            }
        }
        self.branches.leave(condition);
        let (flow, changes) = match (after, left) {
            (Some(changes), _) => (Flow::Next, changes),
            (None, Some(left)) => left,
            (None, None) => return Flow::Next,
        };
        for (name, value) in changes {
            self.scopes.names().set(name, value);
        }
        flow
    }

    /// Joins in the values that names had where a branch left.
    pub(super) fn join_left(&mut self, left: Vec<Changes<'a>>) {
        for (name, value) in left.into_iter().flatten() {
            self.budget.keep(1);
            let now = self.scopes.names().get(name).cloned();
            let both = self.join_bound(value, now);
            self.scopes.names().set(name, both);
        }
    }

    /// Returns the values of the names after one of two branches: a name that one of them did not bind keeps its value
    /// there.
    fn join_changes(&mut self, mut left: Changes<'a>, right: Changes<'a>) -> Changes<'a> {
        let mut both = Changes::default();
        for (name, value) in right {
            let other = left.remove(name).unwrap_or_else(|| self.scopes.names().get(name).cloned());
            both.insert(name, self.join_bound(other, value));
        }
        for (name, value) in left {
            let other = self.scopes.names().get(name).cloned();
            both.insert(name, self.join_bound(value, other));
        }
        both
    }

    /// Joins the values of a name; a name that only one branch knows has its value there.
    fn join_bound(&mut self, left: Option<Value<'a>>, right: Option<Value<'a>>) -> Option<Value<'a>> {
        match (left, right) {
            (Some(left), Some(right)) => Some(self.join_branches(left, right)),
            (left, right) => left.or(right),
        }
    }

    /// Joins the values that two branches left.
    fn join_branches(&mut self, left: Value<'a>, right: Value<'a>) -> Value<'a> {
        let same = match (&left.kind, &right.kind) {
            (Kind::Object(a), Kind::Object(b)) => a == b,
            (Kind::Tuple(a), Kind::Tuple(b)) => std::rc::Rc::ptr_eq(a, b),
            (Kind::Unknown, Kind::Unknown) => true,
            _ => false,
        };
        if same {
            let taint = self.taints.union(left.taint, right.taint);
            return Value { kind: left.kind, taint };
        }
        if let (Kind::Tuple(a), Kind::Tuple(b)) = (&left.kind, &right.kind)
            && a.len() == b.len()
        {
            return self.join_returned(left, right);
        }
        self.join(left, right)
    }

    /// Tuples are joined member by member: a function returns its numbers in one order.
    pub(super) fn join_returned(&mut self, before: Value<'a>, value: Value<'a>) -> Value<'a> {
        match (&before.kind, &value.kind) {
            (Kind::Tuple(a), Kind::Tuple(b)) if a.len() == b.len() => {
                let pairs: Vec<_> = a.iter().cloned().zip(b.iter().cloned()).collect();
                let items: Vec<Value<'a>> = pairs.into_iter().map(|(a, b)| self.join(a, b)).collect();
                Value { kind: Kind::Tuple(items.into()), taint: before.taint }
            }
            (_, Kind::None) => before,
            (Kind::None, _) => value,
            _ => self.join(before, value),
        }
    }
}
