//! Assignments: names bound, tensors and tables written into, losses kept.

use super::super::taint::{Flags, TaintId};
use super::super::trace::{Action, Learner};
use super::super::value::{Kind, ObjectId, ObjectRole, Value};
use super::Machine;
use super::arguments::is_target;
use caddie_python::ast::{self, Expr};

impl<'a> Machine<'a, '_> {
    /// Handles `position = position + 1`: a value that a name is made from itself in a loop differs from iteration to
    /// iteration.
    pub(super) fn carried(&mut self, target: &Expr, source: &'a Expr, value: Value<'a>) -> Value<'a> {
        let Expr::Name(name) = target else { return value };
        if self.loops.is_empty() || !mentions(source, name.id.as_str()) || matches!(value.kind, Kind::Object(_)) {
            return value;
        }
        let value = self.rolled(name.id.as_str(), source, value);
        Value { taint: self.advanced(value.taint), kind: value.kind }
    }

    /// `hash = hash ^ token * prime` in a loop over the tokens of a context: one hash of them all, and no hash to which a
    /// token is added. `hash = hash * prime + token` is one as well.
    fn rolled(&mut self, name: &str, source: &'a Expr, value: Value<'a>) -> Value<'a> {
        let value = match self.is_polynomial(name, source) {
            true => Value { taint: self.hashed(value.taint), kind: value.kind },
            false => value,
        };
        let Some(innermost) = self.loops.innermost() else { return value };
        let before = self.scopes.lookup(name).map_or(TaintId::NONE, |before| before.taint);
        let of_before = self.taints.get(before);
        let earlier = of_before.iteration(innermost.entered).is_some_and(|it| it < innermost.iteration);
        if !earlier || of_before.flags.has(Flags::EXTENDED) {
            return value;
        }
        Value { taint: self.taints.without(value.taint, Flags::EXTENDED), kind: value.kind }
    }

    /// Tells whether an expression is a sum in which a name is multiplied by a whole number.
    fn is_polynomial(&mut self, name: &str, source: &'a Expr) -> bool {
        let mut open = vec![source];
        let (mut sum, mut product) = (false, false);
        while let Some(expr) = open.pop() {
            let Expr::BinOp(binary) = expr else { continue };
            sum |= binary.op == ast::Operator::Add;
            let by_number = match (&*binary.left, &*binary.right) {
                (Expr::Name(factor), number) | (number, Expr::Name(factor)) if factor.id.as_str() == name => {
                    Some(number)
                }
                _ => None,
            };
            if let (ast::Operator::Mult, Some(number)) = (binary.op, by_number) {
                product |= matches!(self.value(number).kind, Kind::Int(prime) if prime > 2);
            }
            open.extend([&*binary.left, &*binary.right]);
        }
        sum && product
    }

    pub(super) fn augmented(&mut self, stmt: &'a ast::StmtAugAssign) {
        let added = self.value(&stmt.value);
        let taint = self.taint(&added);
        let taint = match stmt.op {
            // `sum -= log(probability)`
            ast::Operator::Add | ast::Operator::Sub => self.scored(taint),
            ast::Operator::BitXor => self.hashed(taint),
            _ => taint,
        };
        let added = Value { kind: added.kind, taint };
        if let Expr::Subscript(subscript) = &*stmt.target {
            if stmt.op == ast::Operator::Sub && added.number() == Some(1.0) && self.one_less(subscript) {
                return;
            }
            // `tables[order] += counts`
            if self.counts_tokens(added.taint)
                && let Kind::Object(id) = self.value(&stmt.target).kind
            {
                self.learn_table(id, added.taint);
                return;
            }
            self.write_subscript(subscript, &added, true);
            return;
        }
        let before = self.value(&stmt.target);
        match before.kind {
            Kind::Object(id) => match self.memory.heap.get(id).role {
                ObjectRole::List => self.extend(id, &added),
                ObjectRole::Tensor if self.counts_tokens(added.taint) => self.learn_table(id, added.taint),
                ObjectRole::Tensor if self.taints.flags(added.taint).has(Flags::BY_HAND) => {
                    self.step_in_place(id, added.taint)
                }
                _ => self.pour(id, added.taint),
            },
            _ => {
                let value = self.arithmetic(stmt.op, &before, &added);
                let taint = self.advanced(value.taint);
                self.assign(&stmt.target, Value { kind: value.kind, taint });
            }
        }
    }

    /// `probabilities[rows, targets] -= 1`: what is left is the gradient of the loss by the logits. Tells whether it was
    /// that.
    fn one_less(&mut self, subscript: &'a ast::ExprSubscript) -> bool {
        let holder = self.value(&subscript.value);
        let index = self.value(&subscript.slice);
        let (of_holder, of_index) = (self.taint(&holder), self.taint(&index));
        let after = self.gradient_by_hand(ast::Operator::Sub, of_holder, of_index, of_holder);
        match holder.kind {
            _ if after == of_holder => return false,
            Kind::Object(id) => self.pour(id, after),
            _ => self.write_into(&subscript.value, holder, after),
        }
        true
    }

    /// `counts[token] = counts.get(token, 0) + 1` adds to a count as `counts[token] += 1` does. Tells whether it was that.
    pub(super) fn counts_up(&mut self, target: &'a Expr, source: &'a Expr, value: &Value<'a>) -> bool {
        let (Expr::Subscript(entry), Expr::BinOp(sum)) = (target, source) else { return false };
        let same = |one: &Expr, other: &Expr| self.module.text(one) == self.module.text(other);
        let before = |part: &Expr| match part {
            Expr::Subscript(part) => same(&part.value, &entry.value) && same(&part.slice, &entry.slice),
            Expr::Call(call) => match (&*call.func, &*call.arguments.args) {
                (Expr::Attribute(get), [key, ..]) if get.attr.as_str() == "get" => {
                    same(&get.value, &entry.value) && same(key, &entry.slice)
                }
                _ => false,
            },
            _ => false,
        };
        let counts = sum.op == ast::Operator::Add && (before(&sum.left) || before(&sum.right));
        if counts {
            self.write_subscript(entry, value, true);
        }
        counts
    }

    /// Tells whether a value is counts of tokens of the data.
    fn counts_tokens(&self, taint: TaintId) -> bool {
        let flags = self.taints.flags(taint);
        flags.has(Flags::COUNTED) && flags.any(Flags::VAL.with(Flags::TRAIN))
    }

    /// `list += more`.
    fn extend(&mut self, id: ObjectId, more: &Value<'a>) {
        let members = self.members(more).each;
        for member in members {
            self.append(id, member);
        }
    }

    /// Binds a value to a target.
    pub(super) fn assign(&mut self, target: &'a Expr, value: Value<'a>) {
        match target {
            Expr::Name(name) => {
                let name = name.id.as_str();
                let value = if is_target(name) { self.as_target(value) } else { value };
                self.scopes.bind(name, value);
            }
            Expr::Tuple(tuple) => self.unpack(&tuple.elts, &value),
            Expr::List(list) => self.unpack(&list.elts, &value),
            Expr::Starred(starred) => self.assign(&starred.value, value),
            Expr::Attribute(attribute) => {
                let holder = self.value(&attribute.value);
                if attribute.attr.as_str() == "grad" && matches!(value.kind, Kind::None) {
                    self.memory.gradients = TaintId::NONE;
                }
                match holder.kind {
                    Kind::Object(id) => self.write_attribute(id, attribute.attr.as_str(), value),
                    Kind::Class(id) => {
                        self.classes.set_attribute(id, attribute.attr.as_str(), value);
                    }
                    _ => {}
                }
            }
            Expr::Subscript(subscript) => self.write_subscript(subscript, &value, false),
            _ => {}
        }
    }

    fn unpack(&mut self, targets: &'a [Expr], value: &Value<'a>) {
        let taint = self.taint(value);
        let items = match &value.kind {
            Kind::Tuple(items) if items.len() == targets.len() => items.to_vec(),
            Kind::Object(id) => match &self.memory.heap.get(*id).items {
                Some(items) if items.len() == targets.len() => items.clone(),
                _ => Vec::new(),
            },
            _ => Vec::new(),
        };
        for (index, target) in targets.iter().enumerate() {
            // The selection of the tuple selected its members as well.
            let item = match items.get(index) {
                Some(item) => {
                    let taint = self.taints.union(item.taint, value.taint);
                    Value { kind: item.kind.clone(), taint }
                }
                None => Value::unknown(taint),
            };
            self.assign(target, item);
        }
    }

    /// `holder[index] = value`: a buffer is filled, a score kept, or a table of counts changed.
    fn write_subscript(&mut self, subscript: &'a ast::ExprSubscript, value: &Value<'a>, added: bool) {
        let holder = self.value(&subscript.value);
        let index = self.value(&subscript.slice);
        let (of_value, of_index) = (self.taint(value), self.taint(&index));
        let of_value = self.chosen(of_value);
        let of_value = self.placed_by(of_value, of_index);
        let key = self.taints.flags(of_index);
        let Kind::Object(id) = holder.kind else {
            if matches!(holder.kind, Kind::Unknown) {
                let of_value = if added { of_value } else { self.scored(of_value) };
                self.write_into(&subscript.value, holder, of_value);
            }
            return;
        };
        // A name is no token.
        let by_slice = matches!(&*subscript.slice, Expr::Slice(_) | Expr::Tuple(_)) || index.text().is_some();
        if key.any(Flags::VAL.with(Flags::TRAIN)) && !by_slice && (added || key.has(Flags::HASHED)) {
            let data = self.taints.union(of_index, of_value);
            self.learn_table(id, data);
            return;
        }
        let of_value = if added { of_value } else { self.scored(of_value) };
        self.mask_region(&holder, &subscript.slice, value);
        self.pour(id, of_value);
        if let (ObjectRole::Dict, Some(text)) = (self.memory.heap.get(id).role, index.text()) {
            self.memory.heap.get_mut(id).attributes.insert(text.into(), value.clone());
        } else if matches!(self.memory.heap.get(id).role, ObjectRole::List | ObjectRole::Dict)
            && !self.put_at(id, &index, value, added)
        {
            self.put(id, value.clone());
        }
    }

    /// Handles `entry[0] += 1`: the other members keep their values.
    fn put_at(&mut self, id: ObjectId, index: &Value<'a>, value: &Value<'a>, added: bool) -> bool {
        let items = self.memory.heap.get(id).items.as_ref();
        let found = match (items, &index.kind) {
            (Some(items), Kind::Int(int)) => usize::try_from(*int).ok().filter(|index| *index < items.len()),
            _ => None,
        };
        let Some(at) = found else { return false };
        let before = items.and_then(|items| items.get(at)).cloned().unwrap_or_else(|| Value::unknown(TaintId::NONE));
        let after = match added {
            true => Value::unknown(self.taints.union(before.taint, value.taint)),
            false if !self.branches.are_known() => self.join(before, value.clone()),
            false => value.clone(),
        };
        if let Some(item) = self.memory.heap.get_mut(id).items.as_mut().and_then(|items| items.get_mut(at)) {
            *item = after;
        }
        true
    }

    /// Writes into a value that is no object of its own, such as the copy of a tensor: its name then stands for both.
    fn write_into(&mut self, place: &'a Expr, holder: Value<'a>, taint: TaintId) {
        let taint = self.taints.union(holder.taint, taint);
        let both = Value { kind: holder.kind, taint: self.taints.as_number(taint) };
        match place {
            Expr::Name(name) if self.scopes.names().contains(name.id.as_str()) => {
                self.scopes.bind(name.id.as_str(), both)
            }
            Expr::Attribute(_) => self.assign(place, both),
            // `rows[index][slice] = value`
            Expr::Subscript(outer) => self.write_subscript(outer, &both, false),
            _ => {}
        }
    }

    /// A loss that is only kept where a comparison of losses says so.
    fn chosen(&mut self, taint: TaintId) -> TaintId {
        let flags = self.taints.flags(taint);
        let is_loss = flags.any(Flags::LOSS.with(Flags::GOLD)) && flags.has(Flags::VAL);
        if is_loss { self.taints.with(taint, self.branches.choice()) } else { taint }
    }

    /// Adds the origin of its keys and counts to a table.
    pub(super) fn learn_table(&mut self, id: ObjectId, data: TaintId) {
        // A value that a model scatters on its way (a router of experts) is an activation, and one made in this very
        // iteration of the loop is gone after it: nothing outlives a one-hot vector or a vote among neighbors.
        let born = self.memory.heap.get(id).born;
        if self.events.within_module() || (born.is_some() && born == self.loops.innermost()) {
            self.pour(id, data);
            return;
        }
        // Counts are kept by the parts of a token that their keys are.
        if self.taints.flags(data).has(Flags::BY_TARGET) {
            let parts = self.taints.with(TaintId::NONE, Flags::BY_TARGET);
            self.pour(id, parts);
        }
        let event = self.event(Action::Update { learner: Learner::Table, data });
        let updates = self.taints.change(TaintId::NONE, |taint| taint.updates = vec![event]);
        self.memory.learn(id, updates, &mut self.taints);
    }

    /// A member among those that one value stands for.
    pub(super) fn put(&mut self, id: ObjectId, value: Value<'a>) {
        let before = self.memory.heap.get_mut(id).element.take();
        let element = match before {
            Some(before) => self.join(before, value),
            None => value,
        };
        let object = self.memory.heap.get_mut(id);
        object.items = None;
        object.element = Some(element);
    }

    /// A value that is put away: a loss becomes a score.
    fn kept(&mut self, value: Value<'a>) -> Value<'a> {
        if matches!(value.kind, Kind::Object(_) | Kind::Tuple(_)) {
            return value;
        }
        Value { taint: self.scored(value.taint), kind: value.kind }
    }

    /// `list.append(value)`.
    pub(super) fn append(&mut self, id: ObjectId, value: Value<'a>) {
        let known = self.loops.is_empty() && self.branches.are_known();
        let (value, taint) = match &value.kind {
            // Each member of a tuple keeps its own value.
            Kind::Tuple(items) => {
                let items = items.to_vec();
                let items: Vec<Value<'a>> = items.into_iter().map(|item| self.kept(item)).collect();
                let value = Value { kind: Kind::Tuple(items.into()), taint: value.taint };
                let taint = self.taint(&value);
                (value, taint)
            }
            _ => {
                let taint = self.taint(&value);
                (value, self.scored(taint))
            }
        };
        self.pour(id, taint);
        let taint = if matches!(value.kind, Kind::Tuple(_)) { value.taint } else { taint };
        let object = self.memory.heap.get_mut(id);
        match &mut object.items {
            Some(items) if known && items.len() < 64 => items.push(value),
            _ => {
                let items = object.items.take().unwrap_or_default();
                for item in items {
                    self.put(id, item);
                }
                self.put(id, Value { kind: value.kind, taint });
            }
        }
    }
}

/// Tells whether an expression of names and operators mentions `name`.
fn mentions(expr: &Expr, name: &str) -> bool {
    match expr {
        Expr::Name(found) => found.id.as_str() == name,
        Expr::BinOp(binary) => mentions(&binary.left, name) || mentions(&binary.right, name),
        Expr::Call(call) => call.arguments.args.iter().any(|argument| mentions(argument, name)),
        _ => false,
    }
}
