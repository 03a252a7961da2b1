//! The codecs of the field's wrappers, as Python's standard library reads them, within bounds.

use std::fmt::Display;
use std::time::Duration;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use caddie_files::decompress::{self, Bounds, Codec, Failure, Filters, Ratio};
use liblzma::stream::LzmaOptions;

/// Bounds on decoding one script. Source code packs 3 to 20 times.
const BOUNDS: Bounds = Bounds {
    output: 64 << 20,
    memory: 128 << 20,
    time: Some(Duration::from_secs(2)),
    ratio: Some(Ratio { free: 4 << 20, per_byte: 200 }),
};

/// Python's error, shortened, or the bound that was passed.
pub type Decoded = std::result::Result<Vec<u8>, String>;

/// The cost that decoding one script may still have.
#[derive(Debug)]
pub struct Budget(decompress::Budget);

impl Default for Budget {
    fn default() -> Budget {
        Budget(decompress::Budget::new(BOUNDS))
    }
}

impl Budget {
    /// Takes `bytes` that a step produced.
    ///
    /// # Errors
    /// When more was produced than a script may.
    pub fn take(&mut self, bytes: usize) -> Result<(), String> {
        self.0.take(bytes).map_err(|failure| told("", failure))
    }

    /// Returns the bytes that may still be produced.
    pub fn left(&self) -> usize {
        self.0.left()
    }

    /// Unpacks `bytes`, which people call `name`; bytes that follow the stream are left alone, as Python leaves them.
    fn unpack(&mut self, name: &str, codec: &Codec, bytes: &[u8]) -> Decoded {
        decompress::decompress(codec, bytes, &mut self.0)
            .map(|(inside, _)| inside)
            .map_err(|failure| told(name, failure))
    }
}

fn told(codec: &str, failure: Failure) -> String {
    match failure {
        Failure::Damaged(error) => invalid(codec, error),
        Failure::TooMuch(bytes) => {
            format!("unpacking stopped: all steps together produce more than {bytes} bytes")
        }
        Failure::TooLong(time) => format!("unpacking stopped after {} s", time.as_secs()),
        Failure::Ratio { packed, limit } => {
            format!("{packed} bytes of {codec} unpack to more than {limit}; that is no source code")
        }
    }
}

fn invalid(codec: &str, error: impl Display) -> String {
    format!("payload is not valid {codec}: {error}")
}

/// The format that `lzma.decompress` is told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Lzma {
    /// `FORMAT_AUTO`: .xz or .lzma.
    #[default]
    Auto,
    /// `FORMAT_XZ`.
    Xz,
    /// `FORMAT_ALONE`.
    Alone,
    /// `FORMAT_RAW` with its filters, in order.
    Raw(Vec<LzmaFilter>),
}

/// A filter of a raw stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LzmaFilter {
    /// LZMA2, else LZMA1.
    pub second: bool,
    pub preset: u32,
    /// Bytes; the preset's where it is not given.
    pub dict_size: Option<u32>,
    /// Literal context, literal position and position bits, of LZMA1.
    pub bits: [Option<u32>; 3],
}

/// `lzma.decompress`.
///
/// # Errors
/// When the payload is damaged, of another format, or passes a bound.
pub fn lzma(bytes: &[u8], format: &Lzma, budget: &mut Budget) -> Decoded {
    let name = lzma_name(bytes, format);
    let codec = match format {
        Lzma::Auto => Codec::XzOrLzma,
        Lzma::Xz => Codec::Xz,
        Lzma::Alone => Codec::Lzma,
        Lzma::Raw(filters) => Codec::Raw(raw_filters(filters).map_err(|error| invalid(name, error))?),
    };
    budget.unpack(name, &codec, bytes)
}

/// The container as people call it.
pub fn lzma_name(bytes: &[u8], format: &Lzma) -> &'static str {
    match format {
        Lzma::Raw(filters) if filters.iter().all(|filter| filter.second) => "raw LZMA2",
        Lzma::Raw(_) => "raw LZMA1",
        Lzma::Auto | Lzma::Xz if bytes.starts_with(b"\xfd7zXZ\0") => "xz",
        Lzma::Xz => "xz",
        Lzma::Auto | Lzma::Alone => "lzma",
    }
}

fn raw_filters(filters: &[LzmaFilter]) -> Result<Filters, String> {
    let mut chain = Filters::new();
    for filter in filters {
        let mut options = LzmaOptions::new_preset(filter.preset).map_err(|error| error.to_string())?;
        if let Some(size) = filter.dict_size {
            if u64::from(size) > BOUNDS.memory {
                return Err(format!("a dictionary of {size} bytes; the limit is {}", BOUNDS.memory));
            }
            options.dict_size(size);
        }
        let [lc, lp, pb] = filter.bits;
        if [lc, lp, pb].into_iter().flatten().any(|bits| bits > 4) {
            return Err("lc, lp and pb are at most 4".to_owned());
        }
        if let Some(bits) = lc {
            options.literal_context_bits(bits);
        }
        if let Some(bits) = lp {
            options.literal_position_bits(bits);
        }
        if let Some(bits) = pb {
            options.position_bits(bits);
        }
        if filter.second {
            chain.lzma2(&options)
        } else {
            chain.lzma1(&options)
        };
    }
    if filters.is_empty() {
        return Err("a raw stream needs its filters".to_owned());
    }
    Ok(chain)
}

