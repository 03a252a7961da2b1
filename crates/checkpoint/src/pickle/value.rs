//! The objects that a pickle would build, as inert values in one arena.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Serialize;

/// Bytes of a name.
const MAX_NAME: usize = 1024;

/// A value's place in [`Pickle::values`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub(super) u32);

/// A value of the pickle. Containers refer to others by [`Id`], so shared and cyclic values cost nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// A longer integer, by its bytes in the pickle.
    Big(Range<usize>),
    Float(f64),
    /// UTF-8 by its bytes in the pickle.
    Text(Range<usize>),
    /// A line of protocol 0, unescaped.
    Line(Box<str>),
    Bytes(Range<usize>),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Set(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// An object that is looked up by name.
    Global {
        module: Box<str>,
        name: Box<str>,
    },
    /// The result that a call would return, with everything that is put into it afterwards.
    Object(Box<Object>),
    /// A reference that the reader of the file resolves: a storage of torch.
    Persistent(Id),
    /// An out-of-band buffer.
    Buffer,
}

/// The result that a call would return.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    pub callable: Id,
    /// A tuple, if the pickle is well-formed.
    pub args: Id,
    /// The state that BUILD sets.
    pub state: Option<Id>,
    /// Values appended to the object.
    pub list: Vec<Id>,
    /// Items set in the object.
    pub items: Vec<(Id, Id)>,
}

/// A name that the pickle looks up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GlobalUse {
    pub module: String,
    pub name: String,
    /// Offset in the pickle of the opcode that looks the name up first.
    pub at: usize,
    pub times: u64,
    /// The number of calls of the object.
    pub calls: u64,
}

impl GlobalUse {
    /// `torch._utils._rebuild_tensor_v2`.
    pub fn path(&self) -> String {
        format!("{}.{}", self.module, self.name)
    }
}

/// A call whose callable is no plain name: the result of another call, or a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Offset of the opcode.
    pub at: usize,
    pub what: String,
}

/// A pickle, read to its STOP or to the fault that ended it.
#[derive(Debug, Clone, Default)]
pub struct Pickle {
    pub(super) values: Vec<Value>,
    /// The object, where the pickle is whole.
    pub root: Option<Id>,
    /// Bytes up to and with STOP, or up to the fault.
    pub end: usize,
    /// Highest protocol that is declared.
    pub protocol: u8,
    /// Every name that is looked up, in the order of the first time. What comes before a fault would have run.
    pub globals: Vec<GlobalUse>,
    pub odd_calls: Vec<Call>,
    /// The reason why the pickle could not be read to its end.
    pub fault: Option<super::Fault>,
    pub(super) known: BTreeMap<(Box<str>, Box<str>), usize>,
}

impl Pickle {
    /// The value at `id`.
    pub fn get(&self, id: Id) -> &Value {
        self.values.get(id.0 as usize).unwrap_or(&Value::None)
    }

    /// The name at `id`, of a pickle that was read from `bytes`. What is longer than a name is none: it may be referred
    /// to a million times, and each time would be read.
    pub fn text<'a>(&'a self, bytes: &'a [u8], id: Id) -> Option<&'a str> {
        match self.get(id) {
            Value::Text(range) if range.len() > MAX_NAME => None,
            Value::Line(text) if text.len() > MAX_NAME => None,
            Value::Bytes(range) if range.len() > MAX_NAME => None,
            _ => self.long_text(bytes, id),
        }
    }

    /// The text at `id`, however long.
    pub fn long_text<'a>(&'a self, bytes: &'a [u8], id: Id) -> Option<&'a str> {
        match self.get(id) {
            Value::Text(range) => std::str::from_utf8(bytes.get(range.clone())?).ok(),
            Value::Line(text) => Some(text),
            // Python 2 wrote its texts as bytes.
            Value::Bytes(range) => std::str::from_utf8(bytes.get(range.clone())?).ok(),
            _ => None,
        }
    }

    /// The integer at `id`.
    pub fn int(&self, id: Id) -> Option<i64> {
        match self.get(id) {
            Value::Int(value) => Some(*value),
            Value::Bool(value) => Some(i64::from(*value)),
            _ => None,
        }
    }

    /// The members of the list or tuple at `id`.
    pub fn sequence(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Value::List(items) | Value::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// The integers of the list or tuple at `id`, or of the `torch.Size` made from one.
    pub fn ints(&self, id: Id) -> Option<Vec<i64>> {
        if let Value::Object(object) = self.get(id) {
            let inner = *self.sequence(object.args)?.first()?;
            return self.sequence(inner)?.iter().map(|id| self.int(*id)).collect();
        }
        self.sequence(id)?.iter().map(|id| self.int(*id)).collect()
    }

    /// Module and name of the global at `id`.
    pub fn global(&self, id: Id) -> Option<(&str, &str)> {
        match self.get(id) {
            Value::Global { module, name } => Some((module, name)),
            _ => None,
        }
    }

    /// Every value's place.
    pub fn ids(&self) -> impl Iterator<Item = Id> {
        (0..u32::try_from(self.values.len()).unwrap_or(u32::MAX)).map(Id)
    }

    /// Values that were built.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Tells whether nothing was built.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}
