//! Sums, slices and items of values.

use std::rc::Rc;

use super::{joined, path};
use crate::eval::Evaluator;
use crate::value::{Data, Evaluated, Value};

/// `left + right`.
///
/// # Errors
/// When they are not of one known kind, or too long together.
pub fn add<'a>(evaluator: &mut Evaluator<'a, '_>, left: Value<'a>, right: Value<'a>) -> Evaluated<'a> {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => concat(evaluator, left, &right).map(Value::Text),
        (Value::Bytes(left), Value::Bytes(right)) => concat(evaluator, left, &right).map(Value::Bytes),
        (Value::Path(left), Value::Text(right)) => Ok(Value::Path(format!("{left}{}", right.text()))),
        (Value::Int(left), Value::Int(right)) => Ok(Value::Int(left.saturating_add(right))),
        _ => Err("a sum of values that are not known".to_owned()),
    }
}

fn concat(evaluator: &mut Evaluator<'_, '_>, left: Data, right: &Data) -> Result<Data, String> {
    evaluator.budget.take(left.bytes.len() + right.bytes.len())?;
    let mut joined = left.with([left.bytes.as_slice(), right.bytes.as_slice()].concat());
    joined.steps.extend(right.steps.iter().cloned());
    joined.steps.truncate(32);
    joined.file = joined.file.or_else(|| right.file.clone());
    Ok(joined)
}

/// `folder / name` of paths.
///
/// # Errors
/// When they are no paths.
pub fn join_path<'a>(left: Value<'a>, right: Value<'a>) -> Evaluated<'a> {
    let (left, right) = (path(left)?, path(right)?);
    Ok(Value::Path(joined(&left, &right)))
}

/// `value[start:stop:step]`; only steps of 1 and -1.
///
/// # Errors
/// When the value cannot be cut.
pub fn slice<'a>(evaluator: &mut Evaluator<'a, '_>, value: Value<'a>, bounds: [Option<i64>; 3]) -> Evaluated<'a> {
    let cut = |length: usize| -> Result<(usize, usize, bool), String> {
        let [start, stop, step] = bounds;
        let index = |bound: i64| -> usize {
            let length = i64::try_from(length).unwrap_or(i64::MAX);
            let from = if bound < 0 { length.saturating_add(bound) } else { bound };
            usize::try_from(from.clamp(0, length)).unwrap_or(0)
        };
        match step.unwrap_or(1) {
            1 => Ok((start.map_or(0, index), stop.map_or(length, index), false)),
            -1 if start.is_none() && stop.is_none() => Ok((0, length, true)),
            _ => Err("a slice with a step".to_owned()),
        }
    };
    let mut bytes = |data: &Data| -> Result<Data, String> {
        let (start, stop, backwards) = cut(data.bytes.len())?;
        evaluator.budget.take(stop.saturating_sub(start))?;
        let mut piece = data.bytes.get(start..stop).unwrap_or_default().to_vec();
        if backwards {
            piece.reverse();
        }
        Ok(data.with(piece))
    };
    match value {
        Value::Bytes(data) => bytes(&data).map(Value::Bytes),
        Value::Text(data) if data.bytes.is_ascii() => bytes(&data).map(Value::Text),
        Value::Text(data) => {
            let characters: Vec<char> = data.text().chars().collect();
            let (start, stop, backwards) = cut(characters.len())?;
            let piece = characters.get(start..stop).unwrap_or_default().iter();
            let piece: String = if backwards { piece.rev().collect() } else { piece.collect() };
            Ok(Value::Text(data.with(piece.into_bytes())))
        }
        Value::List(items) => {
            let (start, stop, backwards) = cut(items.len())?;
            let mut piece = items.get(start..stop).unwrap_or_default().to_vec();
            if backwards {
                piece.reverse();
            }
            Ok(Value::List(Rc::new(piece)))
        }
        _ => Err("a slice of something that is not known".to_owned()),
    }
}

/// `value[index]`.
///
/// # Errors
/// When there is no such item.
pub fn item<'a>(value: Value<'a>, index: &Value<'a>) -> Evaluated<'a> {
    match (value, index) {
        (Value::List(items), Value::Int(index)) => {
            let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
            let from = if *index < 0 { length.saturating_add(*index) } else { *index };
            let found = usize::try_from(from).ok().and_then(|at| items.get(at).cloned());
            found.ok_or_else(|| "an index out of range".to_owned())
        }
        (Value::Dict(items), Value::Text(key)) => {
            let found = items.iter().find(|(known, _)| matches!(known, Value::Text(text) if text.bytes == key.bytes));
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