/// Evaluates `zlib.decompress(bytes, wbits)`, and names the format.
///
/// # Errors
/// When the payload is damaged, of another format, or passes a bound.
pub fn zlib(bytes: &[u8], wbits: i64, budget: &mut Budget) -> (&'static str, Decoded) {
    let gzip = (24..=31).contains(&wbits) || (wbits >= 40 && bytes.starts_with(b"\x1f\x8b"));
    match wbits {
        _ if gzip => ("gzip", gunzip(bytes, budget)),
        i64::MIN..0 => ("deflate", budget.unpack("deflate", &Codec::Deflate, bytes)),
        _ => ("zlib", budget.unpack("zlib", &Codec::Zlib, bytes)),
    }
}

/// `gzip.decompress`.
///
/// # Errors
/// When the payload is damaged or passes a bound.
pub fn gunzip(bytes: &[u8], budget: &mut Budget) -> Decoded {
    budget.unpack("gzip", &Codec::GzipMembers, bytes)
}

/// `bz2.decompress`.
///
/// # Errors
/// When the payload is damaged or passes a bound.
pub fn bz2(bytes: &[u8], budget: &mut Budget) -> Decoded {
    budget.unpack("bz2", &Codec::Bzip2, bytes)
}

/// `brotli.decompress`.
///
/// # Errors
/// When the payload is damaged or passes a bound.
pub fn brotli(bytes: &[u8], budget: &mut Budget) -> Decoded {
    budget.unpack("brotli", &Codec::Brotli, bytes)
}

/// `zstandard.decompress` and the like.
///
/// # Errors
/// When the payload is damaged or passes a bound.
pub fn zstd(bytes: &[u8], budget: &mut Budget) -> Decoded {
    budget.unpack("zstd", &Codec::ZstdFrames, bytes)
}

/// RFC 1924's alphabet, by value.
const BASE85: &[u8; 85] = caddie_files::base85::ALPHABET;

/// `base64.b85decode`.
///
/// # Errors
/// At the first character that is none of the alphabet, or a group that is no 32-bit number.
pub fn base85(text: &[u8]) -> Decoded {
    let mut values = [None; 256];
    for (value, &letter) in (0u32..).zip(BASE85) {
        if let Some(slot) = values.get_mut(usize::from(letter)) {
            *slot = Some(value);
        }
    }
    let digit = |letter: u8| values.get(usize::from(letter)).copied().flatten();
    groups_of_85("base85", text.iter().map(|&letter| digit(letter)), 84)
}

/// Evaluates `base64.a85decode(text, adobe=…)`.
///
/// # Errors
/// As [`base85`].
pub fn ascii85(text: &[u8], adobe: bool) -> Decoded {
    let mut text = text.trim_ascii();
    if adobe {
        text = text.strip_prefix(b"<~").unwrap_or(text);
        text = text.strip_suffix(b"~>").ok_or_else(|| invalid("ascii85", "it does not end with ~>"))?;
    }
    let mut digits = Vec::with_capacity(text.len());
    for &letter in text {
        match letter {
            b'z' => digits.extend([Some(0); 5]),
            b' ' | b'\t' | b'\n' | b'\r' | 0x0b => {}
            b'!'..=b'u' => digits.push(Some(u32::from(letter - b'!'))),
            _ => digits.push(None),
        }
    }
    groups_of_85("ascii85", digits.into_iter(), 84)
}

/// Five digits are four bytes, big endian; the last group is filled up and cut.
fn groups_of_85(codec: &str, digits: impl Iterator<Item = Option<u32>>, fill: u32) -> Decoded {
    let mut output = Vec::new();
    let (mut value, mut count) = (0u64, 0usize);
    let mut end = |value: u64, keep: usize, at: usize| {
        let word = u32::try_from(value).map_err(|_| invalid(codec, format!("overflow in the group before {at}")))?;
        output.extend_from_slice(word.to_be_bytes().get(..keep).unwrap_or_default());
        Ok::<(), String>(())
    };
    let mut at = 0;
    for digit in digits {
        let digit = digit.ok_or_else(|| invalid(codec, format!("bad character at position {at}")))?;
        value = value * 85 + u64::from(digit);
        (count, at) = (count + 1, at + 1);
        if count == 5 {
            end(value, 4, at)?;
            (value, count) = (0, 0);
        }
    }
    if count > 0 {
        (count..5).for_each(|_| value = value * 85 + u64::from(fill));
        end(value, count - 1, at)?;
    }
    Ok(output)
}

