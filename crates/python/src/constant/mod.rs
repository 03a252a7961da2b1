//! Python's constants, and all that is computed of them: the one place that says what `"a-b".split("-")`, `x[::-1]` or
//! `-7 // 2` gives.
//!
//! Three readers of scripts evaluate expressions: unwrapping (`eval`) looks for the source that a script executes, and
//! the audit follows a whole script (`machine`) and works out tables of bytes (`pieces`). They differ in what they know
//! beside constants: where a payload came from, what a value was made from, lists that are shared and changed. They do
//! not differ in what Python computes. So each keeps its own type of values and its own walk over the syntax tree, turns
//! the operands of an operation into [`Constant`]s where it knows them, asks here, and takes the result back:
//!
//! | part | gives |
//! |---|---|
//! | [`literal`], [`f_string`] | the constants of the syntax tree |
//! | [`unary`], [`binary`], [`compare`], [`Constant::truth`] | operators |
//! | [`Slice`], [`position`], [`Progression`], [`subscript`] | places in a sequence, for members of any kind |
//! | [`method`], [`text_method`], [`bytes_method`] | methods of texts, bytes and containers |
//! | [`builtin`] | `int`, `len`, `sorted` and other functions without side effects |
//! | [`format()`], [`repr`] | a value as text |
//!
//! The places in a sequence are computed apart from its members: a reader that holds members which are no constants
//! (tensors, things with an origin) asks for the places and takes its own members.
//!
//! Everything is computed as CPython does, or fails: with the exception that CPython raises, or because it is not
//! evaluated here. Nothing is approximated. Integers have 64 bits; a result that does not fit fails. The cost is linear
//! in the operands and in the [`Limit`] that the caller sets on a result, whatever the script asks for.

mod arguments;
mod arithmetic;
mod builtins;
mod bytes;
mod comparison;
mod containers;
mod conversions;
mod floats;
mod format;
mod literals;
mod numbers;
mod percent;
mod repr;
mod searching;
mod slices;
mod templates;
mod texts;

#[cfg(test)]
mod tests;

use std::rc::Rc;

pub use arguments::Given;
pub use arithmetic::{binary, unary};
pub use builtins::{builtin, is_builtin};
pub use bytes::method as bytes_method;
pub use comparison::{compare, contains, equal};
pub use format::format;
pub use literals::{f_string, literal};
pub use repr::{repr, shown};
pub use slices::{Progression, Slice, position, subscript};
pub use texts::method as text_method;

/// A value that is known to the last bit.
#[derive(Debug, Clone)]
pub enum Constant {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Rc<str>),
    Bytes(Rc<[u8]>),
    Tuple(Rc<[Constant]>),
    /// A list as it is at this moment: who changes one holds it elsewhere.
    List(Rc<[Constant]>),
    /// Entries in the order in which they were put in; no key occurs twice.
    Dict(Rc<[(Constant, Constant)]>),
}

/// The size that a result may have at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Of a text, or of bytes.
    pub bytes: usize,
    /// Of a container.
    pub members: usize,
}

impl Limit {
    /// Refuses a text that is too long.
    fn admit_bytes(self, bytes: usize) -> Result<(), Failure> {
        if bytes > self.bytes { Err(Failure::TooLarge) } else { Ok(()) }
    }

    /// Refuses a container that is too long.
    fn admit_members(self, members: usize) -> Result<(), Failure> {
        if members > self.members { Err(Failure::TooLarge) } else { Ok(()) }
    }
}

/// The reason why there is no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Python raises an exception of this class.
    #[error("{message} ({exception})")]
    Raises { exception: &'static str, message: String },
    /// The operation is outside of the part of Python that is evaluated.
    #[error("{0}")]
    NotEvaluated(String),
    /// An integer beyond 64 bits, or a result beyond the limit.
    #[error("a result that is too large")]
    TooLarge,
}

