//! From a pickle's inert values to tensors, and to everything in it that is no tensor.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::contents::{Contents, Literal, LiteralKind, Payload, PickleFacts, Place, RegionKind, Tensor, join};
use super::dtype::Dtype;
use super::entropy::bits_per_byte;
use super::pickle::{self, Id, Limits, Object, Pickle, Value};

/// Bytes of a text that may be a name or a setting.
pub(super) const MAX_TEXT: usize = 200;
/// Bytes of a binary literal that may be a setting: a hash, a random state.
const MAX_BYTES: usize = 64;
/// Scalars of a list that may be a shape or a few settings.
const MAX_LIST: usize = 64;
/// Entries of a dictionary of scalars that may be settings.
const MAX_TABLE: usize = 256;
/// Scalars outside of long lists: so many, and so many a tensor, that may be settings.
const MAX_LOOSE: usize = 4096;
const MAX_LOOSE_PER_TENSOR: usize = 64;
/// Characters of a path.
const MAX_PATH: usize = 300;
/// Problems of one pickle that are told.
const MAX_PROBLEMS: usize = 50;
/// Keys of a dictionary that are compared with the names of tensors.
const MAX_KEYS: usize = 10_000;
/// Values that wait to be looked at.
const MAX_TASKS: usize = 500_000;
/// Tensors and literals that are listed.
const MAX_LISTED: usize = 200_000;

/// A pickle and where its storages lie.
pub(super) struct Source<'a> {
    /// The member, for messages.
    pub name: String,
    pub pickle: Place,
    /// A storage's bytes by its key.
    pub storages: &'a dyn Fn(&str) -> Option<Place>,
}

/// Parses the pickle and adds what it holds. Returns the keys of the storages that it refers to.
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
        contents.region(RegionKind::Trailing, format!("behind the end of {}", source.name), place);
    }
    for (key, reference) in &references {
        storage(source, key, reference, covered.get(key).cloned().unwrap_or_default(), contents);
    }
    references.into_keys().collect()
}

/// Says what of a storage no tensor covers, and whether it has the size that the pickle declares.
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

/// What of `whole` the ranges leave uncovered.
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

/// What is published of a pickle.
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
struct Reference {
    dtype: Dtype,
    numel: u64,
}

fn reference(pickle: &Pickle, bytes: &[u8], id: Id) -> Option<(String, Reference)> {
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

/// A walk over the values, each container once.
struct Walk<'a> {
    source: &'a Source<'a>,
    pickle: &'a Pickle,
    bytes: &'a [u8],
    seen: HashSet<Id>,
    tasks: Vec<(Id, String)>,
    tensors: Vec<Tensor>,
    /// With bytes that the pickle holds in another form.
    literals: Vec<(Literal, Option<Vec<u8>>)>,
    /// Scalars outside of long lists.
    loose: Vec<i64>,
    loose_count: usize,
    problems: Vec<String>,
    /// Of each storage, in bytes.
    covered: HashMap<String, Vec<Range<usize>>>,
}

