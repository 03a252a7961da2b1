//! The order of the layers, as a recipe writes it.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Most layers of a model; the deepest public entry has a few dozen.
const MAX_LAYERS: usize = 256;

/// The kind of each layer, a letter that `[model.block.<letter>]` describes.
///
/// Written as letters, with `*N` for a letter that repeats and blanks where they help the eye: `A*11`, `G C*3 G C*3`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layout {
    text: String,
    kinds: Vec<char>,
}

impl Layout {
    /// Reads the notation.
    ///
    /// # Errors
    /// When a character is not a letter, a repeat lacks a letter before it or a number, or there are more than 256
    /// layers.
    pub fn parse(text: &str) -> Result<Layout, String> {
        let mut kinds: Vec<char> = Vec::new();
        let mut rest = text.chars().filter(|c| !c.is_whitespace()).peekable();
        while let Some(c) = rest.next() {
            if !c.is_ascii_uppercase() {
                return Err(format!(
                    "{c:?} in the layout {text:?} is no kind of block; write capital letters, such as A*9"
                ));
            }
            let mut times = 1;
            if rest.next_if_eq(&'*').is_some() {
                let digits: String = std::iter::from_fn(|| rest.next_if(char::is_ascii_digit)).collect();
                times = digits.parse::<usize>().ok().filter(|&n| n > 0).ok_or_else(|| {
                    format!(
                        "the layout {text:?} says {c}* without a number of layers after it; write for example {c}*9"
                    )
                })?;
            }
            if kinds.len().saturating_add(times) > MAX_LAYERS {
                return Err(format!("the layout {text:?} has more than {MAX_LAYERS} layers"));
            }
            kinds.extend(std::iter::repeat_n(c, times));
        }
        Ok(Layout { text: text.to_owned(), kinds })
    }

    /// The kind of each layer.
    pub fn kinds(&self) -> &[char] {
        &self.kinds
    }

    /// Returns the layout as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl Serialize for Layout {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Layout {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Layout, D::Error> {
        Layout::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_repeats_and_blanks() {
        let kinds = |text: &str| Layout::parse(text).unwrap().kinds().iter().collect::<String>();
        assert_eq!(kinds("A*3"), "AAA");
        assert_eq!(kinds("G C*2 G C*2"), "GCCGCC");
        assert_eq!(kinds(""), "");
        for bad in ["a", "A*", "*3", "A*0", "A*99999999999999999999", "A*200 B*57", "A-3"] {
            assert!(Layout::parse(bad).is_err(), "{bad}");
        }
    }
}
