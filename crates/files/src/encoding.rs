//! The encodings in which people's files arrive, and their text.
//!
//! Windows PowerShell writes what it redirects in UTF-16, older editors in Windows-1252, some put a byte order mark before
//! UTF-8. A reader that knows only UTF-8 sees an empty log where a whole run stands.

use std::fmt;
use std::io::{Cursor, Read};

use encoding_rs::{Encoding as Codec, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use encoding_rs_io::DecodeReaderBytesBuilder;

/// Bytes of a file that tell its encoding.
const HEAD_BYTES: usize = 4096;

/// The encoding of a file's text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8 as everything expects it.
    #[default]
    Utf8,
    /// UTF-8 behind a byte order mark, which Python's `json.load` and a shebang do not expect.
    Utf8Mark,
    /// Two bytes a character, the low one first, with or without a byte order mark.
    Utf16Le,
    /// Two bytes a character, the high one first.
    Utf16Be,
    /// A single byte per character: Latin-1, or Windows' extension of it.
    Windows1252,
    /// UTF-8 in which some bytes are damaged.
    DamagedUtf8,
}

impl Encoding {
    /// The encoding of a file that begins with `head`, as far as the beginning tells: UTF-8 may turn out to be damaged.
    fn of_head(head: &[u8]) -> Encoding {
        match head {
            [0xef, 0xbb, 0xbf, ..] => Encoding::Utf8Mark,
            // A merely damaged file may begin with the same two bytes: without any zero byte no line of it ends in
            // UTF-16.
            [0xff, 0xfe, rest @ ..] if rest.is_empty() || rest.contains(&0) => Encoding::Utf16Le,
            [0xfe, 0xff, rest @ ..] if rest.is_empty() || rest.contains(&0) => Encoding::Utf16Be,
            _ => Encoding::without_mark(head),
        }
    }

    /// Text in UTF-16 is known by its zeros: every other byte of what Latin letters, digits and spaces make.
    fn without_mark(head: &[u8]) -> Encoding {
        let head = head.get(..head.len().min(HEAD_BYTES)).unwrap_or_default();
        let zeros = |odd: usize| head.iter().skip(odd).step_by(2).filter(|byte| **byte == 0).count();
        let (pairs, high, low) = (head.len() / 2, zeros(0), zeros(1));
        // Nine tenths are zeros in one place and hardly any in the other.
        if pairs >= 2 && low * 10 >= pairs * 9 && high * 20 <= pairs {
            Encoding::Utf16Le
        } else if pairs >= 2 && high * 10 >= pairs * 9 && low * 20 <= pairs {
            Encoding::Utf16Be
        } else {
            Encoding::Utf8
        }
    }

    fn codec(self) -> &'static Codec {
        match self {
            Encoding::Utf8 | Encoding::Utf8Mark | Encoding::DamagedUtf8 => UTF_8,
            Encoding::Utf16Le => UTF_16LE,
            Encoding::Utf16Be => UTF_16BE,
            Encoding::Windows1252 => WINDOWS_1252,
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Encoding::Utf8 => "UTF-8",
            Encoding::Utf8Mark => "UTF-8 with a byte order mark",
            Encoding::Utf16Le => "UTF-16, little endian",
            Encoding::Utf16Be => "UTF-16, big endian",
            Encoding::Windows1252 => "no UTF-8 (Latin-1 or Windows-1252)",
            Encoding::DamagedUtf8 => "no valid UTF-8 (damaged bytes)",
        })
    }
}

/// The text of `bytes`, without a byte order mark, and the encoding that it was read in. What no encoding gives is
/// replaced by U+FFFD.
pub fn decode(bytes: Vec<u8>) -> (String, Encoding) {
    let encoding = match Encoding::of_head(&bytes) {
        Encoding::Utf8 => match String::from_utf8(bytes) {
            Ok(text) => return (text, Encoding::Utf8),
            Err(error) => return undecided(error.as_bytes()),
        },
        other => other,
    };
    // The codec takes the mark off.
    let (text, ..) = encoding.codec().decode(&bytes);
    (text.into_owned(), encoding)
}

/// Bytes that are no UTF-8: one byte a character, unless some of them are characters of UTF-8, which chance hardly makes.
fn undecided(bytes: &[u8]) -> (String, Encoding) {
    let damaged = bytes.utf8_chunks().any(|chunk| !chunk.valid().is_ascii());
    let encoding = if damaged { Encoding::DamagedUtf8 } else { Encoding::Windows1252 };
    let (text, _) = encoding.codec().decode_without_bom_handling(bytes);
    (text.into_owned(), encoding)
}

/// A reader of the text of `inner` in UTF-8, in constant memory, and the encoding as the beginning tells it.
///
/// # Errors
/// When the beginning cannot be read.
pub fn reader<R: Read>(mut inner: R) -> std::io::Result<(impl Read, Encoding)> {
    let mut head = Vec::new();
    inner.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    let encoding = Encoding::of_head(&head);
    let whole = Cursor::new(head).chain(inner);
    // Damaged UTF-8 passes as it is: a line that is no text is for the reader of lines to judge.
    let builder = DecodeReaderBytesBuilder::new().encoding(Some(encoding.codec())).utf8_passthru(true).build(whole);
    Ok((builder, encoding))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "seed:7\nval_bpb:1.2345 \u{b1} 0.0005\n";

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    fn streamed(bytes: &[u8]) -> (String, Encoding) {
        let (mut reader, encoding) = reader(bytes).expect("reads");
        let mut text = Vec::new();
        reader.read_to_end(&mut text).expect("reads");
        (String::from_utf8_lossy(&text).trim_start_matches('\u{feff}').to_owned(), encoding)
    }

    #[test]
    fn every_encoding_gives_the_same_text_whole_and_in_pieces() {
        let long = TEXT.repeat(500);
        let marked = |text: &str| format!("\u{feff}{text}");
        for text in [TEXT, long.as_str()] {
            for (bytes, encoding) in [
                (text.as_bytes().to_vec(), Encoding::Utf8),
                (marked(text).into_bytes(), Encoding::Utf8Mark),
                (utf16(text, u16::to_le_bytes), Encoding::Utf16Le),
                (utf16(text, u16::to_be_bytes), Encoding::Utf16Be),
                (utf16(&marked(text), u16::to_le_bytes), Encoding::Utf16Le),
                (utf16(&marked(text), u16::to_be_bytes), Encoding::Utf16Be),
            ] {
                assert_eq!(streamed(&bytes), (text.to_owned(), encoding), "{encoding} in pieces");
                assert_eq!(decode(bytes), (text.to_owned(), encoding), "{encoding} whole");
            }
        }
    }

    #[test]
    fn one_byte_a_character_and_damaged_utf8_are_told_apart() {
        let latin = b"na\xefve \xb1 0.5".to_vec();
        assert_eq!(decode(latin), ("naïve ± 0.5".to_owned(), Encoding::Windows1252));
        let mut damaged = "naïve ± 0.5".as_bytes().to_vec();
        damaged.push(0xff);
        assert_eq!(decode(damaged), ("naïve ± 0.5\u{fffd}".to_owned(), Encoding::DamagedUtf8));
        assert_eq!(
            decode(b"\xff\xfe\xc3\nseed:7 \xc2\xb1".to_vec()).1,
            Encoding::DamagedUtf8,
            "no UTF-16 in spite of its mark"
        );
        assert_eq!(decode(Vec::new()), (String::new(), Encoding::Utf8));
        assert_eq!(decode(b"\0\0\0\0".to_vec()).1, Encoding::Utf8, "zeros alone are no text");
    }
}
