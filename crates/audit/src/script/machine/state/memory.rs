//! Things that the script keeps outside of its names: objects, files, gradients.

use std::rc::Rc;

use rustc_hash::FxHashMap;

use crate::script::taint::{TaintId, Taints};
use crate::script::value::{Heap, Kind, ObjectId, ObjectRole, Value};

/// Objects within an object that are looked through.
const MAX_WITHIN: usize = 400;
/// Values within a value that are looked through.
const MAX_VALUES: usize = 2_000;

/// Objects, files, gradients.
#[derive(Debug, Default)]
pub(in super::super) struct Memory<'a> {
    pub heap: Heap<'a>,
    /// Files that were written, by path.
    pub files: FxHashMap<Rc<str>, TaintId>,
    /// The origin of the gradients that were taken since they were last cleared.
    pub gradients: TaintId,
}

impl<'a> Memory<'a> {
    /// Returns an object, its contents, and their contents in turn.
    pub fn reachable(&self, id: ObjectId) -> Vec<ObjectId> {
        let mut seen = Vec::new();
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            if seen.contains(&id) || seen.len() > MAX_WITHIN {
                continue;
            }
            seen.push(id);
            let object = self.heap.get(id);
            let held = object.attributes.values().chain(object.items.iter().flatten()).chain(object.element.iter());
            open.extend(held.filter_map(Value::object));
        }
        seen
    }

    /// The updates that reached an object or anything it holds.
    pub fn updates_within(&self, id: ObjectId, taints: &mut Taints) -> TaintId {
        taints.all(self.reachable(id).into_iter().map(|id| self.heap.get(id).updates))
    }

    /// Forgets everything that an object and its contents had learnt.
    pub fn forget(&mut self, id: ObjectId) {
        for id in self.reachable(id) {
            self.heap.get_mut(id).updates = TaintId::NONE;
        }
    }

    /// The objects that a value is the parameters of, or holds, by number.
    pub fn objects_of(&self, value: &Value<'a>, taints: &Taints) -> Vec<u32> {
        let mut found = Vec::new();
        let mut open = vec![value.clone()];
        let mut seen = 0;
        while let Some(value) = open.pop() {
            seen += 1;
            if seen > MAX_VALUES {
                break;
            }
            found.extend_from_slice(&taints.get(value.taint).objects);
            match &value.kind {
                Kind::Tuple(items) => open.extend(items.iter().cloned()),
                Kind::Object(id) => {
                    let object = self.heap.get(*id);
                    match object.role {
                        ObjectRole::List | ObjectRole::Dict => {
                            found.extend_from_slice(&taints.get(object.content).objects);
                            open.extend(object.items.iter().flatten().chain(object.element.iter()).cloned());
                            open.extend(object.attributes.values().cloned());
                        }
                        _ => found.push(id.0),
                    }
                }
                _ => {}
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Adds to the contents of an object.
    pub fn pour(&mut self, id: ObjectId, taint: TaintId, taints: &mut Taints) {
        let object = self.heap.get_mut(id);
        object.content = taints.union(object.content, taint);
    }

    /// Adds to the updates that reached an object.
    pub fn learn(&mut self, id: ObjectId, updates: TaintId, taints: &mut Taints) {
        let object = self.heap.get_mut(id);
        object.updates = taints.union(object.updates, updates);
    }

    /// Tells whether an object is a tensor that belongs to no model.
    pub fn is_own_tensor(&self, id: ObjectId) -> bool {
        let object = self.heap.get(id);
        object.role == ObjectRole::Tensor && !object.of_model
    }
}
