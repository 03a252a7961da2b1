//! The bytes that scores are divided by: tables that give each token its bytes, constants in their place, and scores of
//! a part of the tokens.

use super::super::pieces;
use super::super::taint::{Flags, TaintId};
use super::super::trace::Action;
use super::super::value::{Kind, Value};
use super::Machine;
use caddie_python::ast;

/// Functions that are worked out as tables of bytes at most.
const MAX_TABLES: usize = 32;

impl<'a> Machine<'a, '_> {
    /// `arrays["base_bytes"]` of a file that the script did not write.
    pub(super) fn kept_under(&mut self, holder: TaintId, index: &Value<'a>, taint: TaintId) -> TaintId {
        let bytes = index.text().is_some_and(speaks_of_bytes);
        if bytes && self.taints.flags(holder).has(Flags::FOREIGN) {
            self.taints.with(taint, Flags::TABLE_FILE)
        } else {
            taint
        }
    }

    /// Marks the result of a function that gives each token its bytes as such a table.
    pub(super) fn counted(&mut self, definition: &'a ast::StmtFunctionDef, value: Value<'a>) -> Value<'a> {
        let pointer: *const ast::StmtFunctionDef = definition;
        let number = match self.events.builders.get(&pointer) {
            Some(number) => *number,
            None => {
                let module = self.module;
                let known = self.events.trace.tables.len() < MAX_TABLES;
                let home = self.scopes.home_of(definition).unwrap_or_default();
                let body = module.bodies().nth(home).unwrap_or_default();
                let table = known.then(|| pieces::table(definition, module.line(definition), body)).flatten();
                let number = table.map(|table| {
                    self.events.trace.tables.push(table);
                    self.events.trace.tables.len() - 1
                });
                self.events.builders.insert(pointer, number);
                number
            }
        };
        let Some(number) = number else { return value };
        self.event(Action::ByteTable { number });
        let (bytes_at, space_at) =
            self.events.trace.tables.get(number).map_or((None, None), |t| (t.bytes_at, t.space_at));
        let bit = 1_u32.checked_shl(u32::try_from(number).unwrap_or(u32::MAX)).unwrap_or(0);
        match (bytes_at, &value.kind) {
            (Some(bytes_at), Kind::Tuple(items)) => {
                let items: Vec<Value<'a>> = items.to_vec();
                let items: Vec<Value<'a>> = items
                    .into_iter()
                    .enumerate()
                    .map(|(index, item)| match index {
                        index if index == bytes_at => self.flagged(item, Flags::BYTES, bit),
                        index if Some(index) == space_at => self.flagged(item, Flags::SPACE, 0),
                        _ => item,
                    })
                    .collect();
                Value { kind: Kind::Tuple(items.into()), taint: value.taint }
            }
            (None, _) => self.flagged(value, Flags::BYTES, bit),
            _ => value,
        }
    }

    /// Returns the value, with these flags and from these tables; an object gets them on its contents.
    fn flagged(&mut self, value: Value<'a>, flags: Flags, tables: u32) -> Value<'a> {
        let taint = self.taints.change(value.taint, |taint| {
            taint.flags = taint.flags.with(flags);
            taint.tables |= tables;
        });
        if let Some(id) = value.object() {
            self.pour(id, taint);
        }
        Value { kind: value.kind, taint }
    }

    /// A loss that is multiplied with or divided by a number near to the bytes of a token.
    pub(super) fn by_constant(
        &mut self,
        op: ast::Operator,
        left: &Value<'a>,
        right: &Value<'a>,
        of: TaintId,
    ) -> TaintId {
        let (constant, loss) = match (&left.kind, &right.kind, op) {
            (_, Kind::Float(number), ast::Operator::Div) => (*number, left),
            (_, Kind::Float(number), ast::Operator::Mult) if *number > 0.0 => (1.0 / number, left),
            (Kind::Float(number), _, ast::Operator::Mult) if *number > 0.0 => (1.0 / number, right),
            _ => return of,
        };
        let flags = self.taints.flags(loss.taint);
        let near = BYTES_PER_TOKEN.contains(&constant) && (constant - std::f64::consts::E).abs() > 1e-3;
        if near && flags.has(Flags::LOSS.with(Flags::VAL)) && !flags.has(Flags::BYTES) {
            self.taints.with(of, Flags::CONSTANT_BYTES)
        } else {
            of
        }
    }

    /// `tokens[:1000000]`: a constant number of the validation tokens, the rest left out.
    pub(super) fn cut(&mut self, subscript: &'a ast::ExprSubscript, holder: TaintId, taint: TaintId) -> TaintId {
        let ast::Expr::Slice(slice) = &*subscript.slice else { return taint };
        let held = self.taints.get(holder);
        let whole = held.flags.has(Flags::VAL) && held.stamps.is_empty() && !held.flags.any(Flags::LOSS);
        let from_start = match slice.lower.as_deref() {
            None => true,
            Some(ast::Expr::NumberLiteral(_)) => true,
            Some(_) => false,
        };
        let (true, true, Some(upper), None) = (whole, from_start, slice.upper.as_deref(), &slice.step) else {
            return taint;
        };
        // `[: usable + 1]`: the target of the last token comes after it.
        let upper = match upper {
            ast::Expr::BinOp(sum) if sum.op == ast::Operator::Add => &*sum.left,
            upper => upper,
        };
        if !matches!(upper, ast::Expr::Name(_) | ast::Expr::Attribute(_) | ast::Expr::NumberLiteral(_)) {
            return taint;
        }
        match self.value(upper).kind {
            Kind::Int(upper) if SUBSETS.contains(&upper) => self.taints.with(taint, Flags::CUT),
            _ => taint,
        }
    }
}

/// Tells whether a file or an array in it is called after the bytes of tokens.
pub(super) fn speaks_of_bytes(name: &str) -> bool {
    name.to_ascii_lowercase().contains("byte")
}

/// Bytes that a token of the challenge's tokenizers has on average lie between these.
const BYTES_PER_TOKEN: std::ops::RangeInclusive<f64> = 2.1..=4.6;

/// Fewer tokens are a header or a batch, more are the whole split.
const SUBSETS: std::ops::Range<i64> = 50_000..40_000_000;