impl Failure {
    fn raises(exception: &'static str, message: impl Into<String>) -> Failure {
        Failure::Raises { exception, message: message.into() }
    }

    fn wrong_type(message: impl Into<String>) -> Failure {
        Failure::raises("TypeError", message)
    }

    fn wrong_value(message: impl Into<String>) -> Failure {
        Failure::raises("ValueError", message)
    }

    /// A method that is none, or is not evaluated.
    fn method(name: &str) -> Failure {
        Failure::NotEvaluated(format!("the method `{name}` is not evaluated"))
    }
}

/// A constant, or why there is none.
pub type Computed = Result<Constant, Failure>;

impl Constant {
    /// Makes a text.
    pub fn text(text: &str) -> Constant {
        Constant::Text(text.into())
    }

    /// Makes a length or a place of a sequence.
    fn size(size: usize) -> Computed {
        i64::try_from(size).map(Constant::Int).map_err(|_| Failure::TooLarge)
    }

    /// Returns the integer; a truth counts as 0 or 1, as in Python.
    pub fn int(&self) -> Option<i64> {
        match self {
            Constant::Int(int) => Some(*int),
            Constant::Bool(truth) => Some(i64::from(*truth)),
            _ => None,
        }
    }

    /// Returns the number, rounded to a double.
    pub fn number(&self) -> Option<f64> {
        match self {
            Constant::Float(float) => Some(*float),
            _ => self.int().map(|int| int as f64),
        }
    }

    /// Returns the text, where it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Constant::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the truth that Python gives the value.
    pub fn truth(&self) -> bool {
        match self {
            Constant::None => false,
            Constant::Bool(truth) => *truth,
            Constant::Int(int) => *int != 0,
            Constant::Float(float) => *float != 0.0,
            Constant::Text(text) => !text.is_empty(),
            Constant::Bytes(bytes) => !bytes.is_empty(),
            Constant::Tuple(items) | Constant::List(items) => !items.is_empty(),
            Constant::Dict(items) => !items.is_empty(),
        }
    }

    /// Returns the length in characters, bytes, members or entries.
    pub fn length(&self) -> Option<usize> {
        Some(match self {
            Constant::Text(text) => text.chars().count(),
            Constant::Bytes(bytes) => bytes.len(),
            Constant::Tuple(items) | Constant::List(items) => items.len(),
            Constant::Dict(items) => items.len(),
            _ => return None,
        })
    }

    /// Returns the members that a loop over the value meets.
    ///
    /// # Errors
    /// When it cannot be iterated over, or has more members than the limit.
    pub fn members(&self, limit: Limit) -> Result<Vec<Constant>, Failure> {
        limit.admit_members(
            self.length().ok_or_else(|| Failure::wrong_type("a loop over something that has no members"))?,
        )?;
        Ok(match self {
            Constant::Text(text) => text.chars().map(|c| Constant::text(c.encode_utf8(&mut [0; 4]))).collect(),
            Constant::Bytes(bytes) => bytes.iter().map(|byte| Constant::Int(i64::from(*byte))).collect(),
            Constant::Tuple(items) | Constant::List(items) => items.to_vec(),
            Constant::Dict(items) => items.iter().map(|(key, _)| key.clone()).collect(),
            _ => Vec::new(),
        })
    }
}

/// Evaluates `receiver.name(given)`.
///
/// # Errors
/// When Python raises, or the method is not evaluated: one that changes its receiver is not.
pub fn method(receiver: &Constant, name: &str, given: &Given<'_>, limit: Limit) -> Computed {
    match receiver {
        Constant::Text(text) => texts::method(text, name, given, limit),
        Constant::Bytes(bytes) => bytes::method(bytes, name, given, limit),
        Constant::Tuple(items) | Constant::List(items) => containers::sequence_method(items, name, given),
        Constant::Dict(items) => containers::dict_method(items, name, given),
        _ => Err(Failure::method(name)),
    }
}
