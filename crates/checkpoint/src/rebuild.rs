//! The calls in torch's pickles, read as the things that they rebuild: tensors as views of storages, parameters, bytes.

use std::ops::Range;

use super::contents::{LiteralKind, Payload, Place, Tensor};
use super::dtype::Dtype;
use super::entropy::bits_per_byte;
use super::pickle::{Id, Object, Value};
use super::tree::reference;
use super::walk::{MAX_BYTES, Walk};

impl Walk<'_> {
    /// Reads a call as the thing that it rebuilds; [`Walk::visit`] sees everything that was put into its result
    /// afterwards.
    pub(super) fn call(&mut self, object: &Object, path: &str) {
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
            // Protocol 2 writes bytes like this: as the text of the same code points.
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
    pub(super) fn tensor_of(
        &mut self,
        id: Id,
        offset: i64,
        shape: Option<(Vec<i64>, Vec<i64>)>,
        dtype: Option<Dtype>,
        path: &str,
    ) {
        let Some((key, reference)) = reference(self.pickle, self.bytes, id) else {
            return self.problem(format!("{path}: a reference to something other than a storage"));
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
}
