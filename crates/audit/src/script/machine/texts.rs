//! Methods of texts.

use super::super::value::{HOLE, Kind, ObjectRole, Value};
use super::Machine;
use super::arguments::Arguments;

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
            "lower" => Value { kind: Kind::text(&text.to_lowercase()), taint: receiver.taint },
            "upper" => Value { kind: Kind::text(&text.to_uppercase()), taint: receiver.taint },
            "strip" => Value { kind: Kind::Text(text.trim().into()), taint: receiver.taint },
            "resolve" | "expanduser" | "absolute" | "rstrip" | "lstrip" => receiver.clone(),
            "split" if !text.contains(HOLE) => {
                let separator = arguments.positional.first().and_then(Value::text);
                let parts: Vec<Value<'a>> = match separator {
                    Some(separator) if !separator.is_empty() => {
                        text.split(separator).map(|part| Value::of(Kind::Text(part.into()))).collect()
                    }
                    _ => text.split_whitespace().map(|part| Value::of(Kind::Text(part.into()))).collect(),
                };
                let list = self.new_object(ObjectRole::List, receiver.taint);
                if let Some(id) = list.object() {
                    self.memory.heap.get_mut(id).items = Some(parts);
                }
                list
            }
            "startswith" | "endswith" if !text.contains(HOLE) => {
                let part = arguments.positional.first().and_then(Value::text);
                let found =
                    part.map(|part| if name == "endswith" { text.ends_with(part) } else { text.starts_with(part) });
                Value { kind: found.map_or(Kind::Unknown, Kind::Bool), taint: receiver.taint }
            }
            "replace" if arguments.positional.iter().filter_map(Value::text).count() == 2 => {
                let mut parts = arguments.positional.iter().filter_map(Value::text);
                let (from, to) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
                let bounded = !from.is_empty() && text.len() < 4096 && to.len() < 256;
                let replaced = if bounded { text.replace(from, to) } else { format!("{text}{HOLE}") };
                let given = self.given(arguments);
                let taint = self.taints.union(given, receiver.taint);
                let taint = self.named_data(taint, &replaced);
                Value { kind: Kind::Text(replaced.into()), taint }
            }
            "format" | "replace" | "join" => {
                let given = self.given(arguments);
                let taint = self.taints.union(given, receiver.taint);
                Value { kind: Kind::text(&format!("{text}{HOLE}")), taint }
            }
            _ => {
                let given = self.given(arguments);
                Value::unknown(self.taints.union(given, receiver.taint))
            }
        }
    }
}
