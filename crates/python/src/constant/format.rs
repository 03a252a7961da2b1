//! `format(value, spec)`: Python's language of format specifications, as f-strings and `str.format` use it.

use super::repr::{not_finite, of_float, with_exponent};
use super::{Constant, Failure, Limit, shown};

/// Digits behind the point that are written at most.
const MAX_PRECISION: usize = 300;

/// `[[fill]align][sign][#][0][width][grouping][.precision][type]`.
#[derive(Debug, Clone, Default)]
pub(super) struct Spec {
    pub fill: Option<char>,
    /// `<`, `>`, `^`, or `=`: the fill stands between the sign and the digits.
    pub align: Option<char>,
    /// `+`, `-` or a space.
    pub sign: Option<char>,
    pub alternate: bool,
    pub zeros: bool,
    pub width: usize,
    /// `,` or `_`.
    pub grouping: Option<char>,
    pub precision: Option<usize>,
    pub kind: Option<char>,
}

/// Evaluates `format(value, spec)`.
///
/// # Errors
/// When Python raises, the text is longer than the limit, or the specification is not evaluated.
pub fn format(value: &Constant, spec: &str, limit: Limit) -> Result<String, Failure> {
    if spec.is_empty() {
        return shown(value, limit);
    }
    let spec = Spec::parse(spec)?;
    match value {
        Constant::Text(text) => of_text(text, &spec, limit),
        Constant::Float(float) => of_float_by(*float, &spec, limit),
        Constant::Int(int) => of_int(*int, &spec, limit),
        Constant::Bool(truth) => of_int(i64::from(*truth), &spec, limit),
        _ => Err(Failure::wrong_type("a format of something that takes none")),
    }
}

impl Spec {
    fn parse(spec: &str) -> Result<Spec, Failure> {
        let mut parsed = Spec::default();
        let mut rest: &[char] = &spec.chars().collect::<Vec<_>>();
        match rest {
            [fill, align @ ('<' | '>' | '^' | '='), after @ ..] => {
                (parsed.fill, parsed.align, rest) = (Some(*fill), Some(*align), after);
            }
            [align @ ('<' | '>' | '^' | '='), after @ ..] => (parsed.align, rest) = (Some(*align), after),
            _ => {}
        }
        if let [sign @ ('+' | '-' | ' '), after @ ..] = rest {
            (parsed.sign, rest) = (Some(*sign), after);
        }
        if let ['#', after @ ..] = rest {
            (parsed.alternate, rest) = (true, after);
        }
        if let ['0', after @ ..] = rest {
            (parsed.zeros, rest) = (true, after);
        }
        (parsed.width, rest) = number(rest)?.map_or((0, rest), |(width, after)| (width, after));
        if let [grouping @ (',' | '_'), after @ ..] = rest {
            (parsed.grouping, rest) = (Some(*grouping), after);
        }
        if let ['.', after @ ..] = rest {
            let (precision, after) =
                number(after)?.ok_or_else(|| Failure::wrong_value("a point without a precision"))?;
            (parsed.precision, rest) = (Some(precision), after);
        }
        match rest {
            [] => Ok(parsed),
            [kind] => Ok(Spec { kind: Some(*kind), ..parsed }),
            _ => Err(Failure::NotEvaluated(format!("the format {spec:?} is not evaluated"))),
        }
    }

    /// Pads `body`, which follows a sign or prefix.
    pub fn padded(&self, prefix: &str, body: &str, default: char, limit: Limit) -> Result<String, Failure> {
        let zeros = self.zeros && self.align.is_none();
        let align = self.align.unwrap_or(if self.zeros && default == '>' { '=' } else { default });
        let fill = self.fill.unwrap_or(if self.zeros { '0' } else { ' ' });
        if self.grouping.is_some() && zeros && self.width > 0 {
            return Err(Failure::NotEvaluated("zeros in groups are not evaluated".to_owned()));
        }
        limit.admit_bytes(self.width.saturating_mul(fill.len_utf8()))?;
        let missing = self.width.saturating_sub(prefix.chars().count() + body.chars().count());
        let fills = |count: usize| fill.to_string().repeat(count);
        let whole = match align {
            '<' => format!("{prefix}{body}{}", fills(missing)),
            '^' => format!("{}{prefix}{body}{}", fills(missing / 2), fills(missing - missing / 2)),
            '=' => format!("{prefix}{}{body}", fills(missing)),
            _ => format!("{}{prefix}{body}", fills(missing)),
        };
        limit.admit_bytes(whole.len())?;
        Ok(whole)
    }

    /// Returns the sign of a number.
    pub fn sign(&self, negative: bool) -> &'static str {
        match (negative, self.sign) {
            (true, _) => "-",
            (false, Some('+')) => "+",
            (false, Some(' ')) => " ",
            _ => "",
        }
    }

    /// Puts the separator between groups of digits.
    fn grouped(&self, digits: &str, size: usize) -> String {
        let Some(separator) = self.grouping else { return digits.to_owned() };
        let mut output = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(size) {
                output.push(separator);
            }
            output.push(digit);
        }
        output
    }
}

