//! The arguments of a call, bound to the parameters of a function.

use rustc_hash::FxHashMap;

use super::super::taint::{Flags, TaintId};
use super::super::value::{Kind, ObjectId, ObjectRole, Value};
use super::Machine;
use super::state::Names;
use caddie_python::ast;

/// The arguments of a call.
#[derive(Debug, Clone, Default)]
pub(super) struct Arguments<'a> {
    pub positional: Vec<Value<'a>>,
    pub named: Vec<(&'a str, Value<'a>)>,
}

impl<'a> Arguments<'a> {
    /// Returns an argument by its position, or else by its name.
    pub fn get(&self, index: usize, name: &str) -> Option<&Value<'a>> {
        self.positional.get(index).or_else(|| self.named(name))
    }

    /// Returns an argument by its name.
    pub fn named(&self, name: &str) -> Option<&Value<'a>> {
        self.named.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Every value.
    pub fn all(&self) -> impl Iterator<Item = &Value<'a>> {
        self.positional.iter().chain(self.named.iter().map(|(_, value)| value))
    }
}

impl<'a> Machine<'a, '_> {
    pub(super) fn parameters(
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
            let dict = self.new_object(ObjectRole::Dict, TaintId::NONE);
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
}

/// Tells whether a name is one that the field gives to the tokens to be predicted.
pub(super) fn is_target(name: &str) -> bool {
    let name = name.trim_start_matches('_');
    matches!(name, "y" | "labels") || ["y_", "tgt", "target"].iter().any(|start| name.starts_with(start))
}
