//! Unary and binary operators.

use std::rc::Rc;

use super::{Computed, Constant, Failure, Limit, floats, percent};
use crate::module::ast::{Operator, UnaryOp};

/// Integers up to this are doubles without rounding.
const EXACT: u64 = 1 << 53;

/// Evaluates `op operand`.
///
/// # Errors
/// When Python raises, or an integer is too large.
pub fn unary(op: UnaryOp, operand: &Constant) -> Computed {
    match (op, operand) {
        (UnaryOp::Not, _) => Ok(Constant::Bool(!operand.truth())),
        (UnaryOp::USub, Constant::Float(float)) => Ok(Constant::Float(-float)),
        (UnaryOp::UAdd, Constant::Float(float)) => Ok(Constant::Float(*float)),
        _ => {
            let int = operand.int().ok_or_else(|| Failure::wrong_type("an operator on something that is no number"))?;
            let int = match op {
                UnaryOp::USub => int.checked_neg().ok_or(Failure::TooLarge)?,
                UnaryOp::Invert => !int,
                UnaryOp::UAdd | UnaryOp::Not => int,
            };
            Ok(Constant::Int(int))
        }
    }
}

/// Evaluates `left op right`.
///
/// # Errors
/// When Python raises, or the result is too large.
pub fn binary(op: Operator, left: &Constant, right: &Constant, limit: Limit) -> Computed {
    match (op, left, right) {
        (Operator::Add, _, _) if left.length().is_some() => joined(left, right, limit),
        (Operator::Mod, Constant::Bytes(_), _) => {
            Err(Failure::NotEvaluated("`%` of bytes is not evaluated".to_owned()))
        }
        (Operator::Mod, Constant::Text(text), _) => {
            percent::format(text, right, limit).map(|text| Constant::text(&text))
        }
        (Operator::Mult, sequence, count) | (Operator::Mult, count, sequence)
            if sequence.length().is_some() && count.int().is_some() =>
        {
            repeated(sequence, count.int().unwrap_or_default(), limit)
        }
        (Operator::BitAnd | Operator::BitOr | Operator::BitXor, Constant::Bool(left), Constant::Bool(right)) => {
            Ok(Constant::Bool(match op {
                Operator::BitAnd => left & right,
                Operator::BitOr => left | right,
                _ => left ^ right,
            }))
        }
        _ => match (left.int(), right.int(), left.number(), right.number()) {
            (Some(left), Some(right), ..) => of_integers(op, left, right),
            (.., Some(left), Some(right)) => floats::operator(op, left, right).map(Constant::Float),
            _ => Err(Failure::wrong_type("an operator between values of these types")),
        },
    }
}

fn joined(left: &Constant, right: &Constant, limit: Limit) -> Computed {
    Ok(match (left, right) {
        (Constant::Text(left), Constant::Text(right)) => {
            limit.admit_bytes(left.len().saturating_add(right.len()))?;
            Constant::Text([&**left, &**right].concat().into())
        }
        (Constant::Bytes(left), Constant::Bytes(right)) => {
            limit.admit_bytes(left.len().saturating_add(right.len()))?;
            Constant::Bytes([&**left, &**right].concat().into())
        }
        (Constant::Tuple(left), Constant::Tuple(right)) => {
            limit.admit_members(left.len().saturating_add(right.len()))?;
            Constant::Tuple([&**left, &**right].concat().into())
        }
        (Constant::List(left), Constant::List(right)) => {
            limit.admit_members(left.len().saturating_add(right.len()))?;
            Constant::List([&**left, &**right].concat().into())
        }
        _ => return Err(Failure::wrong_type("a sum of values of these types")),
    })
}

/// Evaluates `sequence * count`; a negative count is none.
fn repeated(sequence: &Constant, count: i64, limit: Limit) -> Computed {
    let count = usize::try_from(count.max(0)).map_err(|_| Failure::TooLarge)?;
    let size = sequence_size(sequence).checked_mul(count).ok_or(Failure::TooLarge)?;
    match sequence {
        Constant::Text(_) | Constant::Bytes(_) => limit.admit_bytes(size)?,
        _ => limit.admit_members(size)?,
    }
    Ok(match sequence {
        Constant::Text(text) => Constant::Text(text.repeat(count).into()),
        Constant::Bytes(bytes) => Constant::Bytes(bytes.repeat(count).into()),
        Constant::Tuple(items) => Constant::Tuple(cycled(items, size)),
        Constant::List(items) => Constant::List(cycled(items, size)),
        _ => return Err(Failure::wrong_type("a product of values of these types")),
    })
}

/// Bytes of a text, or members of a container.
fn sequence_size(sequence: &Constant) -> usize {
    match sequence {
        Constant::Text(text) => text.len(),
        other => other.length().unwrap_or_default(),
    }
}

fn cycled(items: &[Constant], len: usize) -> Rc<[Constant]> {
    items.iter().cycle().take(len).cloned().collect()
}

fn of_integers(op: Operator, left: i64, right: i64) -> Computed {
    let by_zero = || Failure::raises("ZeroDivisionError", "a division by zero");
    let int = match op {
        Operator::Add => left.checked_add(right),
        Operator::Sub => left.checked_sub(right),
        Operator::Mult => left.checked_mul(right),
        Operator::FloorDiv | Operator::Mod | Operator::Div if right == 0 => return Err(by_zero()),
        Operator::FloorDiv => floor_div(left, right),
        Operator::Mod => floor_mod(left, right),
        Operator::Div if left.unsigned_abs().max(right.unsigned_abs()) <= EXACT => {
            return Ok(Constant::Float(left as f64 / right as f64));
        }
        Operator::Div => None,
        Operator::Pow if right < 0 => return floats::operator(op, left as f64, right as f64).map(Constant::Float),
        Operator::Pow => u32::try_from(right).ok().and_then(|right| left.checked_pow(right)).or(match left {
            0 | 1 => Some(left),
            -1 => Some(if right % 2 == 0 { 1 } else { -1 }),
            _ => None,
        }),
        Operator::BitAnd => Some(left & right),
        Operator::BitOr => Some(left | right),
        Operator::BitXor => Some(left ^ right),
        Operator::LShift | Operator::RShift if right < 0 => {
            return Err(Failure::wrong_value("a shift by less than zero"));
        }
        Operator::LShift if left == 0 => Some(0),
        Operator::LShift => {
            2_i64.checked_pow(u32::try_from(right).unwrap_or(u32::MAX)).and_then(|by| left.checked_mul(by))
        }
        Operator::RShift => Some(left >> right.min(63)),
        Operator::MatMult => return Err(Failure::wrong_type("a matrix product of numbers")),
    };
    int.map(Constant::Int).ok_or(Failure::TooLarge)
}

/// Evaluates `left // right`, which Python rounds towards minus infinity.
pub(super) fn floor_div(left: i64, right: i64) -> Option<i64> {
    let quotient = left.checked_div(right)?;
    let rounded_up = left.checked_rem(right)? != 0 && (left < 0) != (right < 0);
    quotient.checked_sub(i64::from(rounded_up))
}

/// Evaluates `left % right`, which has the sign of `right` in Python.
pub(super) fn floor_mod(left: i64, right: i64) -> Option<i64> {
    let rest = left.wrapping_rem(if right == 0 { return None } else { right });
    Some(if rest != 0 && (rest < 0) != (right < 0) { rest + right } else { rest })
}
