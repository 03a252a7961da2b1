//! One number of a line, found and replaced as it is written.

use caddie_folder::{Claim, Stated};

/// Factors from a number as it is written to the claim's unit: as it is, milliseconds, minutes, megabytes, kilobytes.
const FACTORS: [f64; 5] = [1.0, 1e-3, 60.0, 1e6, 1e3];

/// A number in a line.
struct Token {
    from: usize,
    to: usize,
    value: f64,
    decimals: usize,
}

/// Returns `line` with the claimed number replaced by `value`, in the same unit, with as many digits and the same
/// thousands separators.
///
/// # Errors
/// With the reason, when the line has the number not exactly once, or has it in a form that is not written here.
pub(super) fn replaced(line: &str, claim: &Claim, value: f64) -> Result<String, String> {
    let tokens = tokens(line);
    let of = |factor: f64| -> Vec<&Token> {
        tokens.iter().filter(|token| same(token.value * factor, claim.stated.value)).collect()
    };
    let found = FACTORS.into_iter().map(|factor| (factor, of(factor))).find(|(_, tokens)| !tokens.is_empty());
    let Some((factor, mut at)) = found else { return Err("it is written in a form of its own".to_owned()) };
    if at.len() > 1 {
        let key = end_of_key(line, &claim.key);
        at.retain(|token| line.get(key..token.from).is_some_and(|between| between.trim().is_empty()));
    }
    let [token] = at.as_slice() else { return Err("its line has the same number more than once".to_owned()) };
    let old = &line[token.from..token.to];
    let new = written(value / factor, token.decimals, old);
    if new == old {
        return Err("the logs' number is the same in as many digits".to_owned());
    }
    Ok(format!("{}{new}{}", &line[..token.from], &line[token.to..]))
}

/// Returns the place behind the JSON key `seed_results.42.val_bpb`, as far as its parts stand in this line one after another.
fn end_of_key(line: &str, key: &str) -> usize {
    key.split('.').fold(0, |from, part| {
        let part = format!("\"{part}\":");
        line.get(from..).and_then(|rest| rest.find(&part)).map_or(from, |at| from + at + part.len())
    })
}

fn same(a: f64, b: f64) -> bool {
    (a - b).abs() <= b.abs() * 1e-12
}

/// Writes a number with the digits after the point and the separators that `like` has.
fn written(value: f64, decimals: usize, like: &str) -> String {
    let plain = format!("{value:.decimals$}");
    let Some(separator) = like.chars().find(|c| matches!(c, ',' | '_')) else { return plain };
    let (whole, rest) = plain.split_at(plain.find('.').unwrap_or(plain.len()));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(separator);
        }
        grouped.push(digit);
    }
    grouped + rest
}

/// Lists the numbers of a line that stand alone: not inside of a word, a date or a version.
fn tokens(line: &str) -> Vec<Token> {
    let bytes = line.as_bytes();
    let of_number = |at: usize| bytes.get(at).is_some_and(|byte| byte.is_ascii_digit());
    let inner = |at: usize| of_number(at) || matches!(bytes.get(at), Some(b'.' | b',' | b'_')) && of_number(at + 1);
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if !of_number(at) {
            at += 1;
            continue;
        }
        let from = at;
        while inner(at) {
            at += 1;
        }
        let before = from.checked_sub(1).and_then(|before| bytes.get(before));
        let in_a_word = before.is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
        let exponent = matches!(bytes.get(at), Some(b'e' | b'E'));
        let text = line[from..at].replace('_', "");
        if let Some(stated) = Stated::parse(&text).filter(|_| !in_a_word && !exponent) {
            let decimals = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
            tokens.push(Token { from, to: at, value: stated.value, decimals });
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;
    use caddie_folder::{Field, Scope};

    fn replace(line: &str, key: &str, value: f64, by: f64) -> Result<String, String> {
        let stated = Stated { value, decimals: 0, approximate: false };
        let (field, scope, text, line_number) = (Field::BytesTotal, Scope::Whole, String::new(), 1);
        let claim = Claim { field, scope, key: key.to_owned(), stated, text, line: line_number, loose: false };
        replaced(line, &claim, by)
    }

    #[test]
    fn a_number_keeps_its_unit_its_digits_and_its_separators() {
        for (line, value, by, expected) in [
            ("  \"val_bpb\": 1.2345,\n", 1.2345, 1.25670935, "  \"val_bpb\": 1.2567,\n"),
            ("| 42 | 15,815,926 | x |\r\n", 15_815_926.0, 999_999.0, "| 42 | 999,999 | x |\r\n"),
            ("**15_815_926**", 15_815_926.0, 16_000_001.0, "**16_000_001**"),
            ("\"train_time_ms\": 588004", 588.004, 599.0, "\"train_time_ms\": 599000"),
            ("size 15.94 MB", 15_940_000.0, 15_815_926.0, "size 15.82 MB"),
            ("seed-42: 42", 42.0, 43.0, "seed-42: 43"),
        ] {
            assert_eq!(replace(line, "x", value, by).as_deref(), Ok(expected), "{line}");
        }
    }

    #[test]
    fn a_number_that_stands_there_twice_is_told_by_its_key_or_left() {
        let line = "{\"a\": 600.5, \"b\": 600.5}";
        assert_eq!(replace(line, "seeds.1.b", 600.5, 1.0).as_deref(), Ok("{\"a\": 600.5, \"b\": 1.0}"));
        let whole = r#"{"seeds": {"1": {"s": 9.5, "t": 9.5}, "2": {"s": 9.5}}}"#;
        let second = r#"{"seeds": {"1": {"s": 9.5, "t": 9.5}, "2": {"s": 8.0}}}"#;
        assert_eq!(replace(whole, "seeds.2.s", 9.5, 8.0).as_deref(), Ok(second));
        assert!(replace("| 600.5 | 600.5 |", "train s, seed 1", 600.5, 1.0).unwrap_err().contains("more than once"));
        assert!(replace("1.5e3", "x", 1500.0, 1.0).unwrap_err().contains("form of its own"));
        assert!(replace("2026-03-17 v1.2.3", "x", 17.0, 1.0).is_err());
    }
}
