//! safetensors: the length of a JSON header, the header, the data. The crate refuses what an audit wants to see (bytes
//! between and behind the tensors), so the header is read here.

use serde_json::{Map, Value};

use super::contents::{Contents, Format, Literal, LiteralKind, Payload, Place, RegionKind, Tensor, join};
use super::dtype::Dtype;
use super::entropy::bits_per_byte;
use super::tree::holes;
use super::walk::MAX_TEXT;

/// Most bytes of a header that are read.
const MAX_HEADER_BYTES: usize = 16 << 20;
/// Tensors that are listed.
const MAX_TENSORS: usize = 200_000;

/// Whether the bytes start with a plausible length and an object.
pub(super) fn is(bytes: &[u8]) -> bool {
    header_length(bytes).is_some_and(|length| length >= 2) && bytes.get(8) == Some(&b'{')
}

fn header_length(bytes: &[u8]) -> Option<usize> {
    let length = u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?);
    usize::try_from(length).ok().filter(|length| *length <= MAX_HEADER_BYTES && *length <= bytes.len() - 8)
}

pub(super) fn read(bytes: Vec<u8>, name: &str, contents: &mut Contents) {
    contents.formats.push(Format::Safetensors);
    let start = 8 + header_length(&bytes).unwrap_or(0);
    let header = serde_json::from_slice::<Map<String, Value>>(bytes.get(8..start).unwrap_or_default());
    let length = bytes.len();
    let buffer = contents.keep(bytes, name);
    let header = match header {
        Ok(header) => header,
        Err(error) => {
            contents.problem(name, format!("the header is no JSON: {error}"));
            return contents.region(
                RegionKind::Opaque,
                "behind the header".into(),
                Place { buffer, range: start..length },
            );
        }
    };
    let mut covered = Vec::new();
    for (key, entry) in header.iter().take(MAX_TENSORS) {
        if key == "__metadata__" {
            metadata(entry, name, contents);
            continue;
        }
        match tensor(key, entry, buffer, start, length) {
            Ok(tensor) => {
                covered.extend(tensor.place.clone().map(|place| place.range));
                contents.tensors.push(Tensor { name: join(name, &tensor.name), ..tensor });
            }
            Err(problem) => contents.problem(name, format!("tensor {key}: {problem}")),
        }
    }
    for range in holes(start..length, covered) {
        let (kind, what) = if range.end == length {
            (RegionKind::Trailing, "behind the last tensor")
        } else {
            (RegionKind::Uncovered, "between the tensors")
        };
        contents.region(kind, join(name, what), Place { buffer, range });
    }
}

fn tensor(key: &str, entry: &Value, buffer: usize, start: usize, length: usize) -> Result<Tensor, String> {
    let text = entry.get("dtype").and_then(Value::as_str).unwrap_or("");
    let dtype = Dtype::safetensors(text).ok_or_else(|| format!("type {text:?} is not known"))?;
    let numbers = |key: &str| -> Option<Vec<u64>> { entry.get(key)?.as_array()?.iter().map(Value::as_u64).collect() };
    let shape = numbers("shape").ok_or("no shape")?;
    let offsets = numbers("data_offsets").ok_or("no offsets")?;
    let place = |offset: &u64| usize::try_from(*offset).ok()?.checked_add(start).filter(|at| *at <= length);
    let (Some(from), Some(to)) = (offsets.first().and_then(place), offsets.get(1).and_then(place)) else {
        return Err("its data goes past the end of the file".to_owned());
    };
    let tensor = Tensor { name: key.to_owned(), dtype, shape, place: Some(Place { buffer, range: from..to }) };
    let declared = tensor.numel().saturating_mul(dtype.width() as u64);
    if to < from || declared != (to - from) as u64 {
        return Err(format!("its shape takes {declared} bytes, its offsets {from} to {to}"));
    }
    Ok(tensor)
}

fn metadata(entry: &Value, name: &str, contents: &mut Contents) {
    for (key, value) in entry.as_object().into_iter().flatten() {
        let text = value.as_str().unwrap_or_default();
        if text.len() > MAX_TEXT {
            contents.literals.push(Literal {
                path: join(name, &format!("__metadata__/{key}")),
                kind: LiteralKind::Text,
                length: text.len() as u64,
                entropy: Some(bits_per_byte(text.as_bytes())),
                payload: Payload::None,
                keys_of_tensors: None,
                keys: Vec::new(),
            });
        }
    }
}
