//! A script as a self-extracting one: compressed, as base85 or as raw Latin-1 characters, in a frame that the field uses.
//! What runs is the same source.

use std::io::Write;

use liblzma::stream::{Check, Filters, LzmaOptions, Stream};
use liblzma::write::XzEncoder;
use serde::Serialize;

use super::encoding::latin1_literal;
use super::minify::holds;
use super::unwrap::{Alone, unwrap};
use caddie_files::base85;

/// liblzma's default; the other presets differ in the dictionary, which a script does not fill.
const PRESET: u32 = 6;
/// Brotli's best; the field's packers use it.
const QUALITY: i32 = 11;
/// Brotli's largest window, 4 MiB.
const WINDOW: i32 = 22;
/// Words of scripts that look their own source up through Python's `inspect`, as Triton does for each kernel. Such a
/// lookup fails in a script that is executed from a string, unless the frame hands the lines to `linecache`.
const READS_SOURCE: [&str; 4] = ["triton", "inspect", "jit.script", "getsource"];

/// The compressor of a packed script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Codec {
    /// Raw LZMA without a container: the frame states the filter.
    #[serde(rename = "raw LZMA2")]
    Lzma,
    #[serde(rename = "xz")]
    Xz,
    /// Needs the Python package `brotli` at run time, where LZMA is part of Python.
    #[serde(rename = "brotli")]
    Brotli,
}

impl Codec {
    /// Every codec, in order of preference among equals.
    pub const ALL: [Codec; 3] = [Codec::Lzma, Codec::Xz, Codec::Brotli];

    /// The name as `caddie unwrap` prints it.
    pub fn name(self) -> &'static str {
        match self {
            Codec::Lzma => "raw LZMA2",
            Codec::Xz => "xz",
            Codec::Brotli => "brotli",
        }
    }

    /// The Python package that the packed script needs beyond Python itself.
    pub fn needs(self) -> Option<&'static str> {
        (self == Codec::Brotli).then_some("brotli")
    }
}

/// The way in which a packed script writes its compressed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Writing {
    /// Five characters for four bytes.
    #[serde(rename = "base85")]
    Base85,
    /// A character for a byte, below a coding line. The file is no UTF-8: what reads it as such fails.
    #[serde(rename = "Latin-1")]
    Latin1,
}

impl Writing {
    /// Every way, in order of preference among equals.
    pub const ALL: [Writing; 2] = [Writing::Base85, Writing::Latin1];

    /// The name as reports print it.
    pub fn name(self) -> &'static str {
        match self {
            Writing::Base85 => "base85",
            Writing::Latin1 => "Latin-1",
        }
    }
}

/// A packed script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// The self-extracting script.
    pub script: Vec<u8>,
    pub codec: Codec,
    pub writing: Writing,
    /// Its source is handed to `linecache`, so that `inspect.getsource`, Triton and tracebacks find its lines.
    pub keeps_source: bool,
}

/// Packs `source` with `codec`, written so; a result that is smaller is unwrapped and compared before it is returned.
///
/// # Errors
/// When the packed script does not unwrap to `source`: then there is nothing to use.
pub fn pack(source: &[u8], codec: Codec, writing: Writing) -> Result<Packed, String> {
    let failed = |error: std::io::Error| format!("compressing failed: {error}");
    let keeps_source = keeps_source(source);
    let payload = match codec {
        // Text is better off without the alignment that LZMA assumes; the decoder needs not be told.
        Codec::Lzma => {
            let tries = [lzma2(source, 0).map_err(failed)?, lzma2(source, 2).map_err(failed)?];
            tries.into_iter().min_by_key(Vec::len).unwrap_or_default()
        }
        Codec::Xz => xz(source).map_err(failed)?,
        Codec::Brotli => brotli(source).map_err(failed)?,
    };
    let script = frame(&payload, codec, writing, keeps_source);
    if script.len() < source.len() {
        compare(source, &script)?;
    }
    Ok(Packed { script, codec, writing, keeps_source })
}

/// Checks that the packed script carries the source that it was made of.
fn compare(source: &[u8], script: &[u8]) -> Result<(), String> {
    let file = "train_gpt.py";
    let unwrapped = unwrap(script, file, &Alone { file, source: script });
    // The source may be a wrapper itself: then more than one layer comes off.
    let whole = unwrapped.layers.first().is_some_and(|layer| layer.bytes_out == source.len() as u64);
    if unwrapped.source == source || (unwrapped.layers.len() > 1 && whole) {
        return Ok(());
    }
    let reason = unwrapped.problems.first().map_or_else(|| "it is too small".to_owned(), ToString::to_string);
    Err(format!("the packed script does not unwrap to the source: {reason}"))
}

/// Tells whether the script looks its own source up when it runs.
fn keeps_source(source: &[u8]) -> bool {
    READS_SOURCE.iter().any(|word| holds(source, word)) && std::str::from_utf8(source).is_ok()
}

/// Returns the length of `source` packed without a minifier: an upper bound for the output of `caddie pack`.
pub fn estimate(source: &[u8]) -> Option<u64> {
    let payload = lzma2(source, 0).ok()?;
    Some(frame(&payload, Codec::Lzma, Writing::Base85, keeps_source(source)).len() as u64)
}

