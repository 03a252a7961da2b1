//! Methods of tensors and of unknown values: the name alone says what they do.

use super::super::taint::{Flags, TaintId};
use super::super::trace::Action;
use super::super::value::{Kind, ObjectId, ObjectRole, Value};
use super::Machine;
use super::arguments::Arguments;

impl<'a> Machine<'a, '_> {
    /// Calls a method of a tensor or of an unknown value.
    pub(super) fn value_method(&mut self, receiver: &Value<'a>, name: &'a str, arguments: &Arguments<'a>) -> Value<'a> {
        let of_receiver = self.taint(receiver);
        match name {
            "backward" => {
                let loss = self.taints.as_number(of_receiver);
                self.memory.gradients = self.taints.union(self.memory.gradients, loss);
                return Value::of(Kind::None);
            }
            "register_forward_hook" | "register_forward_pre_hook" => {
                let function = arguments.positional.first().map(|function| function.kind.clone());
                let products = match function {
                    Some(Kind::Function(function) | Kind::Bound(function, _)) => self.multiplies(function),
                    _ => false,
                };
                self.event(Action::Hook { products });
                return Value::unknown(TaintId::NONE);
            }
            "zero_grad" => {
                self.memory.gradients = TaintId::NONE;
                return Value::of(Kind::None);
            }
            // A gradient scaler steps the optimizer that it is given.
            "step" => {
                if let Some(id) = arguments.positional.first().and_then(Value::object)
                    && self.memory.heap.get(id).role == ObjectRole::Optimizer
                {
                    self.optimizer_step(id);
                }
                return Value::unknown(TaintId::NONE);
            }
            // An executor calls its argument and gives back the result of that call.
            "submit" | "apply_async" => {
                if let Some((function, rest)) = arguments.positional.split_first()
                    && matches!(function.kind, Kind::Function(_) | Kind::Lambda(_) | Kind::Bound(..))
                {
                    let arguments = Arguments { positional: rest.to_vec(), named: arguments.named.clone() };
                    return self.apply(function.clone(), arguments);
                }
            }
            // `executor.map(function, chunks)`, `pool.imap(…)`
            "map" | "imap" | "imap_unordered" | "starmap"
                if matches!(
                    arguments.positional.first().map(|function| &function.kind),
                    Some(Kind::Function(_) | Kind::Lambda(_) | Kind::Bound(..))
                ) =>
            {
                return self.mapped(arguments);
            }
            // A pointer into an array stands for the array.
            "data_as" | "data_ptr" | "from_buffer" => {
                if let Some(array) = pointed_into(receiver, arguments) {
                    return array;
                }
            }
            "result" if arguments.positional.is_empty() => return receiver.clone(),
            "scale" => {
                return arguments.positional.first().cloned().unwrap_or_else(|| Value::unknown(TaintId::NONE));
            }
            "zero_" | "copy_" | "add_" | "sub_" | "mul_" | "normal_" | "uniform_" | "fill_" | "addcdiv_" => {
                return self.in_place(receiver, name, arguments);
            }
            "softmax" | "log_softmax" => return Value::unknown(self.normalized(false, of_receiver)),
            "logsumexp" => return Value::unknown(self.normalized(true, of_receiver)),
            "gather" | "take_along_dim" => return self.gathered(receiver, arguments),
            "nonzero" | "isfinite" | "isnan" | "isinf" => return Value::unknown(self.found_at(of_receiver)),
            "argsort" | "permutation" => return self.order(of_receiver, name == "permutation"),
            "next_batch" | "get_batch" | "pop" | "popleft" | "read" => {
                let given = self.given(arguments);
                let taint = self.taints.union(given, of_receiver);
                let taint = self.taints.as_number(taint);
                return Value::unknown(self.varying(taint));
            }
            _ => {}
        }
        let given = self.given(arguments);
        // `tokens.to(rank)`: a device is no data.
        let moved = matches!(name, "to" | "cuda");
        let given = if moved { self.taints.without(given, Flags::OF_A_PROCESS) } else { given };
        let taint = self.taints.union(given, of_receiver);
        // Parameters stay parameters when they are only viewed or moved.
        let viewed = ["detach", "clone", "data", "to", "float", "view", "flatten", "requires_grad_", "contiguous"];
        if name == "requires_grad_" && self.taints.get(taint).objects.is_empty() {
            return self.offset_of(taint);
        }
        if viewed.contains(&name) {
            return Value { kind: Kind::Unknown, taint };
        }
        Value::unknown(self.taints.as_number(taint))
    }

    /// Tells whether a function multiplies matrices: quantization needs such second moments, and they are no statistic
    /// to look at.
    fn multiplies(&self, function: &'a caddie_python::ast::StmtFunctionDef) -> bool {
        let text = self.module.text(function);
        [" @ ", "@=", "addmm", "matmul(", ".mm(", "einsum(", "baddbmm"].iter().any(|product| text.contains(product))
    }

    /// `parameter.data.add_(…)`: the parameters themselves are changed.
    fn in_place(&mut self, receiver: &Value<'a>, name: &str, arguments: &Arguments<'a>) -> Value<'a> {
        let of_receiver = self.taint(receiver);
        if matches!(&receiver.kind, Kind::Method(_, "grad")) {
            if name == "zero_" {
                self.memory.gradients = TaintId::NONE;
            }
            return receiver.clone();
        }
        let given = self.given(arguments);
        let objects = self.taints.get(of_receiver).objects.clone();
        if self.taints.flags(given).has(Flags::GRADIENT) {
            self.update_objects(&objects, given);
            return receiver.clone();
        }
        if matches!(name, "zero_" | "copy_" | "normal_" | "uniform_" | "fill_") && self.branches.are_known() {
            let updates = self.taints.get(given).updates.clone();
            let updates = self.taints.change(TaintId::NONE, |taint| taint.updates = updates);
            for object in objects {
                self.memory.heap.get_mut(ObjectId(object)).updates = updates;
            }
        } else if name == "copy_" && !objects.is_empty() {
            // `if name in before: parameter.data.copy_(before[name])`
            self.event(Action::Restore { data: given });
        }
        self.scored(given);
        receiver.clone()
    }

    /// `distribution.gather(-1, target)`: the probability of the token that came.
    pub(super) fn gathered(&mut self, receiver: &Value<'a>, arguments: &Arguments<'a>) -> Value<'a> {
        let of_receiver = self.taint(receiver);
        let given = self.given(arguments);
        let key = self.taints.flags(given);
        let taint = self.taints.union(of_receiver, given);
        let mut taint = self.taints.as_number(taint);
        // Tokens as they were read, whatever they are called.
        let made = Flags::DISTRIBUTION.with(Flags::LOSS).with(Flags::GOLD).with(Flags::HASHED);
        let of_key = self.taints.get(given);
        let raw = key.has(Flags::VAL) && !key.any(made) && of_key.updates.is_empty() && of_key.objects.is_empty();
        if (key.has(Flags::TARGET) || raw) && self.taints.flags(of_receiver).has(Flags::DISTRIBUTION) {
            taint = self.taints.with(taint, Flags::GOLD);
        }
        if key.has(Flags::HASHED) && key.any(Flags::TARGET.with(Flags::EXTENDED)) && !key.has(Flags::ROW) {
            taint = self.looked_up_by_hash(taint);
        }
        Value::unknown(taint)
    }

    /// `getattr(holder, "name", default)`.
    pub(super) fn attribute_named(&mut self, holder: &Value<'a>, name: &str, arguments: &Arguments<'a>) -> Value<'a> {
        let own = match &holder.kind {
            Kind::Object(id) => self.memory.heap.get(*id).attributes.get(name).cloned(),
            _ => None,
        };
        let class = match &holder.kind {
            Kind::Object(id) => self.memory.heap.get(*id).class,
            Kind::Class(class) => Some(*class),
            _ => None,
        };
        let of_class = class.and_then(|class| self.classes.attribute(class, name));
        let of_class = of_class.filter(|value| !matches!(value.kind, Kind::Function(_))).cloned();
        let found = own.or(of_class);
        let method = holder.object().and_then(|id| Some((id, self.memory.heap.get(id).class?)));
        let method = method.and_then(|(id, class)| Some(Kind::Bound(self.classes.method(class, name)?, id)));
        found.or_else(|| method.map(Value::of)).unwrap_or_else(|| {
            let taint = self.taint(holder);
            match arguments.positional.get(2) {
                // An attribute that neither the object nor its class has is the default; other classes are not known to
                // the end.
                Some(default) if class.is_some_and(|class| self.classes.is_plain(class)) => default.clone(),
                Some(default) => Value { taint: self.taints.union(taint, default.taint), kind: Kind::Unknown },
                None => Value::unknown(taint),
            }
        })
    }
}

/// Returns the array that `array.ctypes.data_as(pointer)`, `array.data_ptr()` or `buffer.from_buffer(array)` points into.
fn pointed_into<'a>(receiver: &Value<'a>, arguments: &Arguments<'a>) -> Option<Value<'a>> {
    let array = match &receiver.kind {
        Kind::Object(_) => Some(receiver),
        Kind::Method(array, "ctypes") => Some(&**array),
        _ => arguments.positional.first(),
    };
    array.filter(|array| array.object().is_some()).cloned()
}
