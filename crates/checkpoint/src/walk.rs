//! A walk over a pickle's values: tensors, and everything that is too large for a name or a setting.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::contents::{Literal, LiteralKind, Payload, Place, Tensor, join};
use super::entropy::bits_per_byte;
use super::pickle::{Id, Pickle, Value};
use super::tree::Source;

/// Bytes of a text that may be a name or a setting.
pub(super) const MAX_TEXT: usize = 200;
/// Bytes of a binary literal that may be a setting: a hash, a random state.
pub(super) const MAX_BYTES: usize = 64;
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

/// A walk over the values, each container once.
pub(super) struct Walk<'a> {
    pub(super) source: &'a Source<'a>,
    pub(super) pickle: &'a Pickle,
    pub(super) bytes: &'a [u8],
    pub(super) seen: HashSet<Id>,
    pub(super) tasks: Vec<(Id, String)>,
    pub(super) tensors: Vec<Tensor>,
    /// Literals, with their bytes where the pickle holds those in another form.
    pub(super) literals: Vec<(Literal, Option<Vec<u8>>)>,
    /// Scalars outside of long lists.
    loose: Vec<i64>,
    loose_count: usize,
    pub(super) problems: Vec<String>,
    /// Ranges in bytes that tensors cover, by storage.
    pub(super) covered: HashMap<String, Vec<Range<usize>>>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(source: &'a Source<'a>, pickle: &'a Pickle, bytes: &'a [u8]) -> Walk<'a> {
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

    pub(super) fn run(&mut self) {
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

    pub(super) fn problem(&mut self, problem: String) {
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

    pub(super) fn literal(
        &mut self,
        path: String,
        kind: LiteralKind,
        length: usize,
        entropy: Option<f64>,
        payload: Payload,
    ) {
        let path = if path.is_empty() { "the object".to_owned() } else { path };
        let literal =
            Literal { path, kind, length: length as u64, entropy, payload, keys_of_tensors: None, keys: Vec::new() };
        self.literals.push((literal, None));
    }

    pub(super) fn items(&mut self, items: &[Id], path: &str) {
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
            self.problem("it holds more nested values than are looked at".to_owned());
        } else if worth {
            let path = join(path, &segment.chars().take(MAX_PATH).collect::<String>());
            self.tasks.push((id, path.chars().take(MAX_PATH).collect()));
        }
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
