//! Words and numbers of a log line.

/// Logs may start each line with epoch seconds: `1776100000.123 `. The stamp, and what follows it.
pub(super) fn stamped(line: &str) -> (Option<f64>, &str) {
    let bytes = line.as_bytes();
    let digits = |range: std::ops::Range<usize>| bytes.get(range).is_some_and(|b| b.iter().all(u8::is_ascii_digit));
    let stamped = digits(0..10) && bytes.get(10) == Some(&b'.') && digits(11..14);
    match bytes.get(14) {
        _ if !stamped => (None, line),
        Some(b' ') => (number(&line[..14]), &line[15..]),
        // Nothing but the stamp: an empty line.
        None => (number(line), ""),
        Some(_) => (None, line),
    }
}

/// A line of sixty or more `=` parts the sections of a log; real ones have 60 or 100.
pub(super) fn is_separator(line: &str) -> bool {
    line.len() >= 60 && line.bytes().all(|byte| byte == b'=')
}

/// The word after `key`, which must begin a word itself; one space between is passed over (family B).
pub(super) fn value<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let starts_word = |at: usize| at == 0 || line[..at].ends_with([' ', '(', ',']);
    let (at, _) = line.match_indices(key).find(|(at, _)| starts_word(*at))?;
    line[at + key.len()..].split_whitespace().next()
}

pub(super) fn float(line: &str, key: &str) -> Option<f64> {
    value(line, key).and_then(number)
}

pub(super) fn whole(line: &str, key: &str) -> Option<u64> {
    value(line, key)?.parse().ok()
}

/// A finite number; `nan` and `inf` in a log are no score.
pub(super) fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

/// `600038ms`, `332.1s`, `9.6m`.
pub(super) fn seconds(text: &str) -> Option<f64> {
    if let Some(text) = text.strip_suffix("ms") {
        number(text).map(|ms| ms / 1000.0)
    } else if let Some(text) = text.strip_suffix('s') {
        number(text)
    } else {
        number(text.strip_suffix('m')?).map(|minutes| minutes * 60.0)
    }
}

/// `13780/20000`
pub(super) fn ratio(text: &str) -> Option<(u64, u64)> {
    let (a, b) = text.split_once('/')?;
    Some((a.parse().ok()?, b.parse().ok()?))
}

/// ` int8+zlib: 15815847 bytes (…)` gives the label and the number.
pub(super) fn labelled_bytes(rest: &str) -> Option<(&str, u64)> {
    let (label, rest) = rest.split_once(": ")?;
    let (bytes, unit) = rest.split_once(' ')?;
    unit.starts_with("bytes").then_some(())?;
    Some((label.trim(), bytes.parse().ok()?))
}

/// Digits after the point.
pub(super) fn decimals(text: &str) -> u32 {
    text.split_once('.').map_or(0, |(_, digits)| digits.len() as u32)
}
