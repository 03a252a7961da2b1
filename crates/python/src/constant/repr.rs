//! Values as Python shows them: `str(value)` and `repr(value)`.

use std::fmt::Write as _;

use super::{Constant, Failure, Limit};

/// Containers within containers that are shown at most.
const MAX_DEPTH: usize = 32;

/// Evaluates `str(value)`.
///
/// # Errors
/// When the text is longer than the limit, or holds characters of which it is not known whether Python shows them.
pub fn shown(value: &Constant, limit: Limit) -> Result<String, Failure> {
    match value {
        Constant::Text(text) => Ok(text.to_string()),
        _ => repr(value, limit),
    }
}

/// Evaluates `repr(value)`.
///
/// # Errors
/// As [`shown`].
pub fn repr(value: &Constant, limit: Limit) -> Result<String, Failure> {
    let mut output = String::new();
    write(value, &mut output, limit, 0)?;
    Ok(output)
}

fn write(value: &Constant, output: &mut String, limit: Limit, depth: usize) -> Result<(), Failure> {
    limit.admit_bytes(output.len())?;
    if depth > MAX_DEPTH {
        return Err(Failure::NotEvaluated("a value that is nested too deep to be shown".to_owned()));
    }
    match value {
        Constant::None => output.push_str("None"),
        Constant::Bool(true) => output.push_str("True"),
        Constant::Bool(false) => output.push_str("False"),
        Constant::Int(int) => output.push_str(&int.to_string()),
        Constant::Float(float) => output.push_str(&of_float(*float)),
        Constant::Text(text) => {
            limit.admit_bytes(text.len())?;
            quote(output, text.contains('\''), text.contains('"'), text.chars().map(Ok))?;
        }
        Constant::Bytes(bytes) => {
            limit.admit_bytes(bytes.len())?;
            output.push('b');
            let (single, double) = (bytes.contains(&b'\''), bytes.contains(&b'"'));
            quote(
                output,
                single,
                double,
                bytes.iter().map(|byte| if byte.is_ascii() { Ok(char::from(*byte)) } else { Err(*byte) }),
            )?;
        }
        Constant::Tuple(items) => {
            members(items, ['(', ')'], output, limit, depth)?;
            if items.len() == 1 {
                output.insert(output.len() - 1, ',');
            }
        }
        Constant::List(items) => members(items, ['[', ']'], output, limit, depth)?,
        Constant::Dict(items) => {
            output.push('{');
            for (at, (key, value)) in items.iter().enumerate() {
                output.push_str(if at > 0 { ", " } else { "" });
                write(key, output, limit, depth + 1)?;
                output.push_str(": ");
                write(value, output, limit, depth + 1)?;
            }
            output.push('}');
        }
    }
    limit.admit_bytes(output.len())
}

fn members(
    items: &[Constant],
    [open, close]: [char; 2],
    output: &mut String,
    limit: Limit,
    depth: usize,
) -> Result<(), Failure> {
    output.push(open);
    for (at, item) in items.iter().enumerate() {
        output.push_str(if at > 0 { ", " } else { "" });
        write(item, output, limit, depth + 1)?;
    }
    output.push(close);
    Ok(())
}

/// Quotes characters; a byte beyond ASCII is an error of the iterator, and escaped.
fn quote(
    output: &mut String,
    single: bool,
    double: bool,
    characters: impl Iterator<Item = Result<char, u8>>,
) -> Result<(), Failure> {
    let quote = if single && !double { '"' } else { '\'' };
    output.push(quote);
    for character in characters {
        match character {
            Ok(c) if c == quote || c == '\\' => output.extend(['\\', c]),
            Ok('\n') => output.push_str("\\n"),
            Ok('\r') => output.push_str("\\r"),
            Ok('\t') => output.push_str("\\t"),
            Ok(c) if c.is_ascii_control() => _ = write!(output, "\\x{:02x}", u32::from(c)),
            Err(byte) => _ = write!(output, "\\x{byte:02x}"),
            Ok(c) if c.is_ascii() || c.is_alphanumeric() => output.push(c),
            Ok(c) => return Err(Failure::NotEvaluated(format!("how Python shows {c:?} is not evaluated"))),
        }
    }
    output.push(quote);
    Ok(())
}

/// Evaluates `repr` of a double: the fewest digits that tell it from its neighbors.
pub(super) fn of_float(float: f64) -> String {
    if !float.is_finite() {
        return not_finite(float).to_owned();
    }
    let scientific = format!("{float:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let plain = format!("{float}");
        return if plain.contains('.') { plain } else { format!("{plain}.0") };
    }
    with_exponent(digits, exponent)
}

/// Returns `nan`, `inf` or `-inf`.
pub(super) fn not_finite(float: f64) -> &'static str {
    match (float.is_nan(), float > 0.0) {
        (true, _) => "nan",
        (false, true) => "inf",
        (false, false) => "-inf",
    }
}

/// Writes digits with their exponent, which has a sign and two digits at least.
pub(super) fn with_exponent(digits: &str, exponent: i32) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}
