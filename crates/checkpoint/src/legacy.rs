//! Pickles that begin the file: `torch.save` before 1.6 (pickles, then storages one after the other), or a bare one.

use std::collections::HashMap;

use super::contents::{Contents, Format, Place, RegionKind, join};
use super::pickle::{self, Limits, Pickle, Value};
use super::tree::{self, Source, facts};

/// The first pickle of torch's older form: this number, as bytes of a long.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
/// Pickles before the object: magic number, protocol, a table of the machine that wrote it.
const HEADERS: usize = 3;

pub(super) fn read(bytes: Vec<u8>, name: &str, contents: &mut Contents) {
    let length = bytes.len();
    let first = pickle::parse(&bytes, &Limits::default());
    let magic = match first.root.map(|root| first.get(root)) {
        Some(Value::Big(range)) => bytes.get(range.clone()).is_some_and(|number| number == MAGIC),
        _ => false,
    };
    let buffer = contents.keep(bytes, name);
    if magic {
        contents.formats.push(Format::TorchLegacy);
        return torch(buffer, length, name, contents);
    }
    contents.formats.push(Format::Pickle);
    let source =
        Source { name: join(name, "the pickle"), pickle: Place { buffer, range: 0..length }, storages: &|_| None };
    tree::read(&source, contents);
}

/// Magic number, protocol, machine, object, keys of storages; then each storage as a count and its elements.
fn torch(buffer: usize, length: usize, name: &str, contents: &mut Contents) {
    let mut at = 0;
    for index in 0..HEADERS {
        let Some(end) = header(buffer, at..length, &join(name, &format!("pickle {index}")), contents) else { return };
        at = end;
    }
    let object = Place { buffer, range: at..length };
    let (types, end) = {
        let bytes = contents.bytes(&object);
        let parsed = pickle::parse(bytes, &Limits::default());
        (tree::storage_types(&parsed, bytes), parsed.root.map(|_| at + parsed.end))
    };
    let label = join(name, "pickle 3");
    let Some(end) = end else {
        // The fault is told with the pickle; without its end no storage can be found.
        let source = Source { name: label, pickle: object, storages: &|_| None };
        tree::read(&source, contents);
        return;
    };
    let keys_place = Place { buffer, range: end..length };
    let (keys, list) = {
        let bytes = contents.bytes(&keys_place);
        let list = pickle::parse(bytes, &Limits::default());
        (texts(&list, bytes), list)
    };
    contents.pickles.push(facts(&list, &join(name, "pickle 4"), 0));
    let mut places = HashMap::new();
    let mut next = end + list.end;
    for key in &keys {
        let Some(place) = storage(buffer, next, types.get(key).copied(), contents) else {
            contents.problem(name, format!("storage {key} goes past the end of the file, or nothing says its type"));
            break;
        };
        next = place.range.end;
        places.insert(key.clone(), place);
    }
    let source =
        Source { name: label, pickle: Place { buffer, range: at..end }, storages: &|key| places.get(key).cloned() };
    let reached = tree::read(&source, contents);
    for (key, place) in places {
        if !reached.contains(&key) {
            contents.region(RegionKind::Member, join(name, &format!("storage {key}")), place);
        }
    }
    let place = Place { buffer, range: next.min(length)..length };
    contents.region(RegionKind::Trailing, join(name, "behind the last storage"), place);
}

/// Reads one of the first pickles and returns the place where it ends.
fn header(buffer: usize, range: std::ops::Range<usize>, label: &str, contents: &mut Contents) -> Option<usize> {
    let start = range.start;
    let parsed = pickle::parse(contents.bytes(&Place { buffer, range }), &Limits::default());
    contents.pickles.push(facts(&parsed, label, 0));
    parsed.root.map(|_| start + parsed.end)
}

fn texts(list: &Pickle, bytes: &[u8]) -> Vec<String> {
    let items = list.root.and_then(|root| list.sequence(root)).unwrap_or_default();
    items.iter().filter_map(|item| list.text(bytes, *item).map(str::to_owned)).collect()
}

/// A count of elements in eight bytes, then the elements.
fn storage(buffer: usize, at: usize, width: Option<usize>, contents: &Contents) -> Option<Place> {
    let count = contents.bytes(&Place { buffer, range: at..at.checked_add(8)? });
    let count = usize::try_from(i64::from_le_bytes(count.try_into().ok()?)).ok()?;
    let end = (at + 8).checked_add(count.checked_mul(width?)?)?;
    let place = Place { buffer, range: at + 8..end };
    (contents.bytes(&place).len() == place.range.len()).then_some(place)
}