/// Reads digits; returns the number and what follows.
fn number(text: &[char]) -> Result<Option<(usize, &[char])>, Failure> {
    let digits = text.iter().take_while(|c| c.is_ascii_digit()).count();
    let (number, rest) = text.split_at(digits);
    if number.is_empty() {
        return Ok(None);
    }
    let number = number.iter().collect::<String>().parse().map_err(|_| Failure::TooLarge)?;
    Ok(Some((number, rest)))
}

fn of_text(text: &str, spec: &Spec, limit: Limit) -> Result<String, Failure> {
    let plain = spec.sign.is_none() && !spec.alternate && spec.grouping.is_none() && spec.align != Some('=');
    if !plain || !matches!(spec.kind, None | Some('s')) {
        return Err(Failure::wrong_value("a format that texts do not take"));
    }
    let cut: String = text.chars().take(spec.precision.unwrap_or(usize::MAX)).collect();
    spec.padded("", &cut, '<', limit)
}

fn of_int(int: i64, spec: &Spec, limit: Limit) -> Result<String, Failure> {
    let kind = spec.kind.unwrap_or('d');
    if matches!(kind, 'e' | 'E' | 'f' | 'F' | 'g' | 'G' | '%') {
        return of_float_by(int as f64, spec, limit);
    }
    if spec.precision.is_some() || (kind == 'n' && spec.grouping.is_some()) {
        return Err(Failure::wrong_value("a format that integers do not take"));
    }
    let size = int.unsigned_abs();
    let (prefix, digits, group) = match kind {
        'd' | 'n' => ("", size.to_string(), 3),
        'x' => ("0x", format!("{size:x}"), 4),
        'X' => ("0X", format!("{size:X}"), 4),
        'o' => ("0o", format!("{size:o}"), 4),
        'b' => ("0b", format!("{size:b}"), 4),
        'c' => return Err(Failure::NotEvaluated("an integer as a character is not evaluated".to_owned())),
        _ => return Err(Failure::wrong_value(format!("the format type {kind:?} of an integer"))),
    };
    if spec.grouping == Some(',') && group == 4 {
        return Err(Failure::wrong_value("commas between digits that are not decimal"));
    }
    let sign = spec.sign(int < 0);
    let prefix = if spec.alternate { format!("{sign}{prefix}") } else { sign.to_owned() };
    spec.padded(&prefix, &spec.grouped(&digits, group), '>', limit)
}

pub(super) fn of_float_by(float: f64, spec: &Spec, limit: Limit) -> Result<String, Failure> {
    if spec.alternate || spec.precision.is_some_and(|precision| precision > MAX_PRECISION) {
        return Err(Failure::NotEvaluated("a format of floats that is not evaluated".to_owned()));
    }
    let sign = spec.sign(float.is_sign_negative() && !float.is_nan());
    let size = float.abs();
    let precision = spec.precision.unwrap_or(6);
    let kind = spec.kind.unwrap_or(' ');
    let digits = match kind {
        'e' | 'E' | 'f' | 'F' | 'g' | 'G' | 'n' | '%' | ' ' if !float.is_finite() => {
            let percent = if kind == '%' { "%" } else { "" };
            format!("{}{percent}", not_finite(size))
        }
        'f' | 'F' => format!("{size:.precision$}"),
        '%' => {
            let hundredfold = size * 100.0;
            format!("{hundredfold:.precision$}%")
        }
        'e' | 'E' => scientific(size, precision),
        'g' | 'G' | 'n' => general(size, precision, false),
        ' ' => spec.precision.map_or_else(|| of_float(size), |precision| general(size, precision, true)),
        _ => return Err(Failure::wrong_value(format!("the format type {kind:?} of a float"))),
    };
    let digits = if kind.is_ascii_uppercase() { digits.to_ascii_uppercase() } else { digits };
    let whole = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let (whole, rest) = digits.split_at(whole);
    spec.padded(sign, &format!("{}{rest}", spec.grouped(whole, 3)), '>', limit)
}

fn scientific(size: f64, precision: usize) -> String {
    let text = format!("{size:.precision$e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    with_exponent(digits, exponent.parse().unwrap_or(0))
}

/// Writes so many significant digits, without zeros at the end; with an exponent where that is shorter. `point` is the
/// way without a type: there is always a digit behind the point.
fn general(size: f64, precision: usize, point: bool) -> String {
    let precision = precision.max(1);
    let text = format!("{size:.*e}", precision - 1);
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let most = i32::try_from(precision).unwrap_or(i32::MAX) - i32::from(point);
    let trimmed = |digits: &str| match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => digits.to_owned(),
    };
    if exponent < -4 || exponent >= most {
        return with_exponent(&trimmed(digits), exponent);
    }
    let behind = usize::try_from(i32::try_from(precision).unwrap_or(i32::MAX) - 1 - exponent).unwrap_or(0);
    let plain = trimmed(&format!("{size:.behind$}"));
    if point && !plain.contains('.') { format!("{plain}.0") } else { plain }
}
