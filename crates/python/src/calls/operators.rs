//! Operators, slices and items of values: those of constants are computed by [`crate::constant`], and paths, names and
//! members of any kind are added here.

use std::rc::Rc;

use super::{bounded, constants, joined, path};
use crate::constant::{Slice, position};
use crate::eval::Evaluator;
use crate::module::ast::Operator;
use crate::value::{Evaluated, Value};

/// `left op right`; `is_tuple` tells that a tuple stands on the right.
///
/// # Errors
/// When the values are not of known kinds, or too long together.
pub fn binary<'a>(
    evaluator: &mut Evaluator<'a, '_>,
    op: Operator,
    left: Value<'a>,
    right: Value<'a>,
    is_tuple: bool,
) -> Evaluated<'a> {
    match (op, &left, &right) {
        (Operator::Add, Value::Path(left), Value::Text(right)) => {
            bounded(format!("{left}{}", right.text())).map(Value::Path)
        }
        (Operator::Add, Value::List(left), Value::List(right)) => {
            evaluator.budget.take(left.len() + right.len())?;
            Ok(Value::List(Rc::new(left.iter().chain(right.iter()).cloned().collect())))
        }
        (Operator::Div, Value::Path(_) | Value::Text(_), _) => joined(&path(left)?, &path(right)?).map(Value::Path),
        _ => constants::binary(evaluator, op, &left, &right, is_tuple),
    }
}

/// `value[slice]`.
///
/// # Errors
/// When the value cannot be cut.
pub fn slice<'a>(evaluator: &mut Evaluator<'a, '_>, value: Value<'a>, slice: Slice) -> Evaluated<'a> {
    let len = |length: usize| -> Result<usize, String> {
        let places = slice.places(length).map_err(|failure| failure.to_string())?;
        Ok(usize::try_from(places.len).unwrap_or(usize::MAX))
    };
    let told = |failure: crate::constant::Failure| failure.to_string();
    match value {
        Value::Bytes(data) => {
            evaluator.budget.take(len(data.bytes.len())?)?;
            Ok(Value::Bytes(data.with(slice.part(&data.bytes).map_err(told)?)))
        }
        Value::Text(data) => {
            evaluator.budget.take(len(data.bytes.len())?)?;
            Ok(Value::Text(data.with(slice.of_text(&data.text()).map_err(told)?.into_bytes())))
        }
        Value::List(items) => {
            evaluator.budget.take(len(items.len())?)?;
            Ok(Value::List(Rc::new(slice.part(&items).map_err(told)?)))
        }
        _ => Err("a slice of something that is not known".to_owned()),
    }
}

/// `value[index]`.
///
/// # Errors
/// When there is no such item.
pub fn item<'a>(evaluator: &mut Evaluator<'a, '_>, value: Value<'a>, index: &Value<'a>) -> Evaluated<'a> {
    match (value, index) {
        (value @ (Value::Bytes(_) | Value::Text(_)), index) => constants::subscript(evaluator, &value, index),
        (Value::List(items), Value::Scalar(index)) => {
            let index = index.int().ok_or_else(|| "an index that is no integer".to_owned())?;
            let place = position(index, items.len()).map_err(|failure| failure.to_string())?;
            items.get(place).cloned().ok_or_else(|| "an index out of range".to_owned())
        }
        // A key that is written twice has the last value.
        (Value::Dict(items), Value::Text(key)) => {
            let mut found = items.iter().rev();
            let found = found.find(|(known, _)| matches!(known, Value::Text(text) if text.bytes == key.bytes));
            found.map(|(_, value)| value.clone()).ok_or_else(|| "a key that is not in the dict".to_owned())
        }
        // Python's own names, as a dict gives them: `__builtins__["exec"]`, `sys.modules["builtins"]`.
        (Value::Name(full), Value::Text(key)) => match full.as_str() {
            "sys.modules" | "globals()" => Ok(Value::Name(key.text().into_owned())),
            "__builtins__" => Ok(Value::Name(format!("builtins.{}", key.text()))),
            other => match other.strip_suffix(".__dict__") {
                Some(module) => Ok(Value::Name(format!("{module}.{}", key.text()))),
                None => Err("an index into something that is not known".to_owned()),
            },
        },
        _ => Err("an index into something that is not known".to_owned()),
    }
}
