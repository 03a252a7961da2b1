//! The published JSON shape.

use super::Report;

pub(super) fn render(report: &Report) -> String {
    // Serialising plain structs with string keys cannot fail; an empty object would be seen at once.
    let mut text = serde_json::to_string_pretty(report).unwrap_or_else(|_| "{}".to_owned());
    text.push('\n');
    text
}
