//! Comparisons.

use std::cmp::Ordering;

use super::{Constant, Failure};
use crate::module::ast::CmpOp;

/// Evaluates `left op right`.
///
/// # Errors
/// When Python raises, or the answer depends on how CPython keeps the values, as that of `is` does for texts.
pub fn compare(op: CmpOp, left: &Constant, right: &Constant) -> Result<bool, Failure> {
    Ok(match op {
        CmpOp::Eq => equal(left, right),
        CmpOp::NotEq => !equal(left, right),
        CmpOp::Is => same(left, right)?,
        CmpOp::IsNot => !same(left, right)?,
        CmpOp::In => contains(right, left)?,
        CmpOp::NotIn => !contains(right, left)?,
        CmpOp::Lt => order(left, right)? == Some(Ordering::Less),
        CmpOp::LtE => matches!(order(left, right)?, Some(Ordering::Less | Ordering::Equal)),
        CmpOp::Gt => order(left, right)? == Some(Ordering::Greater),
        CmpOp::GtE => matches!(order(left, right)?, Some(Ordering::Greater | Ordering::Equal)),
    })
}

/// Evaluates `left == right`.
pub fn equal(left: &Constant, right: &Constant) -> bool {
    let members = |left: &[Constant], right: &[Constant]| {
        left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equal(left, right))
    };
    match (left, right) {
        (Constant::None, Constant::None) => true,
        (Constant::Text(left), Constant::Text(right)) => left == right,
        (Constant::Bytes(left), Constant::Bytes(right)) => left == right,
        (Constant::Tuple(left), Constant::Tuple(right)) | (Constant::List(left), Constant::List(right)) => {
            members(left, right)
        }
        (Constant::Dict(left), Constant::Dict(right)) => {
            let has = |(key, value): &(Constant, Constant)| {
                right.iter().any(|(other, of_other)| equal(key, other) && equal(value, of_other))
            };
            left.len() == right.len() && left.iter().all(has)
        }
        _ => numbers(left, right) == Some(Some(Ordering::Equal)),
    }
}

/// Evaluates `left is right` where one of them is `None`, `True` or `False`, of each of which there is one.
fn same(left: &Constant, right: &Constant) -> Result<bool, Failure> {
    match (left, right) {
        (Constant::None, Constant::None) => Ok(true),
        (Constant::Bool(left), Constant::Bool(right)) => Ok(left == right),
        (Constant::None | Constant::Bool(_), _) | (_, Constant::None | Constant::Bool(_)) => Ok(false),
        _ => Err(Failure::NotEvaluated("the identity of two values is not evaluated".to_owned())),
    }
}

/// Evaluates `member in holder`.
///
/// # Errors
/// When the holder has no members, or is a text or bytes and the member cannot be a part of them.
pub fn contains(holder: &Constant, member: &Constant) -> Result<bool, Failure> {
    match (holder, member) {
        (Constant::Text(text), Constant::Text(part)) => Ok(text.contains(&**part)),
        (Constant::Bytes(bytes), Constant::Bytes(part)) => Ok(memchr::memmem::find(bytes, part).is_some()),
        (Constant::Bytes(bytes), _) if member.int().is_some() => {
            let byte = member.int().and_then(|int| u8::try_from(int).ok());
            byte.map(|byte| bytes.contains(&byte)).ok_or_else(|| Failure::wrong_value("a byte out of range"))
        }
        (Constant::Tuple(items) | Constant::List(items), _) => Ok(items.iter().any(|item| equal(item, member))),
        (Constant::Dict(items), _) => Ok(items.iter().any(|(key, _)| equal(key, member))),
        _ => Err(Failure::wrong_type("`in` of something that cannot hold it")),
    }
}

/// Returns the order of two values; a NaN has none.
pub(super) fn order(left: &Constant, right: &Constant) -> Result<Option<Ordering>, Failure> {
    match (left, right) {
        (Constant::Text(left), Constant::Text(right)) => Ok(Some(left.cmp(right))),
        (Constant::Bytes(left), Constant::Bytes(right)) => Ok(Some(left.cmp(right))),
        (Constant::Tuple(left), Constant::Tuple(right)) | (Constant::List(left), Constant::List(right)) => {
            match left.iter().zip(right.iter()).find(|(left, right)| !equal(left, right)) {
                Some((left, right)) => order(left, right),
                None => Ok(Some(left.len().cmp(&right.len()))),
            }
        }
        _ => numbers(left, right).ok_or_else(|| Failure::wrong_type("an order of values of these types")),
    }
}

/// Compares two numbers exactly, as Python does: an integer is not rounded to a double for it.
fn numbers(left: &Constant, right: &Constant) -> Option<Option<Ordering>> {
    Some(match (left, right) {
        (Constant::Float(left), Constant::Float(right)) => left.partial_cmp(right),
        (Constant::Float(left), right) => of_mixed(right.int()?, *left).map(Ordering::reverse),
        (left, Constant::Float(right)) => of_mixed(left.int()?, *right),
        _ => Some(left.int()?.cmp(&right.int()?)),
    })
}

/// 2^63, the least double beyond every integer of 64 bits.
const BEYOND: f64 = 9_223_372_036_854_775_808.0;

fn of_mixed(int: i64, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        None
    } else if float >= BEYOND {
        Some(Ordering::Less)
    } else if float < -BEYOND {
        Some(Ordering::Greater)
    } else {
        // The part before the point fits; what stands behind it decides between equal ones.
        let whole = float.trunc();
        Some(int.cmp(&(whole as i64)).then(0.0.partial_cmp(&(float - whole))?))
    }
}
