//! safetensors: the length of a JSON header, the header, the data. The crate refuses what an audit wants to see (bytes
//! between and behind the tensors), so the header is read here.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::contents::{Contents, Format, Literal, LiteralKind, Payload, Place, RegionKind, Tensor, join};
use super::dtype::Dtype;
use super::entropy::bits_per_byte;
use super::tree::holes;
use super::walk::MAX_TEXT;

/// Most bytes of a header that are read.
const MAX_HEADER_BYTES: usize = 16 << 20;
/// Tensors that are listed.
const MAX_TENSORS: usize = 200_000;

/// Bytes of a header beyond its tensors that settings of a training run explain.
const USUAL_EXCESS: usize = 16 << 10;
/// Keys of a tensor's entry.
const KEYS: [&str; 3] = ["dtype", "shape", "data_offsets"];

/// The entries of the header, also those whose name occurs again.
struct Header(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Vec<(String, Value)>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(entries)
            }
        }
        deserializer.deserialize_map(Entries).map(Header)
    }
}

/// Tells whether the bytes start with a plausible length and an object.
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
    let header = serde_json::from_slice::<Header>(bytes.get(8..start).unwrap_or_default());
    let length = bytes.len();
    let buffer = contents.keep(bytes, name);
    let header = match header {
        Ok(Header(header)) => header,
        Err(error) => {
            contents.problem(name, format!("the header is not JSON: {error}"));
            return contents.region(
                RegionKind::Opaque,
                "behind the header".into(),
                Place { buffer, range: start..length },
            );
        }
    };
    let mut covered: Vec<Range<usize>> = Vec::new();
    let mut needed = 2;
    let mut seen = std::collections::HashSet::new();
    if header.len() > MAX_TENSORS {
        contents.problem(name, format!("the header lists {} tensors; {MAX_TENSORS} of them were read", header.len()));
    }
    for (key, entry) in header.iter().take(MAX_TENSORS) {
        if !seen.insert(key) {
            contents.problem(name, format!("the header has {key} twice; readers refuse it or take the last"));
        }
        if key == "__metadata__" {
            metadata(entry, name, contents);
            continue;
        }
        if let Some(further) = further_key(entry) {
            contents.problem(name, format!("tensor {key} has a further key {further:?}, which no reader knows"));
        }
        match tensor(key, entry, buffer, start, length) {
            Ok(tensor) => {
                needed += needed_bytes(key, entry);
                covered.extend(tensor.place.clone().map(|place| place.range));
                contents.tensors.push(Tensor { name: join(name, &tensor.name), ..tensor });
            }
            Err(problem) => contents.problem(name, format!("tensor {key}: {problem}")),
        }
    }
    excess(buffer, start, needed, name, contents);
    for (a, b) in overlaps(&covered) {
        let problem = format!("the data of two tensors lie over one another, at {a} and {b}; readers refuse that");
        contents.problem(name, problem);
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

/// A key of a tensor's entry that the format does not have.
fn further_key(entry: &Value) -> Option<String> {
    let keys = entry.as_object()?.keys();
    keys.map(String::as_str).find(|key| !KEYS.contains(key)).map(|key| key.chars().take(60).collect())
}

/// Bytes that a tensor's entry takes where nothing is added to it: `"name":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},`
fn needed_bytes(key: &str, entry: &Value) -> usize {
    let one = |name: &str| entry.get(name).map_or(0, |value| value.to_string().len() + name.len() + 4);
    // A space behind each colon and comma, as Python's json writes them.
    let numbers = entry.get("shape").and_then(Value::as_array).map_or(0, Vec::len);
    Value::from(key).to_string().len() + KEYS.iter().map(|name| one(name)).sum::<usize>() + numbers + 8
}

/// Tells of a header that is much longer than its tensors need: metadata, further keys, filling.
fn excess(buffer: usize, start: usize, needed: usize, name: &str, contents: &mut Contents) {
    let range = 8..start;
    let more = range.len().saturating_sub(needed);
    if more <= USUAL_EXCESS {
        return;
    }
    // The bytes that the tensors do not need are not one range; the last ones stand for them in number.
    let place = Place { buffer, range: range.end - more..range.end };
    let what = format!("the header of {} bytes", range.len());
    contents.region(RegionKind::Header, join(name, &what), place);
}

/// Returns the places where a tensor's data begin before those of another end.
fn overlaps(covered: &[Range<usize>]) -> Vec<(usize, usize)> {
    let mut sorted: Vec<&Range<usize>> = covered.iter().filter(|range| !range.is_empty()).collect();
    sorted.sort_by_key(|range| (range.start, range.end));
    let pairs = sorted.windows(2).filter(|pair| matches!(pair, [a, b] if b.start < a.end));
    pairs.filter_map(|pair| Some((pair.first()?.start, pair.get(1)?.start))).take(4).collect()
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
    if offsets.len() != 2 {
        return Err(format!("it has {} offsets, and a tensor has two", offsets.len()));
    }
    let Some(declared) = dtype.bytes_of(tensor.numel()) else {
        return Err(format!("its {} values of {} fill no whole bytes", tensor.numel(), dtype.name()));
    };
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
