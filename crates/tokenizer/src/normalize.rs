//! Normalization: rules for characters, white space, and where each byte of the result comes from.

use caddie_format::tokenizer::SPACE;

use crate::charsmap::Charsmap;

/// How a model normalizes a text.
#[derive(Debug)]
pub struct Rules {
    pub charsmap: Charsmap,
    pub kept: Kept,
    pub add_dummy_prefix: bool,
    pub remove_extra_whitespaces: bool,
    pub escape_whitespaces: bool,
    pub treat_whitespace_as_suffix: bool,
}

/// The pieces that a model's user asked for: they are found first, never rewritten, and never merged.
#[derive(Debug)]
pub struct Kept {
    /// Longest first.
    texts: Vec<String>,
    begins: Box<[bool; 256]>,
}

/// A text as it is encoded.
#[derive(Debug, PartialEq, Eq)]
pub struct Normalized {
    pub text: String,
    /// For each byte of `text`, and for its end, the byte of the given text that it comes from.
    pub origin: Vec<usize>,
}

impl Kept {
    pub fn new(mut texts: Vec<String>) -> Kept {
        texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        let mut begins = Box::new([false; 256]);
        texts.iter().filter_map(|text| text.bytes().next()).for_each(|byte| begins[usize::from(byte)] = true);
        Kept { texts, begins }
    }

    /// The length of the longest of them that `input` begins with.
    pub fn prefix(&self, input: &str) -> Option<usize> {
        let first = *input.as_bytes().first()?;
        if !self.begins[usize::from(first)] {
            return None;
        }
        self.texts.iter().find(|text| input.starts_with(text.as_str())).map(String::len)
    }
}

impl Rules {
    /// Normalizes `input`.
    pub fn normalize(&self, input: &str) -> Normalized {
        let mut out = Output { text: String::with_capacity(input.len()), origin: Vec::with_capacity(input.len() + 1) };
        let mut at = 0;
        if self.remove_extra_whitespaces {
            while let Some((length, " ")) = self.next(&input[at..]) {
                at += length;
            }
        }
        if at == input.len() {
            return Normalized { text: String::new(), origin: vec![at] };
        }
        let space = if self.escape_whitespaces { SPACE } else { ' ' };
        if self.add_dummy_prefix && !self.treat_whitespace_as_suffix {
            out.push(space, at);
        }
        let mut after_space = self.remove_extra_whitespaces;
        while let Some((length, mut part)) = self.next(&input[at..]) {
            if after_space {
                part = part.trim_start_matches(' ');
            }
            for c in part.chars() {
                out.push(if c == ' ' { space } else { c }, at);
            }
            if !part.is_empty() {
                after_space = self.remove_extra_whitespaces && part.ends_with(' ');
            }
            at += length;
        }
        if self.remove_extra_whitespaces {
            while out.text.ends_with(space) {
                out.text.truncate(out.text.len() - space.len_utf8());
                at = out.origin[out.text.len()];
                out.origin.truncate(out.text.len());
            }
        }
        if self.add_dummy_prefix && self.treat_whitespace_as_suffix {
            out.push(space, at);
        }
        out.origin.push(at);
        Normalized { text: out.text, origin: out.origin }
    }

    /// The beginning of `input` that is rewritten next: its length, and what it becomes. Nothing at the end.
    fn next<'a>(&'a self, input: &'a str) -> Option<(usize, &'a str)> {
        let first = input.chars().next()?;
        if let Some(length) = self.kept.prefix(input) {
            return Some((length, &input[..length]));
        }
        Some(self.charsmap.longest(input).unwrap_or((first.len_utf8(), &input[..first.len_utf8()])))
    }
}

/// A normalized text in the making.
struct Output {
    text: String,
    origin: Vec<usize>,
}

impl Output {
    fn push(&mut self, c: char, from: usize) {
        self.text.push(c);
        self.origin.resize(self.text.len(), from);
    }
}
