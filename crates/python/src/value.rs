//! Values of the evaluated part of Python, with the way on which a payload came about.

use std::collections::HashMap;
use std::rc::Rc;

use super::constant::Constant;
use super::module::ast;

/// Times a payload may be decoded or copied before its history is cut.
const MAX_HISTORY: usize = 32;

/// A decoding step.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Step {
    /// `base85`, `raw LZMA2`, …
    pub codec: &'static str,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

/// Bytes or text, and how they came about.
#[derive(Debug, Clone, Default)]
pub struct Data {
    pub bytes: Rc<Vec<u8>>,
    pub steps: Vec<Step>,
    /// The file that they were read from.
    pub file: Option<String>,
}

impl Data {
    /// Bytes without a history.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Data {
        Data { bytes: Rc::new(bytes.into()), ..Data::default() }
    }

    /// Other bytes made of these.
    pub fn with(&self, bytes: Vec<u8>) -> Data {
        Data { bytes: Rc::new(bytes), steps: self.steps.clone(), file: self.file.clone() }
    }

    /// Tells whether it is known how they came about.
    pub fn has_history(&self) -> bool {
        !self.steps.is_empty() || self.file.is_some()
    }

    /// Returns no bytes with the histories of both, as their sum has them.
    pub fn and(&self, other: &Data) -> Data {
        let mut both = self.with(Vec::new());
        both.steps.extend(other.steps.iter().cloned());
        both.steps.truncate(MAX_HISTORY);
        both.file = both.file.or_else(|| other.file.clone());
        both
    }

    /// The same after `codec`.
    pub fn decoded(&self, codec: &'static str, bytes: Vec<u8>) -> Data {
        let step = Step { codec, bytes_in: self.bytes.len() as u64, bytes_out: bytes.len() as u64 };
        let mut data = self.with(bytes);
        if data.steps.len() < MAX_HISTORY {
            data.steps.push(step);
        }
        data
    }

    /// Returns the data as text, with bytes that are not UTF-8 replaced.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }
}

/// The value of an expression.
#[derive(Debug, Clone)]
pub enum Value<'a> {
    Bytes(Data),
    Text(Data),
    /// A number, a truth or `None`: what has no history and no members.
    Scalar(Constant),
    List(Rc<Vec<Value<'a>>>),
    Dict(Rc<Vec<(Value<'a>, Value<'a>)>>),
    /// Something importable or built in, by its full name: `lzma.decompress`.
    Name(String),
    /// A method of a value.
    Method(Rc<Value<'a>>, &'a str),
    /// A path relative to the script's folder.
    Path(String),
    /// An open file.
    File(String),
    /// The code that `compile` makes of a source; the flag tells that the source was text.
    Code(Data, bool),
    /// A class or an instance of it, by its attributes.
    Class(Rc<HashMap<&'a str, Value<'a>>>),
    /// A method of a class.
    Bound(Rc<HashMap<&'a str, Value<'a>>>, &'a ast::StmtFunctionDef),
    Function(&'a ast::StmtFunctionDef),
    Lambda(&'a ast::ExprLambda),
}

impl Value<'_> {
    /// `None`.
    pub const NONE: Self = Value::Scalar(Constant::None);
}

/// A value, or why there is none.
pub type Evaluated<'a> = Result<Value<'a>, String>;
