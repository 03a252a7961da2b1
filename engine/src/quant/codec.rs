//! The general-purpose compressors that a model file can use, by the name in its first line.

mod brotli_reader;

use std::io::{Cursor, Read, Write};
use std::ops::Range;

use caddie_format::grouped;
use flate2::Compression;
use flate2::bufread::ZlibDecoder;
use flate2::write::ZlibEncoder;

use crate::recipe::{CodecChoice, QuantRecipe};
use brotli_reader::BrotliReader;

/// A compressor. A new one is a variant here, a word in the recipe and an arm in each function below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// By the C library, whose byte counts equal CPython's `zlib` module (other implementations are 1–3 % larger).
    Zlib,
    Zstd,
    /// LZMA in the xz format, as Python's `lzma.compress` writes it.
    Xz,
    /// With a window of 4 MiB, as Python's `brotli.compress` has it.
    Brotli,
    /// A range coder for the integers, grouped by their counts, and zstd for the rest ([`grouped`]).
    Range,
}

/// Most memory that a stream may ask its decoder for; the best levels of all codecs ask for half of it.
const MAX_DECODER_MEMORY: u64 = 128 << 20;

/// Largest expansion that is believed of a format without a bound: a trained model's is below ten.
const MAX_RATIO: u64 = 10_000;

/// log2 of brotli's window.
const BROTLI_WINDOW: i32 = 22;

impl Codec {
    pub const ALL: [Codec; 5] = [Codec::Brotli, Codec::Range, Codec::Xz, Codec::Zlib, Codec::Zstd];

    /// The codecs to try for a recipe, each with its level.
    pub fn candidates(recipe: &QuantRecipe) -> Vec<(Codec, u32)> {
        let one = match recipe.codec {
            CodecChoice::Smallest => return Codec::ALL.iter().map(|&codec| (codec, codec.best_level())).collect(),
            CodecChoice::Zlib => Codec::Zlib,
            CodecChoice::Zstd => Codec::Zstd,
            CodecChoice::Xz => Codec::Xz,
            CodecChoice::Brotli => Codec::Brotli,
            CodecChoice::Range => Codec::Range,
        };
        vec![(one, recipe.level.unwrap_or(one.best_level()))]
    }

    /// The word in a model file's first line, and the end of its name.
    pub fn name(self) -> &'static str {
        match self {
            Codec::Zlib => "zlib",
            Codec::Zstd => "zstd",
            Codec::Xz => "xz",
            Codec::Brotli => "brotli",
            Codec::Range => "range",
        }
    }

    /// The codec of that name.
    pub fn from_name(name: &str) -> Option<Codec> {
        Codec::ALL.into_iter().find(|codec| codec.name() == name)
    }

    /// The level that compresses most.
    pub fn best_level(self) -> u32 {
        match self {
            Codec::Zlib | Codec::Xz => 9,
            Codec::Zstd | Codec::Range => 22,
            Codec::Brotli => 11,
        }
    }

    /// Most bytes that `compressed` bytes may expand to. Deflate's shortest code for its longest match gives 1032 to 1; the
    /// others have no bound of their own.
    pub fn max_expansion(self, compressed: u64) -> u64 {
        match self {
            Codec::Zlib => compressed.saturating_mul(1032),
            Codec::Zstd | Codec::Xz | Codec::Brotli | Codec::Range => compressed.saturating_mul(MAX_RATIO),
        }
    }

    /// Compresses `bytes`. `integers` are the stretches of them that hold integers of tensors, ascending; only the range coder
    /// treats them apart.
    pub fn compress(self, bytes: &[u8], integers: &[Range<usize>], level: u32) -> std::io::Result<Vec<u8>> {
        match self {
            Codec::Zlib => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(level.min(9)));
                encoder.write_all(bytes)?;
                encoder.finish()
            }
            Codec::Zstd => zstd::encode_all(bytes, level as i32),
            Codec::Xz => {
                let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), level.min(9));
                encoder.write_all(bytes)?;
                encoder.finish()
            }
            Codec::Brotli => {
                let params = brotli::enc::BrotliEncoderParams {
                    quality: level.min(11) as i32,
                    lgwin: BROTLI_WINDOW,
                    size_hint: bytes.len(),
                    ..Default::default()
                };
                let mut out = Vec::new();
                brotli::BrotliCompress(&mut &*bytes, &mut out, &params)?;
                Ok(out)
            }
            Codec::Range => grouped::encode(bytes, integers, level.min(22) as i32).map_err(std::io::Error::other),
        }
    }

    /// A reader of the expanded bytes. After its end, `input` stands behind the compressed stream.
    pub fn decompress<'a>(self, input: &'a mut &[u8]) -> std::io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Codec::Zlib => Box::new(ZlibDecoder::new(input)),
            Codec::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?.single_frame();
                decoder.window_log_max(MAX_DECODER_MEMORY.ilog2())?;
                Box::new(decoder)
            }
            Codec::Xz => {
                let stream = liblzma::stream::Stream::new_stream_decoder(MAX_DECODER_MEMORY, 0)?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(input, stream))
            }
            Codec::Brotli => Box::new(BrotliReader::new(input)),
            Codec::Range => {
                let most = self.max_expansion(input.len() as u64);
                Box::new(Cursor::new(grouped::decode(input, most).map_err(std::io::Error::other)?))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        (0..40_000u32).map(|i| (i * i % 251) as u8 / 3).collect()
    }

    #[test]
    fn what_was_compressed_comes_back_and_the_reader_stops_at_its_end() {
        for codec in Codec::ALL {
            let bytes = sample();
            let mut file = codec.compress(&bytes, std::slice::from_ref(&(9..30_000)), codec.best_level()).unwrap();
            // The range coder sees no repetition: 84 values that are equally frequent take log2 84 = 6.4 of 8 bits.
            let most = if codec == Codec::Range { bytes.len() * 6 / 7 } else { bytes.len() / 2 };
            assert!(file.len() < most, "{codec:?}: {} bytes", file.len());
            file.extend(b"tail");
            let mut rest = file.as_slice();
            let mut back = Vec::new();
            codec.decompress(&mut rest).unwrap().read_to_end(&mut back).unwrap();
            assert_eq!((back, rest), (bytes, &b"tail"[..]), "{codec:?}");
            assert_eq!(Codec::from_name(codec.name()), Some(codec));
        }
        assert_eq!(Codec::from_name("rar"), None);
    }

    #[test]
    fn a_stream_cut_short_is_an_error() {
        for codec in Codec::ALL {
            let file = codec.compress(&sample(), std::slice::from_ref(&(9..30_000)), 5).unwrap();
            for keep in [0, 1, file.len() / 2, file.len() - 1] {
                let read = codec.decompress(&mut &file[..keep]).and_then(|mut r| r.read_to_end(&mut Vec::new()));
                assert!(read.is_err(), "{codec:?} cut to {keep} of {}", file.len());
            }
        }
    }
}
