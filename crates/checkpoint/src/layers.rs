//! The wrappings of model files: general compressors, the corpus' byte shuffle, its bundle of streams.
//!
//! Known by their first bytes, never by the file's name; brotli has none and is tried last. All unpacking of a file
//! shares one [`Budget`].

use std::ops::Range;

use caddie_files::decompress::{self, Bounds, Codec, Failure};
use serde::Serialize;

use super::{caddie_model, npy, pickle, q2bn, safetensors, zip};

/// Bytes that all unpacking of one file may produce. The largest model file of the field has 135 MB inside.
pub(super) const MAX_OUTPUT: u64 = 256 << 20;
/// Memory of a decoder, and its largest window.
const MAX_MEMORY: u64 = 256 << 20;
/// Streams of one bundle.
const MAX_STREAMS: usize = 1024;

/// The number of bytes that unpacking may still produce.
#[derive(Debug)]
pub(super) struct Budget(decompress::Budget);

impl Budget {
    /// A budget of so many bytes.
    pub(super) fn of(bytes: u64) -> Budget {
        Budget(decompress::Budget::new(Bounds { output: bytes, memory: MAX_MEMORY, time: None, ratio: None }))
    }

    pub(super) fn take(&mut self, bytes: usize) -> Result<(), String> {
        self.0.take(bytes).map_err(told)
    }

    /// Unpacks the stream at the beginning of `bytes`. Returns its contents and the number of bytes that follow it.
    pub(super) fn unpack(&mut self, codec: &Codec, bytes: &[u8]) -> Result<(Vec<u8>, usize), Failure> {
        decompress::decompress(codec, bytes, &mut self.0)
    }
}

/// Words a failure as the problem of a model file.
pub(super) fn told(failure: Failure) -> String {
    match failure {
        Failure::Damaged(error) => error,
        Failure::TooMuch(_) | Failure::TooLong(_) | Failure::Ratio { .. } => {
            "it unpacks to more than is read; a model of the challenge does not".to_owned()
        }
    }
}

/// A wrapping that was taken off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Layer {
    /// The place of the wrapping; empty for the file itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stream: String,
    /// `zlib`, `byte shuffle (stride 2)` …
    pub codec: String,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

/// The contents of a wrapping.
#[derive(Debug)]
pub(super) enum Inside {
    One(Vec<u8>),
    /// Ranges of the bytes that were given.
    Many(Vec<Range<usize>>),
}

#[derive(Debug)]
pub(super) struct Peeled {
    pub layer: Layer,
    pub inside: Inside,
    /// Bytes behind the end of the stream.
    pub rest: usize,
}

type Attempt = Option<Result<Peeled, String>>;

/// Takes one wrapping off; `None` where there is none.
pub(super) fn peel(bytes: &[u8], budget: &mut Budget) -> Attempt {
    if is_format(bytes) {
        return None;
    }
    let magic = |magic: &[u8]| bytes.starts_with(magic);
    if magic(b"BSHF") {
        return Some(unshuffle(bytes, budget));
    }
    if magic(b"PGRP") {
        return Some(bundle(bytes));
    }
    // Tags that scripts of the corpus write before the stream.
    for tag in [b"ZSTD".as_slice(), b"ZLIB", b"LZMA"] {
        if let Some(inside) = bytes.strip_prefix(tag).filter(|inside| codec_of(inside).is_some()) {
            return Some(Ok(one(format!("the tag {}", String::from_utf8_lossy(tag)), bytes, inside.to_vec(), 0)));
        }
    }
    for (start, program) in UNREAD {
        if magic(start) {
            return Some(Err(format!(
                "compressed by {program}, which is not read here; unpack it with {program} and audit what comes out"
            )));
        }
    }
    match codec_of(bytes) {
        // Two bytes are a weak mark of zlib: where it does not decode, it may be something else.
        Some(codec @ Codec::Zlib) => match decode(&codec, bytes, budget) {
            Ok(peeled) => Some(Ok(peeled)),
            Err(error) => brotli(bytes, budget).or(Some(Err(error))),
        },
        Some(codec) => Some(decode(&codec, bytes, budget)),
        None => brotli(bytes, budget),
    }
}

/// Tells whether the bytes are of a format, not of a wrapping.
fn is_format(bytes: &[u8]) -> bool {
    zip::is(bytes)
        || pickle::is_pickle(bytes)
        || npy::is(bytes)
        || safetensors::is(bytes)
        || caddie_model::is(bytes)
        || q2bn::is(bytes)
}

/// Compressors of the field whose streams are known but not unpacked.
const UNREAD: [(&[u8], &str); 4] = [(b"LRZI", "lrzip"), (b"7kSt", "zpaq"), (b"BZh", "bzip2"), (b"7z\xbc\xaf", "7z")];

fn codec_of(bytes: &[u8]) -> Option<Codec> {
    let header = bytes.get(..2).map(|two| u16::from_be_bytes([two[0], two[1]]));
    match bytes {
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Codec::Zstd),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Codec::Xz),
        [0x1f, 0x8b, 8, ..] => Some(Codec::Gzip),
        // LZMA alone: properties, a dictionary of a power of two, a size or none.
        [0x5d, 0, 0, _, _, ..] => Some(Codec::Lzma),
        [first, ..] if first & 15 == 8 && first >> 4 <= 7 && header.is_some_and(|word| word % 31 == 0) => {
            Some(Codec::Zlib)
        }
        _ => None,
    }
}

