//! Bounds of slices by how they are written: `max(length - stride, 0)` in two loops is the same place of a window.
//!
//! Names stand for the expression they were last assigned, so that spelling does not matter.

use std::hash::{Hash, Hasher};

use rustc_hash::FxHasher;

use super::super::taint::{Bound, Flags, Region, TaintId};
use super::super::value::{Kind, ObjectRole, Value};
use super::Machine;
use caddie_python::ast::{self, Expr, Operator};
use caddie_python::constant::{self, Constant};

/// Depth of an expression that is looked at.
const MAX_DEPTH: usize = 12;

fn hash(parts: impl Hash) -> u64 {
    let mut hasher = FxHasher::default();
    parts.hash(&mut hasher);
    hasher.finish()
}

/// Returns the symbol of an operation on `parts`.
fn joined(operation: &str, parts: impl IntoIterator<Item = Bound>) -> Bound {
    let start = Bound { symbol: hash(operation), less: 0 };
    parts
        .into_iter()
        .fold(start, |sum, part| Bound { symbol: hash((sum.symbol, part.symbol)), less: sum.less.max(part.less) })
}

impl<'a> Machine<'a, '_> {
    /// Notes the symbols of names that are numbers, not of values made of data.
    pub(super) fn assign_symbols(&mut self, target: &'a Expr, source: &'a Expr, value: &Value<'a>) {
        match (target, source) {
            (Expr::Name(name), _) if !matches!(value.kind, Kind::Object(_) | Kind::Text(_) | Kind::Tuple(_)) => {
                let symbol = self.symbol(source, 0);
                let function = self.scopes.function();
                self.symbols.set(function, name.id.as_str(), symbol);
            }
            (Expr::Tuple(targets), Expr::Tuple(sources)) if targets.elts.len() == sources.elts.len() => {
                let unknown = Value::unknown(TaintId::NONE);
                for (target, source) in targets.elts.iter().zip(&sources.elts) {
                    self.assign_symbols(target, source, &unknown);
                }
            }
            _ => {}
        }
    }

    /// Gives the members of an iterable the same symbols in every loop over it.
    pub(super) fn loop_symbols(&mut self, target: &'a Expr, iterable: &'a Expr) {
        let symbol = self.symbol(iterable, 0);
        let function = self.scopes.function();
        let mut open = vec![(target, symbol.symbol)];
        while let Some((target, symbol)) = open.pop() {
            match target {
                Expr::Name(name) => {
                    self.symbols.set(function, name.id.as_str(), Bound { symbol: hash((symbol, 'm')), less: 0 });
                }
                Expr::Tuple(tuple) => {
                    open.extend(tuple.elts.iter().enumerate().map(|(index, item)| (item, hash((symbol, index)))));
                }
                _ => {}
            }
        }
    }

    /// Returns the symbol of an expression.
    fn symbol(&self, expr: &Expr, depth: usize) -> Bound {
        if depth > MAX_DEPTH {
            return Bound { symbol: hash(self.module.text(expr)), less: 0 };
        }
        let of = |expr: &Expr| self.symbol(expr, depth + 1);
        match expr {
            Expr::Name(name) => {
                let name = name.id.as_str();
                let known = self.scopes.innermost_first().find_map(|call| self.symbols.get(call.number(), name));
                known.unwrap_or_else(|| Bound { symbol: hash(("name", name)), less: 0 })
            }
            Expr::BinOp(binary) => {
                let (left, right) = (of(&binary.left), of(&binary.right));
                let mut both = joined(binary.op.as_str(), [left, right]);
                if binary.op == Operator::Sub && !matches!(&*binary.right, Expr::NumberLiteral(_)) {
                    both.less = both.less.max(right.symbol);
                }
                both
            }
            Expr::UnaryOp(unary) => joined(unary.op.as_str(), [of(&unary.operand)]),
            Expr::If(choice) => joined("if", [of(&choice.test), of(&choice.body), of(&choice.orelse)]),
            Expr::Compare(compare) => {
                let parts = std::iter::once(&*compare.left).chain(compare.comparators.iter());
                Bound { less: 0, ..joined("compare", parts.map(of)) }
            }
            Expr::Call(call) => joined(self.module.text(&*call.func), call.arguments.args.iter().map(of)),
            Expr::Subscript(subscript) => {
                Bound { less: 0, ..joined("at", [of(&subscript.value), of(&subscript.slice)]) }
            }
            Expr::Attribute(attribute) => Bound { less: 0, ..joined(attribute.attr.as_str(), [of(&attribute.value)]) },
            _ => Bound { symbol: hash(self.module.text(expr)), less: 0 },
        }
    }

    /// The positions that a slice selects: of several dimensions, the last that is sliced.
    pub(super) fn region(&self, slice: &Expr) -> Option<Region> {
        match slice {
            Expr::Tuple(tuple) => tuple.elts.iter().rev().find_map(|part| self.region(part)),
            Expr::Slice(slice) if slice.step.is_none() => {
                let bound = |bound: Option<&Expr>| Some(self.symbol(bound.filter(|bound| !is_shift(bound))?, 0));
                let region = Region { lower: bound(slice.lower.as_deref()), upper: bound(slice.upper.as_deref()) };
                (region.lower.is_some() || region.upper.is_some()).then_some(region)
            }
            _ => None,
        }
    }

    /// A part of validation data, outside of a model, where layers slice channels and heads.
    pub(super) fn narrowed(&mut self, taint: TaintId, slice: &'a Expr) -> TaintId {
        if !self.taints.flags(taint).has(Flags::VAL) || self.events.within_module() {
            return taint;
        }
        match self.region(slice) {
            Some(_) if self.is_all_but_one(slice) => taint,
            Some(region) => self.taints.within(taint, region),
            None => taint,
        }
    }

    /// `targets[:, : seq_len - 1]` of a window whose length is known: only shifted against the logits.
    fn is_all_but_one(&mut self, slice: &'a Expr) -> bool {
        match slice {
            Expr::Tuple(tuple) => {
                let last = tuple.elts.iter().rev().find(|part| matches!(part, Expr::Slice(_)));
                last.is_some_and(|part| self.is_all_but_one(part))
            }
            Expr::Slice(slice) if slice.lower.is_none() => match slice.upper.as_deref() {
                // `context - 1` may be as long, and ends where the scored positions begin.
                Some(Expr::BinOp(less)) if less.op == Operator::Sub && is_shift(&less.right) => {
                    let sequence = last_name(&less.left).is_some_and(|name| name.contains("seq"));
                    sequence && matches!(self.value(&less.left).kind, Kind::Int(length) if length >= WINDOW)
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// Handles `mask[row, start:end] = 1`: a mask selects the positions where it is set; where it is cleared, it
    /// selects the rest.
    pub(super) fn mask_region(&mut self, holder: &Value<'a>, slice: &'a Expr, value: &Value<'a>) {
        let Some(id) = holder.object().filter(|id| self.memory.heap.get(*id).role == ObjectRole::Tensor) else {
            return;
        };
        let Some(set) = value.number() else { return };
        let region = match (set != 0.0, self.region(slice)) {
            (true, Some(region)) => region,
            (false, Some(Region { lower: Some(lower), upper: None })) => Region { lower: None, upper: Some(lower) },
            (false, Some(Region { lower: None, upper: Some(upper) })) => Region { lower: Some(upper), upper: None },
            _ => return,
        };
        let taint = self.taints.within(TaintId::NONE, region);
        self.pour(id, taint);
    }

    /// `positions < end`: a mask of the positions before it.
    pub(super) fn compared_region(&mut self, compare: &'a ast::ExprCompare, taint: TaintId) -> TaintId {
        let ([op], [right]) = (&*compare.ops, &*compare.comparators) else { return taint };
        let content = Flags::VAL.with(Flags::TRAIN).with(Flags::LOSS).with(Flags::CLOCK);
        if self.taints.flags(taint).any(content) || is_shift(right) || self.events.within_module() {
            return taint;
        }
        let bound = Some(self.symbol(right, 0));
        let region = match op {
            ast::CmpOp::Lt | ast::CmpOp::LtE => Region { lower: None, upper: bound },
            ast::CmpOp::Gt | ast::CmpOp::GtE => Region { lower: bound, upper: None },
            _ => return taint,
        };
        self.taints.within(taint, region)
    }
}

/// `seq_len` of `args.seq_len`.
fn last_name(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Name(name) => Some(name.id.as_str()),
        Expr::Attribute(attribute) => Some(attribute.attr.as_str()),
        _ => None,
    }
}

/// Tokens that a window has at least; strides are shorter or not known.
const WINDOW: i64 = 256;

/// A bound that only shifts inputs against targets: `[1:]`, `[:-1]`, `[0:]`.
fn is_shift(bound: &Expr) -> bool {
    match bound {
        Expr::UnaryOp(unary) => unary.op == ast::UnaryOp::USub && is_shift(&unary.operand),
        _ => matches!(constant::literal(bound), Some(Ok(Constant::Int(..=1)))),
    }
}
