//! CaseOps: text without capital letters, and operators that say where they were (PR #1729's `lossless_caps_caseops_v1`).
//!
//! A maximal run of ASCII letters is a word. A word that begins with its only capital becomes [`TITLE`] and the word in small
//! letters; one of several capitals becomes [`ALL_CAPS`] and the word; any other has [`TITLE`] where it begins with a capital,
//! and [`CAP_NEXT`] before each further one. An operator that the text itself holds follows [`ESCAPE`]. No other character
//! changes, so [`decode`] gives the text back, byte for byte.
//!
//! Scores are bits per byte of the original text. Each token's share of it is counted when the data are made
//! ([`original_bytes`]) and stored beside the shard, in `fineweb_val_bytes_*.bin`.

/// The next word begins with a capital.
pub const TITLE: char = '\u{e001}';
/// The next word has capitals alone.
pub const ALL_CAPS: char = '\u{e002}';
/// The next letter is a capital.
pub const CAP_NEXT: char = '\u{e003}';
/// The next character is itself, though it looks like an operator.
pub const ESCAPE: char = '\u{e004}';

fn is_operator(c: char) -> bool {
    (TITLE..=ESCAPE).contains(&c)
}

/// Rewrites `text` without capital letters.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        if letters > 0 {
            encode_word(&rest[..letters], &mut out);
            rest = &rest[letters..];
            continue;
        }
        if is_operator(c) {
            out.push(ESCAPE);
        }
        out.push(c);
        rest = &rest[c.len_utf8()..];
    }
    out
}

fn encode_word(word: &str, out: &mut String) {
    let capitals = word.bytes().filter(u8::is_ascii_uppercase).count();
    let begins = word.starts_with(|c: char| c.is_ascii_uppercase());
    if capitals == word.len() && capitals >= 2 {
        out.push(ALL_CAPS);
        out.push_str(&word.to_ascii_lowercase());
        return;
    }
    for (place, c) in word.chars().enumerate() {
        match c.is_ascii_uppercase() {
            true if place == 0 && begins => out.push(TITLE),
            true => out.push(CAP_NEXT),
            false => {}
        }
        out.push(c.to_ascii_lowercase());
    }
}

/// The demands that the operators read so far make on the characters that follow.
#[derive(Default)]
struct CaseReader {
    escaped: bool,
    /// The operator of the word that comes next.
    word: Option<char>,
    cap_next: bool,
    in_word: bool,
    all_caps: bool,
}

impl CaseReader {
    /// Takes one character of the encoded text; gives that of the original, and nothing for an operator.
    fn take(&mut self, c: char) -> Result<Option<char>, String> {
        if std::mem::take(&mut self.escaped) {
            self.none_waits()?;
            (self.in_word, self.all_caps) = (false, false);
            return match is_operator(c) {
                true => Ok(Some(c)),
                false => Err(format!("{c:?} needs no escape")),
            };
        }
        match c {
            ESCAPE => self.escaped = true,
            TITLE | ALL_CAPS if self.in_word || self.cap_next || self.word.is_some() => {
                return Err("an operator of words stands within a word or before another operator".to_owned());
            }
            TITLE | ALL_CAPS => self.word = Some(c),
            CAP_NEXT if self.cap_next => return Err("an operator of letters stands twice".to_owned()),
            CAP_NEXT => self.cap_next = true,
            _ if c.is_ascii_alphabetic() => return Ok(Some(self.letter(c))),
            _ => {
                self.none_waits()?;
                (self.in_word, self.all_caps) = (false, false);
                return Ok(Some(c));
            }
        }
        Ok(None)
    }

    fn letter(&mut self, c: char) -> char {
        let word = self.word.take();
        if !self.in_word {
            (self.in_word, self.all_caps) = (true, word == Some(ALL_CAPS));
        }
        let capital = std::mem::take(&mut self.cap_next) || word.is_some() || self.all_caps;
        if capital { c.to_ascii_uppercase() } else { c }
    }

    fn none_waits(&self) -> Result<(), String> {
        match self.word.is_some() || self.cap_next {
            true => Err("an operator is not followed by a letter".to_owned()),
            false => Ok(()),
        }
    }
}

/// Gives the text back that [`encode`] rewrote.
///
/// # Errors
/// When an operator stands where `encode` puts none.
pub fn decode(text: &str) -> Result<String, String> {
    let mut reader = CaseReader::default();
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        out.extend(reader.take(c)?);
    }
    reader.none_waits()?;
    match reader.escaped {
        true => Err("the text ends after an escape".to_owned()),
        false => Ok(out),
    }
}

/// Counts for each of `pieces`, which are the encoded text in order, the UTF-8 bytes of the original that it stands for: none
/// for operators, so that the sum is the length of the original text.
///
/// # Errors
/// As [`decode`].
pub fn original_bytes<'a>(pieces: impl IntoIterator<Item = &'a str>) -> Result<Vec<u16>, String> {
    let mut reader = CaseReader::default();
    let mut count = |piece: &str| -> Result<u16, String> {
        let mut bytes = 0;
        for c in piece.chars() {
            bytes += reader.take(c)?.map_or(0, char::len_utf8);
        }
        u16::try_from(bytes).map_err(|_| format!("a piece of {bytes} bytes is too long for a sidecar"))
    };
    pieces.into_iter().map(&mut count).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn capitals_become_operators_as_pull_request_1729_writes_them() {
        let written = |text: &str| {
            let named = [(TITLE, 'T'), (ALL_CAPS, 'A'), (CAP_NEXT, 'C'), (ESCAPE, 'E')];
            let shown = |c: char| named.iter().find(|(operator, _)| *operator == c).map_or(c, |(_, name)| *name);
            encode(text).chars().map(shown).collect::<String>()
        };
        assert_eq!(written("The NASA launch"), "Tthe Anasa launch");
        assert_eq!(written("A macOS iPhone, McDonald"), "Ta macCoCs iCphone, TmcCdonald");
        assert_eq!(written("É Éa x1Y"), "É Éa x1Ty");
        assert_eq!(written("\u{e002}"), "EA");
    }

    #[test]
    fn misplaced_operators_are_refused() {
        for bad in
            ["\u{e001}", "\u{e001} a", "a\u{e002}b", "\u{e004}", "\u{e004}a", "\u{e003}\u{e003}a", "\u{e001}\u{e001}a"]
        {
            assert!(decode(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn every_text_comes_back_and_its_bytes_add_up(text in "[A-Za-z \u{e000}-\u{e005}é0-9]{0,40}", cut in 1usize..5) {
            let encoded = encode(&text);
            prop_assert!(!encoded.contains(|c: char| c.is_ascii_uppercase()));
            prop_assert_eq!(decode(&encoded).unwrap(), text.clone());
            let chars: Vec<String> = encoded.chars().map(String::from).collect();
            let pieces: Vec<String> = chars.chunks(cut).map(|piece| piece.concat()).collect();
            let bytes = original_bytes(pieces.iter().map(String::as_str)).unwrap();
            prop_assert_eq!(bytes.iter().map(|&n| usize::from(n)).sum::<usize>(), text.len());
        }
    }
}
