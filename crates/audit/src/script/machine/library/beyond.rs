//! Code that is not followed: what it returns, and what it may write into, carries the place at which following ended.

use crate::script::machine::Machine;
use crate::script::machine::arguments::Arguments;
use crate::script::taint::{Flags, TaintId};
use crate::script::trace::{Action, Beyond, End};
use crate::script::value::{Kind, ObjectId, Value};

/// Places that are told apart: one bit each in a taint. All further ones count as the last.
const MAX_PLACES: usize = 32;

impl<'a> Machine<'a, '_> {
    /// Returns the `value` that a function gave which is not followed, with the place of this call. Native code may write
    /// into every array among its arguments, by a pointer as well.
    pub(super) fn beyond(
        &mut self,
        what: Beyond,
        name: &str,
        value: Value<'a>,
        arguments: &Arguments<'a>,
    ) -> Value<'a> {
        let number = self.place_of(what, name);
        let given = self.given(arguments);
        let given = self.taints.as_number(given);
        let given = self.marked(given, number);
        if matches!(what, Beyond::Native | Beyond::File) {
            let arrays: Vec<ObjectId> = arguments.all().filter_map(pointed_at).collect();
            for id in arrays {
                if self.memory.is_own_tensor(id) {
                    self.pour(id, given);
                }
            }
        }
        if let Some(id) = value.object() {
            let of_place = self.marked(TaintId::NONE, number);
            self.pour(id, of_place);
        }
        Value { taint: self.taints.union(value.taint, given), kind: value.kind }
    }

    /// The number of the place: every call of native code is one, and each package.
    fn place_of(&mut self, what: Beyond, name: &str) -> usize {
        let line = self.events.line;
        let package = |name: &str| name.split('.').next().map(str::to_owned);
        let same = |end: &End| {
            end.what == what
                && match what {
                    Beyond::Package => package(&end.name) == package(name),
                    _ => end.line == line && *end.name == *name,
                }
        };
        let places = &mut self.events.trace.beyond;
        if let Some(number) = places.iter().position(same) {
            return number;
        }
        if places.len() < MAX_PLACES {
            places.push(End { what, name: name.into(), line });
            let number = places.len() - 1;
            self.event(Action::Unfollowed { number });
            return number;
        }
        MAX_PLACES - 1
    }

    /// Returns the origin of a value that is written at positions which code that is not followed chose.
    pub(in crate::script::machine) fn placed_by(&mut self, value: TaintId, index: TaintId) -> TaintId {
        let beyond = self.taints.get(index).beyond;
        if beyond == 0 {
            return value;
        }
        self.taints.change(value, |taint| {
            taint.flags = taint.flags.with(Flags::UNFOLLOWED);
            taint.beyond |= beyond;
        })
    }

    /// The same origin, passed through that place.
    fn marked(&mut self, taint: TaintId, number: usize) -> TaintId {
        self.taints.change(taint, |taint| {
            taint.flags = taint.flags.with(Flags::UNFOLLOWED);
            taint.beyond |= 1 << number;
        })
    }
}

/// Returns the array that a pointer such as `counts.ctypes.data` leads to.
fn pointed_at(value: &Value<'_>) -> Option<ObjectId> {
    match &value.kind {
        Kind::Object(id) => Some(*id),
        Kind::Method(receiver, "ctypes" | "data" | "_as_parameter_") => pointed_at(receiver),
        _ => None,
    }
}
