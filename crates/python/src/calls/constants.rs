//! The bridge to [`crate::constant`], which computes what is made of constants: values become constants, and results
//! become values that came about as their operands did.
//!
//! The mode in which a file was opened is not followed, so what was read from one is bytes and may be a text in Python.
//! The first text or bytes of an operation therefore decides for the others whether they are texts or bytes.

use std::rc::Rc;

use super::Arguments;
use crate::constant::{self, Constant, Failure, Given, Limit};
use crate::decode::Budget;
use crate::eval::Evaluator;
use crate::module::ast::{Operator, UnaryOp};
use crate::value::{Data, Evaluated, Value};

/// Members of all containers of one operand or result.
const MAX_MEMBERS: usize = 10_000;

/// The type that the texts and bytes of an operation have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Text,
    Bytes,
}

impl Mode {
    /// Text that is no UTF-8 was read from a file in another encoding, and stands for its bytes.
    fn of<'v, 'a: 'v>(values: impl IntoIterator<Item = &'v Value<'a>>) -> Mode {
        let decides = values.into_iter().find_map(|value| match value {
            Value::Text(data) if std::str::from_utf8(&data.bytes).is_ok() => Some(Mode::Text),
            Value::Text(_) | Value::Bytes(_) => Some(Mode::Bytes),
            Value::List(items) => items.iter().find_map(|item| match item {
                Value::Text(data) if std::str::from_utf8(&data.bytes).is_ok() => Some(Mode::Text),
                Value::Text(_) | Value::Bytes(_) => Some(Mode::Bytes),
                _ => None,
            }),
            _ => None,
        });
        decides.unwrap_or(Mode::Text)
    }
}

/// Evaluates an operator on one value.
///
/// # Errors
/// When the value is not known, or Python raises.
pub fn unary<'a>(op: UnaryOp, operand: &Value<'a>) -> Evaluated<'a> {
    let known = known(operand, Mode::Text)?;
    constant::unary(op, &known).map(|result| lifted(result, &Data::default())).map_err(told)
}

/// Evaluates `left op right`; `%` takes the members of a tuple one by one, which the syntax tree tells from a list.
///
/// # Errors
/// When a value is not known, or Python raises.
pub fn binary<'a>(
    evaluator: &mut Evaluator<'a, '_>,
    op: Operator,
    left: &Value<'a>,
    right: &Value<'a>,
    is_tuple: bool,
) -> Evaluated<'a> {
    begin(evaluator)?;
    let mode = Mode::of([left, right]);
    let (of_left, mut of_right) = (known(left, mode)?, known(right, mode)?);
    if let (true, Constant::List(items)) = (is_tuple, &of_right) {
        of_right = Constant::Tuple(items.clone());
    }
    let read = size(&of_left).saturating_add(size(&of_right));
    let result = constant::binary(op, &of_left, &of_right, limit(evaluator.budget)).map_err(told)?;
    drop((of_left, of_right));
    pay(evaluator, read, &result)?;
    let mut history = history([left, right]);
    if let (Operator::Add, Value::Text(left) | Value::Bytes(left), Value::Text(right) | Value::Bytes(right)) =
        (op, left, right)
    {
        history = left.and(right);
    }
    Ok(lifted(result, &history))
}

/// Evaluates a method of a text or of bytes.
///
/// # Errors
/// When an argument is not known, or Python raises.
pub fn method<'a>(
    evaluator: &mut Evaluator<'a, '_>,
    receiver: &Value<'a>,
    name: &str,
    arguments: &mut Arguments<'a>,
) -> Evaluated<'a> {
    begin(evaluator)?;
    let mode = Mode::of([receiver]);
    let given = given(arguments, mode)?;
    let limit = limit(evaluator.budget);
    let (Value::Text(data) | Value::Bytes(data)) = receiver else {
        return Err(format!("the method `{name}` is not evaluated"));
    };
    let result = match (mode, std::str::from_utf8(&data.bytes)) {
        (Mode::Text, Ok(text)) => constant::text_method(text, name, &given.constants, limit),
        _ => constant::bytes_method(&data.bytes, name, &given.constants, limit),
    };
    let result = result.map_err(told)?;
    // The receiver was paid for where the method was called.
    pay(evaluator, given.constants.positional.iter().map(size).sum(), &result)?;
    let own = history([receiver]);
    Ok(lifted(result, if own.has_history() { &own } else { &given.history }))
}

/// Evaluates one of Python's own functions of values.
///
/// # Errors
/// When an argument is not known, Python raises, or the function is none of those that are evaluated.
pub fn builtin<'a>(evaluator: &mut Evaluator<'a, '_>, name: &str, arguments: &mut Arguments<'a>) -> Evaluated<'a> {
    if !constant::is_builtin(name) {
        return Err(format!("`{name}` is not evaluated"));
    }
    begin(evaluator)?;
    let mode = Mode::of(arguments.positional.iter().filter_map(|value| value.as_ref().ok()));
    let given = given(arguments, mode)?;
    let read = given.constants.positional.iter().map(size).sum();
    evaluator.budget.take(read)?;
    let result = constant::builtin(name, &given.constants, limit(evaluator.budget)).map_err(told)?;
    pay(evaluator, 0, &result)?;
    Ok(lifted(result, &given.history))
}

