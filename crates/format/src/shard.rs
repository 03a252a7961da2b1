//! Token shards, as the challenge ships its data: 256 little-endian `i32` of header (magic number, version, number of
//! tokens, zeros), then the tokens as little-endian `u16`.

/// Length of the header.
pub const HEADER_BYTES: usize = 256 * 4;
const MAGIC: i32 = 20_240_520;
const VERSION: i32 = 1;

/// The file of these tokens.
pub fn encode(tokens: &[u16]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + 2 * tokens.len());
    // A shard of the challenge has 100 million tokens; the count fits.
    for word in [MAGIC, VERSION, i32::try_from(tokens.len()).unwrap_or(i32::MAX)] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.resize(HEADER_BYTES, 0);
    bytes.extend(tokens.iter().flat_map(|token| token.to_le_bytes()));
    bytes
}

/// Returns the number of tokens in a file of `size` bytes that begins with `start`, once everything in its header is
/// right.
///
/// # Errors
/// Says what is wrong with the file and what to do about it.
pub fn count(start: &[u8], size: u64) -> Result<usize, String> {
    if size < HEADER_BYTES as u64 || start.len() < 12 {
        return Err(format!(
            "{size} bytes are too few for the {HEADER_BYTES}-byte header of a shard; fetch the file again"
        ));
    }
    let mut words = start.chunks_exact(4).map(|word| i32::from_le_bytes([word[0], word[1], word[2], word[3]]));
    let mut word = || words.next().unwrap_or_default();
    let (magic, version, tokens) = (word(), word(), word());
    if magic != MAGIC {
        return Err(format!(
            "the magic number is {magic}, not {MAGIC}: this is not a FineWeb shard; fetch it again, or take it away from the shards"
        ));
    }
    if version != VERSION {
        return Err(format!(
            "the shard's format version is {version}; only version {VERSION} is known; fetch the data set in that version"
        ));
    }
    let tokens =
        u64::try_from(tokens).map_err(|_| format!("the header states {tokens} tokens; fetch the file again"))?;
    let expected = HEADER_BYTES as u64 + 2 * tokens;
    if size != expected {
        return Err(format!(
            "the header states {tokens} tokens, so {expected} bytes, but the file has {size}; fetch the file again"
        ));
    }
    usize::try_from(tokens).map_err(|_| format!("{tokens} tokens do not fit this machine's address space"))
}

/// Token ids as they follow the header.
pub fn ids(bytes: &[u8]) -> impl Iterator<Item = u16> + '_ {
    bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
}

/// Returns the tokens of a file that is in memory whole.
///
/// # Errors
/// As [`count`].
pub fn decode(bytes: &[u8]) -> Result<Vec<u16>, String> {
    count(bytes, bytes.len() as u64)?;
    Ok(ids(bytes.get(HEADER_BYTES..).unwrap_or_default()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back() {
        let tokens = [1, 513, 65_535];
        assert_eq!(decode(&encode(&tokens)), Ok(tokens.to_vec()));
    }

    #[test]
    fn each_defect_is_named() {
        let good = encode(&[1, 2, 3]);
        let refused = |bytes: &[u8]| decode(bytes).unwrap_err();
        let with = |word: usize, value: i32| {
            let mut bytes = good.clone();
            bytes[4 * word..4 * word + 4].copy_from_slice(&value.to_le_bytes());
            refused(&bytes)
        };
        assert!(with(0, 20_240_801).contains("magic number is 20240801, not 20240520"));
        assert!(with(1, 7).contains("version is 7"));
        assert!(with(2, -1).contains("states -1 tokens"));
        assert!(with(2, 4).contains("4 tokens, so 1032 bytes, but the file has 1030"));
        assert!(refused(&good[..good.len() - 1]).contains("but the file has 1029"));
        assert!(refused(&good[..1023]).contains("1023 bytes are too few"));
        assert!(refused(&[]).contains("0 bytes are too few"));
    }
}