/// The payload has a line of its own, or each traceback would print it.
fn frame(payload: &[u8], codec: Codec, writing: Writing, keeps_source: bool) -> Vec<u8> {
    let (module, format) = match codec {
        Codec::Lzma => ("lzma", ",format=L.FORMAT_RAW,filters=[{\"id\":L.FILTER_LZMA2}]"),
        Codec::Xz => ("lzma", ""),
        Codec::Brotli => ("brotli", ""),
    };
    let lines = if keeps_source { ",linecache as C" } else { "" };
    let (before, text, after) = match writing {
        Writing::Base85 => {
            let before = format!("import {module} as L,base64 as B{lines}\nB=B.b85decode(\"");
            (before, base85::encode(payload).into_bytes(), "\")\n")
        }
        Writing::Latin1 => {
            let before = format!("#coding:l1\nimport {module} as L{lines}\nB=\"");
            (before, latin1_literal(payload), "\".encode(\"l1\")\n")
        }
    };
    let runs = if keeps_source {
        // An entry without a time stamp is never dropped by linecache for being out of date.
        format!(
            "B=L.decompress(B{format})\n\
             C.cache[\"<packed>\"]=len(B),None,[l+\"\\n\"for l in B.decode().split(\"\\n\")],\"<packed>\"\n\
             exec(compile(B,\"<packed>\",\"exec\"))\n"
        )
    } else {
        format!("exec(L.decompress(B{format}))\n")
    };
    [before.as_bytes(), &text, after.as_bytes(), runs.as_bytes()].concat()
}

fn lzma2(bytes: &[u8], position_bits: u32) -> std::io::Result<Vec<u8>> {
    let mut options = LzmaOptions::new_preset(PRESET)?;
    options.position_bits(position_bits);
    let mut filters = Filters::new();
    filters.lzma2(&options);
    compress(bytes, Stream::new_raw_encoder(&filters)?)
}

fn xz(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    compress(bytes, Stream::new_easy_encoder(PRESET, Check::Crc32)?)
}

fn compress(bytes: &[u8], stream: Stream) -> std::io::Result<Vec<u8>> {
    let mut encoder = XzEncoder::new_stream(Vec::new(), stream);
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn brotli(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let options = brotli::enc::BrotliEncoderParams { quality: QUALITY, lgwin: WINDOW, ..Default::default() };
    let mut payload = Vec::new();
    brotli::BrotliCompress(&mut &*bytes, &mut payload, &options)?;
    Ok(payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_script_unwraps_to_the_same_bytes_and_is_the_same_every_time() {
        let source = "print('a line that is there often')\n".repeat(500);
        for codec in Codec::ALL {
            let packed = pack(source.as_bytes(), codec, Writing::Base85).expect("packs");
            assert!(packed.script.len() < source.len() / 10, "{codec:?}");
            assert_eq!(pack(source.as_bytes(), codec, Writing::Base85).as_ref(), Ok(&packed));
            assert!(packed.script.len() as u64 <= estimate(source.as_bytes()).expect("an estimate") + 100, "{codec:?}");
        }
        let packed = pack(source.as_bytes(), Codec::Lzma, Writing::Base85).expect("packs");
        assert!(packed.script.len() as u64 <= estimate(source.as_bytes()).expect("an estimate"), "an upper bound");
        // A wrapper in a wrapper comes off as well.
        let twice = pack(&packed.script, Codec::Lzma, Writing::Base85).expect("packs");
        let file = "a.py";
        let unwrapped = unwrap(&twice.script, file, &Alone { file, source: &twice.script });
        assert_eq!((unwrapped.layers.len(), unwrapped.source), (2, source.into_bytes()));
    }

    #[test]
    fn a_script_that_reads_its_source_keeps_it() {
        let source = "import triton\n@triton.jit\ndef kernel(x):\n    return x\n".repeat(40);
        for (codec, writing) in Codec::ALL.into_iter().flat_map(|codec| Writing::ALL.map(|writing| (codec, writing))) {
            let packed = pack(source.as_bytes(), codec, writing).expect("packs");
            assert!(packed.keeps_source && holds(&packed.script, "linecache"), "{codec:?}");
        }
    }

    /// Bytes of every value, which no compressor shortens, so that each stands in the script.
    #[test]
    fn raw_characters_take_a_fifth_less_than_base85_and_unwrap_to_the_same() {
        let mut state = 7_u32;
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            format!("{:x}", state >> 4)
        });
        let source = format!("x = '{}'\n", noise.take(4_000).collect::<String>());
        let of = |writing| pack(source.as_bytes(), Codec::Lzma, writing).expect("packs").script;
        let (base85, latin1) = (of(Writing::Base85), of(Writing::Latin1));
        assert!(latin1.len() * 100 < base85.len() * 84, "{} of {}", latin1.len(), base85.len());
        assert!(latin1.starts_with(b"#coding:l1\n") && std::str::from_utf8(&latin1).is_err());
        let unwrapped = unwrap(&latin1, "a.py", &Alone { file: "a.py", source: &latin1 });
        assert_eq!((unwrapped.layers.len(), unwrapped.source), (1, source.into_bytes()));
    }
}
