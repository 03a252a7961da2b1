//! Calls into the script itself: functions, classes, objects.

use rustc_hash::FxHashMap;

use super::super::taint::{Flags, TaintId};
use super::super::trace::{Action, Frame};
use super::super::value::{Kind, ObjectId, Role, Value};
use super::Machine;
use super::state::Names;
use caddie_python::ast::{self, Expr};

/// Calls within calls.
const MAX_CALLS: usize = 40;
/// How often a function may be followed within itself.
const MAX_WITHIN_ITSELF: usize = 2;
/// Levels of blocks and expressions that have to be left for a call.
const LEVELS_OF_A_CALL: usize = 9;
/// Arguments from which on no further `*rest` is spread.
const MAX_ARGUMENTS: usize = 1000;

/// The arguments of a call.
#[derive(Debug, Clone, Default)]
pub(super) struct Arguments<'a> {
    pub positional: Vec<Value<'a>>,
    pub named: Vec<(&'a str, Value<'a>)>,
}

impl<'a> Arguments<'a> {
    /// By position, or else by name.
    pub fn get(&self, index: usize, name: &str) -> Option<&Value<'a>> {
        self.positional.get(index).or_else(|| self.named(name))
    }

    /// By name.
    pub fn named(&self, name: &str) -> Option<&Value<'a>> {
        self.named.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Every value.
    pub fn all(&self) -> impl Iterator<Item = &Value<'a>> {
        self.positional.iter().chain(self.named.iter().map(|(_, value)| value))
    }
}

/// Functions of a script that compute the loss by a kernel of their own.
fn names_a_loss(name: &str) -> bool {
    let parts = ["cross_entropy", "crossentropy", "softcapped_ce", "fused_ce", "nll"];
    let holds =
        |part: &str| name.as_bytes().windows(part.len()).any(|found| found.eq_ignore_ascii_case(part.as_bytes()));
    parts.into_iter().any(holds)
}

