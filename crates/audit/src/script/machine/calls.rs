//! Calls into the script itself: functions, classes, objects.

use super::super::taint::{Flags, TaintId};
use super::super::trace::{Action, Frame};
use super::super::value::{Kind, ObjectId, ObjectRole, Value};
use super::Machine;
use super::arguments::Arguments;
use super::state::Names;
use super::views::Views;
use caddie_python::ast::{self, Expr};

/// Calls within calls.
const MAX_CALLS: usize = 40;
/// Most calls of a function within itself that are followed.
const MAX_WITHIN_ITSELF: usize = 2;
/// Levels of blocks and expressions that have to be left for a call.
const LEVELS_OF_A_CALL: usize = 9;
/// Arguments from which on no further `*rest` is spread.
const MAX_ARGUMENTS: usize = 1000;

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
        let mut views = Views::new();
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
                _ => arguments.positional.push(self.lent(&function, argument, value, &mut views)),
            }
        }
        for keyword in &call.arguments.keywords {
            let value = self.value(&keyword.value);
            let value = self.lent(&function, &keyword.value, value, &mut views);
            let name = keyword.arg.as_ref().map_or("**", |name| name.as_str());
            arguments.named.push((name, value));
        }
        self.events.line = line;
        self.budget.spend(arguments.positional.len());
        let value = self.apply(function, arguments);
        self.give_back(&views);
        self.events.line = line;
        value
    }

    /// Calls `function`, whatever it is.
    pub(super) fn apply(&mut self, function: Value<'a>, arguments: Arguments<'a>) -> Value<'a> {
        // A layer that was reached through a model carries everything that the model has learnt.
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
                // These are adapters that are reset where a batch has the shape for it, and made anew where not (#77).
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

    /// Handles a call of an unknown function: it reads all its arguments, and may write into every buffer, except that
    /// a layer does not write into its parameters.
    pub(super) fn unknown(&mut self, function: &Value<'a>, arguments: &Arguments<'a>) -> Value<'a> {
        let given = self.given(arguments);
        let of_function = self.taint(function);
        let taint = self.taints.union(given, of_function);
        let taint = self.taints.as_number(taint);
        for value in arguments.all() {
            if let Some(id) = value.object()
                && self.memory.heap.get(id).role == ObjectRole::Tensor
                && !self.memory.heap.get(id).of_model
            {
                self.pour(id, taint);
            }
        }
        Value::unknown(taint)
    }

    /// Returns the origin of all arguments together.
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
            // The output of a layer is no key, even for a hash.
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
        let of_value = self.taint(&value);
        if names_a_loss(name) && !self.taints.flags(of_value).has(Flags::LOSS) {
            // `blended_nll(…)` looks up tables on its way, which its arguments do not tell.
            return if self.taints.flags(of_value).has(Flags::GOLD) { value } else { self.loss(given) };
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

/// The attribute of an optimizer under which its parameters are kept; no name of Python.
pub(super) const PARAMETERS: &str = "parameters of the optimizer";

/// Attributes and methods that give the size of a value, not its contents.
pub(super) const POSITIONS: &[&str] =
    &["shape", "size", "numel", "ndim", "dim", "device", "dtype", "nbytes", "element_size"];