/// Unpacks a stream that begins as one of these compressors' do.
fn decode(codec: &Codec, bytes: &[u8], budget: &mut Budget) -> Result<Peeled, String> {
    let name = match codec {
        Codec::Gzip => "gzip",
        Codec::Zstd => "zstd",
        Codec::Xz => "xz",
        Codec::Lzma => "lzma",
        _ => "zlib",
    };
    let (output, left) = budget
        .unpack(codec, bytes)
        .map_err(|failure| format!("it begins as {name}, but does not unpack: {}", told(failure)))?;
    Ok(one(name.to_owned(), bytes, output, left))
}

fn one(codec: String, bytes: &[u8], inside: Vec<u8>, rest: usize) -> Peeled {
    let layer =
        Layer { stream: String::new(), codec, bytes_in: (bytes.len() - rest) as u64, bytes_out: inside.len() as u64 };
    Peeled { layer, inside: Inside::One(inside), rest }
}

/// Takes off the stream at the beginning of `bytes`, of the compressor with this name; `None` where it is not known.
pub(super) fn named(word: &str, bytes: &[u8], budget: &mut Budget) -> Attempt {
    let codec = match word {
        "zlib" => Codec::Zlib,
        "zstd" => Codec::Zstd,
        "xz" => Codec::Xz,
        "brotli" => {
            return Some(match brotli_stream(bytes, budget) {
                Ok(Some((output, rest))) => Ok(one("brotli".to_owned(), bytes, output, rest)),
                Ok(None) => Err("it is not a whole brotli stream".to_owned()),
                Err(error) => Err(error),
            });
        }
        "range" => return Some(range_codes(bytes, budget)),
        _ => return None,
    };
    Some(decode(&codec, bytes, budget))
}

/// Takes off the range codes and the zstd frame of a caddie model file ([`caddie_format::grouped`]).
fn range_codes(bytes: &[u8], budget: &mut Budget) -> Result<Peeled, String> {
    let mut input = bytes;
    let output =
        caddie_format::grouped::decode(&mut input, budget.0.left() as u64).map_err(|error| error.to_string())?;
    budget.take(output.len())?;
    Ok(one("range".to_owned(), bytes, output, input.len()))
}

/// Brotli has no mark. What decodes whole into something known, or into more than it was, is taken for it.
fn brotli(bytes: &[u8], budget: &mut Budget) -> Attempt {
    let (output, rest) = match brotli_stream(bytes, budget) {
        Ok(decoded) => decoded?,
        Err(error) => return Some(Err(format!("it decodes as brotli, but {error}"))),
    };
    let known = is_format(&output) || output.starts_with(b"BSHF") || codec_of(&output).is_some();
    let grew = rest == 0 && output.len() > bytes.len();
    (known || grew).then(|| Ok(one("brotli".to_owned(), bytes, output, rest)))
}

/// The brotli stream at the beginning of `bytes` and how many bytes follow it; `None` where there is no whole one.
///
/// # Errors
/// When the budget is spent.
fn brotli_stream(bytes: &[u8], budget: &mut Budget) -> Result<Option<(Vec<u8>, usize)>, String> {
    match budget.unpack(&Codec::Brotli, bytes) {
        Ok(found) => Ok(Some(found)),
        Err(Failure::Damaged(_)) => Ok(None),
        Err(spent) => Err(told(spent)),
    }
}

/// `BSHF`, the stride in one byte (or in two, in one record), then all first bytes, all second bytes …
fn unshuffle(bytes: &[u8], budget: &mut Budget) -> Result<Peeled, String> {
    let stride = usize::from(*bytes.get(4).ok_or("a byte shuffle that ends after its mark")?);
    budget.take(bytes.len())?;
    let mut inside = deinterleave(bytes.get(5..).unwrap_or_default(), stride);
    if bytes.get(5) == Some(&0) && !is_format(&inside) {
        let other = deinterleave(bytes.get(6..).unwrap_or_default(), stride);
        if is_format(&other) {
            inside = other;
        }
    }
    Ok(one(format!("byte shuffle (stride {stride})"), bytes, inside, 0))
}

/// Puts together numbers of `stride` bytes whose first bytes lie first, then all second bytes, and so on.
pub(super) fn deinterleave(shuffled: &[u8], stride: usize) -> Vec<u8> {
    if stride < 2 {
        return shuffled.to_vec();
    }
    let mut output = vec![0; shuffled.len()];
    let mut source = shuffled.iter();
    for start in 0..stride.min(output.len()) {
        for (slot, byte) in output.iter_mut().skip(start).step_by(stride).zip(&mut source) {
            *slot = *byte;
        }
    }
    output
}

/// `PGRP`, the number of streams, their lengths, the streams.
fn bundle(bytes: &[u8]) -> Result<Peeled, String> {
    let word = |at: usize| {
        let word = bytes.get(at..at.checked_add(4)?)?;
        word.try_into().ok().map(u32::from_le_bytes).map(|value| value as usize)
    };
    let count = word(4).filter(|count| *count <= MAX_STREAMS).ok_or("a bundle of streams without their number")?;
    let mut at = 8 + 4 * count;
    let mut ranges = Vec::new();
    for index in 0..count {
        let length = word(8 + 4 * index).ok_or("a bundle of streams that ends in its lengths")?;
        let end = at.checked_add(length).filter(|end| *end <= bytes.len());
        let end =
            end.ok_or_else(|| format!("stream {index} of a bundle declares {length} bytes, more than there are"))?;
        ranges.push(at..end);
        at = end;
    }
    let rest = bytes.len().saturating_sub(at);
    let layer = Layer {
        stream: String::new(),
        codec: format!("a bundle of {count} streams"),
        bytes_in: at as u64,
        bytes_out: ranges.iter().map(|range| range.len() as u64).sum(),
    };
    Ok(Peeled { layer, inside: Inside::Many(ranges), rest })
}
