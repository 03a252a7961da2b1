//! Scripts that are mostly no code: text that only a decoder could read, which none here does.

/// Bytes without a space, a quote or a comma from which on a stretch is data; names and numbers are shorter.
const LEAST_STRETCH: usize = 500;

/// Fewest different bytes of encoded data: hexadecimal has sixteen. Brackets within brackets have one.
const LEAST_DISTINCT: usize = 12;

/// Counts the different bytes of a stretch.
fn distinct(stretch: &[u8]) -> usize {
    stretch.iter().collect::<std::collections::BTreeSet<_>>().len()
}

/// Returns the bytes of a source that are data and no code, where these are more than half of it.
///
/// Encoded data (base64, base85, hexadecimal, escapes) is one long stretch without what code is written with; a compressed
/// stream in raw characters is bytes beyond ASCII, half of all.
pub fn mostly_data(source: &[u8]) -> Option<usize> {
    if source.len() < LEAST_STRETCH {
        return None;
    }
    let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b',' | b'.' | b'[' | b']');
    let is_data = |stretch: &&[u8]| stretch.len() >= LEAST_STRETCH && distinct(stretch) >= LEAST_DISTINCT;
    let encoded: usize = source.split(ends).filter(is_data).map(<[u8]>::len).sum();
    let beyond_ascii = source.iter().filter(|byte| !byte.is_ascii()).count();
    let data = encoded.max(beyond_ascii.saturating_mul(2)).min(source.len());
    (data.saturating_mul(2) > source.len()).then_some(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_told_from_code_and_from_prose() {
        let code = "def step(x):\n    return x * 2  # twice\n".repeat(100);
        assert_eq!(mostly_data(code.as_bytes()), None);
        assert_eq!(mostly_data("# größere Schritte\nx = 1\n".repeat(100).as_bytes()), None);
        let encoded = format!("import reader\nrun(reader.read('{}'))\n", "Xk9z(;T+qB7$m2".repeat(100));
        assert_eq!(mostly_data(encoded.as_bytes()), Some(1400));
        let raw: Vec<u8> = (0..4000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        assert!(mostly_data(&raw).is_some());
    }
}
