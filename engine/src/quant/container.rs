//! Writes and reads model files; their format is [`caddie_format::model`], or Q2BN for a recipe with `[quant.q2]`.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use caddie_format::model::{Entry, FAMILY, Header, MAGIC, Scheme, lay_out, shuffle};
use caddie_format::{atomic, sha256};
use tch::Tensor;

use super::codec::Codec;
use super::q2bn;
use super::scheme::{kind, outline, scale_kind};
use super::{Data, QuantizedModel, QuantizedTensor};
use crate::checkpoint::bytes_of;
use crate::{Error, Recipe, Result};

/// Largest file that is read: sixteen times the challenge's cap.
const MAX_FILE_BYTES: u64 = 256 << 20;
/// Largest header that is read. The baseline's has 20 kB.
const MAX_HEADER_BYTES: u32 = 4 << 20;
/// Largest payload that is unpacked.
const MAX_PAYLOAD_BYTES: u64 = 1 << 30;

/// A model file in memory.
pub struct Encoded {
    pub bytes: Vec<u8>,
    pub codec: Codec,
    /// Every codec that was tried, with the size of the file that it gave.
    pub tried: Vec<(Codec, u64)>,
}

/// Encodes `model` and the recipe that it came from, compressed as the recipe says; where it asks for the smallest, by
/// the codec that gives it. The same model and recipe give the same bytes.
///
/// # Errors
/// [`Error::Parameter`] when a tensor's data does not have the shape it claims, or the header would be too long to read.
pub fn encode(model: &QuantizedModel, recipe: &Recipe) -> Result<Encoded> {
    if recipe.quant.q2.is_some() {
        let level = recipe.quant.level.unwrap_or(Codec::Zstd.best_level());
        let bytes = q2bn::encode(model, recipe, level as i32)?;
        return Ok(Encoded { tried: vec![(Codec::Zstd, bytes.len() as u64)], bytes, codec: Codec::Zstd });
    }
    let refuse = |reason: String| Error::Parameter { name: "model file".to_owned(), reason };
    let (header, payload) = pack(model, recipe)?;
    let json = serde_json::to_vec(&header).map_err(|e| refuse(format!("header: {e}")))?;
    let json_len = u32::try_from(json.len()).ok().filter(|&n| n <= MAX_HEADER_BYTES);
    let json_len =
        json_len.ok_or_else(|| refuse(format!("a header of {} bytes is more than a reader accepts", json.len())))?;
    let body = [&json_len.to_le_bytes(), json.as_slice(), &payload].concat();
    let integers = integers(&header, body.len() - payload.len());
    let attempt = |(codec, level): (Codec, u32)| {
        let stream = codec
            .compress(&body, &integers, level)
            .map_err(|e| refuse(format!("compressing with {}: {e}", codec.name())))?;
        Ok((codec, [MAGIC.as_bytes(), codec.name().as_bytes(), b"\n", &stream].concat()))
    };
    let files: Vec<(Codec, Vec<u8>)> =
        Codec::candidates(&recipe.quant).into_iter().map(attempt).collect::<Result<_>>()?;
    let tried = files.iter().map(|(codec, bytes)| (*codec, bytes.len() as u64)).collect();
    match files.into_iter().min_by_key(|(_, bytes)| bytes.len()) {
        Some((codec, bytes)) => Ok(Encoded { bytes, codec, tried }),
        None => Err(refuse("no compressor was tried".to_owned())),
    }
}

/// [`encode`]s into `path` and returns the file's size in bytes. Atomic: a full disk or a kill leaves the earlier file as it
/// was.
pub fn write(path: &Path, model: &QuantizedModel, recipe: &Recipe) -> Result<u64> {
    let encoded = encode(model, recipe)?;
    atomic::write(path, |out| out.write_all(&encoded.bytes).map_err(Error::io(path, "writing")))
}

/// Reads a model file back: the model, on the CPU, and the recipe it came from.
///
/// # Errors
/// [`Error::Io`] when it cannot be opened; [`Error::Format`] when it is no model file, truncated, altered, or declares
/// more than it can hold.
pub fn read(path: &Path) -> Result<(QuantizedModel, Recipe)> {
    if is_q2(path)? {
        return q2bn::decode(path, &read_file(path)?);
    }
    let (header, payload, _) = read_parts(path)?;
    let recipe = Recipe::parse(&header.recipe, &[]).map_err(|e| {
        Error::format(path, format!("the recipe inside does not hold: {e}. It may be of a newer caddie"))
    })?;
    Ok((unpack(&header, &payload)?, recipe))
}

