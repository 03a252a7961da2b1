//! Evaluates expressions: constants are folded, everything else is followed by its origin.

use super::super::taint::{Flags, TaintId};
use super::super::value::{HOLE, Kind, MAX_TEXT, Object, ObjectRole, Value};
use super::Machine;
use caddie_python::ast::{self, Expr};

impl<'a> Machine<'a, '_> {
    /// The value of an expression.
    pub(super) fn value(&mut self, expr: &'a Expr) -> Value<'a> {
        if !self.step() || !self.budget.descend() {
            return Value::unknown(TaintId::NONE);
        }
        let value = self.evaluate(expr);
        self.budget.ascend();
        value
    }

    fn evaluate(&mut self, expr: &'a Expr) -> Value<'a> {
        match expr {
            Expr::StringLiteral(literal) => Value::of(Kind::text(literal.value.to_str())),
            Expr::NumberLiteral(literal) => Value::of(match &literal.value {
                ast::Number::Int(int) => int.as_i64().map_or(Kind::Unknown, Kind::Int),
                ast::Number::Float(float) => Kind::Float(*float),
                ast::Number::Complex { .. } => Kind::Unknown,
            }),
            Expr::BooleanLiteral(literal) => Value::of(Kind::Bool(literal.value)),
            Expr::NoneLiteral(_) => Value::of(Kind::None),
            Expr::Name(name) => self.name(name.id.as_str()),
            Expr::Attribute(attribute) => {
                let holder = self.value(&attribute.value);
                self.attribute(&holder, attribute.attr.as_str())
            }
            Expr::Call(call) => self.call(call),
            Expr::BinOp(_) => self.operators(expr),
            Expr::UnaryOp(unary) => self.unary(unary),
            Expr::Compare(compare) => self.compare(compare),
            Expr::BoolOp(bool_op) => self.bool_op(bool_op),
            Expr::If(choice) => {
                let test = self.value(&choice.test);
                let truth = match self.witnessed_choice(choice) {
                    Some(truth) => {
                        self.switched(&choice.test, truth);
                        Some(truth)
                    }
                    None => test.truth(),
                };
                match truth {
                    Some(true) => self.value(&choice.body),
                    Some(false) => self.value(&choice.orelse),
                    None => {
                        self.branches.enter(Flags::default());
                        let (left, right) = (self.value(&choice.body), self.value(&choice.orelse));
                        self.branches.leave(Flags::default());
                        self.join(left, right)
                    }
                }
            }
            Expr::Tuple(tuple) => {
                let items: Vec<Value<'a>> = tuple.elts.iter().map(|item| self.value(item)).collect();
                let value = Value::of(Kind::Tuple(items.into()));
                // Tuples of themselves double with every line.
                if members_within(&value, MAX_MEMBERS) < MAX_MEMBERS {
                    return value;
                }
                Value::unknown(self.taint(&value))
            }
            Expr::List(list) => self.list(&list.elts),
            Expr::Set(set) => self.list(&set.elts),
            Expr::Dict(dict) => self.dict(dict),
            Expr::Subscript(subscript) => self.subscript(subscript),
            Expr::FString(text) => self.f_string(text),
            Expr::ListComp(list) => self.comprehension(&list.elt, &list.generators),
            Expr::SetComp(set) => self.comprehension(&set.elt, &set.generators),
            Expr::Generator(generator) => self.comprehension(&generator.elt, &generator.generators),
            Expr::DictComp(dict) => self.comprehension(&dict.value, &dict.generators),
            Expr::Lambda(lambda) => Value::of(Kind::Lambda(lambda)),
            Expr::Named(named) => {
                let value = self.value(&named.value);
                self.assign(&named.target, value.clone());
                value
            }
            Expr::Starred(starred) => self.value(&starred.value),
            Expr::Await(await_) => self.value(&await_.value),
            Expr::Yield(yield_) => {
                let value = yield_.value.as_ref().map(|value| self.value(value));
                self.yielded(value)
            }
            Expr::YieldFrom(yield_) => {
                let value = self.value(&yield_.value);
                self.yielded(Some(value))
            }
            Expr::Slice(slice) => {
                let bounds = [&slice.lower, &slice.upper, &slice.step].into_iter().flatten();
                let bounds: Vec<Value<'a>> = bounds.map(|bound| self.value(bound)).collect();
                let taints: Vec<TaintId> = bounds.iter().map(|bound| bound.taint).collect();
                let taint = self.taints.all(taints);
                Value::unknown(taint)
            }
            _ => Value::unknown(TaintId::NONE),
        }
    }

    fn name(&mut self, name: &'a str) -> Value<'a> {
        match self.scopes.lookup(name) {
            Some(value) => value.clone(),
            None => Value::of(Kind::Library(self.libraries.builtin(name))),
        }
    }

    /// Collects the values that a generator yields: its call returns a list of them.
    fn yielded(&mut self, value: Option<Value<'a>>) -> Value<'a> {
        let value = value.unwrap_or_else(|| Value::of(Kind::None));
        let taint = self.taint(&value);
        let list = self.new_object(ObjectRole::List, taint);
        if let Some(id) = list.object() {
            self.memory.heap.get_mut(id).element = Some(value);
        }
        let call = self.scopes.innermost();
        if call.returned.is_none() {
            call.returned = Some(list);
        }
        Value::unknown(TaintId::NONE)
    }

    /// An empty object that holds `content`.
    pub(super) fn new_object(&mut self, role: ObjectRole, content: TaintId) -> Value<'a> {
        let content = self.taints.as_number(content);
        self.allocate(Object { content, ..Object::new(role) })
    }

    fn list(&mut self, items: &'a [Expr]) -> Value<'a> {
        let items: Vec<Value<'a>> = items.iter().map(|item| self.value(item)).collect();
        let taints: Vec<TaintId> = items.iter().map(|item| self.taint(item)).collect();
        let content = self.taints.all(taints);
        let list = self.new_object(ObjectRole::List, content);
        if let Some(id) = list.object() {
            self.memory.heap.get_mut(id).items = Some(items);
        }
        list
    }

    fn dict(&mut self, dict: &'a ast::ExprDict) -> Value<'a> {
        let made = self.new_object(ObjectRole::Dict, TaintId::NONE);
        let Some(id) = made.object() else { return made };
        for item in &dict.items {
            let key = item.key.as_ref().map(|key| self.value(key));
            let value = self.value(&item.value);
            let taint = self.taint(&value);
            self.pour(id, taint);
            match key.as_ref().and_then(Value::text) {
                Some(text) => {
                    self.memory.heap.get_mut(id).attributes.insert(text.into(), value);
                }
                None => {
                    // In `{byte: 1}` the counted things are in the keys.
                    let of_key = key.map_or(TaintId::NONE, |key| key.taint);
                    self.pour(id, of_key);
                    self.memory.heap.get_mut(id).element = Some(value);
                }
            }
        }
        made
    }

    fn f_string(&mut self, text: &'a ast::ExprFString) -> Value<'a> {
        let mut known = String::new();
        let mut taint = TaintId::NONE;
        for part in text.value.iter() {
            let part = match part {
                ast::FStringPart::Literal(literal) => {
                    known.push_str(literal);
                    continue;
                }
                ast::FStringPart::FString(part) => part,
            };
            for element in &part.elements {
                match element {
                    ast::InterpolatedStringElement::Literal(literal) => known.push_str(literal),
                    ast::InterpolatedStringElement::Interpolation(inner) => {
                        let value = self.value(&inner.expression);
                        let of_value = self.taint(&value);
                        taint = self.taints.union(taint, of_value);
                        match &value.kind {
                            Kind::Text(text) if known.len() <= MAX_TEXT => known.push_str(text),
                            Kind::Int(int) => known.push_str(&int.to_string()),
                            _ => known.push(HOLE),
                        }
                    }
                }
            }
        }
        Value { kind: Kind::text(&known), taint }
    }
}

/// Members of tuples within tuples that are told apart at most.
const MAX_MEMBERS: usize = 4096;

/// Counts the members of a tuple and of the tuples in it, up to `limit`.
fn members_within(value: &Value<'_>, limit: usize) -> usize {
    let Kind::Tuple(items) = &value.kind else { return 1 };
    let mut count = 1;
    for item in items.iter() {
        if count >= limit {
            break;
        }
        count += members_within(item, limit - count);
    }
    count
}
