//! Texts of protocol 0, which end with a line.

/// `'…'` as `repr` writes it. Escapes stay as they are: names have none, and for the rest bytes are bytes.
pub(super) fn unquoted(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let text = text.trim();
    let inner = ['\'', '"'].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote));
    inner.unwrap_or(text).to_owned()
}

/// `raw-unicode-escape`: `\uXXXX` and `\UXXXXXXXX`, the rest is Latin-1.
pub(super) fn unescaped(line: &[u8]) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((&byte, after)) = rest.split_first() {
        let digits = match after.first() {
            Some(b'u') if byte == b'\\' => 4,
            Some(b'U') if byte == b'\\' => 8,
            _ => 0,
        };
        let code = after.get(1..1 + digits).filter(|code| !code.is_empty());
        let code = code.and_then(|code| u32::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        match code.and_then(char::from_u32) {
            Some(c) => {
                text.push(c);
                rest = after.get(1 + digits..).unwrap_or_default();
            }
            None => {
                text.push(char::from(byte));
                rest = after;
            }
        }
    }
    text
}
