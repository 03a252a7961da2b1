//! The contents of a file: buffers, and the place of everything in them.

use std::ops::Range;

use serde::Serialize;

use super::dtype::Dtype;
use super::entropy::bits_per_byte;
use super::layers::Layer;
use super::pickle::GlobalUse;

/// Problems that are listed; a hostile file could make a million.
const MAX_PROBLEMS: usize = 100;
/// Characters of one.
const MAX_PROBLEM: usize = 500;
/// Regions that are listed.
const MAX_REGIONS: usize = 10_000;

/// The format below all layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// `torch.save` since torch 1.6: a zip of a pickle and of storages.
    TorchZip,
    /// `torch.save` before: pickles, then storages.
    TorchLegacy,
    /// A pickle without storages.
    Pickle,
    Safetensors,
    CaddieModel,
    /// NumPy's `.npy`.
    Npy,
    /// A zip of arrays of NumPy: `.npz`.
    Npz,
    /// caddie's files of packed symbols.
    Q2bn,
    /// A zip without a pickle.
    Zip,
    Unknown,
}

impl Format {
    /// The format's name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Format::TorchZip => "torch.save (zip)",
            Format::TorchLegacy => "torch.save (before 1.6)",
            Format::Pickle => "a pickle",
            Format::Safetensors => "safetensors",
            Format::CaddieModel => "a caddie model",
            Format::Npy => "an array of NumPy (.npy)",
            Format::Npz => "arrays of NumPy (.npz)",
            Format::Q2bn => "a Q2BN model",
            Format::Zip => "a zip without a pickle",
            Format::Unknown => "of no format that is read",
        }
    }
}

/// Bytes below all layers, in one piece.
#[derive(Debug)]
pub struct Buffer {
    /// The stream or member that it is; empty for the file itself.
    pub name: String,
    pub bytes: Vec<u8>,
}

/// A range of a buffer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// Index in [`Contents::buffers`].
    pub buffer: usize,
    pub range: Range<usize>,
}

/// A tensor of the file.
#[derive(Debug, Clone)]
pub struct Tensor {
    /// Keys down to it, joined by `/`.
    pub name: String,
    pub dtype: Dtype,
    pub shape: Vec<u64>,
    /// Its elements, where they lie together without holes; `None` for a view with strides, or where bytes are missing.
    pub place: Option<Place>,
}

impl Tensor {
    /// The number of elements.
    pub fn numel(&self) -> u64 {
        self.shape.iter().fold(1, |product, size| product.saturating_mul(*size))
    }
}

/// The kind of a literal in a pickle or a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LiteralKind {
    Text,
    Bytes,
    /// A list of integers.
    Integers,
    /// A list of floats.
    Floats,
    /// A list of texts or bytes.
    Texts,
    /// A dictionary of scalars.
    Table,
}

/// The contents of a literal, for the search of tokens.
#[derive(Debug, Clone)]
pub enum Payload {
    /// Bytes of a buffer.
    Place(Place),
    Integers(Vec<i64>),
    /// Not kept.
    None,
}

/// Something other than tensors that is too large for a name or a setting.
#[derive(Debug, Clone)]
pub struct Literal {
    pub path: String,
    pub kind: LiteralKind,
    /// Characters, bytes, items or entries.
    pub length: u64,
    /// Entropy of a text or of bytes, in bits per byte.
    pub entropy: Option<f64>,
    pub payload: Payload,
    /// The number of keys that are names of tensors; for a table only.
    pub keys_of_tensors: Option<u64>,
    /// The first keys of a table, to be compared with the names.
    pub(super) keys: Vec<String>,
}

/// The reason why bytes belong to no tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RegionKind {
    /// They lie behind the end of the part that a reader reads.
    Trailing,
    /// They lie between the members of a zip, or are its comment.
    Gap,
    /// They are a member of a zip that no pickle refers to.
    Member,
    /// They belong to a storage, but no tensor covers them.
    Uncovered,
    /// They belong to a header, beyond the description of the tensors.
    Header,
    /// They are compressed by a program that is not read here, or of no known format.
    Opaque,
}

/// Bytes that belong to no tensor.
#[derive(Debug, Clone)]
pub struct Region {
    pub kind: RegionKind,
    /// The place of the bytes, as messages name it.
    pub what: String,
    pub bytes: u64,
    /// Entropy in bits per byte.
    pub entropy: f64,
    /// The first part of them.
    pub place: Option<Place>,
}