/// The arguments of a call as constants, and how the first of them came about that has a history.
struct Known<'n> {
    constants: Given<'n>,
    history: Data,
}

fn given<'a>(arguments: &mut Arguments<'a>, mode: Mode) -> Result<Known<'a>, String> {
    let mut history = Data::default();
    let mut one = |value: Evaluated<'a>| -> Result<Constant, String> {
        let value = value?;
        if !history.has_history() {
            history = self::history([&value]);
        }
        known(&value, mode)
    };
    let positional = std::mem::take(&mut arguments.positional).into_iter().map(&mut one).collect::<Result<_, _>>()?;
    let named = std::mem::take(&mut arguments.named).into_iter();
    let named = named.map(|(name, value)| Ok((name, one(value)?))).collect::<Result<_, String>>()?;
    Ok(Known { constants: Given { positional, named }, history })
}

/// Returns the value of an expression in an f-string as a constant, and its history.
pub fn interpolated(evaluator: &mut Evaluator<'_, '_>, value: &Value<'_>) -> Option<(Constant, Data)> {
    begin(evaluator).ok()?;
    let constant = known(value, Mode::of([value])).ok()?;
    evaluator.budget.take(size(&constant)).ok()?;
    Some((constant, history([value])))
}

/// Evaluates `value[index]` of a text or of bytes.
///
/// # Errors
/// When the index is not known or out of range.
pub fn subscript<'a>(evaluator: &mut Evaluator<'a, '_>, value: &Value<'a>, index: &Value<'a>) -> Evaluated<'a> {
    begin(evaluator)?;
    let mode = Mode::of([value]);
    let (holder, index) = (known(value, mode)?, known(index, mode)?);
    evaluator.budget.take(size(&holder))?;
    constant::subscript(&holder, &index).map(|result| lifted(result, &history([value]))).map_err(told)
}

/// Returns the value as a constant.
fn known(value: &Value<'_>, mode: Mode) -> Result<Constant, String> {
    let mut left = MAX_MEMBERS;
    lowered(value, mode, &mut left).ok_or_else(|| match value {
        Value::Name(name) => format!("the value of `{name}` is not known"),
        _ => "something that is not known".to_owned(),
    })
}

/// `left` counts down the members of containers.
fn lowered(value: &Value<'_>, mode: Mode, left: &mut usize) -> Option<Constant> {
    *left = left.checked_sub(1)?;
    Some(match value {
        Value::Scalar(constant) => constant.clone(),
        Value::Bytes(data) | Value::Text(data) => match mode {
            Mode::Text => Constant::text(std::str::from_utf8(&data.bytes).ok()?),
            Mode::Bytes => Constant::Bytes(data.bytes.as_slice().into()),
        },
        Value::List(items) => {
            Constant::List(items.iter().map(|item| lowered(item, mode, left)).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

/// Makes a value of a result; its texts and bytes came about as `history` says.
fn lifted<'a>(result: Constant, history: &Data) -> Value<'a> {
    match result {
        Constant::Text(text) => Value::Text(history.with(text.as_bytes().to_vec())),
        Constant::Bytes(bytes) => Value::Bytes(history.with(bytes.to_vec())),
        Constant::Tuple(items) | Constant::List(items) => {
            Value::List(Rc::new(items.iter().map(|item| lifted(item.clone(), history)).collect()))
        }
        Constant::Dict(items) => {
            let items = items.iter();
            let items = items.map(|(key, value)| (lifted(key.clone(), history), lifted(value.clone(), history)));
            Value::Dict(Rc::new(items.collect()))
        }
        scalar => Value::Scalar(scalar),
    }
}

/// Returns the history of the first operand that has one.
fn history<'v, 'a: 'v>(values: impl IntoIterator<Item = &'v Value<'a>>) -> Data {
    let of = |value: &Value<'a>| match value {
        Value::Text(data) | Value::Bytes(data) if data.has_history() => Some(data.with(Vec::new())),
        _ => None,
    };
    let mut values = values.into_iter();
    let found = values.find_map(|value| match value {
        Value::List(items) => items.iter().find_map(of),
        value => of(value),
    });
    found.unwrap_or_default()
}

fn limit(budget: &Budget) -> Limit {
    Limit { bytes: budget.left(), members: MAX_MEMBERS }
}

/// Begins an operation: where the budget is spent, its operands are not even looked at.
fn begin(evaluator: &mut Evaluator<'_, '_>) -> Result<(), String> {
    evaluator.budget.take(1)
}

/// Takes the bytes that were read or produced from the budget, whichever are more.
fn pay(evaluator: &mut Evaluator<'_, '_>, read: usize, result: &Constant) -> Result<(), String> {
    evaluator.budget.take(read.max(size(result)))
}

/// Bytes that a value takes, roughly: those of its texts, and a few for each member of a container.
fn size(value: &Constant) -> usize {
    match value {
        Constant::Text(text) => text.len(),
        Constant::Bytes(bytes) => bytes.len(),
        Constant::Tuple(items) | Constant::List(items) => items.iter().map(size).sum(),
        _ => 16,
    }
}

fn told(failure: Failure) -> String {
    failure.to_string()
}
