//! The part of Python's library that the evaluator knows.

mod commands;
mod constants;
mod decompress;
mod executions;
mod methods;
mod names;
mod operators;

use std::rc::Rc;

use crate::constant::Constant;
use crate::encoding::TextCodec;
use crate::eval::Evaluator;
use crate::module::ast::{self, Expr};
use crate::value::{Data, Evaluated, Value};

pub use constants::{interpolated, unary};
use decompress::{codec, decompress};
pub use executions::handed_over;
use methods::method;
pub use operators::{binary, item, slice};

/// Arguments of a call; one that has no value carries the reason.
#[derive(Debug, Default)]
pub struct Arguments<'a> {
    pub positional: Vec<Evaluated<'a>>,
    pub named: Vec<(&'a str, Evaluated<'a>)>,
}

impl<'a> Arguments<'a> {
    /// Takes the argument of this name.
    pub fn take(&mut self, name: &str) -> Option<Evaluated<'a>> {
        let at = self.named.iter().position(|(known, _)| *known == name)?;
        Some(self.named.swap_remove(at).1)
    }

    /// Takes the argument at a position, or of a name.
    fn at(&mut self, position: usize, name: &str) -> Option<Evaluated<'a>> {
        match self.positional.get_mut(position) {
            Some(slot) => Some(std::mem::replace(slot, Ok(Value::NONE))),
            None => self.take(name),
        }
    }

    fn data(&mut self, position: usize, name: &str) -> Result<Data, String> {
        match self.at(position, name) {
            Some(value) => data(value?),
            None => Err("an argument is missing".to_owned()),
        }
    }

    fn int(&mut self, position: usize, name: &str) -> Result<Option<i64>, String> {
        match self.at(position, name).transpose()? {
            Some(Value::Name(name)) if name.ends_with("MAX_WBITS") => Ok(Some(15)),
            None | Some(Value::Scalar(Constant::None)) => Ok(None),
            Some(Value::Scalar(scalar)) if scalar.int().is_some() => Ok(scalar.int()),
            Some(_) => Err("a number that is not known".to_owned()),
        }
    }
}

/// Bytes or text of a value.
fn data(value: Value<'_>) -> Result<Data, String> {
    match value {
        Value::Bytes(data) | Value::Text(data) => Ok(data),
        Value::Name(name) => Err(format!("the value of `{name}` is not known")),
        _ => Err("neither bytes nor text".to_owned()),
    }
}

/// `value.name`.
///
/// # Errors
/// When the value has no attributes that are known.
pub fn attribute<'a>(value: Value<'a>, name: &'a str) -> Evaluated<'a> {
    match value {
        Value::Name(full) => Ok(Value::Name(format!("{full}.{name}"))),
        Value::Class(attributes) => match attributes.get(name).cloned() {
            Some(Value::Function(function)) if !is_static(function) => Ok(Value::Bound(attributes, function)),
            Some(value) => Ok(value),
            None => Err(format!("the attribute `{name}` is not known")),
        },
        Value::Path(path) => match name {
            "parent" => Ok(Value::Path(parent(&path).to_owned())),
            "name" => Ok(Value::Text(Data::new(path.rsplit('/').next().unwrap_or("")))),
            _ => Ok(Value::Method(Rc::new(Value::Path(path)), name)),
        },
        value => Ok(Value::Method(Rc::new(value), name)),
    }
}

/// Tells whether a function of a class is called without the class.
fn is_static(function: &ast::StmtFunctionDef) -> bool {
    let named = |decorator: &ast::Decorator| matches!(&decorator.expression, Expr::Name(name) if name.id.as_str() == "staticmethod");
    function.decorator_list.iter().any(named)
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

fn joined(left: &str, right: &str) -> Result<String, String> {
    bounded(if left.is_empty() { right.to_owned() } else { format!("{left}/{right}") })
}

/// Bytes of a path; one that is made of itself would grow without end.
const MAX_PATH: usize = 4096;

fn bounded(path: String) -> Result<String, String> {
    if path.len() > MAX_PATH { Err("a path that is too long".to_owned()) } else { Ok(path) }
}

fn path(value: Value<'_>) -> Result<String, String> {
    match value {
        Value::Path(path) => Ok(path),
        Value::Text(text) => bounded(text.text().into_owned()),
        _ => Err("a path that is not known".to_owned()),
    }
}

/// Calls something that is not a function of the script.
///
/// # Errors
/// When it is not known, or fails as it would in Python.
pub fn call<'a>(
    evaluator: &mut Evaluator<'a, '_>,
    function: Value<'a>,
    mut arguments: Arguments<'a>,
    line: u64,
) -> Evaluated<'a> {
    match function {
        Value::Name(name) => {
            let name = name.strip_suffix(".__call__").unwrap_or(&name);
            let name = name.strip_prefix("builtins.").or(name.strip_prefix("__builtins__.")).unwrap_or(name);
            executions::call(evaluator, name, &mut arguments, line)
        }
        Value::Method(value, name) => method(evaluator, &value, name, &mut arguments),
        _ => Err("a call of something that is not known".to_owned()),
    }
}

