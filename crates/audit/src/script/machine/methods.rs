//! Methods of values that no class of the script defines: tensors, lists, dictionaries, files, optimizers, modules.

use std::rc::Rc;

use super::super::taint::{Flags, TaintId};
use super::super::trace::Action;
use super::super::value::{Kind, ObjectId, ObjectRole, Value};
use super::Machine;
use super::arguments::Arguments;
use super::calls::POSITIONS;

impl<'a> Machine<'a, '_> {
    /// `receiver.name(arguments)`.
    pub(super) fn method(&mut self, receiver: &Value<'a>, name: &'a str, arguments: &Arguments<'a>) -> Value<'a> {
        if POSITIONS.contains(&name) {
            let taint = self.taint(receiver);
            return Value::unknown(self.as_length(taint));
        }
        match &receiver.kind {
            Kind::Text(text) => {
                let text = text.clone();
                self.text_method(receiver, &text, name, arguments)
            }
            Kind::Object(id) => self.object_method(*id, receiver, name, arguments),
            // A class method is given its class.
            Kind::Class(class) if self.classes.method(*class, name).is_some() => {
                let function = self.classes.method(*class, name).map_or(Kind::Unknown, Kind::Function);
                let positional =
                    std::iter::once(receiver.clone()).chain(arguments.positional.iter().cloned()).collect();
                self.apply(Value::of(function), Arguments { positional, named: arguments.named.clone() })
            }
            Kind::Class(class) if name == "apply" => {
                let class = *class;
                match self.classes.method(class, "forward") {
                    Some(forward) => {
                        let context = self.new_object(ObjectRole::Other, TaintId::NONE);
                        let positional = std::iter::once(context).chain(arguments.positional.iter().cloned()).collect();
                        let arguments = Arguments { positional, named: Vec::new() };
                        self.apply(Value::of(Kind::Function(forward)), arguments)
                    }
                    None => self.unknown(receiver, arguments),
                }
            }
            _ => self.value_method(receiver, name, arguments),
        }
    }

    fn object_method(
        &mut self,
        id: ObjectId,
        receiver: &Value<'a>,
        name: &'a str,
        arguments: &Arguments<'a>,
    ) -> Value<'a> {
        let role = self.memory.heap.get(id).role;
        match (role, name) {
            (ObjectRole::Optimizer, "step") => {
                // `step(closure)` takes the loss and its gradient by itself.
                if let Some(closure) = arguments.get(0, "closure").cloned()
                    && matches!(closure.kind, Kind::Function(_) | Kind::Lambda(_) | Kind::Bound(..))
                {
                    let line = self.events.line;
                    self.apply(closure, Arguments::default());
                    self.events.line = line;
                }
                self.optimizer_step(id);
                Value::of(Kind::None)
            }
            (ObjectRole::Optimizer, "add_param_group") => {
                self.own_parameters(id, arguments.positional.first());
                Value::of(Kind::None)
            }
            (ObjectRole::Other, "add_argument") => {
                self.add_option(id, arguments);
                Value::unknown(TaintId::NONE)
            }
            (ObjectRole::Other, "add_argument_group" | "add_mutually_exclusive_group") => receiver.clone(),
            (ObjectRole::Other, "parse_args") => self.parsed_options(id),
            (ObjectRole::Other, "parse_known_args") => {
                let options = self.parsed_options(id);
                Value::of(Kind::Tuple(Rc::from(vec![options, Value::unknown(TaintId::NONE)])))
            }
            (ObjectRole::List, "append" | "appendleft" | "add" | "insert" | "put" | "put_nowait") => {
                if let Some(value) = arguments.positional.last() {
                    self.append(id, value.clone());
                }
                Value::of(Kind::None)
            }
            (ObjectRole::List, "extend" | "update") => {
                if let Some(more) = arguments.positional.first() {
                    for member in self.members(&more.clone()).each {
                        self.append(id, member);
                    }
                }
                Value::of(Kind::None)
            }
            (ObjectRole::List, "sort") => {
                self.sort(id);
                Value::of(Kind::None)
            }
            (ObjectRole::List, "pop" | "popleft" | "get" | "get_nowait") => {
                let member = self.members(receiver).each.into_iter().next_back();
                let member = member.unwrap_or_else(|| Value::unknown(TaintId::NONE));
                Value { taint: self.varying(member.taint), kind: member.kind }
            }
            (ObjectRole::Dict, "items" | "values" | "keys") => self.dict_view(id, receiver, name),
            (ObjectRole::Dict, "setdefault") => {
                let found = self.dict_get(id, receiver, arguments);
                // What is put in for a key that was missing is found under it from then on.
                if self.memory.heap.get(id).element.is_none() && matches!(found.kind, Kind::Object(_)) {
                    self.put(id, Value::of(found.kind.clone()));
                }
                found
            }
            (ObjectRole::Dict, "get" | "pop") => self.dict_get(id, receiver, arguments),
            (ObjectRole::Dict, "update") => {
                let given = self.given(arguments);
                self.pour(id, given);
                if let Some(other) = arguments.positional.first().and_then(Value::object) {
                    let attributes = self.memory.heap.get(other).attributes.clone();
                    let element = self.memory.heap.get(other).element.clone();
                    let object = self.memory.heap.get_mut(id);
                    object.attributes.extend(attributes);
                    object.element = object.element.take().or(element);
                }
                Value::of(Kind::None)
            }
            (ObjectRole::File, "write" | "writelines") => {
                let given = self.given(arguments);
                self.write_to(receiver, given);
                Value::of(Kind::None)
            }
            (ObjectRole::File, "read" | "getvalue" | "getbuffer" | "readline" | "readlines" | "readinto") => {
                let taint = self.taint(receiver);
                Value::unknown(self.varying(taint))
            }
            (
                _,
                "parameters" | "named_parameters" | "modules" | "named_modules" | "children" | "named_children"
                | "buffers" | "named_buffers",
            ) => self.parameters_of(id, name),
            (_, "state_dict") if role != ObjectRole::Dict => {
                let within = self.memory.updates_within(id, &mut self.taints);
                self.new_object(ObjectRole::Dict, within)
            }
            (_, "load_state_dict") => {
                let given = self.given(arguments);
                self.event(Action::Restore { data: given });
                self.restore(id, given);
                Value::of(Kind::None)
            }
            (
                _,
                "to" | "cuda" | "cpu" | "eval" | "train" | "requires_grad_" | "bfloat16" | "half" | "double" | "float"
                | "compile" | "contiguous" | "pin_memory" | "__enter__" | "module" | "share_memory_" | "no_sync",
            ) if role != ObjectRole::Dict => {
                if (role, name) == (ObjectRole::Tensor, "requires_grad_") {
                    self.as_offset(id);
                }
                receiver.clone()
            }
            (ObjectRole::Tensor, "zero_" | "normal_" | "uniform_" | "fill_" | "copy_") => {
                let given = self.given(arguments);
                let given = self.scored(given);
                if self.branches.are_known() {
                    let updates = self.taints.get(given).updates.clone();
                    let updates = self.taints.change(TaintId::NONE, |taint| taint.updates = updates);
                    let object = self.memory.heap.get_mut(id);
                    (object.content, object.updates) = (given, updates);
                } else {
                    self.pour(id, given);
                }
                receiver.clone()
            }
            (ObjectRole::Tensor, "add_" | "mul_" | "sub_" | "lerp_" | "index_copy_" | "masked_fill_" | "clamp_") => {
                let given = self.given(arguments);
                if self.taints.flags(given).has(Flags::GRADIENT) {
                    self.step_in_place(id, given);
                } else {
                    let given = if name == "add_" { self.scored(given) } else { given };
                    self.pour(id, given);
                }
                receiver.clone()
            }
            (ObjectRole::Tensor, "scatter_add_" | "index_add_" | "index_put_" | "scatter_") => {
                // Setting entries makes one-hot vectors; only a hash makes them the entries of a table.
                let given = self.given(arguments);
                if name == "scatter_" && !self.taints.flags(given).has(Flags::HASHED) {
                    self.pour(id, given);
                    return receiver.clone();
                }
                let key = arguments
                    .positional
                    .iter()
                    .find(|value| self.taints.flags(value.taint).any(Flags::VAL.with(Flags::TRAIN)));
                self.table_update(Some(receiver), key.cloned().as_ref(), arguments);
                receiver.clone()
            }
            _ => self.value_method(receiver, name, arguments),
        }
    }

    /// Returns the parameters of a model: a list of the tensors that belong to it.
    fn parameters_of(&mut self, id: ObjectId, name: &str) -> Value<'a> {
        let mut objects = self.memory.objects_of(&Value::of(Kind::Object(id)), &self.taints);
        if matches!(self.memory.heap.get(id).role, ObjectRole::List) {
            let elements = self.memory.heap.get(id).element.iter().filter_map(Value::object).map(|object| object.0);
            objects.extend(elements);
        } else {
            objects.push(id.0);
        }
        objects.sort_unstable();
        objects.dedup();
        let updates = self.memory.updates_within(id, &mut self.taints);
        let taint = self.taints.change(updates, |taint| taint.objects = objects);
        let member = match name {
            "modules" | "children" => Value { kind: Kind::Unknown, taint },
            _ if name.starts_with("named") => {
                Value::of(Kind::Tuple(Rc::from(vec![Value::unknown(TaintId::NONE), Value::unknown(taint)])))
            }
            _ => Value::unknown(taint),
        };
        let list = self.new_object(ObjectRole::List, TaintId::NONE);
        if let Some(list) = list.object() {
            self.memory.heap.get_mut(list).element = Some(member);
        }
        list
    }

    /// Replaces the state of a model: everything that it had learnt is gone, and everything that the new state had
    /// learnt is there.
    fn restore(&mut self, id: ObjectId, given: TaintId) {
        let updates = self.taints.get(given).updates.clone();
        let updates = self.taints.change(TaintId::NONE, |taint| taint.updates = updates);
        if !self.branches.are_known() {
            let before = self.memory.heap.get(id).updates;
            let both = self.taints.union(before, updates);
            self.memory.heap.get_mut(id).updates = both;
            return;
        }
        self.memory.forget(id);
        self.memory.heap.get_mut(id).updates = updates;
    }
}
