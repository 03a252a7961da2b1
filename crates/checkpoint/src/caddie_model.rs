//! caddie's own model file ([`caddie_format::model`]). A file whose header contradicts itself is read as far as it goes, and
//! its contradictions are problems.

use caddie_format::model::{Entry, FAMILY, Header, Scheme};
use caddie_format::sha256;

use super::contents::{Contents, Format, Place, RegionKind, Tensor, join};
use super::dtype::Dtype;
use super::layers::{self, Budget, Inside, Layer};
use super::tree::holes;

/// Types of a scheme's values and of its scales.
fn types(scheme: Scheme) -> (Dtype, Dtype) {
    match scheme {
        Scheme::IntPerRow => (Dtype::I8, Dtype::F16),
        Scheme::Int8PerTensor => (Dtype::I8, Dtype::F32),
        Scheme::Float16 => (Dtype::F16, Dtype::F16),
        Scheme::Float32 => (Dtype::F32, Dtype::F32),
    }
}

/// The stretches of the payload that a tensor takes, each with the width of its numbers.
fn blobs(entry: &Entry) -> [Option<(u64, u64, usize)>; 2] {
    let (values, scales) = types(entry.scheme);
    let scale = entry.scale_offset.zip(entry.scale_bytes);
    [Some((entry.offset, entry.bytes, values.width())), scale.map(|(at, bytes)| (at, bytes, scales.width()))]
}

/// Puts the bytes of every number together again. Overlapping blobs would be moved as often as there are tensors, so
/// the moved bytes are taken from the budget.
fn unshuffle(payload: &mut [u8], header: &Header, budget: &mut Budget) -> Result<(), String> {
    for (offset, bytes, width) in header.tensors.iter().flat_map(blobs).flatten() {
        let range =
            usize::try_from(offset).ok().and_then(|from| Some(from..from.checked_add(usize::try_from(bytes).ok()?)?));
        let Some(blob) = range.and_then(|range| payload.get_mut(range)) else { continue };
        if width > 1 {
            budget.take(blob.len())?;
            let together = layers::deinterleave(blob, width);
            blob.copy_from_slice(&together);
        }
    }
    Ok(())
}

pub(super) fn is(bytes: &[u8]) -> bool {
    bytes.starts_with(FAMILY.as_bytes())
}

pub(super) fn read(bytes: Vec<u8>, name: &str, contents: &mut Contents, budget: &mut Budget) {
    contents.formats.push(Format::CaddieModel);
    let line = bytes.iter().take(64).position(|&byte| byte == b'\n').map_or(bytes.len(), |at| at + 1);
    let stream = bytes.get(line..).unwrap_or_default();
    let word =
        bytes.get(FAMILY.len()..line).unwrap_or_default().split(|byte| *byte == b' ').next_back().unwrap_or_default();
    let word = String::from_utf8_lossy(word).trim().to_owned();
    let peeled = match layers::named(&word, stream, budget) {
        Some(Ok(peeled)) => peeled,
        Some(Err(problem)) => return opaque(bytes, name, problem, contents),
        None => {
            return opaque(
                bytes,
                name,
                format!("its first line names the compressor {word:?}, which is not known"),
                contents,
            );
        }
    };
    contents.layers.push(Layer { stream: name.to_owned(), ..peeled.layer });
    if peeled.rest > 0 {
        let rest = stream.get(stream.len() - peeled.rest..).unwrap_or_default().to_vec();
        contents.trailing(rest, name, "after the compressed stream");
    }
    match peeled.inside {
        Inside::One(inside) => tensors(inside, name, contents, budget),
        Inside::Many(_) => opaque(bytes, name, "its first line is followed by a bundle".into(), contents),
    }
}

fn opaque(bytes: Vec<u8>, name: &str, problem: String, contents: &mut Contents) {
    contents.problem(name, problem);
    contents.opaque(bytes, name);
}

fn tensors(mut inside: Vec<u8>, name: &str, contents: &mut Contents, budget: &mut Budget) {
    let length = inside.first_chunk::<4>().map_or(0, |length| u32::from_le_bytes(*length) as usize);
    let start = 4usize.saturating_add(length);
    let header = inside.get(4..start).ok_or_else(|| "the header goes past the end".to_owned());
    let header = header.and_then(|json| serde_json::from_slice::<Header>(json).map_err(|error| error.to_string()));
    let header = match header {
        Ok(header) => header,
        Err(problem) => return opaque(inside, name, format!("the header of a caddie model: {problem}"), contents),
    };
    if sha256(inside.get(start..).unwrap_or_default()) != header.payload_sha256 {
        contents.problem(name, "its weights differ from the SHA-256 in its header".to_owned());
    }
    if header.byte_shuffle
        && let Err(problem) = unshuffle(inside.get_mut(start..).unwrap_or_default(), &header, budget)
    {
        return opaque(inside, name, problem, contents);
    }
    let end = inside.len();
    let buffer = contents.keep(inside, name);
    let mut covered = Vec::new();
    let mut add = |label: String, dtype: Dtype, shape: Vec<u64>, offset: u64, bytes: u64, contents: &mut Contents| {
        let from = usize::try_from(offset).ok().and_then(|offset| start.checked_add(offset));
        let to = from.and_then(|from| from.checked_add(usize::try_from(bytes).ok()?)).filter(|to| *to <= end);
        let declared = shape.iter().try_fold(dtype.width() as u64, |product, size| product.checked_mul(*size));
        let mut place = from.zip(to).map(|(from, to)| Place { buffer, range: from..to });
        match &place {
            Some(place) => covered.push(place.range.clone()),
            None => contents.problem(name, format!("tensor {label} goes past the end of the payload")),
        }
        if declared != Some(bytes) {
            contents.problem(name, format!("tensor {label} declares {bytes} bytes, which its shape does not take"));
            place = None;
        }
        contents.tensors.push(Tensor { name: join(name, &label), dtype, shape, place });
    };
    for entry in header.tensors {
        let (dtype, scale) = types(entry.scheme);
        if let (Some(offset), Some(bytes)) = (entry.scale_offset, entry.scale_bytes) {
            let count = bytes / scale.width() as u64;
            add(format!("{}.scale", entry.name), scale, vec![count], offset, bytes, contents);
        }
        // A negative size is none: the product below is then not the bytes that the tensor declares.
        let shape = entry.shape.iter().map(|size| u64::try_from(*size).unwrap_or(u64::MAX)).collect();
        add(entry.name, dtype, shape, entry.offset, entry.bytes, contents);
    }
    for range in holes(start..end, covered) {
        contents.region(RegionKind::Uncovered, join(name, "between or behind the tensors"), Place { buffer, range });
    }
}
