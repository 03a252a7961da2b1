//! Functions that put things into another order: sorting, shuffling, permutations.

use super::super::taint::{Flags, TaintId};
use super::super::value::{Kind, ObjectId, Value};
use super::Machine;
use super::arguments::Arguments;

impl<'a> Machine<'a, '_> {
    /// `sorted(documents)`, `documents.sort()`: the list, put into another order. Paths have no order of their own.
    pub(super) fn sort(&mut self, list: ObjectId) {
        let object = self.memory.heap.get(list);
        let member = object.element.as_ref().or_else(|| object.items.as_ref()?.last());
        let of_texts = member.is_some_and(|member| matches!(member.kind, Kind::Text(_)));
        let held = self.taint(&Value::of(Kind::Object(list)));
        if !of_texts && self.taints.flags(held).has(Flags::VAL) {
            self.reorder(list, Flags::REORDERED);
        }
    }

    /// `random.shuffle(documents)`.
    pub(super) fn shuffled(&mut self, arguments: &Arguments<'a>) -> Value<'a> {
        if let Some(list) = arguments.positional.first().and_then(Value::object) {
            self.reorder(list, Flags::REORDERED.with(Flags::SHUFFLED));
        }
        Value::of(Kind::None)
    }

    /// `torch.randperm(n)`, `numpy.argsort(lengths)`: positions in an order of their own. Models permute channels.
    pub(super) fn order(&mut self, given: TaintId, drawn: bool) -> Value<'a> {
        let of_data = self.taints.flags(given).has(Flags::VAL);
        let taint = self.taints.as_number(given);
        let how = match drawn {
            true => Flags::REORDERED.with(Flags::SHUFFLED),
            false if of_data => Flags::REORDERED,
            false => Flags::default(),
        };
        if self.within_model() { Value::unknown(taint) } else { Value::unknown(self.taints.with(taint, how)) }
    }

    fn reorder(&mut self, list: ObjectId, how: Flags) {
        let of_order = self.taints.with(TaintId::NONE, how);
        self.pour(list, of_order);
        let object = self.memory.heap.get_mut(list);
        let items = object.items.take().and_then(|items| items.into_iter().next_back());
        if let Some(mut member) = object.element.take().or(items) {
            member.taint = self.taints.union(member.taint, of_order);
            self.memory.heap.get_mut(list).element = Some(member);
        }
    }
}
