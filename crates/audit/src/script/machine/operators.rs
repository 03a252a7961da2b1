//! Operators: arithmetic folded, hashes of tokens, comparisons of losses and of the clock.

use super::super::taint::{Flags, TaintId};
use super::super::value::{Kind, Value};
use super::Machine;
use super::folding::folded;
use caddie_python::ast::{self, Expr, Operator};
use caddie_python::constant;

impl<'a> Machine<'a, '_> {
    /// Chains of operators are walked from the left, not recursed into.
    pub(super) fn operators(&mut self, expr: &'a Expr) -> Value<'a> {
        let mut rights = Vec::new();
        let mut left = expr;
        while let Expr::BinOp(binary) = left {
            rights.push((binary.op, &*binary.right));
            left = &binary.left;
        }
        let mut value = self.value(left);
        // `hash * prime + token`: the entry of a row, until a remainder makes a hash of it.
        let mut paired = false;
        // `(a * p) ^ (b * q) ^ (c * r)` is one hash of them all, and no hash to which a token is added.
        let of_first = self.taint(&value);
        let whole = self.taints.flags(of_first).has(Flags::HASHED);
        while let Some((op, right)) = rights.pop() {
            let of_exponentials = matches!(op, Operator::Add) && is_log_of_exponentials(right);
            let right = self.value(right);
            paired |= matches!(op, Operator::Add) && (self.pairs(&value, &right) || self.pairs(&right, &value));
            let extended = self.taints.flags(value.taint).has(Flags::EXTENDED);
            let in_a_row = matches!(op, Operator::Add) && (self.rows(&value, &right) || self.rows(&right, &value));
            value = self.arithmetic(op, &value, &right);
            if in_a_row {
                value.taint = self.taints.with(value.taint, Flags::ROW);
            }
            if matches!(op, Operator::BitXor) && !whole && !extended {
                value.taint = self.taints.without(value.taint, Flags::EXTENDED);
            }
            if paired && matches!(op, Operator::Mod | Operator::BitAnd) {
                let hashed = self.hashed(value.taint);
                value.taint = self.taints.with(hashed, Flags::EXTENDED);
            }
            if of_exponentials {
                value.taint = self.taints.without(value.taint, Flags::CHOSEN_BY_LOSS);
            }
        }
        value
    }

    /// `left op right`.
    pub(super) fn arithmetic(&mut self, op: Operator, left: &Value<'a>, right: &Value<'a>) -> Value<'a> {
        let (of_left, of_right) = (self.taint(left), self.taint(right));
        let taint = self.taints.union(of_left, of_right);
        let taint = self.taints.as_number(taint);
        if let Some(kind) = folded(op, &left.kind, &right.kind) {
            return Value { kind, taint };
        }
        // A factor of zero removes the value that it multiplies.
        if op == Operator::Mult && (left.number() == Some(0.0) || right.number() == Some(0.0)) {
            return Value::unknown(TaintId::NONE);
        }
        // The rows of a table that a remainder makes shorter are shared by tokens of several contexts.
        let folds = matches!(op, Operator::BitXor | Operator::Mod | Operator::BitAnd);
        let taint = if folds { self.taints.without(taint, Flags::ROW) } else { taint };
        // `hash ^ token * prime`, `… % buckets`, `… & mask`: a key made of tokens.
        if matches!(op, Operator::BitXor) {
            let hashed = self.hashed(taint);
            // The hash of a context, and one token more: an entry of the table for that token alone.
            let of_hash =
                self.taints.flags(of_left).has(Flags::HASHED) && !self.taints.flags(of_right).has(Flags::HASHED);
            let token = self.taints.flags(of_right).any(Flags::VAL.with(Flags::TRAIN));
            return Value::unknown(if of_hash && token { self.taints.with(hashed, Flags::EXTENDED) } else { hashed });
        }
        // `(context * prime + token) % buckets`
        if matches!(op, Operator::Mod) {
            return Value::unknown(self.hashed(taint));
        }
        if let Some(stepped) = self.step_by_hand(op, of_left, of_right) {
            return Value::unknown(stepped);
        }
        let taint = self.gradient_by_hand(op, of_left, of_right, taint);
        let taint = self.by_constant(op, left, right, taint);
        let taint = self.gated(op, taint, of_left, of_right);
        Value::unknown(self.offset(op, taint, of_left, of_right))
    }

    /// `starts_word[target] & ~boundary[before]`: a class of the target selects. A loss that is only weighed by a class,
    /// or divided by the bytes of a token, is that of another unit.
    fn gated(&mut self, op: Operator, taint: TaintId, left: TaintId, right: TaintId) -> TaintId {
        let (left, right) = (self.taints.flags(left), self.taints.flags(right));
        let class = Flags::BY_TARGET.with(Flags::TARGET_GATE);
        let weighs = |loss: Flags, class_of: Flags| {
            loss.has(Flags::LOSS) && !loss.any(class) && class_of.any(class) && !class_of.has(Flags::LOSS)
        };
        match op {
            Operator::BitAnd | Operator::BitOr => self.selecting(taint),
            Operator::Mult if weighs(left, right) || weighs(right, left) => self.taints.without(taint, class),
            Operator::Div | Operator::FloorDiv if weighs(left, right) => self.taints.without(taint, class),
            _ => taint,
        }
    }

    /// Marks the origin of a value that selects by a class of the target.
    pub(super) fn selecting(&mut self, taint: TaintId) -> TaintId {
        if self.taints.flags(taint).has(Flags::BY_TARGET) { self.taints.with(taint, Flags::TARGET_GATE) } else { taint }
    }

    /// Handles `logits + delta`: a tensor of its own is added; a projection of the sum is no sum any more.
    fn offset(&mut self, op: Operator, taint: TaintId, left: TaintId, right: TaintId) -> TaintId {
        let (left, right) = (self.taints.flags(left), self.taints.flags(right));
        let adds = |offset: Flags, other: Flags| offset.has(Flags::OFFSET) && other.has(Flags::VAL);
        match op {
            Operator::Add | Operator::Sub if adds(left, right) || adds(right, left) => {
                self.taints.with(taint, Flags::ADDED.with(Flags::SHIFTED))
            }
            Operator::MatMult => self.taints.without(taint, Flags::ADDED),
            _ => taint,
        }
    }

    /// Tells whether one is a hash and the other tokens.
    fn pairs(&self, hash: &Value<'a>, token: &Value<'a>) -> bool {
        let (hash, token) = (self.taints.flags(hash.taint), self.taints.flags(token.taint));
        let tokens = token.any(Flags::VAL.with(Flags::TRAIN)) && !token.any(Flags::HASHED.with(Flags::COUNTED));
        hash.has(Flags::HASHED) && !hash.any(Flags::LOSS) && tokens && !token.any(Flags::LOSS.with(Flags::DISTRIBUTION))
    }

    /// Tells whether one is a hash of the context and the other the token that came: `bucket * vocabulary + token`.
    fn rows(&self, hash: &Value<'a>, token: &Value<'a>) -> bool {
        let (of_hash, of_token) = (self.taints.flags(hash.taint), self.taints.flags(token.taint));
        self.pairs(hash, token) && !of_hash.any(Flags::TARGET.with(Flags::EXTENDED)) && of_token.has(Flags::TARGET)
    }

    /// An exclusive or of tokens is a hash, and so is a remainder of them.
    pub(super) fn hashed(&mut self, taint: TaintId) -> TaintId {
        let flags = self.taints.flags(taint);
        let tokens = flags.any(Flags::VAL.with(Flags::TRAIN)) && !flags.any(Flags::LOSS.with(Flags::DISTRIBUTION));
        if tokens { self.taints.with(taint, Flags::HASHED) } else { taint }
    }

    pub(super) fn unary(&mut self, unary: &'a ast::ExprUnaryOp) -> Value<'a> {
        let operand = self.value(&unary.operand);
        let taint = self.taint(&operand);
        let taint = self.taints.as_number(taint);
        let taint = if unary.op == ast::UnaryOp::Invert { self.selecting(taint) } else { taint };
        let kind = match unary.op {
            ast::UnaryOp::Not => operand.truth().map(|truth| Kind::Bool(!truth)),
            op => operand.kind.constant().and_then(|known| constant::unary(op, &known).ok()).and_then(Kind::of_scalar),
        };
        let kind = kind.unwrap_or(Kind::Unknown);
        Value { kind, taint }
    }

    /// The value that decides, where the ones before it are known.
    pub(super) fn bool_op(&mut self, expr: &'a ast::ExprBoolOp) -> Value<'a> {
        let decides = matches!(expr.op, ast::BoolOp::Or);
        let mut left: Option<Value<'a>> = None;
        let mut unknown = false;
        for part in &expr.values {
            let value = self.value(part);
            match value.truth() {
                Some(truth) if truth == decides => {
                    if unknown && !decides {
                        return Value { kind: Kind::Bool(false), taint: value.taint };
                    }
                    if !unknown {
                        return value;
                    }
                }
                None => unknown = true,
                Some(_) => {}
            }
            left = Some(match left {
                Some(left) if unknown => self.join(left, value),
                _ => value,
            });
        }
        match left {
            Some(value) if unknown && value.truth().is_some() => Value::unknown(value.taint),
            Some(value) => value,
            None => Value::unknown(TaintId::NONE),
        }
    }
}

/// `log(exp(a - m) + exp(b - m))`, `log1p(exp(-abs(a - b)))`: with the larger of both added, the logarithm of the sum of
/// two probabilities, of which none is chosen.
fn is_log_of_exponentials(expr: &Expr) -> bool {
    fn named<'e>(expr: &'e Expr, names: &[&str]) -> Option<&'e ast::ExprCall> {
        let Expr::Call(call) = expr else { return None };
        let name = match &*call.func {
            Expr::Name(name) => name.id.as_str(),
            Expr::Attribute(attribute) => attribute.attr.as_str(),
            _ => return None,
        };
        names.contains(&name).then_some(call)
    }
    fn has_exponential(expr: &Expr) -> bool {
        let mut open = vec![expr];
        while let Some(expr) = open.pop() {
            if named(expr, &["exp"]).is_some() {
                return true;
            }
            match expr {
                Expr::BinOp(binary) => open.extend([&*binary.left, &*binary.right]),
                Expr::UnaryOp(unary) => open.push(&unary.operand),
                Expr::Call(call) => {
                    open.extend(&call.arguments.args);
                    if let Expr::Attribute(attribute) = &*call.func {
                        open.push(&attribute.value);
                    }
                }
                _ => {}
            }
        }
        false
    }
    let Some(call) = named(expr, &["log", "log1p"]) else { return false };
    let receiver = match &*call.func {
        Expr::Attribute(attribute) => Some(&*attribute.value),
        _ => None,
    };
    receiver.into_iter().chain(&call.arguments.args).any(has_exponential)
}
