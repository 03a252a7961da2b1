//! The configuration that a run had: what its log states, over what the script takes by default.

use std::collections::HashMap;

use super::value::Kind;

/// Hyperparameters by name, in lower case: `ttt_epochs`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    stated: HashMap<String, String>,
    /// What the log prints as `name:value` in a line of its own or beside others: good enough for a name that is empty by default.
    printed: HashMap<String, String>,
}

/// Lines of a log whose `name:value` words are kept.
const HEAD: usize = 20_000;

impl Config {
    /// From names and values as a log or a command line states them.
    pub fn new<N: AsRef<str>, V: Into<String>>(stated: impl IntoIterator<Item = (N, V)>) -> Config {
        let stated = stated.into_iter().map(|(name, value)| (name.as_ref().to_ascii_lowercase(), value.into()));
        Config { stated: stated.collect(), printed: HashMap::new() }
    }

    /// With what the lines of a log print: `prefix_file:prefix.xz`.
    #[must_use]
    pub fn with_log(mut self, text: &str) -> Config {
        for word in text.lines().take(HEAD).flat_map(str::split_whitespace) {
            let Some((name, value)) = word.split_once(':').filter(|(name, value)| {
                let named = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                named && !name.is_empty() && !value.is_empty()
            })
            else {
                continue;
            };
            self.printed.entry(name.to_ascii_lowercase()).or_insert_with(|| value.to_owned());
        }
        self
    }

    /// What the log prints for a name that is empty by default.
    pub fn printed(&self, name: &str) -> Option<&str> {
        self.printed.get(&name.to_ascii_lowercase()).map(String::as_str)
    }

    /// Whether nothing is stated.
    pub fn is_empty(&self) -> bool {
        self.stated.is_empty()
    }

    /// The stated text of a hyperparameter or of the environment variable of its name.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.stated.get(&name.to_ascii_lowercase()).map(String::as_str)
    }

    /// The stated value, read as Python prints it.
    pub fn of(&self, name: &str) -> Option<Kind<'static>> {
        let text = self.text(name)?.trim();
        Some(match text {
            "True" | "true" => Kind::Bool(true),
            "False" | "false" => Kind::Bool(false),
            "None" => Kind::None,
            _ => match (text.parse::<i64>(), text.parse::<f64>()) {
                (Ok(int), _) => Kind::Int(int),
                (Err(_), Ok(float)) => Kind::Float(float),
                _ => Kind::Text(text.trim_matches(['\'', '"']).into()),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_says_what_is_empty_by_default() {
        let config = Config::new([("beta", "0.5")]).with_log("loading\nprefix_file:prefix.xz tokens:12\nprefix_file:b.xz\n");
        assert_eq!(config.printed("PREFIX_FILE"), Some("prefix.xz"));
        assert_eq!(config.text("PREFIX_FILE"), None);
        assert_eq!(config.printed("beta"), None);
    }

    #[test]
    fn values_are_read_as_python_prints_them() {
        let config = Config::new([("TTT_EPOCHS", "3"), ("beta", "0.5"), ("use", "False"), ("name", "'sgd'")]);
        assert!(matches!(config.of("ttt_epochs"), Some(Kind::Int(3))));
        assert!(matches!(config.of("BETA"), Some(Kind::Float(beta)) if beta == 0.5));
        assert!(matches!(config.of("use"), Some(Kind::Bool(false))));
        assert!(matches!(config.of("name"), Some(Kind::Text(text)) if &*text == "sgd"));
        assert!(config.of("other").is_none());
    }
}
