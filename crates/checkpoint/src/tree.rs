//! Walks from a pickle's inert values to its tensors and to everything in it that is no tensor.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::contents::{Contents, Payload, PickleFacts, Place, RegionKind};
use super::dtype::Dtype;
use super::pickle::{self, Id, Limits, Pickle, Value};
use super::walk::Walk;

/// Most pickles behind one another that are read.
const MAX_APPENDED: usize = 100;

/// A pickle and where its storages lie.
pub(super) struct Source<'a> {
    /// The member, for messages.
    pub name: String,
    pub pickle: Place,
    /// A storage's bytes by its key.
    pub storages: &'a dyn Fn(&str) -> Option<Place>,
}

/// Parses the pickle and adds its contents. Returns the keys of the storages that it refers to.
pub(super) fn read(source: &Source<'_>, contents: &mut Contents) -> HashSet<String> {
    // Taken out while it is read, so that the contents can be added to.
    let index = source.pickle.buffer;
    let whole = contents.buffers.get_mut(index).map(|buffer| std::mem::take(&mut buffer.bytes)).unwrap_or_default();
    let bytes = whole.get(source.pickle.range.clone()).unwrap_or_default();
    let parsed = pickle::parse(bytes, &Limits::default());
    let mut walk = Walk::new(source, &parsed, bytes);
    walk.run();
    let Walk { tensors, literals, problems, covered, .. } = walk;
    let references = references(&parsed, bytes);
    let stop = source.pickle.range.start + parsed.end;
    if let Some(buffer) = contents.buffers.get_mut(index) {
        buffer.bytes = whole;
    }
    contents.pickles.push(facts(&parsed, &source.name, tensors.len() as u64));
    contents.tensors.extend(tensors);
    for (mut literal, decoded) in literals {
        if let Some(decoded) = decoded {
            let range = 0..decoded.len();
            literal.payload = Payload::Place(Place { buffer: contents.keep(decoded, &literal.path), range });
        }
        contents.literals.push(literal);
    }
    problems.into_iter().for_each(|problem| contents.problem(&source.name, problem));
    if parsed.root.is_some() {
        let place = Place { buffer: index, range: stop..source.pickle.range.end.max(stop) };
        appended(&place, &source.name, contents);
        contents.region(RegionKind::Trailing, format!("behind the end of {}", source.name), place);
    }
    for (key, reference) in &references {
        storage(source, key, reference, covered.get(key).cloned().unwrap_or_default(), contents);
    }
    references.into_keys().collect()
}

/// Adds the facts about further pickles behind the end of one: `pickle.load` called again on the open file runs them.
fn appended(behind: &Place, name: &str, contents: &mut Contents) {
    let mut at = behind.range.start;
    for number in 2..MAX_APPENDED {
        let rest = contents.bytes(&Place { buffer: behind.buffer, range: at..behind.range.end });
        if !pickle::is_pickle(rest) {
            return;
        }
        let parsed = pickle::parse(rest, &Limits::default());
        contents.pickles.push(facts(&parsed, &format!("{name}, pickle {number} behind its end"), 0));
        if parsed.root.is_none() || parsed.end == 0 {
            return;
        }
        at += parsed.end;
    }
    contents.problem(name, format!("more than {MAX_APPENDED} pickles follow one another; the rest was not read"));
}

/// Reports the parts of a storage that no tensor covers, and a size other than the pickle declares.
fn storage(source: &Source<'_>, key: &str, declared: &Reference, covered: Vec<Range<usize>>, contents: &mut Contents) {
    let Some(place) = (source.storages)(key) else {
        return contents.problem(&source.name, format!("storage {key} is referred to, but is not in the file"));
    };
    let bytes = declared.numel.saturating_mul(declared.dtype.width() as u64);
    if bytes != place.range.len() as u64 {
        let real = place.range.len();
        contents.problem(&source.name, format!("storage {key} is declared with {bytes} bytes and has {real}"));
    }
    for hole in holes(0..place.range.len(), covered) {
        let range = place.range.start + hole.start..place.range.start + hole.end;
        let what = format!("storage {key} at {}", hole.start);
        contents.region(RegionKind::Uncovered, what, Place { buffer: place.buffer, range });
    }
}

/// Returns the parts of `whole` that the ranges leave uncovered.
pub(super) fn holes(whole: Range<usize>, mut covered: Vec<Range<usize>>) -> Vec<Range<usize>> {
    covered.sort_by_key(|range| range.start);
    let mut holes = Vec::new();
    let mut at = whole.start;
    for range in covered {
        if range.start > at {
            holes.push(at..range.start.min(whole.end));
        }
        at = at.max(range.end);
    }
    if at < whole.end {
        holes.push(at..whole.end);
    }
    holes
}

/// Returns the published facts about a pickle.
pub(super) fn facts(pickle: &Pickle, member: &str, tensors: u64) -> PickleFacts {
    PickleFacts {
        member: member.to_owned(),
        bytes: pickle.end as u64,
        protocol: pickle.protocol,
        globals: pickle.globals.clone(),
        odd_calls: pickle.odd_calls.iter().map(|call| (call.at, call.what.clone())).collect(),
        fault: pickle.fault.as_ref().map(ToString::to_string),
        tensors,
    }
}

/// A storage as a pickle refers to it: `('storage', torch.HalfStorage, key, location, elements)`.
pub(super) struct Reference {
    pub dtype: Dtype,
    pub numel: u64,
}

pub(super) fn reference(pickle: &Pickle, bytes: &[u8], id: Id) -> Option<(String, Reference)> {
    let Value::Persistent(inner) = pickle.get(id) else { return None };
    let [kind, class, key, _, numel, ..] = pickle.sequence(*inner)? else { return None };
    (pickle.text(bytes, *kind)? == "storage").then_some(())?;
    let dtype = pickle.global(*class).and_then(|(_, name)| Dtype::torch(name)).unwrap_or(Dtype::Untyped);
    let key = pickle.text(bytes, *key).map(str::to_owned).or_else(|| pickle.int(*key).map(|key| key.to_string()))?;
    Some((key, Reference { dtype, numel: u64::try_from(pickle.int(*numel)?).ok()? }))
}

fn references(pickle: &Pickle, bytes: &[u8]) -> HashMap<String, Reference> {
    pickle.ids().filter_map(|id| reference(pickle, bytes, id)).collect()
}

/// Bytes an element of every storage that the pickle refers to.
pub(super) fn storage_types(pickle: &Pickle, bytes: &[u8]) -> HashMap<String, usize> {
    references(pickle, bytes).into_iter().map(|(key, reference)| (key, reference.dtype.width())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_what_is_left() {
        assert_eq!(holes(0..10, vec![4..6, 0..3, 5..8]), [3..4, 8..10]);
        assert!(holes(0..4, vec![0..9, 1..2]).is_empty());
        assert_eq!(holes(2..4, vec![]).first(), Some(&(2..4)));
    }
}
