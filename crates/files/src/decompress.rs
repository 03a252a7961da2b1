//! The one place where a stranger's compressed bytes are unpacked: every codec of the field, under one budget.
//!
//! Bytes that come out, memory of a decoder and time are bounded; what a caller unpacks of one file or script shares one
//! [`Budget`], so that a thousand small bombs cost no more than one.

use std::io::Read;
use std::time::{Duration, Instant};

use brotli::enc::StandardAlloc;
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};
pub use liblzma::stream::Filters;
use liblzma::stream::Stream;

/// Bounds on unpacking.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Bytes that everything together may unpack to.
    pub output: u64,
    /// Memory of one decoder and its largest window, bytes.
    pub memory: u64,
    /// Time for everything together.
    pub time: Option<Duration>,
    /// The further bound on what one payload may unpack to.
    pub ratio: Option<Ratio>,
}

/// The factor by which one payload may grow.
#[derive(Debug, Clone, Copy)]
pub struct Ratio {
    /// Bytes that a payload of any size may unpack to.
    pub free: u64,
    /// Bytes of output a byte of input beyond that.
    pub per_byte: u64,
}

/// The reason why bytes were not unpacked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The stream is damaged; the text is the decoder's.
    #[error("{0}")]
    Damaged(String),
    /// Everything together would be more than [`Bounds::output`].
    #[error("all of it together unpacks to more than {0} bytes")]
    TooMuch(u64),
    /// It took longer than [`Bounds::time`].
    #[error("it takes longer than {} s", .0.as_secs())]
    TooLong(Duration),
    /// One payload would become larger than its [`Ratio`] allows.
    #[error("{packed} bytes unpack to more than {limit}")]
    Ratio { packed: u64, limit: u64 },
}

/// The bytes and time that unpacking may still cost.
#[derive(Debug)]
pub struct Budget {
    bounds: Bounds,
    left: u64,
    until: Option<Instant>,
}

impl Budget {
    /// A budget that begins now.
    pub fn new(bounds: Bounds) -> Budget {
        Budget { bounds, left: bounds.output, until: bounds.time.map(|time| Instant::now() + time) }
    }

    /// Takes `bytes` that a step produced. A budget that is spent stays spent.
    ///
    /// # Errors
    /// [`Failure::TooMuch`] and [`Failure::TooLong`].
    pub fn take(&mut self, bytes: usize) -> Result<(), Failure> {
        let left = self.left.checked_sub(bytes as u64);
        self.left = left.unwrap_or(0);
        match (left, self.until, self.bounds.time) {
            (None, ..) => Err(Failure::TooMuch(self.bounds.output)),
            (_, Some(until), Some(time)) if Instant::now() > until => Err(Failure::TooLong(time)),
            _ => Ok(()),
        }
    }

    /// Returns the bytes that steps may still produce.
    pub fn left(&self) -> usize {
        usize::try_from(self.left).unwrap_or(usize::MAX)
    }

    /// Reads a decoder to its end; `packed` is the length of its input.
    ///
    /// # Errors
    /// When the input is damaged or a bound is passed.
    pub fn read(&mut self, packed: usize, mut decoder: impl Read) -> Result<Vec<u8>, Failure> {
        if self.left == 0 {
            self.take(1)?;
        }
        let limit = self.limit(packed);
        let mut output = Vec::new();
        let mut buffer = vec![0; 256 << 10];
        loop {
            let read = decoder.read(&mut buffer).map_err(|error| Failure::Damaged(error.to_string()))?;
            if read == 0 {
                return Ok(output);
            }
            self.add(&mut output, buffer.get(..read).unwrap_or_default(), packed, limit)?;
        }
    }

    /// The bytes that one payload of so many may become.
    fn limit(&self, packed: usize) -> Option<u64> {
        self.bounds.ratio.map(|ratio| (packed as u64).saturating_mul(ratio.per_byte).max(ratio.free))
    }

    fn add(&mut self, output: &mut Vec<u8>, more: &[u8], packed: usize, limit: Option<u64>) -> Result<(), Failure> {
        self.take(more.len())?;
        output.extend_from_slice(more);
        match limit.filter(|limit| output.len() as u64 > *limit) {
            Some(limit) => Err(Failure::Ratio { packed: packed as u64, limit }),
            None => Ok(()),
        }
    }
}

/// A compressor of the field.
pub enum Codec {
    Zlib,
    /// Deflate without zlib's frame.
    Deflate,
    /// A single gzip member.
    Gzip,
    /// Members one after another, to the end of the input.
    GzipMembers,
    /// A single zstd frame.
    Zstd,
    /// Frames one after another, to the end of the input.
    ZstdFrames,
    Xz,
    /// The older container, `.lzma`.
    Lzma,
    /// `.xz` or `.lzma`, whichever it is.
    XzOrLzma,
    /// A stream of these filters without a container.
    Raw(Filters),
    Bzip2,
    /// A Brotli stream with the format's own windows only, not the extension to a gigabyte.
    Brotli,
}

