//! The report in its published JSON shape.

use std::fmt::Write;

use serde::Serialize;

use super::{Format, Report};
use caddie_files::text::is_deceptive;

/// Metadata of the format.
pub(super) const FORMAT: Format = Format {
    name: "json",
    extension: "json",
    about: "The published schema (`caddie schema verify`), for programs.",
    write: |report, _| render(report),
};

fn render(report: &Report) -> String {
    pretty(report)
}

/// Writes indented JSON in which every character that could deceive a terminal is an escape; the values stay the same.
pub(super) fn pretty(value: &impl Serialize) -> String {
    // Serializing plain structs with string keys cannot fail; an empty object would be seen at once.
    let text = serde_json::to_string_pretty(value).unwrap_or_else(|_| "{}".to_owned());
    let mut safe = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        // What is left of these can stand only inside strings: the structure of JSON is ASCII.
        if c != '\n' && is_deceptive(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(c);
        }
    }
    safe.push('\n');
    safe
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn values_survive_and_the_text_is_harmless(value in any::<String>()) {
            let text = pretty(&[&value]);
            prop_assert!(text.lines().all(|line| !line.chars().any(is_deceptive)));
            let [read] = serde_json::from_str::<[String; 1]>(&text).expect("JSON");
            prop_assert_eq!(read, value);
        }
    }

    #[test]
    fn characters_beyond_sixteen_bits_are_pairs() {
        assert_eq!(pretty(&"\u{e0041}\u{7f}"), "\"\\udb40\\udc41\\u007f\"\n");
    }
}
