//! A setting with a value, and the values that a study gives it.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

/// A setting with the value that a variant gives it: a key of a recipe, or a variable of a script's environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    pub key: String,
    /// The value as one writes it on a command line. Empty where the key or section is taken out of a recipe.
    pub value: String,
}

impl Choice {
    /// Makes a choice of two texts.
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Choice {
        Choice { key: key.into(), value: value.into() }
    }

    /// Parses `KEY=VALUE`.
    ///
    /// # Errors
    /// When there is no `=`, or nothing before it.
    pub fn parse(text: &str) -> Result<Choice, String> {
        match text.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() && !text.contains('\0') => Ok(Choice::new(key.trim(), value)),
            _ => Err("write it as KEY=VALUE".to_owned()),
        }
    }
}

/// Writes `key=value`, as `--set` takes it.
impl Display for Choice {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key, self.value)
    }
}

/// A setting with all the values that a study gives it: `--vary KEY=A,B,C`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Axis {
    pub key: String,
    pub values: Vec<String>,
}

impl Axis {
    /// Parses `KEY=A,B,C`. A comma between quotes or brackets belongs to its value: `also=["full","sliding"],[]`.
    ///
    /// # Errors
    /// When there is no value, an empty one, or one twice.
    pub fn parse(text: &str) -> Result<Axis, String> {
        let Choice { key, value } = Choice::parse(text).map_err(|_| "write it as KEY=A,B,C".to_owned())?;
        let values = split(&value, ',');
        if values.iter().any(String::is_empty) {
            return Err(format!("a value of {key} is empty; to take a part of a recipe out, use --drop"));
        }
        if let Some((i, twice)) = values.iter().enumerate().find(|(i, value)| values[..*i].contains(value)) {
            return Err(format!("{twice} is named twice for {key}, as value {}", i + 1));
        }
        Ok(Axis { key, values })
    }
}

/// Settings that are changed together: a variant of several settings, `--variant 'KEY=VALUE KEY=VALUE'`, or a rung of a ladder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Together(pub Vec<Choice>);

impl Together {
    /// Parses settings with spaces between them. A space between quotes or brackets belongs to its value; one without a value
    /// takes a part of a recipe out (`quant.q2=`).
    ///
    /// # Errors
    /// When there is none, one is not `KEY=VALUE`, or is named twice.
    pub fn parse(text: &str) -> Result<Together, String> {
        let mut choices: Vec<Choice> = Vec::new();
        for word in split(text, ' ').iter().filter(|word| !word.is_empty()) {
            let choice =
                Choice::parse(word).map_err(|_| format!("{word:?} is no setting; write KEY=VALUE KEY=VALUE"))?;
            if choices.iter().any(|other| other.key == choice.key) {
                return Err(format!("{} is named twice", choice.key));
            }
            choices.push(choice);
        }
        if choices.is_empty() { Err("write it as KEY=VALUE KEY=VALUE".to_owned()) } else { Ok(Together(choices)) }
    }
}

/// Splits at the separators outside quotes and brackets.
fn split(text: &str, separator: char) -> Vec<String> {
    let (mut values, mut value, mut quote, mut depth) = (Vec::new(), String::new(), None, 0u32);
    for c in text.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth = depth.saturating_sub(1),
            (None, c) if c == separator && depth == 0 => {
                values.push(std::mem::take(&mut value).trim().to_owned());
                continue;
            }
            _ => {}
        }
        value.push(c);
    }
    values.push(value.trim().to_owned());
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_split_at_the_commas_that_are_not_part_of_one() {
        let values = |text: &str| Axis::parse(text).unwrap().values;
        assert_eq!(values("matrix_lr=0.02, 0.03,0.04"), ["0.02", "0.03", "0.04"]);
        assert_eq!(values(r#"also=["full","sliding"],[]"#), [r#"["full","sliding"]"#, "[]"]);
        assert_eq!(values("NAME='a,b',c"), ["'a,b'", "c"]);
        assert_eq!(Axis::parse("eval.mode=ttt").unwrap().key, "eval.mode");
        for (text, said) in [("matrix_lr", "KEY=A,B,C"), ("=1", "KEY=A,B,C"), ("a=1,,2", "empty"), ("a=1,2,1", "twice")]
        {
            assert!(Axis::parse(text).unwrap_err().contains(said), "{text}");
        }
    }

    #[test]
    fn settings_are_changed_alone_or_together() {
        let rung = Together::parse(r#"train.min_lr=0.1  ttt_without=["q", "v"]"#).unwrap();
        assert_eq!(rung.0, [Choice::new("train.min_lr", "0.1"), Choice::new("ttt_without", r#"["q", "v"]"#)]);
        assert_eq!(Together::parse("quant.q2=").unwrap().0, [Choice::new("quant.q2", "")]);
        for (text, said) in [(" ", "KEY=VALUE"), ("a=1 b", "no setting"), ("a=1 a=2", "twice")] {
            assert!(Together::parse(text).unwrap_err().contains(said), "{text}");
        }
    }
}