/// Evaluates `base64.b64decode`: characters outside the alphabet are passed over, as Python does unless told to
/// validate.
///
/// # Errors
/// When the padding is wrong.
pub fn base64(text: &[u8], urlsafe: bool) -> Decoded {
    let alphabet = if urlsafe { alphabet::URL_SAFE } else { alphabet::STANDARD };
    let extra: &[u8] = if urlsafe { b"-_" } else { b"+/" };
    let kept: Vec<u8> = text
        .iter()
        .copied()
        .filter(|byte| byte.is_ascii_alphanumeric() || extra.contains(byte) || *byte == b'=')
        .collect();
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical)
        .with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(&alphabet, config).decode(kept).map_err(|error| invalid("base64", error))
}

/// `base64.b32decode`.
///
/// # Errors
/// At the first character that is none of the alphabet, or when the padding is wrong.
pub fn base32(text: &[u8]) -> Decoded {
    let body = text.trim_ascii_end();
    let padded = body.len();
    let body: &[u8] = body.split(|&byte| byte == b'=').next().unwrap_or_default();
    if !padded.is_multiple_of(8) {
        return Err(invalid("base32", "wrong padding"));
    }
    let (mut output, mut value, mut bits) = (Vec::new(), 0u32, 0u32);
    for (at, &letter) in body.iter().enumerate() {
        let digit = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'2'..=b'7' => letter - b'2' + 26,
            _ => return Err(invalid("base32", format!("bad character at position {at}"))),
        };
        value = (value << 5) | u32::from(digit);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            output.push((value >> bits) as u8);
            value &= (1 << bits) - 1;
        }
    }
    Ok(output)
}

/// `bytes.fromhex` and `binascii.unhexlify`.
///
/// # Errors
/// At the first character that is no hexadecimal digit, or when their number is odd.
pub fn hex(text: &[u8]) -> Decoded {
    let digits: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = digits.chunks(2).map(|pair| match *pair {
        [high, low] => Some((digit(high)? * 16 + digit(low)?) as u8),
        _ => None,
    });
    pairs.collect::<Option<_>>().ok_or_else(|| invalid("hexadecimal", "an odd or other digit"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn texts_are_those_of_python() {
        assert_eq!(base85(b"P+@XmZDn+2av(=<Y-R").as_deref(), Ok(&b"Parameter Golf"[..]));
        assert_eq!(base85(b"|NsC0").as_deref(), Ok(&[255; 4][..]));
        assert!(base85(b"~~~~~").is_err_and(|error| error.contains("overflow")));
        assert!(base85(b"ab\"cd").is_err_and(|error| error.contains("position 2")));
        assert_eq!(ascii85(b":gnBQD.Rg#EZdkjCh<", false).as_deref(), Ok(&b"Parameter Golf"[..]));
        assert_eq!(ascii85(b"<~z~>", true).as_deref(), Ok(&[0; 4][..]));
        assert_eq!(base64(b"Q2Fk\nZGll", false).as_deref(), Ok(&b"Caddie"[..]));
        assert_eq!(base64(b"_-8=", true).as_deref(), Ok(&[0xff, 0xef][..]));
        assert!(base64(b"Q2Fk!ZGl", false).is_err());
        assert_eq!(base32(b"INQWIZDJMU======").as_deref(), Ok(&b"Caddie"[..]));
        assert_eq!(hex(b"43 61 64").as_deref(), Ok(&b"Cad"[..]));
        assert!(hex(b"4").is_err() && hex(b"4g").is_err());
    }

    #[test]
    fn bombs_are_cut() {
        let zeros = vec![0; 8 << 20];
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(&zeros).expect("compresses");
        let packed = encoder.finish().expect("compresses");
        let (_, result) = zlib(&packed, 15, &mut Budget::default());
        assert!(result.is_err_and(|error| error.contains("no source code")));
        let packed = zstd::encode_all(zeros.as_slice(), 3).expect("compresses");
        assert!(zstd(&packed, &mut Budget::default()).is_err());
        let huge = LzmaFilter { second: true, preset: 6, dict_size: Some(u32::MAX), bits: [None; 3] };
        assert!(lzma(b"\0", &Lzma::Raw(vec![huge]), &mut Budget::default()).is_err());
    }

    #[test]
    fn a_damaged_payload_is_named() {
        for (codec, result) in [
            ("xz", lzma(b"\xfd7zXZ\0garbage", &Lzma::Auto, &mut Budget::default())),
            ("zlib", zlib(b"garbage", 15, &mut Budget::default()).1),
            ("gzip", zlib(b"garbage", 31, &mut Budget::default()).1),
            ("brotli", brotli(b"\xff\xff\xff", &mut Budget::default())),
            ("zstd", zstd(b"garbage", &mut Budget::default())),
        ] {
            let error = result.expect_err(codec);
            assert!(error.contains(codec), "{error}");
        }
    }
}