/// Tells whether `path` starts as a model file does.
pub fn is_model(path: &Path) -> Result<bool> {
    Ok(is_q2(path)? || starts_as(path, MAGIC.as_bytes())?)
}

/// Tells whether `path` starts as a model file of symbols does.
pub(super) fn is_q2(path: &Path) -> Result<bool> {
    starts_as(path, &caddie_format::q2::file::MAGIC)
}

fn starts_as(path: &Path, magic: &[u8]) -> Result<bool> {
    let mut start = vec![0; magic.len()];
    let read =
        File::open(path).and_then(|file| file.take(start.len() as u64).read_exact(&mut start)).map(|()| start == magic);
    match read {
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        other => other.map_err(Error::io(path, "reading")),
    }
}

/// The compressor that a model file names.
pub(super) fn codec_of(path: &Path) -> Result<Codec> {
    if is_q2(path)? {
        return Ok(Codec::Zstd);
    }
    let mut start = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAGIC.len() as u64 + 16).read_to_end(&mut start))
        .map_err(Error::io(path, "reading"))?;
    let word = start.get(MAGIC.len()..).unwrap_or_default().split(|&b| b == b'\n').next().unwrap_or_default();
    let word = String::from_utf8_lossy(word).into_owned();
    Codec::from_name(&word).ok_or_else(|| Error::format(path, format!("its compressor `{word}` is not known here")))
}

/// The bytes of a file that is not longer than a model file may be.
fn read_file(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes))
        .map_err(Error::io(path, "reading"))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(Error::format(path, format!("larger than the {MAX_FILE_BYTES} bytes that a model file may have")));
    }
    Ok(bytes)
}

/// Header, payload and file size, every declared length and the hash checked.
pub(super) fn read_parts(path: &Path) -> Result<(Header, Vec<u8>, u64)> {
    let bytes = read_file(path)?;
    let (header, payload) = decode(&bytes).map_err(|why| {
        Error::format(
            path,
            format!("not a whole caddie model file ({why}). Copy it again, or export it again from its checkpoint"),
        )
    })?;
    Ok((header, payload, bytes.len() as u64))
}

fn decode(bytes: &[u8]) -> std::result::Result<(Header, Vec<u8>), String> {
    let rest = bytes.strip_prefix(MAGIC.as_bytes()).ok_or_else(|| match bytes.starts_with(FAMILY.as_bytes()) {
        true => "its format is of another version of caddie".to_owned(),
        false => format!("it does not start with `{MAGIC}`"),
    })?;
    let line_end = rest.iter().take(16).position(|&b| b == b'\n').ok_or("its first line does not end")?;
    let (word, mut stream) = (String::from_utf8_lossy(&rest[..line_end]), &rest[line_end + 1..]);
    let codec = Codec::from_name(&word).ok_or_else(|| match word.trim() {
        "" => "its first line names no compressor".to_owned(),
        word => format!("its compressor `{word}` is not known here; known are brotli, range, xz, zlib and zstd"),
    })?;
    let possible = codec.max_expansion(stream.len() as u64).min(MAX_PAYLOAD_BYTES);
    let mut reader = codec.decompress(&mut stream).map_err(|e| format!("its compressed stream: {e}"))?;

    let mut length = [0; 4];
    reader.read_exact(&mut length).map_err(|e| format!("header length: {e}"))?;
    let length = u32::from_le_bytes(length);
    if length > MAX_HEADER_BYTES {
        return Err(format!("it declares a header of {length} bytes, more than the {MAX_HEADER_BYTES} allowed"));
    }
    let json = read_exactly(&mut *reader, u64::from(length)).map_err(|e| format!("header: {e}"))?;
    let header: Header = serde_json::from_slice(&json).map_err(|e| format!("header: {e}"))?;
    let total = header.check()?;
    if total > possible {
        return Err(format!("it declares {total} bytes of weights, more than the {possible} that it can hold"));
    }
    let payload = read_exactly(&mut *reader, total).map_err(|e| format!("weights: {e}"))?;
    // Reading past the end makes the decompressor compare its own checksum.
    if reader.read(&mut [0]).map_err(|e| format!("end of the stream: {e}"))? != 0 {
        return Err("there are more bytes than it declares".to_owned());
    }
    drop(reader);
    if !stream.is_empty() {
        return Err(format!("{} bytes follow its end", stream.len()));
    }
    if sha256(&payload) != header.payload_sha256 {
        return Err("its weights differ from their SHA-256".to_owned());
    }
    // The bits that are printed are those that the integers have.
    for entry in header.tensors.iter().filter(|entry| entry.scheme == Scheme::IntPerRow) {
        let range = (1i16 << (entry.bits - 1)) - 1;
        if values_of(entry, &payload).iter().any(|&q| i16::from(q as i8).abs() > range) {
            return Err(format!("tensor {} holds integers of more than its {} bits", entry.name, entry.bits));
        }
    }
    Ok((header, payload))
}