impl<'a> Walk<'a> {
    fn new(source: &'a Source<'a>, pickle: &'a Pickle, bytes: &'a [u8]) -> Walk<'a> {
        Walk {
            source,
            pickle,
            bytes,
            seen: HashSet::new(),
            tasks: Vec::new(),
            tensors: Vec::new(),
            literals: Vec::new(),
            loose: Vec::new(),
            loose_count: 0,
            problems: Vec::new(),
            covered: HashMap::new(),
        }
    }

    fn run(&mut self) {
        self.tasks.extend(self.pickle.root.map(|root| (root, String::new())));
        while let Some((id, path)) = self.tasks.pop() {
            if self.tensors.len() + self.literals.len() > MAX_LISTED {
                self.problem(format!("more than {MAX_LISTED} tensors and literals; the rest was not listed"));
                break;
            }
            let start = self.tasks.len();
            self.visit(id, &path);
            // In the order of the file, though the last task is taken first.
            self.tasks.get_mut(start..).unwrap_or_default().reverse();
        }
        if self.loose_count > MAX_LOOSE.max(MAX_LOOSE_PER_TENSOR * self.tensors.len()) {
            let payload = Payload::Integers(std::mem::take(&mut self.loose));
            let path = format!("small values all over {}", self.source.name);
            self.literal(path, LiteralKind::Integers, self.loose_count, None, payload);
        }
        self.compare_tables();
    }

    fn problem(&mut self, problem: String) {
        if self.problems.len() < MAX_PROBLEMS && !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn visit(&mut self, id: Id, path: &str) {
        if !self.seen.insert(id) {
            return;
        }
        match self.pickle.get(id) {
            Value::Dict(pairs) => self.pairs(pairs, path),
            Value::List(items) | Value::Tuple(items) | Value::Set(items) => self.items(items, path),
            Value::Object(object) => {
                self.call(object, path);
                self.items(&object.list, path);
                self.pairs(&object.items, path);
                self.tasks.extend(object.state.map(|state| (state, path.to_owned())));
            }
            Value::Text(range) => self.text(range, path),
            Value::Line(text) if text.len() > MAX_TEXT => {
                let entropy = bits_per_byte(text.as_bytes());
                self.literal(path.to_owned(), LiteralKind::Text, text.len(), Some(entropy), Payload::None);
            }
            Value::Bytes(range) if range.len() > MAX_BYTES => self.blob(range, path, LiteralKind::Bytes),
            // A storage on its own.
            Value::Persistent(_) => self.tensor_of(id, 0, None, None, path),
            _ => {}
        }
    }

    /// A text or bytes of the pickle, as a literal.
    fn blob(&mut self, range: &Range<usize>, path: &str, kind: LiteralKind) {
        let entropy = bits_per_byte(self.bytes.get(range.clone()).unwrap_or_default());
        let start = self.source.pickle.range.start;
        let place = Place { buffer: self.source.pickle.buffer, range: start + range.start..start + range.end };
        self.literal(path.to_owned(), kind, range.len(), Some(entropy), Payload::Place(place));
    }

    fn text(&mut self, range: &Range<usize>, path: &str) {
        if range.len() > MAX_TEXT {
            self.blob(range, path, LiteralKind::Text);
        }
    }

    fn literal(&mut self, path: String, kind: LiteralKind, length: usize, entropy: Option<f64>, payload: Payload) {
        let path = if path.is_empty() { "the object".to_owned() } else { path };
        let literal =
            Literal { path, kind, length: length as u64, entropy, payload, keys_of_tensors: None, keys: Vec::new() };
        self.literals.push((literal, None));
    }

    fn items(&mut self, items: &[Id], path: &str) {
        let (mut ints, mut floats, mut texts) = (Vec::new(), 0, 0);
        for (index, id) in items.iter().enumerate() {
            match self.pickle.get(*id) {
                Value::Int(value) => ints.push(*value),
                Value::Bool(value) => ints.push(i64::from(*value)),
                Value::Float(_) | Value::Big(_) => floats += 1,
                Value::None | Value::Global { .. } | Value::Buffer => {}
                value => {
                    texts += usize::from(matches!(value, Value::Text(_) | Value::Line(_) | Value::Bytes(_)));
                    self.task(*id, path, &index.to_string());
                }
            }
        }
        if ints.len() > MAX_LIST {
            let count = ints.len();
            self.literal(path.to_owned(), LiteralKind::Integers, count, None, Payload::Integers(ints));
        } else {
            self.loose(&ints);
        }
        for (kind, count) in [(LiteralKind::Floats, floats), (LiteralKind::Texts, texts)] {
            if count > MAX_LIST {
                self.literal(path.to_owned(), kind, count, None, Payload::None);
            } else {
                self.loose_count += count;
            }
        }
    }

    fn pairs(&mut self, pairs: &[(Id, Id)], path: &str) {
        let (mut ints, mut scalars, mut keys, mut other_keys) = (Vec::new(), 0, Vec::new(), 0);
        for (key, value) in pairs {
            let segment = match self.pickle.get(*key) {
                Value::Int(key) => {
                    ints.push(*key);
                    key.to_string()
                }
                _ => match self.pickle.text(self.bytes, *key) {
                    Some(text) => text.to_owned(),
                    None => "?".to_owned(),
                },
            };
            if !matches!(self.pickle.get(*key), Value::Text(_) | Value::Line(_) | Value::Bytes(_)) {
                other_keys += 1;
            }
            // A key may be a container, or too long for a name.
            self.task(*key, path, &segment);
            match self.pickle.get(*value) {
                Value::Int(value) => {
                    ints.push(*value);
                    scalars += 1;
                }
                Value::Bool(_) | Value::Float(_) | Value::Big(_) | Value::Text(_) => scalars += 1,
                _ => {}
            }
            if keys.len() < MAX_KEYS {
                keys.push(segment.clone());
            }
            self.task(*value, path, &segment);
        }
        if scalars > MAX_TABLE || other_keys > MAX_LIST {
            let payload = Payload::Integers(ints);
            self.literal(path.to_owned(), LiteralKind::Table, pairs.len(), None, payload);
            if let Some((literal, _)) = self.literals.last_mut() {
                literal.keys = keys;
            }
        } else {
            self.loose(&ints);
        }
    }

    fn loose(&mut self, ints: &[i64]) {
        self.loose_count += ints.len();
        self.loose.extend_from_slice(ints);
    }

    /// Comes back to a value that is more than a scalar.
    fn task(&mut self, id: Id, path: &str, segment: &str) {
        let worth = match self.pickle.get(id) {
            Value::Text(range) => range.len() > MAX_TEXT,
            Value::Line(text) => text.len() > MAX_TEXT,
            Value::Bytes(range) => range.len() > MAX_BYTES,
            Value::List(items) | Value::Tuple(items) | Value::Set(items) => !items.is_empty(),
            Value::Dict(items) => !items.is_empty(),
            Value::Object(_) | Value::Persistent(_) => true,
            _ => false,
        };
        if worth && self.tasks.len() >= MAX_TASKS {
            self.problem("it holds more values in one another than are looked at".to_owned());
        } else if worth {
            let path = join(path, &segment.chars().take(MAX_PATH).collect::<String>());
            self.tasks.push((id, path.chars().take(MAX_PATH).collect()));
        }
    }

    /// What a call stands for; what was put into its result afterwards is seen by [`Walk::visit`].
    fn call(&mut self, object: &Object, path: &str) {
        let args = self.pickle.sequence(object.args).unwrap_or_default();
        let known = self.pickle.global(object.callable);
        match (known, args) {
            (Some(("torch._tensor", "_rebuild_from_type_v2")), [function, _, inner, state, ..]) => {
                let inner = self.pickle.sequence(*inner).unwrap_or_default();
                let name = self.pickle.global(*function).map_or("", |(_, name)| name);
                self.tasks.push((*state, path.to_owned()));
                self.rebuilt(name, inner, path);
            }
            (Some(("torch._utils", name)), args) if name.starts_with("_rebuild_") => self.rebuilt(name, args, path),
            // How protocol 2 writes bytes: as the text of the same code points.
            (Some(("_codecs", "encode")), [text, ..]) => self.encoded(*text, path),
            (_, args) => {
                let args = args.to_vec();
                self.items(&args, path);
                if self.pickle.global(object.callable).is_none() {
                    self.tasks.push((object.callable, path.to_owned()));
                }
            }
        }
    }

    fn rebuilt(&mut self, name: &str, args: &[Id], path: &str) {
        match (name, args) {
            ("_rebuild_parameter" | "_rebuild_parameter_with_state", [inner, rest @ ..]) => {
                self.tasks.push((*inner, path.to_owned()));
                self.tasks.extend(rest.iter().map(|id| (*id, path.to_owned())));
            }
            (_, [storage, offset, size, stride, rest @ ..])
                if matches!(self.pickle.get(*storage), Value::Persistent(_)) =>
            {
                let dtype = rest.iter().find_map(|id| self.pickle.global(*id)).and_then(|(_, name)| Dtype::torch(name));
                let offset = self.pickle.int(*offset).unwrap_or(-1);
                let shape = self.pickle.ints(*size).zip(self.pickle.ints(*stride));
                if shape.is_none() {
                    self.problem(format!("tensor {path} has no shape that can be read"));
                }
                self.tensor_of(*storage, offset, shape, dtype, path);
                self.tasks.extend(rest.iter().map(|id| (*id, path.to_owned())));
            }
            (_, args) => self.tasks.extend(args.iter().map(|id| (*id, path.to_owned()))),
        }
    }

    fn encoded(&mut self, text: Id, path: &str) {
        if !self.seen.insert(text) {
            return;
        }
        let Some(text) = self.pickle.long_text(self.bytes, text) else { return };
        let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
        let Some(bytes) = bytes.filter(|bytes| bytes.len() > MAX_BYTES) else { return };
        let entropy = Some(bits_per_byte(&bytes));
        self.literal(path.to_owned(), LiteralKind::Bytes, bytes.len(), entropy, Payload::None);
        if let Some((_, decoded)) = self.literals.last_mut() {
            *decoded = Some(bytes);
        }
    }

    /// A view of a storage, or the whole of one.
    fn tensor_of(
        &mut self,
        id: Id,
        offset: i64,
        shape: Option<(Vec<i64>, Vec<i64>)>,
        dtype: Option<Dtype>,
        path: &str,
    ) {
        let Some((key, reference)) = reference(self.pickle, self.bytes, id) else {
            return self.problem(format!("{path}: a reference that is none to a storage"));
        };
        let dtype = dtype.unwrap_or(reference.dtype);
        let (size, stride) = shape.unwrap_or_else(|| (vec![i64::try_from(reference.numel).unwrap_or(0)], vec![1]));
        let name = if path.is_empty() { "the object".to_owned() } else { path.to_owned() };
        let width = dtype.width();
        let place = (self.source.storages)(&key);
        let extent = extent(offset, &size, &stride).and_then(|(range, dense)| {
            let bytes = range.start.checked_mul(width)?..range.end.checked_mul(width)?;
            (bytes.end <= place.as_ref().map_or(0, |place| place.range.len()).max(bytes.start))
                .then_some((bytes, dense))
        });
        let shape = size.iter().map(|size| u64::try_from(*size).unwrap_or(0)).collect();
        let mut tensor = Tensor { name, dtype, shape, place: None };
        match (extent, place) {
            (Some((bytes, dense)), Some(place)) => {
                let elements = usize::try_from(tensor.numel()).unwrap_or(usize::MAX).saturating_mul(width);
                if !dense && bytes.len() > elements {
                    let skipped = bytes.len() - elements;
                    let name = &tensor.name;
                    self.problem(format!("tensor {name} skips {skipped} bytes of its storage between elements"));
                }
                if dense {
                    let start = place.range.start;
                    let range = start + bytes.start..start + bytes.end;
                    tensor.place = Some(Place { buffer: place.buffer, range });
                }
                self.covered.entry(key).or_default().push(bytes);
            }
            (None, Some(_)) => {
                self.problem(format!("tensor {} reaches past the end of storage {key}", tensor.name));
            }
            // That the storage is missing is said once for all its tensors.
            (_, None) => {}
        }
        self.tensors.push(tensor);
    }

    /// Says of every table how many of its keys are the names of tensors: per-tensor settings are expected.
    fn compare_tables(&mut self) {
        let mut names: HashSet<&str> = HashSet::new();
        for tensor in &self.tensors {
            names.insert(&tensor.name);
            names.extend(tensor.name.match_indices('/').filter_map(|(at, _)| tensor.name.get(at + 1..)));
        }
        for (literal, _) in &mut self.literals {
            if literal.kind == LiteralKind::Table {
                let known = literal.keys.iter().filter(|key| names.contains(key.as_str())).count();
                let known = known as u64 * literal.length / literal.keys.len().max(1) as u64;
                literal.keys_of_tensors = Some(known);
                literal.keys = Vec::new();
            }
        }
    }
}

