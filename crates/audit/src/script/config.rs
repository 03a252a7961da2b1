//! The configuration that a run had: the settings that its log states, over the script's defaults.

use std::collections::HashMap;

use super::said::Said;
use super::value::Kind;

/// Hyperparameters by name, in lower case: `ttt_epochs`; and the rest of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    stated: HashMap<String, String>,
    said: Option<Said>,
    /// Options that commands of the folder give the script, without their dashes, with their values; `None`: a switch, or
    /// several values.
    given: HashMap<String, Option<String>>,
}

impl Config {
    /// Makes a configuration of names and values as a log or a command line states them.
    pub fn new<N: AsRef<str>, V: Into<String>>(stated: impl IntoIterator<Item = (N, V)>) -> Config {
        let stated = stated.into_iter().map(|(name, value)| (name.as_ref().to_ascii_lowercase(), value.into()));
        Config { stated: stated.collect(), ..Config::default() }
    }

    /// Adds the log that states it.
    pub fn with_log(self, said: Said) -> Config {
        Config { said: Some(said), ..self }
    }

    /// Adds a setting that the log shows without stating it, unless it states it.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Config {
        self.stated.entry(name.to_ascii_lowercase()).or_insert_with(|| value.into());
        self
    }

    /// Adds options that commands of the folder give the script: `--val-tokens 1000000`.
    pub fn with_options(mut self, options: impl IntoIterator<Item = (String, Option<String>)>) -> Config {
        for (option, value) in options {
            let known = self.given.entry(plain(&option)).or_insert_with(|| value.clone());
            if *known != value {
                *known = None;
            }
        }
        self
    }

    /// The value that commands of the folder give this option; `None`: none gives it.
    pub fn option(&self, option: &str) -> Option<Option<Kind<'static>>> {
        let value = self.given.get(&plain(option))?;
        Some(value.as_deref().and_then(|text| text.parse::<i64>().ok()).map(Kind::Int))
    }

    /// Takes away the log that states it.
    pub fn without_log(self) -> Config {
        Config { said: None, ..self }
    }

    /// The log of the run, where there is one.
    pub fn said(&self) -> Option<&Said> {
        self.said.as_ref()
    }

    /// Tells whether nothing is stated.
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

/// The name of an option, however its dashes are written.
fn plain(option: &str) -> String {
    option.trim_start_matches('-').replace('-', "_").to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

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
