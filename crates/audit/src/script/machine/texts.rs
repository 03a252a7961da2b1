//! Methods of texts: [`caddie_python::constant`] computes what is known; here stand paths, files, and texts that are
//! known in part.

use super::super::value::{HOLE, Kind, LIMIT, ObjectRole, Value};
use super::Machine;
use super::arguments::Arguments;
use caddie_python::constant::{Constant, Given, text_method};

impl<'a> Machine<'a, '_> {
    pub(super) fn text_method(
        &mut self,
        receiver: &Value<'a>,
        text: &str,
        name: &str,
        arguments: &Arguments<'a>,
    ) -> Value<'a> {
        match name {
            "glob" | "rglob" => {
                let pattern = arguments.positional.first().and_then(Value::text).unwrap_or("*");
                let path = Value { kind: Kind::text(&format!("{text}/{pattern}")), taint: receiver.taint };
                let taint = self.at_path(&path);
                self.list_of(Value { kind: path.kind, taint })
            }
            "read_bytes" | "read_text" => {
                let taint = self.at_path(receiver);
                Value::unknown(self.shipped(taint))
            }
            "write_bytes" | "write_text" => {
                let taint = self.given(arguments);
                self.write_to(receiver, taint);
                Value::of(Kind::None)
            }
            "open" => {
                let positional =
                    std::iter::once(receiver.clone()).chain(arguments.positional.iter().cloned()).collect();
                self.library("open", &Arguments { positional, named: Vec::new() })
            }
            "resolve" | "expanduser" | "absolute" => receiver.clone(),
            "replace" if arguments.positional.iter().filter_map(Value::text).count() == 2 => {
                self.replaced(receiver, text, arguments)
            }
            // Unknown parts have no case and are no space: what stands beside them changes as if they were not there.
            "lower" | "upper" | "strip" | "lstrip" | "rstrip" => {
                let known = self.constants(arguments).and_then(|given| text_method(text, name, &given, LIMIT).ok());
                let kind = known.and_then(Kind::of_scalar).unwrap_or_else(|| receiver.kind.clone());
                Value { kind, taint: receiver.taint }
            }
            _ => self.text_result(receiver, text, name, arguments),
        }
    }

    /// Calls a method that needs the whole text.
    fn text_result(&mut self, receiver: &Value<'a>, text: &str, name: &str, arguments: &Arguments<'a>) -> Value<'a> {
        let given = self.given(arguments);
        let taint = match name {
            "split" | "startswith" | "endswith" => receiver.taint,
            _ => self.taints.union(given, receiver.taint),
        };
        let known = if text.contains(HOLE) { None } else { self.constants(arguments) };
        match known.and_then(|given| text_method(text, name, &given, LIMIT).ok()) {
            Some(Constant::List(parts)) => {
                let parts = parts.iter().cloned().map(|part| Kind::of_scalar(part).unwrap_or(Kind::Unknown));
                let parts: Vec<Value<'a>> = parts.map(Value::of).collect();
                self.budget.keep(parts.len());
                let list = self.new_object(ObjectRole::List, taint);
                if let Some(id) = list.object() {
                    self.memory.heap.get_mut(id).items = Some(parts);
                }
                list
            }
            Some(Constant::Tuple(parts)) => {
                let parts = parts.iter().cloned().map(|part| Kind::of_scalar(part).unwrap_or(Kind::Unknown));
                Value { kind: Kind::Tuple(parts.map(Value::of).collect()), taint }
            }
            Some(result) => Value { kind: Kind::of_scalar(result).unwrap_or(Kind::Unknown), taint },
            None if matches!(name, "format" | "replace" | "join") => {
                Value { kind: Kind::text(&format!("{text}{HOLE}")), taint }
            }
            None => Value::unknown(taint),
        }
    }

    /// Evaluates `text.replace(from, to)` part by part, so that the text may have unknown parts.
    fn replaced(&mut self, receiver: &Value<'a>, text: &str, arguments: &Arguments<'a>) -> Value<'a> {
        let texts = arguments.positional.iter().filter_map(Value::text).map(Constant::text);
        let given = Given::positional(texts.collect::<Vec<_>>());
        let kind = text_method(text, "replace", &given, LIMIT).ok().and_then(Kind::of_scalar);
        let kind = kind.unwrap_or_else(|| Kind::text(&format!("{text}{HOLE}")));
        let given = self.given(arguments);
        let taint = self.taints.union(given, receiver.taint);
        let taint = match &kind {
            Kind::Text(replaced) => self.named_data(taint, replaced),
            _ => taint,
        };
        Value { kind, taint }
    }

    /// Returns the arguments of a call as constants, where all of them are known.
    pub(super) fn constants(&self, arguments: &Arguments<'a>) -> Option<Given<'a>> {
        let positional = arguments.positional.iter().map(|value| value.kind.constant()).collect::<Option<Vec<_>>>()?;
        let named = arguments.named.iter().map(|(name, value)| Some((*name, value.kind.constant()?)));
        let named = named.collect::<Option<Vec<_>>>()?;
        Some(Given { positional, named })
    }
}
