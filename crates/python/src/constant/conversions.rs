//! Numbers from texts.

use super::texts::is_space;
use super::{Computed, Constant, Failure};

/// Evaluates `int(value, base)`.
///
/// # Errors
/// When the value is no number, or too large.
pub(super) fn int(value: &Constant, base: Option<i64>) -> Computed {
    let no_integer = || Failure::wrong_value("a text that is no integer");
    match (value, base) {
        (Constant::Text(text), _) => parsed(text, base.unwrap_or(10)).ok_or_else(no_integer)?.map(Constant::Int),
        (Constant::Bytes(bytes), _) => {
            let text = std::str::from_utf8(bytes).map_err(|_| no_integer())?;
            parsed(text, base.unwrap_or(10)).ok_or_else(no_integer)?.map(Constant::Int)
        }
        (_, Some(_)) => Err(Failure::wrong_type("a base for something that is no text")),
        (Constant::Float(float), None) => truncated(float.trunc()),
        (value, None) => value.int().map(Constant::Int).ok_or_else(|| Failure::wrong_type("`int` of no number")),
    }
}

/// Returns the integer that a whole double is.
///
/// # Errors
/// When it is not finite, or beyond 64 bits.
pub(super) fn truncated(whole: f64) -> Computed {
    if whole.is_nan() {
        return Err(Failure::wrong_value("`int` of NaN"));
    }
    if whole.is_infinite() {
        return Err(Failure::raises("OverflowError", "`int` of infinity"));
    }
    let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&whole);
    if fits { Ok(Constant::Int(whole as i64)) } else { Err(Failure::TooLarge) }
}

/// Reads an integer: space around it, a sign, the prefix of its base, and single underscores between digits.
fn parsed(text: &str, base: i64) -> Option<Result<i64, Failure>> {
    let text = text.trim_matches(is_space);
    let (negative, digits) = match text.strip_prefix(['-', '+']) {
        Some(digits) => (text.starts_with('-'), digits),
        None => (false, text),
    };
    let prefix = digits.get(..2).unwrap_or_default().to_ascii_lowercase();
    let of_prefix = match prefix.as_str() {
        "0x" => Some(16),
        "0o" => Some(8),
        "0b" => Some(2),
        _ => None,
    };
    let (base, digits) = match of_prefix {
        Some(known) if base == known || base == 0 => {
            let digits = digits.get(2..)?;
            (known, digits.strip_prefix('_').unwrap_or(digits))
        }
        // `010` is no literal of Python, in which it might be octal.
        _ if base == 0 && digits.starts_with('0') && digits.contains(|c: char| c != '0' && c != '_') => return None,
        _ if base == 0 => (10, digits),
        _ => (base, digits),
    };
    let base = u32::try_from(base).ok().filter(|base| (2..=36).contains(base))?;
    let plain = without_underscores(digits)?;
    if plain.is_empty() || !plain.chars().all(|c| c.is_digit(base)) {
        return None;
    }
    let signed = if negative { format!("-{plain}") } else { plain };
    Some(i64::from_str_radix(&signed, base).map_err(|_| Failure::TooLarge))
}

/// Returns digits without the underscores between them; `None` where one stands elsewhere.
fn without_underscores(digits: &str) -> Option<String> {
    let misplaced = digits.starts_with('_') || digits.ends_with('_') || digits.contains("__");
    (!misplaced).then(|| digits.replace('_', ""))
}

/// Evaluates `float(value)`.
///
/// # Errors
/// When the value is no number.
pub(super) fn float(value: &Constant) -> Computed {
    let no_number = || Failure::wrong_value("a text that is no number");
    let text = match value {
        Constant::Text(text) => text,
        Constant::Bytes(bytes) => std::str::from_utf8(bytes).map_err(|_| no_number())?,
        value => {
            let number = value.number().ok_or_else(|| Failure::wrong_type("`float` of no number"))?;
            return Ok(Constant::Float(number));
        }
    };
    let text = text.trim_matches(is_space);
    // An underscore stands between two digits.
    let between = |at: usize| {
        let digit = |at: Option<usize>| at.and_then(|at| text.as_bytes().get(at)).is_some_and(u8::is_ascii_digit);
        digit(at.checked_sub(1)) && digit(Some(at + 1))
    };
    let plain = text.match_indices('_').all(|(at, _)| between(at)).then(|| text.replace('_', ""));
    let number = plain.and_then(|plain| plain.parse().ok());
    number.map(Constant::Float).ok_or_else(no_number)
}
