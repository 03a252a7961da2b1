//! The text of a script as Python reads it: in UTF-8, unless a coding line names another encoding (PEP 263).

use std::borrow::Cow;
use std::sync::LazyLock;

use encoding_rs::Encoding;
use regex::bytes::Regex;

/// A coding line as Python's tokenizer looks for it.
static CODING: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^[ \t\x0c]*#.*?coding[:=][ \t]*([-_.a-zA-Z0-9]+)").ok());
/// A line that may stand before the coding line: empty, or a comment.
static BEFORE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^[ \t\x0c]*(?:#|\r?$)").ok());

/// An encoding of text, by the names that Python has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextCodec {
    /// UTF-8, and ASCII, which is a part of it.
    Utf8,
    /// A single byte per character, for the first 256.
    Latin1,
    /// Another one that the web knows.
    Other(&'static Encoding),
}

impl TextCodec {
    /// The codec that Python finds under `name`.
    ///
    /// # Errors
    /// When it is none that is read here, such as UTF-7 or `unicode_escape`, which hide code from a reader's eyes.
    pub fn named(name: &str) -> Result<TextCodec, String> {
        let plain: String = name.trim().to_ascii_lowercase().replace(['_', ' '], "-");
        match plain.as_str() {
            "utf-8" | "utf8" | "u8" | "utf" | "utf8-ucs2" | "utf8-ucs4" | "cp65001" | "utf-8-sig" | "utf-8-unix" => {
                return Ok(TextCodec::Utf8);
            }
            "ascii" | "us-ascii" | "646" | "ansi-x3.4-1968" | "iso646-us" | "us" | "cp367" | "ibm367" | "iso-ir-6" => {
                return Ok(TextCodec::Utf8);
            }
            "latin-1" | "latin1" | "latin" | "l1" | "iso-8859-1" | "iso8859-1" | "iso8859" | "8859" | "cp819"
            | "ibm819" | "iso-ir-100" | "csisolatin1" | "iso-8859-1-1987" | "iso-latin-1" | "latin-1-unix"
            | "iso-latin-1-unix" => {
                return Ok(TextCodec::Latin1);
            }
            _ => {}
        }
        let short = plain.replace("iso8859-", "iso-8859-").replace("latin-", "latin");
        match Encoding::for_label(short.as_bytes()) {
            // UTF-16 is no encoding of a script, and the web's replacement is none at all.
            Some(found) if found.is_ascii_compatible() => Ok(TextCodec::Other(found)),
            _ => Err(format!("the encoding {name:?} is not read by caddie; save the file as UTF-8")),
        }
    }

    /// Returns the text of `bytes`; bytes that the encoding does not have are replaced.
    pub fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        match self {
            TextCodec::Utf8 => String::from_utf8_lossy(bytes),
            TextCodec::Latin1 if bytes.is_ascii() => String::from_utf8_lossy(bytes),
            TextCodec::Latin1 => Cow::Owned(bytes.iter().map(|byte| char::from(*byte)).collect()),
            TextCodec::Other(encoding) => encoding.decode_without_bom_handling(bytes).0,
        }
    }

    /// The bytes of `text`.
    ///
    /// # Errors
    /// When the encoding lacks a character, as in Python.
    pub fn encode(self, text: &str) -> Result<Vec<u8>, String> {
        match self {
            TextCodec::Utf8 => Ok(text.as_bytes().to_vec()),
            TextCodec::Latin1 => text
                .chars()
                .map(|c| u8::try_from(u32::from(c)).map_err(|_| format!("{c:?} is not in Latin-1")))
                .collect(),
            TextCodec::Other(encoding) => match encoding.encode(text) {
                (bytes, _, false) => Ok(bytes.into_owned()),
                _ => Err(format!("a character is not in {}", encoding.name())),
            },
        }
    }
}

