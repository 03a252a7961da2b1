//! The contents of values and objects, and the events that reach them.

use std::rc::Rc;

use super::super::taint::{Flags, TaintId};
use super::super::trace::Action;
use super::super::value::{Kind, Object, ObjectId, ObjectRole, Value};
use super::Machine;

impl<'a> Machine<'a, '_> {
    /// Returns the origin of a value, the contents and updates of an object included.
    pub(super) fn taint(&mut self, value: &Value<'a>) -> TaintId {
        match &value.kind {
            Kind::Object(id) => {
                let object = self.memory.heap.get(*id);
                let (content, updates) = (object.content, object.updates);
                let element = object.element.as_ref().map_or(TaintId::NONE, |element| element.taint);
                self.taints.all([value.taint, content, updates, element])
            }
            Kind::Tuple(items) => {
                self.budget.spend(items.len());
                let inner = self.together(items.iter());
                self.taints.union(value.taint, inner)
            }
            Kind::Method(receiver, _) => self.taint(receiver),
            Kind::Bound(_, id) => {
                let updates = self.memory.heap.get(*id).updates;
                self.taints.union(value.taint, updates)
            }
            _ => value.taint,
        }
    }

    /// Returns the origin of these values together.
    pub(super) fn together<'v>(&mut self, values: impl Iterator<Item = &'v Value<'a>>) -> TaintId
    where
        'a: 'v,
    {
        values.fold(TaintId::NONE, |sum, value| {
            let taint = self.taint(value);
            self.taints.union(sum, taint)
        })
    }

    pub(super) fn allocate(&mut self, object: Object<'a>) -> Value<'a> {
        let id = self.memory.heap.add(Object { born: self.loops.innermost(), ..object });
        Value::of(Kind::Object(id))
    }

    /// Sets an attribute, or joins it: under a condition that is not known the old value may still be there.
    pub(super) fn write_attribute(&mut self, id: ObjectId, name: &str, value: Value<'a>) {
        if name == "requires_grad" && self.memory.heap.get(id).role == ObjectRole::Tensor && value.truth() == Some(true)
        {
            self.as_offset(id);
        }
        if let Some(tensor) = value.object().filter(|tensor| self.memory.heap.get(*tensor).role == ObjectRole::Tensor)
            && self.memory.heap.get(id).class.is_some_and(|class| self.classes.is_module(class))
        {
            let content = self.memory.heap.get(tensor).content;
            let content = self.taints.without(content, Flags::OFFSET.with(Flags::ANEW));
            let tensor = self.memory.heap.get_mut(tensor);
            (tensor.of_model, tensor.content) = (true, content);
        }
        // What a layer keeps, such as the angles of its positions, is the same in every process.
        let of_module = self.memory.heap.get(id).class.is_some_and(|class| self.classes.is_module(class));
        let value = match of_module {
            true => Value { taint: self.taints.without(value.taint, Flags::OF_A_PROCESS), kind: value.kind },
            false => value,
        };
        let before = self.memory.heap.get(id).attributes.get(name).cloned();
        let value = match before {
            Some(before) if !self.branches.are_known() => self.join(before, value),
            _ => value,
        };
        self.memory.heap.get_mut(id).attributes.insert(name.into(), value);
    }

    /// Adds to the contents of an object.
    pub(super) fn pour(&mut self, id: ObjectId, taint: TaintId) {
        self.memory.pour(id, taint, &mut self.taints);
    }

    /// Joins two values, one of which it is: equal ones stay the value, others leave the origins of both. An object or
    /// function outlives `None` and the unknown, because a script that uses it later would otherwise fail.
    pub(super) fn join(&mut self, left: Value<'a>, right: Value<'a>) -> Value<'a> {
        let taint = self.taints.union(left.taint, right.taint);
        match (&left.kind, &right.kind) {
            // Tuples of one shape are joined member by member; `None` stands for one that is not there yet.
            (Kind::Tuple(a), Kind::Tuple(b)) if a.len() == b.len() => {
                if Rc::ptr_eq(a, b) {
                    return Value { kind: left.kind, taint };
                }
                let pairs: Vec<_> = a.iter().cloned().zip(b.iter().cloned()).collect();
                let items: Vec<Value<'a>> = pairs.into_iter().map(|(a, b)| self.join(a, b)).collect();
                return Value { kind: Kind::Tuple(items.into()), taint };
            }
            (Kind::Tuple(_), Kind::None) => return Value { kind: left.kind, taint },
            (Kind::None, Kind::Tuple(_)) => return Value { kind: right.kind, taint },
            _ => {}
        }
        let telling = |kind: &Kind<'a>| {
            matches!(
                kind,
                Kind::Object(_)
                    | Kind::Class(_)
                    | Kind::Function(_)
                    | Kind::Lambda(_)
                    | Kind::Bound(..)
                    | Kind::Library(_)
            )
        };
        let kind = match (left.kind, right.kind) {
            (Kind::Int(a), Kind::Int(b)) if a == b => Kind::Int(a),
            (Kind::Bool(a), Kind::Bool(b)) if a == b => Kind::Bool(a),
            (Kind::Float(a), Kind::Float(b)) if a.to_bits() == b.to_bits() => Kind::Float(a),
            (Kind::Text(a), Kind::Text(b)) if a == b => Kind::Text(a),
            (Kind::None, Kind::None) => Kind::None,
            (a, b) if telling(&a) && !telling(&b) => a,
            (_, b) if telling(&b) => b,
            _ => Kind::Unknown,
        };
        Value { kind, taint }
    }

    /// Notes an event, and returns its number.
    pub(super) fn event(&mut self, action: Action) -> u32 {
        self.events.add(action, self.loops.shared(), self.branches.are_known())
    }

    /// A loss that is added to something becomes a score of its own.
    pub(super) fn scored(&mut self, taint: TaintId) -> TaintId {
        let flags = self.taints.flags(taint);
        if !(flags.any(Flags::LOSS.with(Flags::GOLD)) && flags.has(Flags::VAL)) {
            return taint;
        }
        let by_count = self.branches.by_count() && flags.has(Flags::SEEN);
        let taint = if by_count { self.taints.with(taint, Flags::WHERE_SEEN) } else { taint };
        let id = self.event(Action::Score { data: taint });
        self.taints.change(taint, |taint| taint.scores = vec![id])
    }

    /// Selected by the innermost loop.
    pub(super) fn varying(&mut self, taint: TaintId) -> TaintId {
        self.taints.varying(taint, self.loops.active())
    }

    /// A counter that goes on: selected by the innermost loop, and by those outside of it in whose earlier iterations it
    /// went on already, since none of them set it back.
    pub(super) fn advanced(&mut self, taint: TaintId) -> TaintId {
        if self.taints.flags(taint).any(Flags::CONTENT) {
            return self.varying(taint);
        }
        let since = self.loops.went_on(self.taints.get(taint));
        let taint = self.varying(taint);
        since.into_iter().fold(taint, |taint, stamp| self.taints.stamped(taint, stamp))
    }
}
