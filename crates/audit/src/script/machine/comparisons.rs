//! Comparisons: of losses, of the clock, of a file with the token that came.

use super::super::taint::{Flags, TaintId};
use super::super::trace::{Action, Learner};
use super::super::value::{Kind, Value};
use super::Machine;
use super::folding::compared;
use caddie_python::ast::{self, CmpOp};

impl<'a> Machine<'a, '_> {
    pub(super) fn compare(&mut self, compare: &'a ast::ExprCompare) -> Value<'a> {
        let left = self.value(&compare.left);
        let rights: Vec<Value<'a>> = compare.comparators.iter().map(|right| self.value(right)).collect();
        let mut taint = self.taint(&left);
        for right in &rights {
            let of_right = self.taint(right);
            taint = self.taints.union(taint, of_right);
        }
        let truth = match (&*compare.ops, rights.as_slice()) {
            ([op @ (CmpOp::In | CmpOp::NotIn)], [Value { kind: Kind::Library(name), .. }])
                if &**name == "os.environ" =>
            {
                left.text().and_then(|name| self.assumptions.is_set(name)).map(|set| set == matches!(op, CmpOp::In))
            }
            ([op], [right]) => compared(*op, &left, right),
            _ => None,
        };
        if let [right] = rights.as_slice() {
            self.clocked(&left, right);
        }
        // A comparison of losses chooses by the token that came; its outcome is no loss.
        let flags = self.taints.flags(taint);
        let gold = Flags::LOSS.with(Flags::GOLD);
        let both = rights.iter().all(|right| self.taints.flags(right.taint).any(gold));
        let chosen = self.taints.flags(left.taint).any(gold) && both;
        let mut taint = self.taints.without(taint, gold.with(Flags::HASHED).with(Flags::EXTENDED).with(Flags::TARGET));
        if chosen && flags.has(Flags::VAL) {
            let of_rights = rights.iter().map(|right| right.taint);
            let each: Vec<TaintId> = std::iter::once(left.taint).chain(of_rights).collect();
            taint = self.taints.with(taint, self.by_comparing(&each));
        }
        let taint = self.taints.as_number(taint);
        // A sentinel or a threshold that is compared with does not ask whether the token was counted.
        let taint = if asks_for_none(&compare.ops, &rights) { taint } else { self.taints.without(taint, Flags::SEEN) };
        let taint = if truth.is_none() { self.compared_region(compare, taint) } else { taint };
        if let ([CmpOp::Gt | CmpOp::GtE], [Value { kind: Kind::Float(threshold), .. }], None) =
            (&*compare.ops, rights.as_slice(), truth)
            && *threshold >= NEVER
            && self.taints.flags(taint).any(Flags::BY_TARGET.with(Flags::TARGET_GATE))
        {
            self.event(Action::NeverReached { threshold: *threshold });
        }
        let taint = self.selecting(taint);
        let taint = self.foretold(compare, &left, &rights, taint);
        Value { kind: truth.map_or(Kind::Unknown, Kind::Bool), taint }
    }

    /// `shipped[start:end] == targets`: where a file that came with the script holds the token.
    fn foretold(
        &mut self,
        compare: &ast::ExprCompare,
        left: &Value<'a>,
        rights: &[Value<'a>],
        taint: TaintId,
    ) -> TaintId {
        let ([CmpOp::Eq | CmpOp::NotEq], [right]) = (&*compare.ops, rights) else { return taint };
        let (of_left, of_right) = (self.taint(left), self.taint(right));
        let (a, b) = (self.taints.flags(of_left), self.taints.flags(of_right));
        let holds = |file: Flags, token: Flags| {
            file.has(Flags::SHIPPED) && !file.has(Flags::VAL) && token.has(Flags::VAL) && !token.has(Flags::SHIPPED)
        };
        if holds(a, b) || holds(b, a) { self.taints.with(taint, Flags::FORETOLD) } else { taint }
    }

    /// Returns the flags of a choice that compares these losses: losses of one iteration belong to experts, others to
    /// passes.
    pub(super) fn by_comparing(&self, losses: &[TaintId]) -> Flags {
        let events = &self.events.trace.events;
        let learnt = |taint: &TaintId| -> Vec<u32> {
            let gradient = |update: &&u32| {
                events.get(**update as usize).is_some_and(|event| {
                    matches!(
                        event.action,
                        Action::Update { learner: Learner::Gradient | Learner::Offset, data }
                            if self.taints.flags(data).has(Flags::VAL)
                    )
                })
            };
            self.taints.get(*taint).updates.iter().filter(gradient).copied().collect()
        };
        // A loss that was summed up in a loop that is over is the result of a pass.
        let summed = |taint: &TaintId| {
            self.taints.get(*taint).scores.iter().filter_map(|score| events.get(*score as usize)).any(|event| {
                matches!(event.action, Action::Score { .. })
                    && !event.place.loops.iter().all(|of_score| self.loops.is_active(of_score.entered))
            })
        };
        let first = losses.first().map(learnt).unwrap_or_default();
        let one_iteration = losses.iter().all(|loss| learnt(loss) == first && !summed(loss));
        if one_iteration { Flags::CHOSEN_BY_LOSS.with(Flags::HINDSIGHT) } else { Flags::CHOSEN_BY_LOSS }
    }

    /// A time that is compared with a limit, which is in seconds or milliseconds; shorter ones are intervals.
    fn clocked(&mut self, left: &Value<'a>, right: &Value<'a>) {
        if self.loops.is_empty() {
            return;
        }
        let is_time = |machine: &Self, value: &Value<'a>| machine.taints.flags(value.taint).has(Flags::CLOCK);
        let limit = match (is_time(self, left), is_time(self, right)) {
            (true, false) => right,
            (false, true) => left,
            _ => return,
        };
        match limit.number() {
            Some(number) if number >= MILLISECONDS => {
                self.event(Action::Clock { seconds: Some(number / 1000.0) });
            }
            Some(number) if number >= INTERVAL => {
                self.event(Action::Clock { seconds: Some(number) });
            }
            None if matches!(limit.kind, Kind::Unknown) => {
                self.event(Action::Clock { seconds: None });
            }
            _ => {}
        }
    }
}

/// `count > 0`, `count == 0`, `count >= 1`: tells whether a comparison asks for none or any.
fn asks_for_none(ops: &[CmpOp], rights: &[Value<'_>]) -> bool {
    let ([op], [right]) = (ops, rights) else { return false };
    match (op, right.number()) {
        (CmpOp::Gt | CmpOp::LtE | CmpOp::Eq | CmpOp::NotEq, Some(number)) => number == 0.0,
        (CmpOp::GtE | CmpOp::Lt, Some(number)) => number == 1.0,
        _ => false,
    }
}

/// Limits from here on are in milliseconds: nobody trains for five hours.
const MILLISECONDS: f64 = 20_000.0;

/// Times below are no limit of a training run, seconds.
const INTERVAL: f64 = 60.0;

/// Threshold that switches a gate off: neither a probability nor the loss of a token (17 nats at 2^-24) is as large.
const NEVER: f64 = 50.0;
