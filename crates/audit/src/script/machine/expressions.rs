//! Evaluates expressions: constants are folded, everything else is followed by its origin.

use super::super::taint::{Flags, TaintId};
use super::super::value::{HOLE, Kind, LIMIT, Object, ObjectRole, Value};
use super::Machine;
use caddie_python::ast::{self, Expr};
use caddie_python::constant::{self, Constant};

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
        if let Some(literal) = constant::literal(expr) {
            return Value::of(literal.ok().and_then(Kind::of_scalar).unwrap_or(Kind::Unknown));
        }
        match expr {
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
            Expr::Slice(slice) => self.bounds(slice).0,
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

    /// Evaluates an f-string; a part that is not known leaves a hole.
    fn f_string(&mut self, text: &'a ast::ExprFString) -> Value<'a> {
        let mut taint = TaintId::NONE;
        let labels = labels(text);
        // `val_bpb: {last} (best: {best})` states the last score: the best one beside it is no choice.
        let mut best = Vec::new();
        let mut states_a_score = false;
        let parts = constant::f_string(text, LIMIT, &mut |element| {
            let value = self.value(&element.expression);
            let of_value = self.taint(&value);
            let label = labels.iter().find(|(of, _)| std::ptr::eq(*of, element)).map_or("", |(_, label)| label);
            let label = label.to_ascii_lowercase();
            if label.contains("best") {
                best.push(of_value);
            } else {
                states_a_score |= label.contains("bpb") && !self.taints.get(of_value).scores.is_empty();
                taint = self.taints.union(taint, of_value);
            }
            match &value.kind {
                // A text with holes is put in as it is, but cannot be padded or cut.
                Kind::Text(text) if element.format_spec.is_none() => Some(Constant::Text(text.clone())),
                kind => kind.constant(),
            }
        });
        let hole = HOLE.to_string();
        let parts = parts.iter().map(|part| part.as_ref().unwrap_or(&hole).as_str());
        let whole = parts.take(MAX_PARTS).collect::<String>();
        for of_value in best {
            let chosen = Flags::CHOSEN_BY_LOSS.with(Flags::HINDSIGHT);
            let of_value = if states_a_score { self.taints.without(of_value, chosen) } else { of_value };
            taint = self.taints.union(taint, of_value);
        }
        // The process that writes a line did not choose what it says.
        Value { kind: Kind::text(&whole), taint: self.taints.without(taint, Flags::OF_A_PROCESS) }
    }
}

/// The word before each hole of an f-string, with which a log names the number: `best` of `(best: {value})`.
fn labels(text: &ast::ExprFString) -> Vec<(&ast::InterpolatedElement, &str)> {
    let mut labels = Vec::new();
    let mut before = "";
    for part in text.value.iter() {
        match part {
            ast::FStringPart::Literal(literal) => before = literal,
            ast::FStringPart::FString(part) => {
                for element in &part.elements {
                    match element {
                        ast::InterpolatedStringElement::Literal(literal) => before = literal,
                        ast::InterpolatedStringElement::Interpolation(element) => {
                            labels.push((element, before.split_whitespace().next_back().unwrap_or_default()));
                            before = "";
                        }
                    }
                }
            }
        }
    }
    labels
}

/// Parts of an f-string that are told apart at most.
const MAX_PARTS: usize = 1024;

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