/// Writes bytes as the inside of a Python text in double quotes, in a file that says it is Latin-1: there each character
/// is a byte. Base85 would take a quarter more than the bytes, this takes a fiftieth.
pub fn latin1_literal(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len() + bytes.len() / 32);
    for byte in bytes {
        match byte {
            // Python's source has no NUL, and a digit may follow.
            0 => text.extend_from_slice(b"\\000"),
            b'\n' => text.extend_from_slice(b"\\n"),
            // Unescaped, it would be read as a line's end.
            b'\r' => text.extend_from_slice(b"\\r"),
            b'"' | b'\\' => text.extend_from_slice(&[b'\\', *byte]),
            other => text.push(*other),
        }
    }
    text
}

/// Returns the codec of a script: the one that its coding line names, else UTF-8. A coding line counts in the first
/// line, or in the second where the first is a comment or empty.
///
/// # Errors
/// As [`TextCodec::named`], with the line.
pub fn of_script(bytes: &[u8]) -> Result<TextCodec, (u64, String)> {
    let (Some(coding), Some(before)) = (CODING.as_ref(), BEFORE.as_ref()) else { return Ok(TextCodec::Utf8) };
    for (number, line) in (1..).zip(without_mark(bytes).split(|byte| *byte == b'\n').take(2)) {
        if let Some(name) = coding.captures(line).and_then(|found| found.get(1)) {
            return TextCodec::named(&String::from_utf8_lossy(name.as_bytes())).map_err(|reason| (number, reason));
        }
        if !before.is_match(line) {
            break;
        }
    }
    Ok(TextCodec::Utf8)
}

/// The text of a script. Where its encoding is not read, the bytes that are ASCII stand, and the rest is replaced.
pub fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    let codec = of_script(bytes).unwrap_or(TextCodec::Utf8);
    codec.decode(without_mark(bytes))
}

fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coding_line_counts_where_python_looks_for_it() {
        let codec = |text: &[u8]| of_script(text).expect("a codec that is read");
        for line in ["#coding:l1", "# -*- coding: latin-1 -*-", "# vim: set fileencoding=iso-8859-1 :", "#coding=L1"] {
            for before in ["", "#!/usr/bin/env python3\n", "\n", "  # a comment\n"] {
                assert_eq!(
                    codec(format!("{before}{line}\nx = 1\n").as_bytes()),
                    TextCodec::Latin1,
                    "{before:?} {line}"
                );
            }
            assert_eq!(codec(format!("x = 1\n{line}\n").as_bytes()), TextCodec::Utf8, "{line} behind code");
            assert_eq!(codec(format!("#\n#\n{line}\n").as_bytes()), TextCodec::Utf8, "{line} in the third line");
        }
        assert_eq!(codec(b"# coding: utf-8\n"), TextCodec::Utf8);
        assert_eq!(codec(b"# coding: cp1252\n"), TextCodec::Other(encoding_rs::WINDOWS_1252));
        assert_eq!(codec(b"# coding: koi8-r\n"), TextCodec::Other(encoding_rs::KOI8_R));
        for name in ["utf-7", "unicode_escape", "rot13", "utf-16", "cp037"] {
            let refused = of_script(format!("#\n# coding: {name}\n").as_bytes());
            assert!(refused.is_err_and(|(line, reason)| line == 2 && reason.contains(name)), "{name}");
        }
    }

    #[test]
    fn text_and_bytes_are_each_others() {
        let all: Vec<u8> = (0..=255).collect();
        let text = TextCodec::Latin1.decode(&all).into_owned();
        assert_eq!((text.chars().count(), TextCodec::Latin1.encode(&text)), (256, Ok(all)));
        assert!(TextCodec::Latin1.encode("€").is_err());
        assert_eq!(text_of(b"\xef\xbb\xbfx = 1"), "x = 1");
        assert_eq!(text_of(b"# coding: latin-1\n'\xe9'"), "# coding: latin-1\n'é'");
    }
}
