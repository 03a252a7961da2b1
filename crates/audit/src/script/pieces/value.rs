//! Values of the evaluator.

use std::cell::RefCell;
use std::rc::Rc;

use caddie_python::constant::{Constant, Limit, position};

/// The size that a text or a list may have.
pub(super) const LIMIT: Limit = Limit { bytes: 4_096, members: 4_096 };

/// Members of lists within lists that are looked through for one operation.
const MAX_KNOWN: usize = 512;

/// A value that is known, in whole or in part, or [`Item::Opaque`].
#[derive(Debug, Clone)]
pub(super) enum Item {
    /// Not known: the tokenizer, a device, the result of a call that is not understood.
    Opaque,
    /// A number, a truth, `None`, a text or bytes.
    Known(Constant),
    /// Lists and arrays: shared, as Python's are.
    List(Rc<RefCell<Vec<Item>>>),
    Tuple(Rc<[Item]>),
}

impl From<Constant> for Item {
    fn from(constant: Constant) -> Item {
        match constant {
            Constant::List(items) => Item::list(items.iter().cloned().map(Item::from).collect()),
            Constant::Tuple(items) => Item::Tuple(items.iter().cloned().map(Item::from).collect()),
            // No dictionary is ever made.
            Constant::Dict(_) => Item::Opaque,
            constant => Item::Known(constant),
        }
    }
}

impl Item {
    pub const NONE: Item = Item::Known(Constant::None);

    pub fn list(items: Vec<Item>) -> Item {
        Item::List(Rc::new(RefCell::new(items)))
    }

    pub fn truths(truth: bool) -> Item {
        Item::Known(Constant::Bool(truth))
    }

    pub fn integer(int: i64) -> Item {
        Item::Known(Constant::Int(int))
    }

    /// Returns the value as a constant, where the whole of it is known.
    pub fn constant(&self) -> Option<Constant> {
        let mut left = MAX_KNOWN;
        self.lowered(&mut left)
    }

    /// `left` counts down the members of lists within lists.
    fn lowered(&self, left: &mut usize) -> Option<Constant> {
        *left = left.checked_sub(1)?;
        match self {
            Item::Opaque => None,
            Item::Known(constant) => Some(constant.clone()),
            Item::List(items) => {
                let items = items.borrow();
                Some(Constant::List(items.iter().map(|item| item.lowered(left)).collect::<Option<_>>()?))
            }
            Item::Tuple(items) => {
                Some(Constant::Tuple(items.iter().map(|item| item.lowered(left)).collect::<Option<_>>()?))
            }
        }
    }

    /// Returns the truth that Python gives the value, where that is known.
    pub fn truth(&self) -> Option<bool> {
        Some(match self {
            Item::Opaque => return None,
            Item::Known(constant) => constant.truth(),
            Item::List(items) => !items.borrow().is_empty(),
            Item::Tuple(items) => !items.is_empty(),
        })
    }

    pub fn int(&self) -> Option<i64> {
        match self {
            Item::Known(constant) => constant.int(),
            _ => None,
        }
    }

    /// Returns the members of a value that can be iterated over.
    pub fn members(&self) -> Option<Vec<Item>> {
        match self {
            Item::Opaque => None,
            Item::Known(constant) => Some(constant.members(LIMIT).ok()?.into_iter().map(Item::from).collect()),
            Item::List(items) => Some(items.borrow().clone()),
            Item::Tuple(items) => Some(items.to_vec()),
        }
    }

    pub fn len(&self) -> Option<usize> {
        match self {
            Item::Opaque => None,
            Item::Known(constant) => constant.length(),
            Item::List(items) => Some(items.borrow().len()),
            Item::Tuple(items) => Some(items.len()),
        }
    }

    /// Returns the member at a place; `None` where there is none.
    pub fn member(&self, index: i64) -> Option<Item> {
        match self {
            Item::Opaque => None,
            Item::Known(constant) => {
                caddie_python::constant::subscript(constant, &Constant::Int(index)).ok().map(Item::from)
            }
            Item::List(items) => {
                let items = items.borrow();
                items.get(position(index, items.len()).ok()?).cloned()
            }
            Item::Tuple(items) => items.get(position(index, items.len()).ok()?).cloned(),
        }
    }
}