impl<'a> Machine<'a, '_> {
    pub(super) fn call(&mut self, call: &'a ast::ExprCall) -> Value<'a> {
        let line = self.module.line(call);
        let function = self.value(&call.func);
        let mut arguments = Arguments {
            positional: Vec::with_capacity(call.arguments.args.len()),
            named: Vec::with_capacity(call.arguments.keywords.len()),
        };
        for argument in &call.arguments.args {
            let value = self.value(argument);
            match (argument, &value.kind) {
                // Each may be as long as all the others; beyond so many nobody tells them apart.
                (Expr::Starred(_), _) if arguments.positional.len() > MAX_ARGUMENTS => {}
                (Expr::Starred(_), Kind::Tuple(items)) => arguments.positional.extend(items.iter().cloned()),
                (Expr::Starred(_), Kind::Object(id)) => {
                    let items = self.memory.heap.get(*id).items.clone();
                    arguments.positional.extend(items.unwrap_or_else(|| vec![value.clone()]));
                }
                _ => arguments.positional.push(value),
            }
        }
        for keyword in &call.arguments.keywords {
            let value = self.value(&keyword.value);
            let name = keyword.arg.as_ref().map_or("**", |name| name.as_str());
            arguments.named.push((name, value));
        }
        self.events.line = line;
        self.budget.spend(arguments.positional.len());
        let value = self.apply(function, arguments);
        self.events.line = line;
        value
    }

    /// Calls `function`, whatever it is.
    pub(super) fn apply(&mut self, function: Value<'a>, arguments: Arguments<'a>) -> Value<'a> {
        // A layer that was reached through a model carries what the model has learnt.
        let reached = self.taints.as_number(function.taint);
        let mut value = self.dispatch(function, arguments);
        value.taint = self.taints.union(value.taint, reached);
        value
    }

    fn dispatch(&mut self, function: Value<'a>, arguments: Arguments<'a>) -> Value<'a> {
        match &function.kind {
            Kind::Function(definition) => self.user(definition, None, arguments),
            Kind::Bound(definition, id) => {
                self.run_on_validation(*id, &arguments);
                let value = self.user(definition, Some(*id), arguments);
                // Adapters that are begun anew where a batch has the shape for it, and made anew where not (#77).
                if definition.name.starts_with("reset")
                    && self.memory.heap.get(*id).class.is_some_and(|c| self.classes.is_module(c))
                {
                    self.memory.forget(*id);
                }
                value
            }
            Kind::Lambda(lambda) => self.lambda(lambda, arguments),
            Kind::Class(class) => self.instantiate(*class, arguments),
            Kind::Library(name) => {
                let name = name.clone();
                self.library(&name, &arguments)
            }
            Kind::Method(receiver, name) => {
                let (receiver, name) = (receiver.clone(), *name);
                self.method(&receiver, name, &arguments)
            }
            Kind::Object(id) => self.call_object(*id, arguments),
            _ => self.unknown(&function, &arguments),
        }
    }

    /// What nobody knows reads all it is given, and may write into every buffer; a layer does not into its parameters.
    pub(super) fn unknown(&mut self, function: &Value<'a>, arguments: &Arguments<'a>) -> Value<'a> {
        let given = self.given(arguments);
        let of_function = self.taint(function);
        let taint = self.taints.union(given, of_function);
        let taint = self.taints.as_number(taint);
        for value in arguments.all() {
            if let Some(id) = value.object()
                && self.memory.heap.get(id).role == Role::Tensor
                && !self.memory.heap.get(id).of_model
            {
                self.pour(id, taint);
            }
        }
        Value::unknown(taint)
    }

    /// What all arguments were made from.
    pub(super) fn given(&mut self, arguments: &Arguments<'a>) -> TaintId {
        self.together(arguments.all())
    }

    fn call_object(&mut self, id: ObjectId, arguments: Arguments<'a>) -> Value<'a> {
        let object = self.memory.heap.get(id);
        let (class, updates) = (object.class, object.updates);
        let Some(class) = class else {
            let callee = Value::of(Kind::Object(id));
            let taint = self.given(&arguments);
            let own = self.taint(&callee);
            // What a layer makes of a hash is no key.
            let taint = self.taints.without(taint, Flags::HASHED.with(Flags::EXTENDED));
            let taint = self.taints.union(taint, own);
            let taint = self.taints.without(taint, Flags::ADDED);
            return Value::unknown(self.taints.as_number(taint));
        };
        let method = ["forward", "__call__"].iter().find_map(|name| self.classes.method(class, name));
        let Some(method) = method else { return self.unknown(&Value::of(Kind::Object(id)), &arguments) };
        if self.classes.is_module(class) {
            let data = self.given(&arguments);
            let flags = self.taints.flags(data);
            if flags.any(Flags::VAL.with(Flags::TRAIN).with(Flags::GENERATED)) && !self.events.within_module() {
                self.event(Action::Forward { data, discarded: false });
            }
        }
        let mut value = self.user(method, Some(id), arguments);
        value.taint = self.taints.union(value.taint, updates);
        value
    }

    /// `model.forward_logits(tokens)` runs the model as well.
    fn run_on_validation(&mut self, id: ObjectId, arguments: &Arguments<'a>) {
        let class = self.memory.heap.get(id).class.filter(|class| self.classes.is_module(*class));
        if class.is_none() || self.events.within_module() {
            return;
        }
        let data = self.given(arguments);
        let flags = self.taints.flags(data);
        if flags.has(Flags::VAL) && !flags.has(Flags::TRAIN) {
            self.event(Action::Forward { data, discarded: false });
        }
    }

    fn lambda(&mut self, lambda: &'a ast::ExprLambda, arguments: Arguments<'a>) -> Value<'a> {
        if self.scopes.depth() >= MAX_CALLS {
            let given = self.given(&arguments);
            return Value::unknown(given);
        }
        let names = match &lambda.parameters {
            Some(parameters) => self.parameters(parameters, &[], None, arguments),
            None => Names::default(),
        };
        self.scopes.enter_body(names);
        let value = self.value(&lambda.body);
        self.scopes.leave();
        value
    }

    /// A function of the script, with its arguments.
    pub(super) fn user(
        &mut self,
        definition: &'a ast::StmtFunctionDef,
        receiver: Option<ObjectId>,
        arguments: Arguments<'a>,
    ) -> Value<'a> {
        let given = self.given(&arguments);
        let name = definition.name.as_str();
        let is_too_deep = self.scopes.depth() >= MAX_CALLS || !self.budget.has_room_for(LEVELS_OF_A_CALL);
        if is_too_deep || self.scopes.times_entered(definition) >= MAX_WITHIN_ITSELF || self.exhausted() {
            return Value::unknown(given);
        }
        let line = self.events.line;
        let frame = Frame { function: self.qualified(name, receiver), line };
        let names = self.parameters(&definition.parameters, &definition.body, receiver, arguments);
        self.events.enter(frame);
        self.scopes.enter(definition, names);
        self.block(&definition.body);
        let returned = self.scopes.leave().and_then(|call| call.returned);
        self.events.leave();
        let value = returned.unwrap_or_else(|| Value::of(Kind::None));
        self.events.line = line;
        let value = self.counted(definition, value);
        if names_a_loss(name) && !self.taints.flags(value.taint).has(Flags::LOSS) {
            return self.loss(given);
        }
        value
    }

    /// `GPT.forward` of an object, `main` alone.
    fn qualified(&self, name: &str, receiver: Option<ObjectId>) -> String {
        let class = receiver.and_then(|id| self.memory.heap.get(id).class);
        match class.and_then(|class| self.classes.get(class)) {
            Some(class) => format!("{}.{name}", class.definition.name),
            None => name.to_owned(),
        }
    }

    fn parameters(
        &mut self,
        parameters: &'a ast::Parameters,
        body: &'a [ast::Stmt],
        receiver: Option<ObjectId>,
        arguments: Arguments<'a>,
    ) -> Names<'a> {
        let mut names = Names::with_capacity(parameters.len() + body.len());
        let mut named: FxHashMap<&'a str, Value<'a>> = arguments.named.into_iter().collect();
        let receiver = receiver.map(|id| Value::of(Kind::Object(id)));
        let mut positional = receiver.into_iter().chain(arguments.positional);
        // `f(**settings)`: any parameter that is not given may come from there.
        let rest = named.remove("**");
        for (index, parameter) in parameters.posonlyargs.iter().chain(&parameters.args).enumerate() {
            let name = parameter.parameter.name.as_str();
            let given = positional.next().or_else(|| named.remove(name));
            let value = self.argument(given, parameter, rest.as_ref());
            let value = if is_target(name) && index > 0 { self.as_target(value) } else { value };
            names.set(name, Some(value));
        }
        for parameter in &parameters.kwonlyargs {
            let name = parameter.parameter.name.as_str();
            let given = named.remove(name);
            let value = self.argument(given, parameter, rest.as_ref());
            names.set(name, Some(value));
        }
        if let Some(vararg) = &parameters.vararg {
            let items: Vec<Value<'a>> = positional.collect();
            names.set(vararg.name.as_str(), Some(Value::of(Kind::Tuple(items.into()))));
        }
        if let Some(kwarg) = &parameters.kwarg {
            let dict = self.new_object(Role::Dict, TaintId::NONE);
            if let Some(id) = dict.object() {
                for (name, value) in named {
                    self.memory.heap.get_mut(id).attributes.insert(name.into(), value);
                }
            }
            names.set(kwarg.name.as_str(), Some(dict));
        }
        names
    }

    fn argument(
        &mut self,
        given: Option<Value<'a>>,
        parameter: &'a ast::ParameterWithDefault,
        rest: Option<&Value<'a>>,
    ) -> Value<'a> {
        if let Some(value) = given {
            return value;
        }
        if let Some(rest) = rest {
            let name = parameter.parameter.name.as_str();
            let found = rest.object().and_then(|id| self.memory.heap.get(id).attributes.get(name).cloned());
            if let Some(found) = found {
                return found;
            }
        }
        match &parameter.default {
            Some(default) => self.value(default),
            None => Value::unknown(TaintId::NONE),
        }
    }

    pub(super) fn as_target(&mut self, value: Value<'a>) -> Value<'a> {
        let flags = self.taints.flags(value.taint);
        if !flags.any(Flags::VAL.with(Flags::TRAIN)) {
            return value;
        }
        Value { taint: self.taints.with(value.taint, Flags::TARGET), kind: value.kind }
    }

    /// A loss computed from `data`.
    pub(super) fn loss(&mut self, data: TaintId) -> Value<'a> {
        let taint = self.taints.as_number(data);
        let id = self.event(Action::Loss { data: taint });
        let taint = self.taints.change(taint, |taint| {
            taint.flags = taint.flags.with(Flags::LOSS).without(Flags::DISTRIBUTION);
            taint.scores = vec![id];
        });
        Value::unknown(taint)
    }
}

/// The attribute of an optimiser under which its parameters are kept; no name of Python.
pub(super) const PARAMETERS: &str = "parameters of the optimiser";

/// Attributes and methods that say how much there is, not what.
pub(super) const POSITIONS: &[&str] =
    &["shape", "size", "numel", "ndim", "dim", "device", "dtype", "nbytes", "element_size"];

/// Names of what is to be predicted, as the field writes them.
pub(super) fn is_target(name: &str) -> bool {
    let name = name.trim_start_matches('_');
    matches!(name, "y" | "labels") || ["y_", "tgt", "target"].iter().any(|start| name.starts_with(start))
}
