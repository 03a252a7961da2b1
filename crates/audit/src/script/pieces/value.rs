//! Values of the evaluator.

use std::cell::RefCell;
use std::rc::Rc;

/// A value that is known, or [`Item::Opaque`].
#[derive(Debug, Clone)]
pub(super) enum Item {
    /// Not known: the tokenizer, a device, the result of a call that is not understood.
    Opaque,
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Rc<str>),
    Bytes(Rc<[u8]>),
    /// Lists and arrays: shared, as Python's are.
    List(Rc<RefCell<Vec<Item>>>),
    Tuple(Rc<[Item]>),
}

impl Item {
    pub fn list(items: Vec<Item>) -> Item {
        Item::List(Rc::new(RefCell::new(items)))
    }

    /// Returns the truth that Python gives the value, where that is known.
    pub fn truth(&self) -> Option<bool> {
        Some(match self {
            Item::Opaque => return None,
            Item::None => false,
            Item::Bool(truth) => *truth,
            Item::Int(int) => *int != 0,
            Item::Float(float) => *float != 0.0,
            Item::Text(text) => !text.is_empty(),
            Item::Bytes(bytes) => !bytes.is_empty(),
            Item::List(items) => !items.borrow().is_empty(),
            Item::Tuple(items) => !items.is_empty(),
        })
    }

    pub fn int(&self) -> Option<i64> {
        match self {
            Item::Int(int) => Some(*int),
            Item::Bool(truth) => Some(i64::from(*truth)),
            _ => None,
        }
    }

    pub fn number(&self) -> Option<f64> {
        match self {
            Item::Float(float) => Some(*float),
            _ => self.int().map(|int| int as f64),
        }
    }

    pub fn text(&self) -> Option<&str> {
        match self {
            Item::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the members of a value that can be iterated over.
    pub fn members(&self) -> Option<Vec<Item>> {
        Some(match self {
            Item::List(items) => items.borrow().clone(),
            Item::Tuple(items) => items.to_vec(),
            Item::Text(text) => text.chars().map(|c| Item::Text(c.to_string().into())).collect(),
            Item::Bytes(bytes) => bytes.iter().map(|byte| Item::Int(i64::from(*byte))).collect(),
            _ => return None,
        })
    }

    pub fn len(&self) -> Option<i64> {
        let len = match self {
            Item::Text(text) => text.chars().count(),
            Item::Bytes(bytes) => bytes.len(),
            Item::List(items) => items.borrow().len(),
            Item::Tuple(items) => items.len(),
            _ => return None,
        };
        i64::try_from(len).ok()
    }

    /// Tells whether two values are equal, where that is known.
    pub fn same(&self, other: &Item) -> Option<bool> {
        Some(match (self, other) {
            (Item::Opaque, _) | (_, Item::Opaque) => return None,
            (Item::None, Item::None) => true,
            (Item::Text(a), Item::Text(b)) => a == b,
            (Item::Bytes(a), Item::Bytes(b)) => a == b,
            (a, b) => match (a.number(), b.number()) {
                (Some(a), Some(b)) => a == b,
                _ => false,
            },
        })
    }
}
