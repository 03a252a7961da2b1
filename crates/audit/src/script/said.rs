//! The words of a run's log: the lines that branches print show which of them the run took.

/// The lines of a run's log that its script printed, a script that was dumped among them left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said(String);

/// Shorter texts are found by chance.
const SHORTEST: usize = 8;

impl Said {
    /// Takes up the lines of a log.
    pub fn new<'a>(lines: impl IntoIterator<Item = &'a str>) -> Said {
        let mut text = String::new();
        for line in lines.into_iter().filter(|line| !is_code(line)) {
            text.push_str(line);
            text.push('\n');
        }
        Said(text)
    }

    /// Returns the value that the log prints for a name: `prefix.xz` in `prefix_file:prefix.xz`.
    pub fn value(&self, name: &str) -> Option<&str> {
        let start = format!("{}:", name.to_ascii_lowercase());

        self.0.split_whitespace().find_map(|word| word.strip_prefix(start.as_str()).filter(|value| !value.is_empty()))
    }

    /// Tells whether the log has this part of a line.
    pub fn holds(&self, part: &str) -> bool {
        self.0.contains(part)
    }
}

/// Tells whether a line is code of the script that the log quotes, not its output.
fn is_code(line: &str) -> bool {
    ["print(", "log(", "log0(", "f\"", "f'"].iter().any(|code| line.contains(code))
}

/// The longest part of a text without holes and line feeds that tells where it was printed.
pub fn telling(parts: impl IntoIterator<Item = String>) -> Option<String> {
    let lines = parts.into_iter().flat_map(|part| part.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>());
    let words = lines.filter(|line| line.len() >= SHORTEST && line.contains(char::is_alphabetic));
    words.max_by_key(String::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dumped_script_says_was_not_printed() {
        let said = Said::new(["    log0(f\"ttt:start lr={args.lr}\")", "step:1/20 train_loss:6.9", "print(x)"]);
        assert!(!said.holds("ttt:start lr="));
        assert!(said.holds("train_loss:"));
    }

    #[test]
    fn a_name_has_the_value_that_is_printed_for_it() {
        let said = Said::new(["loading", "prefix_file:prefix.xz tokens:12", "prefix_file:other.xz"]);
        assert_eq!(said.value("PREFIX_FILE"), Some("prefix.xz"));
        assert_eq!(said.value("FILE"), None);
    }

    #[test]
    fn the_longest_part_of_one_line_tells() {
        let parts = |parts: &[&str]| telling(parts.iter().map(|part| (*part).to_owned()));
        assert_eq!(parts(&["\nttt:start lr=", " epochs="]).as_deref(), Some("ttt:start lr="));
        assert_eq!(parts(&["=======================", "ok"]), None);
    }
}
