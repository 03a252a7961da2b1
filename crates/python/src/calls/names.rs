//! Functions that look names up, or make values of values.

use std::rc::Rc;

use super::executions::execute;
use super::{Arguments, data, encoded, library, methods};
use crate::eval::Evaluator;
use crate::value::{Evaluated, Value};

/// Calls a function by its full name.
///
/// # Errors
/// When it is not known, or fails as it would in Python.
pub(super) fn call<'a>(
    evaluator: &mut Evaluator<'a, '_>,
    name: &str,
    arguments: &mut Arguments<'a>,
    line: u64,
) -> Evaluated<'a> {
    match name {
        "map" => {
            let (function, items) = (arguments.at(0, ""), arguments.at(1, ""));
            let (Some(Ok(function)), Some(Ok(Value::List(items)))) = (function, items) else {
                return Err("`map` of something that is not known".to_owned());
            };
            let mut values = Vec::new();
            for item in items.iter() {
                let one = Arguments { positional: vec![Ok(item.clone())], ..Arguments::default() };
                values.push(evaluator.apply(function.clone(), one, line)?);
            }
            Ok(Value::List(Rc::new(values)))
        }
        "list" | "tuple" | "iter" | "next" if arguments.positional.len() == 1 => {
            match (name, arguments.at(0, "").unwrap_or(Ok(Value::NONE))?) {
                ("next", Value::List(items)) => items.first().cloned().ok_or_else(|| "`next` of nothing".to_owned()),
                (_, value @ Value::List(_)) => Ok(value),
                _ => Err(format!("`{name}` of something that is not known")),
            }
        }
        "vars" => match arguments.at(0, "") {
            Some(Ok(Value::Name(full))) => Ok(Value::Name(format!("{full}.__dict__"))),
            _ => Err("`vars` of something that is not known".to_owned()),
        },
        "globals" | "locals" => Ok(Value::Name("globals()".to_owned())),
        "codecs.decode" => {
            let text = arguments.at(0, "obj").unwrap_or_else(|| Err("no argument".to_owned()))?;
            let encoding = arguments.data(1, "encoding")?;
            methods::transcode(evaluator, text, &encoding.text())
        }
        "codecs.encode" => {
            let text = arguments.at(0, "obj").unwrap_or_else(|| Err("no argument".to_owned()))?;
            let encoding = arguments.data(1, "encoding")?.text().replace('-', "_");
            match encoding.as_str() {
                "rot13" | "rot_13" => methods::transcode(evaluator, text, "rot13"),
                other => Ok(Value::Bytes(encoded(data(text)?, other)?)),
            }
        }
        "__import__" | "importlib.import_module" => {
            arguments.data(0, "name").map(|module| Value::Name(module.text().into_owned()))
        }
        "getattr" | "object.__getattribute__" | "operator.getitem" => {
            let value = arguments.at(0, "").unwrap_or(Ok(Value::NONE))?;
            match (value, arguments.data(1, "")) {
                (Value::Name(full), Ok(name)) => Ok(Value::Name(format!("{full}.{}", name.text()))),
                // Whether anything is executed depends on the function of Python's own that this is.
                (Value::Name(full), Err(reason)) if full == "builtins" || full == "__builtins__" => {
                    execute(evaluator, "getattr", Err(format!("a name of {full}: {reason}")), line);
                    Err(reason)
                }
                _ => Err("`getattr` of something that is not known".to_owned()),
            }
        }
        _ => library(evaluator, name, arguments),
    }
}
