//! `holder[index]`: slices, members, entries looked up under tokens and hashes of them.

use super::super::taint::{Flags, TaintId};
use super::super::trace::{Action, Learner};
use super::super::value::{Kind, ObjectRole, Value};
use super::Machine;
use caddie_python::ast::{self, Expr, Operator};
use caddie_python::constant::{self, Constant, Slice};

impl<'a> Machine<'a, '_> {
    pub(super) fn subscript(&mut self, subscript: &'a ast::ExprSubscript) -> Value<'a> {
        let holder = self.value(&subscript.value);
        let (index, found, sliced) = match &*subscript.slice {
            Expr::Slice(slice) => {
                let (bounds, slice) = self.bounds(slice);
                let found = self.part(&holder, &bounds, slice);
                (bounds, found, true)
            }
            index => {
                let index = self.value(index);
                let found = self.member(&holder, &index);
                (index, found, false)
            }
        };
        if let Some(found) = found {
            let (of_holder, of_index) = (self.taint(&holder), self.taint(&index));
            let taint = if sliced { found.taint } else { self.looked_up(found.taint, of_holder, of_index, true) };
            return Value { kind: found.kind, taint };
        }
        let (of_holder, of_index) = (self.taint(&holder), self.taint(&index));
        let (held, key) = (self.taints.flags(of_holder), self.taints.flags(of_index));
        // The value found under a key is no key.
        let by_key = self.taints.without(of_index, KEY);
        // Losses of tokens of a class are those of other tokens, no gate.
        let class = Flags::BY_TARGET.with(Flags::TARGET_GATE);
        let by_key =
            if held.has(Flags::LOSS) && !held.any(class) { self.taints.without(by_key, class) } else { by_key };
        let mut taint = self.taints.union(of_holder, by_key);
        if self.holds_target(&index) {
            taint = self.looked_up_by_hash(taint);
        }
        if held.has(Flags::DISTRIBUTION) && key.has(Flags::TARGET) {
            taint = self.taints.with(taint, Flags::GOLD);
        }
        // Positions found in the data select other data; they are not that data.
        if !held.any(Flags::VAL) && key.any(Flags::VAL) && held.any(Flags::TRAIN) {
            taint = self.taints.without(taint, Flags::VAL);
        }
        if held.any(Flags::VAL.with(Flags::TRAIN)) && one_later(&subscript.slice) {
            taint = self.taints.with(taint, Flags::TARGET);
        }
        taint = self.kept_under(of_holder, &index, taint);
        let stored = matches!(holder.kind, Kind::Object(_));
        let taint = if sliced { taint } else { self.looked_up(taint, of_holder, of_index, stored) };
        let taint = self.narrowed(taint, &subscript.slice);
        Value::unknown(self.cut(subscript, of_holder, taint))
    }

    /// An entry found under a hash that holds the target.
    pub(super) fn looked_up_by_hash(&mut self, taint: TaintId) -> TaintId {
        self.event(Action::Lookup { data: taint });
        self.taints.with(taint, Flags::TARGET_LOOKUP)
    }

    /// Tells whether a key is a hash that holds the target. In `table[hash, target]` they are two, and in
    /// `table[hash * vocabulary + target]` as well: the entry is one of a row that the whole vocabulary shares.
    pub(super) fn holds_target(&mut self, key: &Value<'a>) -> bool {
        match &key.kind {
            Kind::Tuple(parts) => {
                let parts = parts.clone();
                parts.iter().any(|part| self.holds_target(part))
            }
            _ => {
                let taint = self.taint(key);
                let flags = self.taints.flags(taint);
                flags.has(Flags::HASHED) && flags.any(Flags::TARGET.with(Flags::EXTENDED)) && !flags.has(Flags::ROW)
            }
        }
    }

    /// Returns the origin of an entry of a table: a class of the target, or counts kept under parts of it. Counts lie
    /// in something that is `stored` and written to; the result of a look-up is only selected from.
    pub(super) fn looked_up(&mut self, found: TaintId, holder: TaintId, key: TaintId, stored: bool) -> TaintId {
        let of_key = self.taints.flags(key);
        let held = self.taints.get(holder).clone();
        let data = Flags::VAL.with(Flags::TRAIN).with(Flags::LOSS).with(Flags::DISTRIBUTION);
        let plain = held.objects.is_empty() && held.updates.is_empty() && !held.flags.any(data);
        let counts = stored && held.flags.has(Flags::BY_TARGET) && of_key.has(Flags::BY_TARGET);
        let made = Flags::LOSS.with(Flags::GOLD).with(Flags::DISTRIBUTION);
        let learnt = stored && held.objects.is_empty() && !held.updates.is_empty() && !held.flags.any(made);
        let found = match learnt && of_key.has(Flags::TARGET.with(Flags::VAL)) && self.is_table(holder) {
            true => self.taints.with(found, Flags::SEEN),
            false => found,
        };
        if plain && of_key.has(Flags::TARGET.with(Flags::VAL)) && !of_key.has(Flags::HASHED) {
            self.taints.with(found, Flags::BY_TARGET)
        } else if plain && of_key.has(Flags::BY_TARGET) {
            self.taints.with(found, Flags::BY_TARGET.with(Flags::TARGET_GATE))
        } else if counts && !self.events.within_module() {
            self.taints.with(found, Flags::OF_PARTS)
        } else {
            found
        }
    }

    /// Tells whether everything that something learnt are counts.
    fn is_table(&self, holder: TaintId) -> bool {
        let event = |update: &u32| self.events.trace.events.get(*update as usize);
        let counts = |update: &u32| {
            event(update).is_some_and(|event| matches!(event.action, Action::Update { learner: Learner::Table, .. }))
        };
        self.taints.get(holder).updates.iter().all(counts)
    }

    /// Evaluates the bounds of a slice: their origin, and the slice where all of them are known.
    pub(super) fn bounds(&mut self, slice: &'a ast::ExprSlice) -> (Value<'a>, Option<Slice>) {
        let bounds = [&slice.lower, &slice.upper, &slice.step];
        let bounds = bounds.map(|bound| bound.as_ref().map(|bound| self.value(bound)));
        let taint = self.taints.all(bounds.iter().flatten().map(|bound| bound.taint).collect::<Vec<_>>());
        let known = bounds.map(|bound| bound.map(|bound| bound.kind.constant()));
        let slice = match known {
            [Some(None), ..] | [_, Some(None), _] | [.., Some(None)] => None,
            known => Slice::of(known.each_ref().map(|bound| bound.as_ref()?.as_ref())).ok(),
        };
        (Value::unknown(taint), slice)
    }

    /// A slice of a text that is known, or of a list: another list of such members.
    fn part(&mut self, holder: &Value<'a>, bounds: &Value<'a>, slice: Option<Slice>) -> Option<Value<'a>> {
        let members = match &holder.kind {
            text @ Kind::Text(_) => {
                let part = slice?.of_constant(&text.constant()?).ok()?;
                let taint = self.taints.union(holder.taint, bounds.taint);
                return Some(Value { kind: Kind::of_scalar(part)?, taint });
            }
            Kind::Tuple(items) => items.last().cloned(),
            Kind::Object(id) if self.memory.heap.get(*id).role == ObjectRole::List => {
                let object = self.memory.heap.get(*id);
                object.element.clone().or_else(|| object.items.as_ref()?.last().cloned())
            }
            _ => return None,
        };
        let held = self.taint(holder);
        let list = self.new_object(ObjectRole::List, held);
        if let Some(id) = list.object() {
            self.memory.heap.get_mut(id).element = members;
        }
        Some(Value { taint: self.taints.union(holder.taint, bounds.taint), kind: list.kind })
    }

    /// A member that is known by its index or key.
    fn member(&mut self, holder: &Value<'a>, index: &Value<'a>) -> Option<Value<'a>> {
        let at = |items: &[Value<'a>], int: i64| items.get(constant::position(int, items.len()).ok()?).cloned();
        match (&holder.kind, &index.kind) {
            (Kind::Tuple(items), Kind::Int(int)) => {
                let item = at(items, *int)?;
                Some(Value { taint: self.taints.union(item.taint, holder.taint), kind: item.kind })
            }
            (Kind::Object(id), kind) => {
                let object = self.memory.heap.get(*id);
                let found = match kind {
                    Kind::Int(int) => object.items.as_ref().and_then(|items| at(items, *int)),
                    Kind::Text(text) => object.attributes.get(text).cloned(),
                    _ => None,
                };
                if found.is_some() || !matches!(object.role, ObjectRole::List | ObjectRole::Dict) {
                    return found;
                }
                let element = object.element.clone().or_else(|| object.items.as_ref()?.last().cloned())?;
                // The members of a tuple in a list are told apart: one does not hold the origin of another.
                let of_holder = if matches!(element.kind, Kind::Tuple(_)) { holder.taint } else { self.taint(holder) };
                let of_index = self.taint(index);
                let taint = self.taints.all([element.taint, of_holder, of_index]);
                Some(Value { kind: element.kind, taint })
            }
            (text @ Kind::Text(_), at) => {
                let part = constant::subscript(&text.constant()?, &at.constant()?).ok()?;
                let taint = self.taints.union(holder.taint, index.taint);
                Some(Value { kind: Kind::of_scalar(part)?, taint })
            }
            _ => None,
        }
    }
}

/// Facts about a key, which the value that is found under it does not have.
pub(super) const KEY: Flags = Flags::HASHED.with(Flags::EXTENDED).with(Flags::TARGET).with(Flags::ROW);

/// Tells whether a slice begins one later: `[1:]`, `[start + 1 : end + 1]`, `[:, 1:]`.
fn one_later(slice: &Expr) -> bool {
    match slice {
        Expr::Slice(slice) => match slice.lower.as_deref() {
            Some(Expr::BinOp(binary)) => matches!(binary.op, Operator::Add) && is_one(&binary.right),
            Some(lower) => is_one(lower),
            None => false,
        },
        Expr::Tuple(tuple) => tuple.elts.iter().any(one_later),
        _ => false,
    }
}

fn is_one(expr: &Expr) -> bool {
    matches!(constant::literal(expr), Some(Ok(Constant::Int(1))))
}
