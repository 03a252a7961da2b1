//! Decoders and decompressors by their names in Python.

use super::Arguments;
use crate::constant::Constant;
use crate::decode::{self, Lzma, LzmaFilter};
use crate::eval::Evaluator;
use crate::value::{Data, Value};

/// A decompressor or decoder of the library.
#[derive(Clone, Copy)]
pub(super) enum Decoder {
    Base85,
    Ascii85,
    Base64 { urlsafe: bool },
    Base32,
    Hex,
    Lzma,
    Zlib,
    Gzip,
    Brotli,
    Zstd,
    Bz2,
}

pub(super) fn codec(name: &str) -> Option<Decoder> {
    Some(match name {
        "base64.b85decode" => Decoder::Base85,
        "base64.a85decode" => Decoder::Ascii85,
        "base64.b64decode" | "base64.standard_b64decode" | "base64.decodebytes" | "binascii.a2b_base64" => {
            Decoder::Base64 { urlsafe: false }
        }
        "base64.urlsafe_b64decode" => Decoder::Base64 { urlsafe: true },
        "base64.b32decode" => Decoder::Base32,
        "base64.b16decode" | "binascii.unhexlify" | "binascii.a2b_hex" | "bytes.fromhex" | "bytearray.fromhex" => {
            Decoder::Hex
        }
        "lzma.decompress" | "compression.lzma.decompress" => Decoder::Lzma,
        "zlib.decompress" | "compression.zlib.decompress" => Decoder::Zlib,
        "gzip.decompress" | "compression.gzip.decompress" => Decoder::Gzip,
        "bz2.decompress" | "compression.bz2.decompress" => Decoder::Bz2,
        "brotli.decompress" | "brotlicffi.decompress" => Decoder::Brotli,
        "zstandard.decompress" | "zstd.decompress" | "pyzstd.decompress" | "compression.zstd.decompress" => {
            Decoder::Zstd
        }
        _ => return None,
    })
}

pub(super) fn decompress(
    evaluator: &mut Evaluator<'_, '_>,
    codec: Decoder,
    arguments: &mut Arguments<'_>,
) -> Result<Data, String> {
    let input = arguments.data(0, "data")?;
    let bytes = input.bytes.as_slice();
    let budget = &mut *evaluator.budget;
    let (name, output) = match codec {
        Decoder::Base85 => ("base85", decode::base85(bytes)),
        Decoder::Ascii85 => ("ascii85", decode::ascii85(bytes, arguments.int(9, "adobe")?.is_some_and(|int| int != 0))),
        Decoder::Base64 { urlsafe } => ("base64", decode::base64(bytes, urlsafe)),
        Decoder::Base32 => ("base32", decode::base32(bytes)),
        Decoder::Hex => ("hexadecimal", decode::hex(bytes)),
        Decoder::Lzma => {
            let format = lzma_format(arguments)?;
            (decode::lzma_name(bytes, &format), decode::lzma(bytes, &format, budget))
        }
        Decoder::Zlib => {
            let wbits = arguments.int(1, "wbits")?.unwrap_or(15);
            decode::zlib(bytes, wbits, budget)
        }
        Decoder::Gzip => ("gzip", decode::gunzip(bytes, budget)),
        Decoder::Brotli => ("brotli", decode::brotli(bytes, budget)),
        Decoder::Zstd => ("zstd", decode::zstd(bytes, budget)),
        Decoder::Bz2 => ("bz2", decode::bz2(bytes, budget)),
    };
    let output = output?;
    if matches!(codec, Decoder::Base85 | Decoder::Ascii85 | Decoder::Base64 { .. } | Decoder::Base32 | Decoder::Hex) {
        budget.take(output.len())?;
    }
    Ok(input.decoded(name, output))
}

/// `format` and `filters` of `lzma.decompress(data, format, memlimit, filters)`.
fn lzma_format(arguments: &mut Arguments<'_>) -> Result<Lzma, String> {
    let constant = |value: Value<'_>| match value {
        Value::Name(name) => name.rsplit('.').next().map(str::to_owned),
        Value::Scalar(Constant::Int(int)) => Some(int.to_string()),
        _ => None,
    };
    let format = arguments.at(1, "format").transpose()?.and_then(constant);
    match format.as_deref() {
        None | Some("FORMAT_AUTO" | "0") => Ok(Lzma::Auto),
        Some("FORMAT_XZ" | "1") => Ok(Lzma::Xz),
        Some("FORMAT_ALONE" | "2") => Ok(Lzma::Alone),
        Some("FORMAT_RAW" | "3") => {
            let Some(Value::List(filters)) = arguments.at(3, "filters").transpose()? else {
                return Err("the filters of a raw LZMA stream are not known".to_owned());
            };
            filters.iter().map(lzma_filter).collect::<Result<_, _>>().map(Lzma::Raw)
        }
        Some(other) => Err(format!("the LZMA format {other} is not known")),
    }
}

fn lzma_filter(filter: &Value<'_>) -> Result<LzmaFilter, String> {
    let Value::Dict(items) = filter else { return Err("an LZMA filter that is not known".to_owned()) };
    let get = |key: &str| {
        items.iter().find(|(known, _)| matches!(known, Value::Text(text) if text.text() == key)).map(|(_, value)| value)
    };
    let number = |key: &str| match get(key) {
        Some(Value::Scalar(Constant::Int(int))) => {
            u32::try_from(*int).map(Some).map_err(|_| format!("{key} {int} of an LZMA filter"))
        }
        None => Ok(None),
        Some(_) => Err(format!("{key} of an LZMA filter is not known")),
    };
    let second = match get("id") {
        Some(Value::Name(name)) if name.ends_with("FILTER_LZMA2") => true,
        Some(Value::Scalar(Constant::Int(0x21))) => true,
        Some(Value::Name(name)) if name.ends_with("FILTER_LZMA1") => false,
        Some(Value::Scalar(Constant::Int(0x4000_0000_0000_0001))) => false,
        _ => return Err("an LZMA filter other than LZMA1 and LZMA2".to_owned()),
    };
    let preset = number("preset")?.unwrap_or(6);
    Ok(LzmaFilter {
        second,
        preset,
        dict_size: number("dict_size")?,
        bits: [number("lc")?, number("lp")?, number("pb")?],
    })
}