/// Reads `length` bytes, growing as they arrive: a declared length alone takes no memory.
fn read_exactly(reader: &mut dyn Read, length: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(length).read_to_end(&mut bytes)?;
    if (bytes.len() as u64) < length {
        return Err(std::io::Error::new(
            std::io::ErrorKind::UnexpectedEof,
            format!("it ends after {} of {length} bytes", bytes.len()),
        ));
    }
    Ok(bytes)
}

fn pack(model: &QuantizedModel, recipe: &Recipe) -> Result<(Header, Vec<u8>)> {
    let refuse = |name: &str, reason: String| Error::Parameter { name: name.to_owned(), reason };
    let (entries, total) = lay_out(&outline(model)?).map_err(|e| refuse("layout", e))?;
    let mut payload = vec![0; total as usize];
    for (entry, tensor) in entries.iter().zip(&model.tensors) {
        let (values, scale) = tensor.data.parts();
        let blobs =
            [(Some((entry.offset, entry.bytes)), Some(values)), (entry.scale_offset.zip(entry.scale_bytes), scale)];
        for (place, part) in blobs {
            let (Some((offset, length)), Some(part)) = (place, part) else { continue };
            let mut blob = bytes_of(part)?;
            if recipe.quant.byte_shuffle {
                blob = shuffle::apart(&blob, part.kind().elt_size_in_bytes());
            }
            if blob.len() as u64 != length {
                return Err(refuse(&entry.name, format!("{} bytes of data do not fill {:?}", blob.len(), entry.shape)));
            }
            payload[offset as usize..][..blob.len()].copy_from_slice(&blob);
        }
    }
    let header = Header {
        tensors: entries,
        byte_shuffle: recipe.quant.byte_shuffle,
        recipe: recipe.to_toml(),
        payload_sha256: sha256(&payload),
    };
    header.check().map_err(|e| refuse("layout", e))?;
    Ok((header, payload))
}

fn unpack(header: &Header, payload: &[u8]) -> Result<QuantizedModel> {
    let tensor = |bytes: &[u8], shape: &[i64], kind: tch::Kind| -> Result<Tensor> {
        Ok(if header.byte_shuffle {
            Tensor::f_from_data_size(&shuffle::together(bytes, kind.elt_size_in_bytes()), shape, kind)?
        } else {
            Tensor::f_from_data_size(bytes, shape, kind)?
        })
    };
    let tensors = header
        .tensors
        .iter()
        .map(|entry| {
            let values = tensor(values_of(entry, payload), &entry.shape, kind(entry.scheme))?;
            let scale = scale_kind(entry.scheme).zip(entry.scheme.scale_shape(&entry.shape));
            let data = match (entry.scheme, scale) {
                (Scheme::Float16, _) => Data::Float16(values),
                (Scheme::Float32, _) | (_, None) => Data::Float32(values),
                (scheme, Some((kind, shape))) => {
                    let scale = tensor(scale_of(entry, payload), &shape, kind)?;
                    match scheme {
                        Scheme::IntPerRow => Data::IntRow { bits: entry.bits, q: values, scale },
                        _ => Data::PerTensor { q: values, scale },
                    }
                }
            };
            Ok(QuantizedTensor { name: entry.name.clone(), shape: entry.shape.clone(), data })
        })
        .collect::<Result<_>>()?;
    Ok(QuantizedModel { tensors })
}

/// The stretches of the body that hold integers, ascending as the layout places them; `start` is where its payload begins.
fn integers(header: &Header, start: usize) -> Vec<Range<usize>> {
    let of = |entry: &Entry| start + entry.offset as usize..start + (entry.offset + entry.bytes) as usize;
    header.tensors.iter().filter(|entry| entry.scale_bytes.is_some()).map(of).collect()
}

/// A tensor's values in a payload whose header was checked.
pub(super) fn values_of<'a>(entry: &Entry, payload: &'a [u8]) -> &'a [u8] {
    &payload[entry.offset as usize..][..entry.bytes as usize]
}

/// A tensor's scales, empty where there are none.
pub(super) fn scale_of<'a>(entry: &Entry, payload: &'a [u8]) -> &'a [u8] {
    match (entry.scale_offset, entry.scale_bytes) {
        (Some(offset), Some(bytes)) => &payload[offset as usize..][..bytes as usize],
        _ => &[],
    }
}