/// Calls a function of files, paths and bytes, which neither executes anything nor looks a name up.
fn library<'a>(evaluator: &mut Evaluator<'a, '_>, name: &str, arguments: &mut Arguments<'a>) -> Evaluated<'a> {
    if let Some(codec) = codec(name) {
        return decompress(evaluator, codec, arguments).map(Value::Bytes);
    }
    match name {
        "open" | "io.open" | "codecs.open" => {
            arguments.at(0, "file").unwrap_or(Ok(Value::NONE)).and_then(path).map(Value::File)
        }
        "pathlib.Path" | "Path" | "str" | "os.fspath" | "os.path.abspath" | "os.path.realpath" | "os.path.normpath"
        | "pathlib.PurePath" => match arguments.at(0, "") {
            Some(Ok(value @ (Value::Path(_) | Value::Text(_)))) if name.ends_with("str") => Ok(value),
            Some(Ok(Value::Bytes(data))) if name == "str" => match arguments.at(1, "encoding") {
                Some(encoding) => decoded(data, &self::data(encoding?)?.text()).map(Value::Text),
                None => Ok(Value::Text(data)),
            },
            Some(value) => Ok(Value::Path(path(value?)?)),
            None => Err("an argument is missing".to_owned()),
        },
        "os.path.dirname" => {
            let path = path(arguments.at(0, "p").unwrap_or(Ok(Value::NONE))?)?;
            Ok(Value::Path(parent(&path).to_owned()))
        }
        "os.path.basename" => {
            let path = path(arguments.at(0, "p").unwrap_or(Ok(Value::NONE))?)?;
            Ok(Value::Path(path.rsplit('/').next().unwrap_or("").to_owned()))
        }
        "os.path.join" => {
            let parts = std::mem::take(&mut arguments.positional);
            let mut whole = String::new();
            for part in parts {
                whole = joined(&whole, &path(part?)?)?;
            }
            Ok(Value::Path(whole))
        }
        "bytes" | "bytearray" | "memoryview" => match arguments.at(0, "source") {
            Some(Ok(value @ Value::Bytes(_))) => Ok(value),
            Some(Ok(Value::Text(data))) => match arguments.at(1, "encoding") {
                Some(encoding) => encoded(data, &self::data(encoding?)?.text()).map(Value::Bytes),
                None => Ok(Value::Bytes(data)),
            },
            Some(value) => {
                let mut one = Arguments { positional: vec![value], ..Arguments::default() };
                constants::builtin(evaluator, name, &mut one)
            }
            None => Err("bytes of something that is not known".to_owned()),
        },
        "io.BytesIO" | "io.StringIO" => arguments.at(0, "initial_bytes").unwrap_or(Ok(Value::NONE)),
        _ => constants::builtin(evaluator, name, arguments),
    }
}

/// The bytes of a text. One that was read from a file and is no UTF-8 stands for its bytes already.
fn encoded(data: Data, encoding: &str) -> Result<Data, String> {
    let codec = TextCodec::named(encoding)?;
    match std::str::from_utf8(&data.bytes) {
        Ok(text) if codec != TextCodec::Utf8 && !text.is_ascii() => Ok(data.with(codec.encode(text)?)),
        _ => Ok(data),
    }
}

/// The text of bytes.
fn decoded(data: Data, encoding: &str) -> Result<Data, String> {
    let codec = TextCodec::named(encoding)?;
    if codec == TextCodec::Utf8 || data.bytes.is_ascii() {
        return Ok(data);
    }
    let text = codec.decode(&data.bytes).into_owned();
    Ok(data.with(text.into_bytes()))
}

/// Reads a file of the folder; the budget pays for it.
fn read(evaluator: &mut Evaluator<'_, '_>, path: &str) -> Result<Data, String> {
    let bytes = evaluator.siblings.read(path)?;
    evaluator.budget.take(bytes.len())?;
    Ok(Data { bytes: Rc::new(bytes), steps: Vec::new(), file: Some(path.to_owned()) })
}
