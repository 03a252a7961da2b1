//! What every command does alike with a terminal: its width and its colors. A pipe or a file gets whole lines without color,
//! unless CLICOLOR_FORCE asks for it.

use std::io::IsTerminal as _;

use super::report_options::Color;
use crate::report::Pen;
use caddie_files::Result;
use caddie_files::text::columns;

/// Columns below which a text is not broken any further.
const NARROW: usize = 20;
/// Largest column at which a part of a line may begin and still indent the lines that continue it.
const LABEL: usize = 34;

/// Returns the pen for standard output.
pub fn pen() -> Pen {
    Pen { color: Color::Auto.wanted(std::io::stdout().is_terminal()) }
}

/// Prints a text in lines that fit the terminal; whole lines where there is none.
///
/// # Errors
/// When standard output cannot be written.
pub fn show(text: &str) -> Result<()> {
    match super::columns_of_stdout() {
        Some(width) => super::print(&fitted(text, width)),
        None => super::print(text),
    }
}

/// Breaks lines that are too long between their words. What continues a line begins below its last column, where it has
/// several: `size      15,815,928 of …` goes on below the number.
fn fitted(text: &str, width: usize) -> String {
    let width = width.max(NARROW);
    let mut fitted = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        if visible(line) <= width {
            fitted.push_str(line);
        } else {
            broken(&mut fitted, line, width);
        }
        fitted.push_str(end);
    }
    fitted
}

/// Writes one line in several.
fn broken(out: &mut String, line: &str, width: usize) {
    let indent = indent(line).min(width / 2);
    let mut used = 0;
    // A word with the blanks before it, so that columns stay where they are.
    let mut rest = line;
    while !rest.is_empty() {
        let blanks = rest.len() - rest.trim_start_matches(' ').len();
        let word_ends = rest[blanks..].find(' ').map_or(rest.len(), |at| blanks + at);
        let (part, after) = rest.split_at(word_ends);
        let word = &part[blanks..];
        if used > indent && used + blanks + visible(word) > width {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            out.push_str(word);
            used = indent + visible(word);
        } else {
            out.push_str(part);
            used += blanks + visible(word);
        }
        rest = after;
    }
}

/// Returns the column at which the last part of a line begins, parts being two blanks or more apart; else two behind its
/// first word. A part that begins far to the right is no place to go on.
fn indent(line: &str) -> usize {
    let leading = line.len() - line.trim_start_matches(' ').len();
    let body = &line[leading..];
    let starts = body.match_indices("  ").map(|(at, _)| {
        let gap = body[at..].len() - body[at..].trim_start_matches(' ').len();
        leading + visible(&body[..at]) + gap
    });
    starts.filter(|column| *column <= LABEL).last().unwrap_or(leading + 2)
}

/// Returns the columns that a text takes, its color codes left out.
fn visible(text: &str) -> usize {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().map_or(0, columns);
    first + parts.map(|part| part.split_once('m').map_or(0, |(_, rest)| columns(rest))).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_goes_on_below_its_last_column() {
        let text = "ok           Python     3.11.7 at /a/very/long/path that goes on\nshort\n";
        let expected = "ok           Python     3.11.7 at\n                  /a/very/long/path\n                  that goes on\nshort\n";
        assert_eq!(fitted(text, 36), expected);
        assert_eq!(fitted("  one two three four five", 20), "  one two three four\n    five");
        let long = format!("{}\n", "x".repeat(50));
        assert_eq!(fitted(&long, 20), long, "a word is never broken");
    }

    #[test]
    fn color_codes_take_no_room() {
        assert_eq!(visible("\u{1b}[1;31mmissing\u{1b}[0m ä"), 9);
        let text = "\u{1b}[1;31mmissing\u{1b}[0m here\n";
        assert_eq!(fitted(text, 20), text);
    }

    proptest::proptest! {
        #[test]
        fn nothing_but_blanks_and_breaks_changes(text in "[ a-zé\n]{0,200}", width in 0_usize..120) {
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            proptest::prop_assert_eq!(words(&fitted(&text, width)), words(&text));
        }
    }
}
