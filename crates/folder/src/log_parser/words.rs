//! Words and numbers of a log line.

/// Removes the time with which logs may start each line: epoch seconds (`1776100000.123 `), `2026-04-29 18:14:16+08:00
/// `, `[05:26:39] ` or `[2026-04-19 12:28:15] `. Returns the stamp, where it is in epoch seconds, and the rest.
pub(super) fn stamped(line: &str) -> (Option<f64>, &str) {
    if let Some(rest) = line.strip_prefix('[') {
        return match rest.split_once("] ") {
            Some((stamp, rest)) if stamp.contains(':') && is_time(stamp) => (None, rest),
            _ => (None, line),
        };
    }
    let Some((first, rest)) = line.split_once(' ') else {
        // Nothing but the stamp: an empty line.
        return epoch(line).map_or((None, line), |seconds| (Some(seconds), ""));
    };
    if let Some(seconds) = epoch(first) {
        return (Some(seconds), rest);
    }
    if is_time(first) && first.len() == 10 && first.bytes().filter(|byte| *byte == b'-').count() == 2 {
        let (time, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        if time.contains(':') && is_time(time) {
            return (None, rest);
        }
    }
    (None, line)
}

/// Parses `1776100000.123`.
fn epoch(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    let digits = |range: std::ops::Range<usize>| bytes.get(range).is_some_and(|b| b.iter().all(u8::is_ascii_digit));
    let stamped = bytes.len() == 14 && digits(0..10) && bytes.get(10) == Some(&b'.') && digits(11..14);
    stamped.then(|| number(text)).flatten()
}

/// Tells whether a text consists of digits and the separators of dates and times.
fn is_time(text: &str) -> bool {
    text.len() >= 8 && text.bytes().all(|byte| byte.is_ascii_digit() || b"-:+., TZ".contains(&byte))
}

/// Tells whether a line of sixty or more `=` separates sections of a log; real ones have 60 or 100.
pub(super) fn is_separator(line: &str) -> bool {
    line.len() >= 60 && line.bytes().all(|byte| byte == b'=')
}

/// Returns the word after `key`, which must begin a word itself; one space between is skipped (family B).
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

/// Parses a finite number; `nan` and `inf` in a log are not scores.
pub(super) fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

/// Parses `600038ms`, `332.1s`, `9.6m`.
pub(super) fn seconds(text: &str) -> Option<f64> {
    if let Some(text) = text.strip_suffix("ms") {
        number(text).map(|ms| ms / 1000.0)
    } else if let Some(text) = text.strip_suffix('s') {
        number(text)
    } else {
        number(text.strip_suffix('m')?).map(|minutes| minutes * 60.0)
    }
}

/// Parses `13780/20000`.
pub(super) fn ratio(text: &str) -> Option<(u64, u64)> {
    let (a, b) = text.split_once('/')?;
    Some((a.parse().ok()?, b.parse().ok()?))
}

/// Parses ` int8+zlib: 15815847 bytes (…)`, in some logs `15,815,847 bytes`, and returns the label and the number.
pub(super) fn labelled_bytes(rest: &str) -> Option<(&str, u64)> {
    let (label, rest) = rest.split_once(": ")?;
    let (bytes, unit) = rest.split_once(' ')?;
    unit.starts_with("bytes").then_some(())?;
    Some((label.trim(), bytes.replace(',', "").parse().ok()?))
}

/// Counts the digits after the point.
pub(super) fn decimals(text: &str) -> u32 {
    text.split_once('.').map_or(0, |(_, digits)| digits.len() as u32)
}
