//! Arithmetic of doubles where Python's differs from the machine's.

use super::Failure;
use crate::module::ast::Operator;

/// Evaluates `left op right`.
///
/// # Errors
/// When Python raises: at a division by zero, or an overflow of a power.
pub(super) fn operator(op: Operator, left: f64, right: f64) -> Result<f64, Failure> {
    Ok(match op {
        Operator::Add => left + right,
        Operator::Sub => left - right,
        Operator::Mult => left * right,
        Operator::Div | Operator::FloorDiv | Operator::Mod if right == 0.0 => {
            return Err(Failure::raises("ZeroDivisionError", "a division by zero"));
        }
        Operator::Div => left / right,
        Operator::FloorDiv => div_mod(left, right).0,
        Operator::Mod => div_mod(left, right).1,
        Operator::Pow => return power(left, right),
        _ => return Err(Failure::wrong_type("an operator between values of these types")),
    })
}

/// Returns quotient and remainder; the remainder has the sign of the divisor, which is not zero.
pub(super) fn div_mod(left: f64, right: f64) -> (f64, f64) {
    let mut rest = left % right;
    let mut quotient = (left - rest) / right;
    if rest == 0.0 {
        rest = 0.0_f64.copysign(right);
    } else if (right < 0.0) != (rest < 0.0) {
        rest += right;
        quotient -= 1.0;
    }
    if quotient == 0.0 {
        return (0.0_f64.copysign(left / right), rest);
    }
    let floor = quotient.floor();
    (if quotient - floor > 0.5 { floor + 1.0 } else { floor }, rest)
}

fn power(left: f64, right: f64) -> Result<f64, Failure> {
    if left == 0.0 && right < 0.0 {
        return Err(Failure::raises("ZeroDivisionError", "zero to a negative power"));
    }
    if left < 0.0 && left.is_finite() && right.is_finite() && right.fract() != 0.0 {
        return Err(Failure::NotEvaluated("a complex number".to_owned()));
    }
    let power = left.powf(right);
    if power.is_infinite() && left.is_finite() && right.is_finite() {
        return Err(Failure::raises("OverflowError", "a power that is too large"));
    }
    Ok(power)
}
