//! Base85 as Python's `base64.b85encode` writes it.

/// RFC 1924's alphabet: no quote and no backslash, so the text stands in a string literal as it is.
pub const ALPHABET: &[u8; 85] =
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";

/// Four bytes, big endian, become five characters; a last group of `n` bytes becomes `n + 1`.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(4) * 5);
    for group in bytes.chunks(4) {
        let mut word = [0; 4];
        word[..group.len()].copy_from_slice(group);
        let mut value = u32::from_be_bytes(word);
        let mut digits = [0; 5];
        for digit in digits.iter_mut().rev() {
            *digit = ALPHABET[(value % 85) as usize];
            value /= 85;
        }
        text.extend(digits[..group.len() + 1].iter().map(|&digit| char::from(digit)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_that_of_python() {
        // python3 -c 'import base64; print(base64.b85encode(b"…"))'
        for (bytes, text) in [
            (&b""[..], ""),
            (b"\0", "00"),
            (b"\xff\xff\xff\xff", "|NsC0"),
            (b"caddie", "V_{@uX=M"),
            (b"Parameter Golf", "P+@XmZDn+2av(=<Y-R"),
        ] {
            assert_eq!(encode(bytes), text);
        }
    }
}
