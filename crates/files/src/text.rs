//! Text of strangers made harmless, and numbers and lines as people read them.

use std::fmt::Write;

use textwrap::Options;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns of a quoted line that plain output shows.
const QUOTE: usize = 160;

/// `15,863,489`: counts are read in groups of three digits.
pub fn thousands(value: impl Into<i128>) -> String {
    let value: i128 = value.into();
    let digits = value.unsigned_abs().to_string();
    let mut text = String::from(if value < 0 { "-" } else { "" });
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 error`, `2 errors`; `unknown` and `info` have no plural.
pub fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 || noun == "unknown" || noun == "info" { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// `value` with at least `decimals` digits after the point, and never fewer than it needs: a log's `2.0960` stays so.
pub fn padded(value: f64, decimals: Option<u32>) -> String {
    let shortest = value.to_string();
    let digits = shortest.split_once('.').map_or(0, |(_, digits)| digits.len());
    let decimals = usize::try_from(decimals.unwrap_or(0)).unwrap_or(0).min(17);
    if digits < decimals { format!("{value:.decimals$}") } else { shortest }
}

/// Text from a stranger's file for one line: nothing that moves the cursor or the reading order, bounded length.
pub fn one_line(text: &str) -> String {
    cut(&printable(text.trim()), QUOTE)
}

/// The same without a bound: control characters, line breaks and invisible characters are spelled out.
pub fn printable(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => line.push(' '),
            _ if is_deceptive(c) => {
                let _ = write!(line, "{}", c.escape_unicode());
            }
            _ => line.push(c),
        }
    }
    line
}

/// At most `max` columns, with an ellipsis where something is left out.
pub fn cut(text: &str, max: usize) -> String {
    if columns(text) <= max {
        return text.to_owned();
    }
    fitting(text.chars(), max).trim_end().to_owned() + "…"
}

/// The last columns of a path, where it is longer than `max`: file names tell runs apart at their end.
pub fn cut_front(text: &str, max: usize) -> String {
    if columns(text) <= max {
        return text.to_owned();
    }
    let kept: String = fitting(text.chars().rev(), max).chars().rev().collect();
    format!("…{kept}")
}

/// The characters that leave one of `max` columns for an ellipsis.
fn fitting(text: impl Iterator<Item = char>, max: usize) -> String {
    let mut used = 1;
    let fits = |c: &char| {
        used += c.width().unwrap_or(0);
        used <= max
    };
    text.take_while(fits).collect()
}

/// Control characters, line separators, bidirectional controls and what has no width: they make a terminal or a page
/// show another text than the one that is there.
pub fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}'
        )
        || matches!(c, '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}')
        || matches!(c, '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// `text` after `first`, its further lines indented by `indent` spaces, each at most `width` columns; unbroken without
/// a width, for pipes.
pub fn wrapped(first: &str, text: &str, indent: usize, width: Option<usize>) -> String {
    let Some(width) = width else { return format!("{first}{text}\n") };
    let rest = " ".repeat(indent);
    let options = Options::new(width.max(indent + 20)).initial_indent(first).subsequent_indent(&rest);
    textwrap::fill(text, options) + "\n"
}

/// Columns that a terminal gives `text`.
pub fn columns(text: &str) -> usize {
    text.width()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes_are_grouped_and_foreign_text_is_harmless() {
        assert_eq!(
            (thousands(15_863_489), thousands(-1_000), thousands(7)),
            ("15,863,489".into(), "-1,000".into(), "7".into())
        );
        assert_eq!(one_line("a\u{1b}[31mb\u{202e}"), "a\\u{1b}[31mb\\u{202e}");
        assert_eq!(one_line("two\r\nlines"), "two  lines");
        assert_eq!(one_line(&"x".repeat(500)).chars().count(), QUOTE);
    }

    #[test]
    fn printed_digits_are_kept_and_none_is_lost() {
        assert_eq!(padded(2.096, Some(4)), "2.0960");
        assert_eq!(padded(1.25667419, Some(4)), "1.25667419");
        assert_eq!((padded(2.0, None), padded(2.0, Some(2))), ("2".into(), "2.00".into()));
    }

    #[test]
    fn long_texts_are_cut_where_they_differ_least() {
        assert_eq!((cut("abcdef", 6), cut("abcdef", 4)), ("abcdef".into(), "abc…".into()));
        assert_eq!(cut("漢字漢字", 6), "漢字…");
        assert_eq!(cut_front("logs/train_seed42.log", 11), "…seed42.log");
    }

    proptest! {
        #[test]
        fn nothing_deceptive_survives(text in any::<String>()) {
            prop_assert!(!printable(&text).chars().any(is_deceptive));
            prop_assert!(!one_line(&text).chars().any(is_deceptive));
        }

        #[test]
        fn wrapped_lines_fit_the_terminal(text in "[a-z ]{0,300}", width in 20usize..140) {
            let filled = wrapped("  --> ", &text, 6, Some(width));
            let room = width.max(26);
            prop_assert!(filled.lines().all(|line| columns(line) <= room), "{filled}");
        }
    }
}
