//! Functions of numbers.

use super::arguments::{bound, needed};
use super::builtins::one;
use super::conversions::truncated;
use super::{Computed, Constant, Failure, Given, Limit, arithmetic, floats};
use crate::module::ast::Operator;

/// Evaluates `abs`, `divmod`, `pow`, `round` and `sum`.
///
/// # Errors
/// When Python raises, or the result is too large.
pub(super) fn function(name: &str, given: &Given<'_>, limit: Limit) -> Computed {
    match name {
        "abs" => match one(given)? {
            Constant::Float(float) => Ok(Constant::Float(float.abs())),
            value => {
                let int = value.int().ok_or_else(|| Failure::wrong_type("`abs` of no number"))?;
                int.checked_abs().map(Constant::Int).ok_or(Failure::TooLarge)
            }
        },
        "divmod" => div_mod(given),
        "round" => round(given),
        "pow" => {
            let [base, power] = given.bind(["base", "exp"])?;
            arithmetic::binary(Operator::Pow, needed(base)?, needed(power)?, limit)
        }
        _ => sum(given, limit),
    }
}

fn sum(given: &Given<'_>, limit: Limit) -> Computed {
    let [items, start] = given.bind(["/", "start"])?;
    let start = start.cloned().unwrap_or(Constant::Int(0));
    if start.number().is_none() {
        return Err(Failure::NotEvaluated("`sum` of something other than numbers".to_owned()));
    }
    let add = |sum: Constant, item: &Constant| {
        // Python 3.12 adds doubles with less rounding than its predecessors.
        let doubles = matches!((&sum, item), (Constant::Float(_), Constant::Float(_)));
        if doubles && sum.number() != Some(0.0) {
            return Err(Failure::NotEvaluated("`sum` of floats".to_owned()));
        }
        arithmetic::binary(Operator::Add, &sum, item, limit)
    };
    needed(items)?.members(limit)?.iter().try_fold(start, add)
}

fn div_mod(given: &Given<'_>) -> Computed {
    let [left, right] = given.bind(["/", "/right"])?;
    let (left, right) = (needed(left)?, needed(right)?);
    let by_zero = || Failure::raises("ZeroDivisionError", "a division by zero");
    let pair = |quotient, rest| Ok(Constant::Tuple([quotient, rest].into()));
    if let (Some(left), Some(right)) = (left.int(), right.int()) {
        if right == 0 {
            return Err(by_zero());
        }
        let both = arithmetic::floor_div(left, right).zip(arithmetic::floor_mod(left, right));
        let (quotient, rest) = both.ok_or(Failure::TooLarge)?;
        return pair(Constant::Int(quotient), Constant::Int(rest));
    }
    match left.number().zip(right.number()) {
        Some((_, 0.0)) => Err(by_zero()),
        Some((left, right)) => {
            let (quotient, rest) = floats::div_mod(left, right);
            pair(Constant::Float(quotient), Constant::Float(rest))
        }
        None => Err(Failure::wrong_type("`divmod` of no numbers")),
    }
}

/// Evaluates `round(number, digits)`: half goes to the even neighbor.
fn round(given: &Given<'_>) -> Computed {
    let [number, digits] = given.bind(["number", "ndigits"])?;
    let digits = bound(digits)?;
    match (needed(number)?, digits) {
        (Constant::Float(float), None) => truncated(float.round_ties_even()),
        (Constant::Float(float), Some(digits)) => {
            let digits = usize::try_from(digits).ok().filter(|digits| *digits <= 300);
            let digits = digits.ok_or_else(|| Failure::NotEvaluated("`round` to so many digits".to_owned()))?;
            // The decimal digits of a double are exact here, so a half is one that Python sees as well.
            let rounded = format!("{float:.digits$}").parse();
            rounded.map(Constant::Float).map_err(|_| Failure::wrong_value("`round` of no number"))
        }
        (value, None | Some(0..)) => {
            value.int().map(Constant::Int).ok_or_else(|| Failure::wrong_type("`round` of no number"))
        }
        _ => Err(Failure::NotEvaluated("`round` to tens".to_owned())),
    }
}
