//! NumPy's `.npy`: a mark, a version, a header that is a Python dictionary, then the elements, or a pickle where the
//! elements are objects (numpy.lib.format).

use super::contents::{Contents, Format, Place, Tensor, join};
use super::dtype::Dtype;
use super::tree::{self, Source};

const MARK: &[u8] = b"\x93NUMPY";
/// Most characters of a header; NumPy itself refuses longer ones.
const MAX_HEADER: usize = 10_000;

/// Tells whether the bytes start as an array of NumPy does.
pub(super) fn is(bytes: &[u8]) -> bool {
    bytes.starts_with(MARK)
}

/// Reads an array that is a file or a layer of its own.
pub(super) fn read(bytes: Vec<u8>, name: &str, contents: &mut Contents) {
    contents.formats.push(Format::Npy);
    let range = 0..bytes.len();
    let buffer = contents.keep(bytes, name);
    array(&Place { buffer, range }, name, contents);
}

/// Reads the array at `place`, a file or a member of an `.npz`.
pub(super) fn array(place: &Place, name: &str, contents: &mut Contents) {
    let Some(header) = NpyHeader::read(contents.bytes(place)) else {
        return contents.problem(name, "an array of NumPy whose header is cut off or is not understood".to_owned());
    };
    let data = Place { buffer: place.buffer, range: place.range.start + header.data..place.range.end };
    if header.holds_objects() {
        let source = Source { name: join(name, "the pickle of objects"), pickle: data, storages: &|_| None };
        tree::read(&source, contents);
        return;
    }
    let label = if name.is_empty() { "the array" } else { name };
    let dtype = Dtype::numpy(&header.descr).unwrap_or(Dtype::Untyped);
    let elements = header.shape.iter().fold(1u64, |product, size| product.saturating_mul(*size));
    let known = dtype != Dtype::Untyped && dtype.bytes_of(elements) == Some(data.range.len() as u64);
    if dtype != Dtype::Untyped && !known {
        let real = data.range.len();
        contents.problem(name, format!("the array's header declares {elements} elements; {real} bytes follow"));
    }
    // A type that is not known, or another length, leaves bytes.
    let (dtype, shape) = if known { (dtype, header.shape) } else { (Dtype::Untyped, vec![data.range.len() as u64]) };
    contents.tensors.push(Tensor { name: label.to_owned(), dtype, shape, place: Some(data) });
}

/// The header, as far as it is needed.
struct NpyHeader {
    /// The element type as NumPy writes it: `<f4`, `|O`, or a list of fields.
    descr: String,
    shape: Vec<u64>,
    /// The offset of the elements.
    data: usize,
}

impl NpyHeader {
    fn read(bytes: &[u8]) -> Option<NpyHeader> {
        let major = *bytes.get(MARK.len())?;
        let at = MARK.len() + 2;
        let (length, start) = if major == 1 {
            (usize::from(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?)), at + 2)
        } else {
            (usize::try_from(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?)).ok()?, at + 4)
        };
        let data = start.checked_add(length).filter(|_| length <= MAX_HEADER)?;
        let text = std::str::from_utf8(bytes.get(start..data)?).ok()?;
        let descr = value(text, "descr")?.trim_matches(['\'', '"']).to_owned();
        let shape = value(text, "shape")?.trim_matches(['(', ')']);
        let sizes = shape.split(',').map(str::trim).filter(|size| !size.is_empty());
        let shape = sizes.map(|size| size.trim_end_matches('L').parse().ok()).collect::<Option<_>>()?;
        Some(NpyHeader { descr, shape, data })
    }

    /// Tells whether the elements, or a field of them, are objects: NumPy then unpickles them.
    fn holds_objects(&self) -> bool {
        let is_type = |part: &str| part.trim_start_matches(['<', '>', '|', '=']).starts_with('O');
        is_type(&self.descr) || self.descr.split(['\'', '"']).any(|part| part.len() <= 3 && is_type(part))
    }
}

/// Returns the text of a key's value: up to the comma that ends it, outside of brackets.
fn value<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let quoted = [format!("'{key}'"), format!("\"{key}\"")];
    let after =
        quoted.iter().find_map(|quoted| header.split_once(quoted.as_str()))?.1.trim_start().strip_prefix(':')?;
    let mut depth = 0usize;
    let end = after.find(|c| {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && matches!(c, ',' | '}')
    });
    Some(after.get(..end?)?.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of version 1 with this header and these elements.
    fn npy(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = [MARK, &[1, 0], &(header.len() as u16).to_le_bytes(), header.as_bytes()].concat();
        bytes.extend_from_slice(data);
        bytes
    }

    #[test]
    fn numbers_are_a_tensor() {
        let contents = crate::parse(npy("{'descr': '<i4', 'fortran_order': False, 'shape': (2, 3), }\n", &[0; 24]));
        assert_eq!(contents.formats, [Format::Npy]);
        let [tensor] = contents.tensors.as_slice() else { panic!("{contents:?}") };
        assert_eq!((tensor.dtype, tensor.shape.as_slice()), (Dtype::I32, [2, 3].as_slice()));
        assert!(contents.problems.is_empty() && contents.pickles.is_empty());
    }

    #[test]
    fn objects_are_a_pickle_whatever_their_field() {
        let pickle = b"cos\nsystem\n(S'ls'\ntR.";
        for descr in ["'|O'", "[('a', '<i4'), ('b', '|O', (2,))]", "'O'"] {
            let header = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (), }}\n");
            let contents = crate::parse(npy(&header, pickle));
            assert_eq!(contents.pickles[0].globals[0].path(), "os.system", "{descr}");
        }
    }

    #[test]
    fn headers_that_lie_are_problems() {
        for (header, data) in [
            ("{'descr': '<i4', 'fortran_order': False, 'shape': (9,), }\n", [0u8; 8].as_slice()),
            ("{'descr': '<i4'}\n", &[]),
            ("", &[]),
        ] {
            assert_eq!(crate::parse(npy(header, data)).problems.len(), 1, "{header}");
        }
        assert_eq!(crate::parse(MARK.to_vec()).problems.len(), 1);
    }
}
