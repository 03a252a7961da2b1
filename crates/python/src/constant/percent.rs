//! `"%s: %.4f" % (name, loss)`.

use super::format::{Spec, of_float_by};
use super::{Constant, Failure, Limit, equal, repr, shown};

/// The values that a template takes, in order or by their names.
struct Values<'v> {
    value: &'v Constant,
    taken: usize,
}

impl<'v> Values<'v> {
    fn next(&mut self) -> Result<&'v Constant, Failure> {
        let at = self.taken;
        self.taken += 1;
        let next = match self.value {
            Constant::Tuple(items) => items.get(at),
            value => Some(value).filter(|_| at == 0),
        };
        next.ok_or_else(|| Failure::wrong_type("a template with too few values"))
    }

    fn named(&mut self, name: &str) -> Result<&'v Constant, Failure> {
        let Constant::Dict(items) = self.value else {
            return Err(Failure::wrong_type("a template of names without a dict"));
        };
        let name = Constant::text(name);
        let found = items.iter().find(|(key, _)| equal(key, &name)).map(|(_, value)| value);
        found.ok_or_else(|| Failure::raises("KeyError", "a name that the dict does not have"))
    }

    /// Every value is taken, but those of a dict need not be.
    fn are_taken(&self) -> bool {
        match self.value {
            Constant::Tuple(items) => self.taken == items.len(),
            Constant::Dict(_) | Constant::List(_) | Constant::Bytes(_) => true,
            _ => self.taken == 1,
        }
    }
}

/// Evaluates `template % value`.
///
/// # Errors
/// When Python raises, the text is longer than the limit, or a conversion is not evaluated.
pub(super) fn format(template: &str, value: &Constant, limit: Limit) -> Result<String, Failure> {
    let mut values = Values { value, taken: 0 };
    let mut output = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('%') {
        output.push_str(before);
        limit.admit_bytes(output.len())?;
        rest = match after.strip_prefix('%') {
            Some(after) => {
                output.push('%');
                after
            }
            None => converted(after, &mut values, &mut output, limit)?,
        };
    }
    output.push_str(rest);
    limit.admit_bytes(output.len())?;
    if values.are_taken() { Ok(output) } else { Err(Failure::wrong_type("a template with too many values")) }
}

/// Writes one conversion, and returns what follows it: `(name)`, flags, width, precision, type.
fn converted<'t>(
    after: &'t str,
    values: &mut Values<'_>,
    output: &mut String,
    limit: Limit,
) -> Result<&'t str, Failure> {
    let (name, after) = match after.strip_prefix('(') {
        Some(named) => {
            let (name, after) =
                named.split_once(')').ok_or_else(|| Failure::wrong_value("a name that does not end"))?;
            (Some(name), after)
        }
        None => (None, after),
    };
    let flags = after.len() - after.trim_start_matches(['-', '+', ' ', '0', '#']).len();
    let (flags, after) = after.split_at(flags);
    let (width, after) = digits(after)?;
    let (precision, after) = match after.strip_prefix('.') {
        Some(after) => {
            let (precision, after) = digits(after)?;
            (Some(precision.unwrap_or(0)), after)
        }
        None => (None, after),
    };
    let kind = after.chars().next().ok_or_else(|| Failure::wrong_value("a template that ends in a conversion"))?;
    let value = match name {
        Some(name) => values.named(name)?,
        None => values.next()?,
    };
    let spec = Spec {
        align: flags.contains('-').then_some('<'),
        sign: if flags.contains('+') { Some('+') } else { flags.contains(' ').then_some(' ') },
        alternate: flags.contains('#'),
        zeros: flags.contains('0') && !flags.contains('-'),
        width: width.unwrap_or(0),
        precision,
        ..Spec::default()
    };
    output.push_str(&one(value, kind, spec, limit)?);
    Ok(after.strip_prefix(kind).unwrap_or_default())
}

fn one(value: &Constant, kind: char, spec: Spec, limit: Limit) -> Result<String, Failure> {
    match kind {
        's' | 'r' => {
            let whole = if kind == 's' { shown(value, limit)? } else { repr(value, limit)? };
            let cut: String = whole.chars().take(spec.precision.unwrap_or(usize::MAX)).collect();
            Spec { zeros: false, ..spec }.padded("", &cut, '>', limit)
        }
        'd' | 'i' | 'u' | 'x' | 'X' | 'o' if spec.precision.is_none() && !spec.alternate => {
            let int = match value {
                Constant::Float(float) if matches!(kind, 'd' | 'i' | 'u') => {
                    super::conversions::truncated(float.trunc())?.int()
                }
                value => value.int(),
            };
            let int = int.ok_or_else(|| Failure::wrong_type("a conversion to an integer of no number"))?;
            let size = int.unsigned_abs();
            let digits = match kind {
                'x' => format!("{size:x}"),
                'X' => format!("{size:X}"),
                'o' => format!("{size:o}"),
                _ => size.to_string(),
            };
            spec.padded(spec.sign(int < 0), &digits, '>', limit)
        }
        'e' | 'E' | 'f' | 'F' | 'g' | 'G' => {
            let number = value.number().ok_or_else(|| Failure::wrong_type("a conversion to a float of no number"))?;
            of_float_by(number, &Spec { kind: Some(kind), ..spec }, limit)
        }
        _ => Err(Failure::NotEvaluated(format!("the conversion %{kind} is not evaluated"))),
    }
}

fn digits(text: &str) -> Result<(Option<usize>, &str), Failure> {
    let end = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (digits, rest) = text.split_at(end);
    if digits.is_empty() {
        return Ok((None, rest));
    }
    Ok((Some(digits.parse().map_err(|_| Failure::TooLarge)?), rest))
}
