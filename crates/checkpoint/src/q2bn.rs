//! Q2BN, the files of packed symbols ([`caddie_format::q2::file`]). Symbols are listed as the bytes that hold them.

use caddie_format::q2::file::{self, Q2Header};

use super::contents::{Contents, Format, Place, RegionKind, Tensor, join};
use super::dtype::Dtype;
use super::layers::{self, Budget, Inside, Layer};

pub(super) fn is(bytes: &[u8]) -> bool {
    file::is_q2bn(bytes)
}

pub(super) fn read(bytes: Vec<u8>, name: &str, contents: &mut Contents, budget: &mut Budget) {
    contents.formats.push(Format::Q2bn);
    let (header, start) = match file::read_header(&bytes) {
        Ok(found) => found,
        Err(error) => return opaque(bytes, name, error.to_string(), contents),
    };
    let stored = bytes.get(start..).unwrap_or_default();
    if !header.compressed {
        return tensors(&header, stored.to_vec(), name, contents);
    }
    match layers::named("zstd", stored, budget) {
        Some(Ok(peeled)) => {
            contents.layers.push(Layer { stream: name.to_owned(), ..peeled.layer });
            if peeled.rest > 0 {
                let rest = stored.get(stored.len() - peeled.rest..).unwrap_or_default().to_vec();
                contents.trailing(rest, name, "after the compressed stream");
            }
            if let Inside::One(body) = peeled.inside {
                tensors(&header, body, name, contents);
            }
        }
        Some(Err(problem)) => opaque(bytes, name, problem, contents),
        None => opaque(bytes, name, "its body is not compressed by zstd".to_owned(), contents),
    }
}

fn opaque(bytes: Vec<u8>, name: &str, problem: String, contents: &mut Contents) {
    contents.problem(name, problem);
    contents.opaque(bytes, name);
}

fn tensors(header: &Q2Header, body: Vec<u8>, name: &str, contents: &mut Contents) {
    let (entries, rest) = match file::read_entries(header, &body) {
        Ok(found) => found,
        Err(error) => return opaque(body, name, error.to_string(), contents),
    };
    // What the symbols and the scales say is checked whole, so that a file that no reader accepts is not taken for a model.
    if let Err(error) = file::read_records(header, &body) {
        contents.problem(name, error.to_string());
    }
    let end = body.len();
    let buffer = contents.keep(body, name);
    for entry in entries {
        let place = |range: &std::ops::Range<usize>| Some(Place { buffer, range: range.clone() });
        if !entry.scales.is_empty() {
            let shape = vec![entry.scales.len() as u64 / 2];
            let label = join(name, &format!("{}.scale", entry.name));
            contents.tensors.push(Tensor { name: label, dtype: Dtype::F16, shape, place: place(&entry.scales) });
        }
        let (dtype, shape) = match entry.width() {
            Some(2) => (Dtype::F16, entry.shape.iter().map(|&size| u64::from(size)).collect()),
            Some(_) => (Dtype::F32, entry.shape.iter().map(|&size| u64::from(size)).collect()),
            None => (Dtype::U8, vec![entry.payload.len() as u64]),
        };
        if !entry.is_alias() {
            let label = join(name, &entry.name);
            contents.tensors.push(Tensor { name: label, dtype, shape, place: place(&entry.payload) });
        }
    }
    if rest > 0 {
        let place = Place { buffer, range: end - rest..end };
        contents.region(RegionKind::Uncovered, join(name, "behind the tensors"), place);
    }
}
