//! The general-purpose compressors that a model file can use, by the name in its first line.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::bufread::ZlibDecoder;
use flate2::write::ZlibEncoder;

/// A compressor. The enum is where brotli and zstd go when a recipe needs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// zlib by the C library, whose byte counts equal CPython's `zlib` module (other implementations are 1–3 % larger).
    Zlib { level: u32 },
}

impl Codec {
    /// The word in a model file's first line.
    pub fn name(self) -> &'static str {
        match self {
            Codec::Zlib { .. } => "zlib",
        }
    }

    /// The codec of that name. The level matters to the writer alone.
    pub fn from_name(name: &str) -> Option<Codec> {
        (name == "zlib").then_some(Codec::Zlib { level: 9 })
    }

    /// Most bytes that `compressed` bytes can expand to: the bound against decompression bombs. Deflate's shortest code
    /// for its longest match gives 1032 to 1.
    pub fn max_expansion(self, compressed: u64) -> u64 {
        match self {
            Codec::Zlib { .. } => compressed.saturating_mul(1032),
        }
    }

    /// Compresses everything that `body` writes into `out`.
    pub fn compress(
        self,
        out: &mut dyn Write,
        body: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        match self {
            Codec::Zlib { level } => {
                let mut encoder = ZlibEncoder::new(out, Compression::new(level.min(9)));
                body(&mut encoder)?;
                encoder.finish().map(drop)
            }
        }
    }

    /// A reader of the expanded bytes. After its end, `input` stands behind the compressed stream.
    pub fn decompress<'a>(self, input: &'a mut &[u8]) -> Box<dyn Read + 'a> {
        match self {
            Codec::Zlib { .. } => Box::new(ZlibDecoder::new(input)),
        }
    }

    /// Size of `bytes` compressed alone.
    pub fn compressed_size(self, bytes: &[u8]) -> std::io::Result<u64> {
        let mut counter = Counter(0);
        self.compress(&mut counter, |out| out.write_all(bytes))?;
        Ok(counter.0)
    }
}

/// Counts what is written and keeps nothing.
struct Counter(u64);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
