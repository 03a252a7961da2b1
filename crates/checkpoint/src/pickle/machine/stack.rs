//! The machine's stack: values go on and come off it, and containers on it are filled, within the limits.

use super::{Machine, Step};
use crate::pickle::value::{Id, Value};

impl Machine<'_> {
    pub(super) fn push(&mut self, value: Value) -> Step<()> {
        let id = u32::try_from(self.pickle.values.len()).ok().filter(|id| (*id as usize) < self.limits.values);
        let id = id.ok_or_else(|| format!("more than {} values, more than are read", self.limits.values))?;
        self.pickle.values.push(value);
        self.stack.push(Id(id));
        Ok(())
    }

    /// Takes references from the number that may be kept.
    pub(super) fn refer(&mut self, count: usize) -> Step<()> {
        self.references = self.references.saturating_add(count);
        if self.references > self.limits.values.saturating_mul(4) {
            return Err(format!("more than {} references between values", self.limits.values.saturating_mul(4)));
        }
        Ok(())
    }

    pub(super) fn tuple(&mut self, items: Vec<Id>) -> Step<Id> {
        self.refer(items.len())?;
        self.push(Value::Tuple(items))?;
        self.pop()
    }

    pub(super) fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    pub(super) fn pop(&mut self) -> Step<Id> {
        if self.stack.len() <= self.floor() {
            return Err("the stack is empty".to_owned());
        }
        self.stack.pop().ok_or_else(|| "the stack is empty".to_owned())
    }

    pub(super) fn pop_many(&mut self, count: usize) -> Step<Vec<Id>> {
        if self.stack.len() < self.floor() + count {
            return Err("the stack is empty".to_owned());
        }
        Ok(self.stack.split_off(self.stack.len() - count))
    }

    pub(super) fn pop_array<const N: usize>(&mut self) -> Step<[Id; N]> {
        self.pop_many(N)?.try_into().map_err(|_| "the stack is empty".to_owned())
    }

    pub(super) fn pop_mark(&mut self) -> Step<Vec<Id>> {
        let mark = self.marks.pop().ok_or("no MARK on the stack")?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    /// Adds to the container on top.
    pub(super) fn append(&mut self, items: &[Id]) -> Step<()> {
        self.refer(items.len())?;
        match self.top()? {
            Value::List(list) | Value::Set(list) => list.extend_from_slice(items),
            Value::Object(object) => object.list.extend_from_slice(items),
            _ => return Err("items are appended to something other than a list".to_owned()),
        }
        Ok(())
    }

    pub(super) fn set_items(&mut self, items: &[Id]) -> Step<()> {
        self.refer(items.len())?;
        let pairs = pairs(items)?;
        match self.top()? {
            Value::Dict(dict) => dict.extend(pairs),
            Value::Object(object) => object.items.extend(pairs),
            _ => return Err("items are set in something other than a dictionary".to_owned()),
        }
        Ok(())
    }

    pub(super) fn top(&mut self) -> Step<&mut Value> {
        let id = self.stack.last().filter(|_| self.stack.len() > self.floor()).ok_or("the stack is empty")?;
        self.pickle.values.get_mut(id.0 as usize).ok_or_else(|| "the stack is empty".to_owned())
    }
}

/// Returns the keys and values that `items` holds in turn.
pub(super) fn pairs(items: &[Id]) -> Step<Vec<(Id, Id)>> {
    let (pairs, rest) = items.as_chunks::<2>();
    if !rest.is_empty() {
        return Err("a key without a value".to_owned());
    }
    Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect())
}