/// The facts about one pickle.
#[derive(Debug, Clone)]
pub struct PickleFacts {
    /// The member of the zip, or where it lies.
    pub member: String,
    pub bytes: u64,
    pub protocol: u8,
    pub globals: Vec<GlobalUse>,
    /// Calls of something other than a plain name: the offset and the thing called.
    pub odd_calls: Vec<(usize, String)>,
    /// The reason why the pickle could not be read to its end.
    pub fault: Option<String>,
    /// Tensors that it makes.
    pub tensors: u64,
}

/// Everything that was found.
#[derive(Debug, Default)]
pub struct Contents {
    pub layers: Vec<Layer>,
    pub formats: Vec<Format>,
    pub buffers: Vec<Buffer>,
    pub tensors: Vec<Tensor>,
    pub pickles: Vec<PickleFacts>,
    pub literals: Vec<Literal>,
    pub regions: Vec<Region>,
    /// Parts that could not be read or that contradict one another; the absence of anything in them proves nothing.
    pub problems: Vec<String>,
    /// Remarks on parts that hide nothing.
    pub notes: Vec<String>,
}

impl Contents {
    /// The bytes at `place`.
    pub fn bytes(&self, place: &Place) -> &[u8] {
        self.buffers.get(place.buffer).and_then(|buffer| buffer.bytes.get(place.range.clone())).unwrap_or_default()
    }

    /// The tensor, literal or region at an offset of a buffer.
    pub fn owner(&self, buffer: usize, offset: usize) -> Option<String> {
        let at = |place: &Place| place.buffer == buffer && place.range.contains(&offset);
        let tensor = self.tensors.iter().find(|tensor| tensor.place.as_ref().is_some_and(at));
        let literal =
            || self.literals.iter().find(|literal| matches!(&literal.payload, Payload::Place(place) if at(place)));
        let region = || self.regions.iter().find(|region| region.place.as_ref().is_some_and(at));
        tensor
            .map(|tensor| format!("tensor {}", tensor.name))
            .or_else(|| literal().map(|literal| literal.path.clone()))
            .or_else(|| region().map(|region| region.what.clone()))
    }

    pub(super) fn problem(&mut self, name: &str, problem: String) {
        let problem = if name.is_empty() { problem } else { format!("{name}: {problem}") };
        let problem: String = problem.chars().take(MAX_PROBLEM).collect();
        if self.problems.len() < MAX_PROBLEMS && !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    pub(super) fn note(&mut self, name: &str, note: String) {
        let note = if name.is_empty() { note } else { format!("{name}: {note}") };
        if self.notes.len() < MAX_PROBLEMS && !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Keeps a buffer.
    pub(super) fn keep(&mut self, bytes: Vec<u8>, name: &str) -> usize {
        self.buffers.push(Buffer { name: name.to_owned(), bytes });
        self.buffers.len() - 1
    }

    /// Keeps bytes that a reader does not look at.
    pub(super) fn trailing(&mut self, bytes: Vec<u8>, name: &str, what: &str) {
        let range = 0..bytes.len();
        let buffer = self.keep(bytes, &join(name, what));
        self.region(RegionKind::Trailing, join(name, what), Place { buffer, range });
    }

    /// Keeps bytes that are not understood.
    pub(super) fn opaque(&mut self, bytes: Vec<u8>, name: &str) {
        let range = 0..bytes.len();
        let buffer = self.keep(bytes, name);
        let what = if name.is_empty() { "the file" } else { name };
        self.region(RegionKind::Opaque, what.to_owned(), Place { buffer, range });
    }

    pub(super) fn region(&mut self, kind: RegionKind, what: String, place: Place) {
        if place.range.is_empty() || self.regions.len() >= MAX_REGIONS {
            return;
        }
        let entropy = bits_per_byte(self.bytes(&place));
        self.regions.push(Region { kind, what, bytes: place.range.len() as u64, entropy, place: Some(place) });
    }
}

/// `a/b`, or `b` where `a` is empty.
pub(super) fn join(above: &str, below: &str) -> String {
    if above.is_empty() { below.to_owned() } else { format!("{above}/{below}") }
}
