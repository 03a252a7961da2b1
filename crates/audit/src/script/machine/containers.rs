//! Lists and dictionaries: members, views, copies.

use std::rc::Rc;

use super::super::taint::TaintId;
use super::super::value::{HOLE, Kind, ObjectId, ObjectRole, Value};
use super::Machine;
use super::arguments::Arguments;
use super::library::Order;
use caddie_python::constant::Progression;

impl<'a> Machine<'a, '_> {
    pub(super) fn dict_view(&mut self, id: ObjectId, receiver: &Value<'a>, name: &str) -> Value<'a> {
        self.budget.keep(self.memory.heap.get(id).attributes.len());
        let object = self.memory.heap.get(id);
        let known: Vec<(Rc<str>, Value<'a>)> =
            object.attributes.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        let element = object.element.clone();
        let held = self.taint(receiver);
        let mut members: Vec<(Kind<'a>, Value<'a>)> =
            known.into_iter().map(|(key, value)| (Kind::Text(key), value)).collect();
        members.sort_by(|(a, _), (b, _)| match (a, b) {
            (Kind::Text(a), Kind::Text(b)) => a.cmp(b),
            _ => std::cmp::Ordering::Equal,
        });
        if members.is_empty() || element.is_some() {
            members.push((Kind::Unknown, element.unwrap_or_else(|| Value::unknown(held))));
        }
        let members = members.into_iter().map(|(key, value)| match name {
            "keys" => Value::of(key),
            "values" => value,
            _ => Value::of(Kind::Tuple(Rc::from(vec![Value::of(key), value]))),
        });
        let members: Vec<Value<'a>> = members.collect();
        // The value found under a key is not in the key.
        let held = if name == "keys" { self.as_position(held) } else { held };
        let list = self.new_object(ObjectRole::List, held);
        if let Some(list) = list.object() {
            let object = self.memory.heap.get_mut(list);
            if members.len() > 1 {
                object.items = Some(members);
            } else {
                object.element = members.into_iter().next();
            }
        }
        list
    }

    pub(super) fn dict_get(&mut self, id: ObjectId, receiver: &Value<'a>, arguments: &Arguments<'a>) -> Value<'a> {
        let key = arguments.positional.first();
        let found = key.and_then(Value::text).and_then(|key| self.memory.heap.get(id).attributes.get(key).cloned());
        if let Some(value) = found {
            return value;
        }
        // This is a cache by path: a value kept under another name is not found under this one.
        let object = self.memory.heap.get(id);
        let named = object.element.is_none() && !object.attributes.is_empty();
        if named && key.and_then(Value::text).is_some_and(|key| !key.contains(HOLE)) {
            return arguments.positional.get(1).cloned().unwrap_or_else(|| Value::of(Kind::None));
        }
        let (held, of_key) = (self.taint(receiver), key.map_or(TaintId::NONE, |key| key.taint));
        let mut taint = self.taints.union(held, of_key);
        if key.cloned().is_some_and(|key| self.holds_target(&key)) {
            taint = self.looked_up_by_hash(taint);
        }
        taint = self.looked_up(taint, held, of_key, true);
        let element = self.memory.heap.get(id).element.clone();
        match element.or_else(|| arguments.positional.get(1).cloned()) {
            Some(element) => Value { taint: self.taints.union(taint, element.taint), kind: element.kind },
            None => Value::unknown(taint),
        }
    }

    pub(super) fn range(&mut self, arguments: &Arguments<'a>) -> Value<'a> {
        let taint = self.given(arguments);
        let taint = self.as_position(taint);
        let int = |index: usize| match arguments.positional.get(index).map(|value| &value.kind) {
            Some(Kind::Int(int)) => Some(*int),
            _ => None,
        };
        let known = (0..arguments.positional.len()).map(int).collect::<Option<Vec<_>>>();
        let range = known.and_then(|known| Progression::of_arguments(&known).ok());
        let start = if arguments.positional.len() > 1 { int(0) } else { Some(0) };
        Value { kind: Kind::Range { start, len: range.map(|range| range.len) }, taint }
    }

    /// A list in which one value stands for all.
    pub(super) fn list_of(&mut self, element: Value<'a>) -> Value<'a> {
        let taint = self.taint(&element);
        let list = self.new_object(ObjectRole::List, taint);
        if let Some(id) = list.object() {
            self.memory.heap.get_mut(id).element = Some(element);
        }
        list
    }

    pub(super) fn enumerated(&mut self, arguments: &Arguments<'a>) -> Value<'a> {
        let Some(iterable) = arguments.positional.first() else { return Value::unknown(TaintId::NONE) };
        let members = self.members(iterable).each;
        let known = iterable.object().is_some_and(|id| self.memory.heap.get(id).items.is_some());
        let pairs: Vec<Value<'a>> = members
            .into_iter()
            .enumerate()
            .map(|(index, member)| {
                let index = if known { i64::try_from(index).map_or(Kind::Unknown, Kind::Int) } else { Kind::Unknown };
                Value::of(Kind::Tuple(Rc::from(vec![Value::of(index), member])))
            })
            .collect();
        self.list_from(pairs, known)
    }

    pub(super) fn zipped(&mut self, arguments: &Arguments<'a>) -> Value<'a> {
        let columns: Vec<Vec<Value<'a>>> = arguments.positional.iter().map(|value| self.members(value).each).collect();
        let rows = columns.iter().map(Vec::len).min().unwrap_or(0);
        let pairs = (0..rows).map(|row| {
            let items: Vec<Value<'a>> = columns.iter().map(|column| column[row].clone()).collect();
            Value::of(Kind::Tuple(items.into()))
        });
        let pairs = pairs.collect();
        self.list_from(pairs, false)
    }

    pub(super) fn list_from(&mut self, items: Vec<Value<'a>>, known: bool) -> Value<'a> {
        let taints: Vec<TaintId> = items.iter().map(|item| self.taint(item)).collect();
        let content = self.taints.all(taints);
        let list = self.new_object(ObjectRole::List, content);
        if let Some(id) = list.object() {
            let object = self.memory.heap.get_mut(id);
            if known {
                object.items = Some(items);
            } else {
                object.element = items.into_iter().next_back();
            }
        }
        list
    }

    pub(super) fn copied(&mut self, order: Order, arguments: &Arguments<'a>) -> Value<'a> {
        let Some(value) = arguments.positional.first() else { return self.list_from(Vec::new(), true) };
        match &value.kind {
            Kind::Object(id) if matches!(self.memory.heap.get(*id).role, ObjectRole::List) => {
                self.budget.keep(self.memory.heap.get(*id).items.as_ref().map_or(0, Vec::len));
                let mut object = self.memory.heap.get(*id).clone();
                if order != Order::Kept {
                    object.element = object.element.or_else(|| object.items.as_ref()?.last().cloned());
                    object.items = None;
                }
                let list = self.allocate(object);
                if let (Some(id), Order::Sorted) = (list.object(), order) {
                    self.sort(id);
                }
                list
            }
            Kind::Tuple(items) => self.list_from(items.to_vec(), true),
            Kind::Range { .. } => value.clone(),
            _ => {
                let members = self.members(value).each;
                self.list_from(members, false)
            }
        }
    }
}