/// The elements that a view reaches, and whether it has every one of them once.
fn extent(offset: i64, size: &[i64], stride: &[i64]) -> Option<(Range<usize>, bool)> {
    let offset = usize::try_from(offset).ok()?;
    if size.len() != stride.len() {
        return None;
    }
    let mut dims: Vec<(usize, usize)> = Vec::new();
    for (size, stride) in size.iter().zip(stride) {
        dims.push((usize::try_from(*stride).ok()?, usize::try_from(*size).ok()?));
    }
    if dims.iter().any(|(_, size)| *size == 0) {
        return Some((offset..offset, true));
    }
    dims.retain(|(_, size)| *size > 1);
    dims.sort_unstable();
    let (mut last, mut next, mut dense) = (0usize, 1usize, true);
    for (stride, size) in dims {
        dense &= stride == next;
        next = next.saturating_mul(size);
        last = last.checked_add(stride.checked_mul(size - 1)?)?;
    }
    Some((offset..offset.checked_add(last)?.checked_add(1)?, dense))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_reaches_what_its_strides_say() {
        assert_eq!(extent(2, &[2, 3], &[3, 1]), Some((2..8, true)));
        assert_eq!(extent(0, &[3, 2], &[1, 3]), Some((0..6, true)), "a transposed matrix has every element once");
        assert_eq!(extent(0, &[2, 3], &[4, 1]), Some((0..7, false)));
        assert_eq!(extent(0, &[5, 3], &[0, 1]), Some((0..3, false)), "an expanded one");
        assert_eq!(extent(7, &[0, 3], &[3, 1]), Some((7..7, true)));
        assert_eq!(extent(1, &[], &[]), Some((1..2, true)), "a scalar");
        assert_eq!(extent(-1, &[1], &[1]), None);
        assert_eq!(extent(0, &[i64::MAX, i64::MAX], &[i64::MAX, 1]), None);
    }

    #[test]
    fn holes_are_what_is_left() {
        assert_eq!(holes(0..10, vec![4..6, 0..3, 5..8]), [3..4, 8..10]);
        assert!(holes(0..4, vec![0..9, 1..2]).is_empty());
        assert_eq!(holes(2..4, vec![]).first(), Some(&(2..4)));
    }
}