/// Unpacks the stream at the beginning of `bytes`. Returns what is inside and how many bytes follow the stream.
///
/// # Errors
/// When the stream is damaged, ends early, or passes a bound of `budget`.
pub fn decompress(codec: &Codec, bytes: &[u8], budget: &mut Budget) -> Result<(Vec<u8>, usize), Failure> {
    let (mut rest, packed) = (bytes, bytes.len());
    let output = match codec {
        Codec::Zlib => budget.read(packed, flate2::bufread::ZlibDecoder::new(&mut rest)),
        Codec::Deflate => budget.read(packed, flate2::bufread::DeflateDecoder::new(&mut rest)),
        Codec::Gzip => budget.read(packed, flate2::bufread::GzDecoder::new(&mut rest)),
        Codec::GzipMembers => budget.read(packed, flate2::bufread::MultiGzDecoder::new(&mut rest)),
        Codec::Bzip2 => budget.read(packed, bzip2::bufread::MultiBzDecoder::new(&mut rest)),
        Codec::Brotli => return brotli_stream(bytes, budget),
        Codec::Zstd | Codec::ZstdFrames => {
            let decoder = zstd::Decoder::with_buffer(&mut rest).map_err(damaged)?;
            let mut decoder = if matches!(codec, Codec::Zstd) { decoder.single_frame() } else { decoder };
            decoder.window_log_max(budget.bounds.memory.ilog2()).map_err(damaged)?;
            budget.read(packed, decoder)
        }
        Codec::Xz | Codec::Lzma | Codec::XzOrLzma | Codec::Raw(_) => {
            let memory = budget.bounds.memory;
            let stream = match codec {
                Codec::Xz => Stream::new_stream_decoder(memory, 0),
                Codec::Lzma => Stream::new_lzma_decoder(memory),
                Codec::Raw(filters) => Stream::new_raw_decoder(filters),
                _ => Stream::new_auto_decoder(memory, 0),
            };
            let stream = stream.map_err(damaged)?;
            budget.read(packed, liblzma::bufread::XzDecoder::new_stream(&mut rest, stream))
        }
    };
    Ok((output?, rest.len()))
}

fn damaged(error: impl std::fmt::Display) -> Failure {
    Failure::Damaged(error.to_string())
}

/// Brotli marks neither its beginning nor its length, so its state is asked how much of the input it took.
fn brotli_stream(bytes: &[u8], budget: &mut Budget) -> Result<(Vec<u8>, usize), Failure> {
    let mut state =
        BrotliState::new_strict(StandardAlloc::default(), StandardAlloc::default(), StandardAlloc::default());
    let (mut available_in, mut at_in, mut total) = (bytes.len(), 0, 0);
    let limit = budget.limit(bytes.len());
    let mut output = Vec::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        let (mut available_out, mut at_out) = (buffer.len(), 0);
        let result = BrotliDecompressStream(
            &mut available_in,
            &mut at_in,
            bytes,
            &mut available_out,
            &mut at_out,
            &mut buffer,
            &mut total,
            &mut state,
        );
        budget.add(&mut output, buffer.get(..at_out).unwrap_or_default(), bytes.len(), limit)?;
        match result {
            BrotliResult::NeedsMoreOutput => {}
            BrotliResult::ResultSuccess => return Ok((output, available_in)),
            BrotliResult::NeedsMoreInput => return Err(damaged("the stream ends early")),
            BrotliResult::ResultFailure => return Err(damaged("invalid data")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const BOUNDS: Bounds = Bounds { output: 1 << 20, memory: 64 << 20, time: None, ratio: None };

    fn brotli_of(bytes: &[u8]) -> Vec<u8> {
        let mut packed = Vec::new();
        let mut writer = brotli::CompressorWriter::new(&mut packed, 4096, 5, 20);
        writer.write_all(bytes).expect("compresses");
        drop(writer);
        packed
    }

    fn zlib_of(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).expect("compresses");
        encoder.finish().expect("compresses")
    }

    #[test]
    fn a_stream_ends_where_it_ends() {
        let text = b"a token of text ".repeat(50);
        let streams = [
            ("zlib", Codec::Zlib, zlib_of(&text)),
            ("brotli", Codec::Brotli, brotli_of(&text)),
            ("zstd", Codec::Zstd, zstd::encode_all(text.as_slice(), 3).expect("compresses")),
        ];
        for (name, codec, stream) in streams {
            let with_more = [stream.as_slice(), b"behind"].concat();
            let found = decompress(&codec, &with_more, &mut Budget::new(BOUNDS)).expect("unpacks");
            assert_eq!(found, (text.clone(), 6), "{name}");
            let cut = stream.get(..stream.len() - 4).expect("longer");
            let failure = decompress(&codec, cut, &mut Budget::new(BOUNDS)).expect_err("ends early");
            assert!(matches!(failure, Failure::Damaged(_)), "{name}: {failure}");
        }
    }

    #[test]
    fn every_bound_stops_a_bomb_and_a_spent_budget_stays_spent() {
        let bomb = zlib_of(&vec![0; 2 << 20]);
        let mut budget = Budget::new(BOUNDS);
        assert_eq!(decompress(&Codec::Zlib, &bomb, &mut budget), Err(Failure::TooMuch(1 << 20)));
        assert_eq!(decompress(&Codec::Zlib, &zlib_of(b"x"), &mut budget), Err(Failure::TooMuch(1 << 20)));
        let ratio = Some(Ratio { free: 4096, per_byte: 10 });
        let failure = decompress(&Codec::Brotli, &brotli_of(&[0; 8192]), &mut Budget::new(Bounds { ratio, ..BOUNDS }));
        assert!(matches!(failure, Err(Failure::Ratio { limit: 4096, .. })), "{failure:?}");
        let mut late = Budget::new(Bounds { time: Some(Duration::ZERO), ..BOUNDS });
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(decompress(&Codec::Zlib, &zlib_of(b"x"), &mut late), Err(Failure::TooLong(Duration::ZERO)));
    }
}
