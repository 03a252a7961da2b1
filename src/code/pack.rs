//! A script as a self-extracting one: LZMA and base85 in the frame that the field uses. What runs is the same bytes.

use std::io::Write;

use liblzma::stream::{Check, Filters, LzmaOptions, Stream};
use liblzma::write::XzEncoder;

use super::unwrap::{Alone, unwrap};
use crate::render::base85;

/// liblzma's default; the other presets differ in the dictionary, which a script does not fill.
const PRESET: u32 = 6;

/// A packed script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// The self-extracting script.
    pub script: Vec<u8>,
    /// `raw LZMA2` or `xz`.
    pub codec: &'static str,
}

/// Packs `source` in the smallest frame; the result is unwrapped and compared before it is returned.
///
/// # Errors
/// When the packed script does not unwrap to `source`: then there is nothing to use.
pub fn pack(source: &[u8]) -> Result<Packed, String> {
    let failed = |error: std::io::Error| format!("compressing failed: {error}");
    let raw = frame(&raw_lzma2(source).map_err(failed)?, ",format=L.FORMAT_RAW,filters=[{\"id\":L.FILTER_LZMA2}]");
    let xz = frame(&xz(source).map_err(failed)?, "");
    let packed = if raw.len() <= xz.len() {
        Packed { script: raw, codec: "raw LZMA2" }
    } else {
        Packed { script: xz, codec: "xz" }
    };
    let file = "train_gpt.py";
    let unwrapped = unwrap(&packed.script, file, &Alone { file, source: &packed.script });
    // The source may be a wrapper itself: then more than one layer comes off.
    let whole = unwrapped.layers.first().is_some_and(|layer| layer.bytes_out == source.len() as u64);
    if unwrapped.source == source || (unwrapped.layers.len() > 1 && whole) {
        Ok(packed)
    } else {
        Err(match unwrapped.problems.first() {
            Some(problem) => format!("not packed: the packed script does not unwrap to the source: {problem}"),
            None => "not packed: too small to gain anything; ship it as it is".to_owned(),
        })
    }
}

/// Length of `source` packed without a minifier: an upper bound of what `caddie pack` makes of it.
pub fn estimate(source: &[u8]) -> Option<u64> {
    let packed = raw_lzma2(source).ok()?;
    Some(frame(&packed, ",format=L.FORMAT_RAW,filters=[{\"id\":L.FILTER_LZMA2}]").len() as u64)
}

fn frame(payload: &[u8], format: &str) -> Vec<u8> {
    let text = base85::encode(payload);
    format!("import lzma as L,base64 as B\nexec(L.decompress(B.b85decode(\"{text}\"){format}))\n").into_bytes()
}

fn raw_lzma2(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut filters = Filters::new();
    filters.lzma2(&LzmaOptions::new_preset(PRESET)?);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_script_unwraps_to_the_same_bytes_and_is_the_same_every_time() {
        let source = "print('a line that is there often')\n".repeat(500);
        let packed = pack(source.as_bytes()).expect("packs");
        assert!(packed.script.len() < source.len() / 10);
        assert_eq!(pack(source.as_bytes()).as_ref(), Ok(&packed));
        assert_eq!(estimate(source.as_bytes()), Some(packed.script.len() as u64));
        // A wrapper in a wrapper comes off as well.
        let twice = pack(&packed.script).expect("packs");
        let file = "a.py";
        let unwrapped = unwrap(&twice.script, file, &Alone { file, source: &twice.script });
        assert_eq!((unwrapped.layers.len(), unwrapped.source), (2, source.into_bytes()));
    }
}
