//! Checkpoints: safetensors files with upstream's state-dict names and `[out, in]` shapes, so that any tool of the field
//! can read them and write them.
//!
//! The bytes are a function of the tensors and the metadata alone: two runs that end with the same weights end with the
//! same file. The `safetensors` crate parses and validates; its writer is not used, because it keeps the metadata in a
//! hash map and so puts it in another order each time.

use caddie_format::atomic;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use memmap2::Mmap;
use safetensors::tensor::TensorInfo;
use safetensors::{Dtype, SafeTensors};
use serde::ser::{Serialize, SerializeMap, Serializer};
use sha2::{Digest, Sha256};
use tch::{Device, Kind, Tensor};

use crate::{Error, Result};

/// Parameters by name, in the model's order.
pub type StateDict = Vec<(String, Tensor)>;

/// Most bytes of header that are read: a name, a shape and two offsets for about a hundred thousand tensors.
const MAX_HEADER_BYTES: u64 = 16 << 20;

/// Name under which the format keeps the metadata among the tensors.
const METADATA: &str = "__metadata__";

/// Metadata key of the SHA-256 of the tensors' data. The format has no checksum of its own, and a flipped bit in a
/// weight would otherwise become a score that nobody can reproduce. Files of other tools lack it and are read as well.
const DATA_SHA256: &str = "caddie.data_sha256";

/// Writes `tensors` and `metadata` to `path` and returns the file's size in bytes.
///
/// Tensors are stored by descending element size, which keeps every one aligned, and otherwise in the order given;
/// [`load`] returns that order. The SHA-256 of the data joins the metadata. Atomic: a full disk or a kill leaves the earlier file as it was.
///
/// # Errors
/// [`Error::Parameter`] for a name given twice, the reserved name or a type that checkpoints do not hold;
/// [`Error::Io`] for the file; [`Error::Torch`] when a tensor cannot be brought to the CPU.
pub fn save(path: &Path, tensors: &[(String, Tensor)], metadata: &BTreeMap<String, String>) -> Result<u64> {
    let mut header = Header::new(tensors, metadata)?;
    let mut hash = Sha256::new();
    for (_, tensor, _) in &header.tensors {
        hash.update(bytes_of(tensor)?);
    }
    header.metadata.insert(DATA_SHA256, format!("{:x}", hash.finalize()));
    let mut json = serde_json::to_vec(&header).map_err(|e| Error::format(path, format!("header: {e}")))?;
    // The format wants the data to start at a multiple of eight bytes and allows trailing spaces for it.
    json.resize(json.len().next_multiple_of(8), b' ');
    atomic::write(path, |out| {
        let write = |out: &mut dyn Write, bytes: &[u8]| out.write_all(bytes).map_err(Error::io(path, "writing"));
        write(out, &(json.len() as u64).to_le_bytes())?;
        write(out, &json)?;
        for (_, tensor, _) in &header.tensors {
            write(out, &bytes_of(tensor)?)?;
        }
        Ok(())
    })
}

/// Reads a safetensors file: its tensors, on the CPU and in the order of their data, and its metadata.
///
/// # Errors
/// [`Error::Io`] when the file cannot be opened; [`Error::Format`] when it is truncated, longer than its header says,
/// otherwise altered, or holds a type that checkpoints do not hold.
pub fn load(path: &Path) -> Result<(StateDict, BTreeMap<String, String>)> {
    let bytes = map(path)?;
    let (header_len, header) = SafeTensors::read_metadata(&bytes).map_err(|e| damaged(path, &e.to_string()))?;
    let data = bytes.get(8 + header_len..).unwrap_or_default();
    let mut metadata: BTreeMap<String, String> = header.metadata().clone().unwrap_or_default().into_iter().collect();
    if let Some(stated) = metadata.remove(DATA_SHA256)
        && stated != format!("{:x}", Sha256::digest(data))
    {
        let edited = format!("its data differs from its {DATA_SHA256}; a tool that edits weights must drop that key");
        return Err(damaged(path, &edited));
    }
    let mut tensors = Vec::new();
    for name in header.offset_keys() {
        let Some(info) = header.info(&name) else { continue };
        let kind = kind_of(info.dtype).ok_or_else(|| {
            Error::format(
                path,
                format!(
                    "tensor {name} is {:?}; a checkpoint holds f32, f16, bf16, i64, i32 and i8. Convert it",
                    info.dtype
                ),
            )
        })?;
        let (start, end) = info.data_offsets;
        let blob = data.get(start..end).ok_or_else(|| damaged(path, &format!("tensor {name} ends after the file")))?;
        // The crate has checked that the shape's product times the element size is the blob's length, so each fits i64.
        let shape: Vec<i64> = info.shape.iter().map(|&n| n as i64).collect();
        tensors.push((name, Tensor::f_from_data_size(blob, &shape, kind)?));
    }
    Ok((tensors, metadata))
}

/// Bytes that the tensors of a state dict take in memory, in their own types.
pub fn state_bytes(tensors: &[(String, Tensor)]) -> u64 {
    tensors.iter().map(|(_, t)| (t.numel() * t.kind().elt_size_in_bytes()) as u64).sum()
}

/// The tensor's elements in row-major order, little-endian.
pub(crate) fn bytes_of(tensor: &Tensor) -> Result<Vec<u8>> {
    let tensor = tensor.f_detach()?.f_to_device(Device::Cpu)?.f_contiguous()?;
    let mut bytes = vec![0; tensor.numel() * tensor.f_kind()?.elt_size_in_bytes()];
    tensor.f_copy_data_u8(&mut bytes, tensor.numel())?;
    Ok(bytes)
}

/// Maps `path` and checks the length of its header, before anything is allocated for it.
fn map(path: &Path) -> Result<Mmap> {
    let file = File::open(path).map_err(Error::io(path, "opening"))?;
    let length = file.metadata().map_err(Error::io(path, "measuring"))?.len();
    if length < 8 {
        return Err(damaged(path, &format!("{length} bytes are too few for a header")));
    }
    // SAFETY: the map is read-only and dropped before `load` returns. A file that another process truncates meanwhile
    // would fault; checkpoints are replaced by rename, never written in place.
    let bytes = unsafe { Mmap::map(&file) }.map_err(Error::io(path, "mapping"))?;
    let header = bytes.first_chunk::<8>().map_or(u64::MAX, |n| u64::from_le_bytes(*n));
    if header > MAX_HEADER_BYTES.min(length - 8) {
        return Err(damaged(path, &format!("its header declares {header} bytes")));
    }
    Ok(bytes)
}

fn damaged(path: &Path, why: &str) -> Error {
    Error::format(
        path,
        format!("not a whole safetensors file ({why}). Copy it again, or train again to write a new checkpoint"),
    )
}

/// The types that a checkpoint holds.
const KINDS: [(Dtype, Kind); 6] = [
    (Dtype::F32, Kind::Float),
    (Dtype::F16, Kind::Half),
    (Dtype::BF16, Kind::BFloat16),
    (Dtype::I64, Kind::Int64),
    (Dtype::I32, Kind::Int),
    (Dtype::I8, Kind::Int8),
];

fn kind_of(dtype: Dtype) -> Option<Kind> {
    KINDS.iter().find(|(d, _)| *d == dtype).map(|(_, kind)| *kind)
}

fn dtype_of(kind: Kind) -> Option<Dtype> {
    KINDS.iter().find(|(_, k)| *k == kind).map(|(dtype, _)| *dtype)
}

/// The format's word for an element type.
pub(crate) fn dtype_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Float => "float32",
        Kind::Half => "float16",
        Kind::BFloat16 => "bfloat16",
        Kind::Int64 => "int64",
        Kind::Int => "int32",
        Kind::Int8 => "int8",
        _ => "other",
    }
}

/// The JSON header, with its entries in the order of the data.
struct Header<'a> {
    metadata: BTreeMap<&'a str, String>,
    tensors: Vec<(&'a str, &'a Tensor, TensorInfo)>,
}

impl<'a> Header<'a> {
    fn new(tensors: &'a [(String, Tensor)], metadata: &'a BTreeMap<String, String>) -> Result<Self> {
        let mut seen = std::collections::BTreeSet::from([METADATA]);
        let mut ordered = Vec::with_capacity(tensors.len());
        for (name, tensor) in tensors {
            let refuse = |reason: String| Error::Parameter { name: name.clone(), reason };
            if !seen.insert(name) {
                return Err(refuse("the name is reserved or given twice; give each tensor its own".to_owned()));
            }
            let kind = tensor.f_kind()?;
            let dtype = dtype_of(kind).ok_or_else(|| {
                refuse(format!("a checkpoint holds f32, f16, bf16, i64, i32 and i8, not {kind:?}; convert it first"))
            })?;
            ordered.push((name, tensor, dtype));
        }
        ordered.sort_by_key(|(_, _, dtype)| std::cmp::Reverse(dtype.bitsize()));
        let mut end = 0;
        let tensors = ordered
            .into_iter()
            .map(|(name, tensor, dtype)| {
                let start = end;
                end += tensor.numel() * dtype.bitsize() / 8;
                let shape = tensor.size().iter().map(|&n| n as usize).collect();
                (name.as_str(), tensor, TensorInfo { dtype, shape, data_offsets: (start, end) })
            })
            .collect();
        let metadata = metadata.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
        Ok(Header { metadata, tensors })
    }
}

impl Serialize for Header<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(METADATA, &self.metadata)?;
        for (name, _, info) in &self.tensors {
            map.serialize_entry(name, info)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (StateDict, BTreeMap<String, String>) {
        let tensors = vec![
            ("a.q".to_owned(), Tensor::from_slice(&[-127i8, 0, 127])),
            ("b.weight".to_owned(), Tensor::from_slice(&[1.5f32, -2.5, f32::MIN_POSITIVE, 0.0]).reshape([2, 2])),
            ("c.half".to_owned(), Tensor::from_slice(&[0.5f32, 3.0]).to_kind(Kind::Half)),
            ("d.brain".to_owned(), Tensor::from_slice(&[0.25f32]).to_kind(Kind::BFloat16)),
            ("e.step".to_owned(), Tensor::from_slice(&[i64::MIN, 7])),
            ("f.scalar".to_owned(), Tensor::from(3.0f32)),
            ("g.empty".to_owned(), Tensor::zeros([0, 4], (Kind::Float, Device::Cpu))),
        ];
        let metadata = (0..8).map(|i| (format!("key{i}"), format!("value {i}"))).collect();
        (tensors, metadata)
    }

    fn saved() -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        let (tensors, metadata) = sample();
        let written = save(&path, &tensors, &metadata).unwrap();
        assert_eq!(written, std::fs::metadata(&path).unwrap().len());
        (folder, path)
    }

    #[test]
    fn every_type_survives_bit_for_bit_in_the_documented_order() {
        let (_folder, path) = saved();
        let (tensors, metadata) = sample();
        let (read, read_metadata) = load(&path).unwrap();
        assert_eq!(read_metadata, metadata);
        let order: Vec<&str> = read.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(order, ["e.step", "b.weight", "f.scalar", "g.empty", "c.half", "d.brain", "a.q"]);
        for (name, tensor) in &tensors {
            let (_, back) = read.iter().find(|(n, _)| n == name).unwrap();
            assert_eq!((back.kind(), back.size()), (tensor.kind(), tensor.size()), "{name}");
            assert_eq!(bytes_of(back).unwrap(), bytes_of(tensor).unwrap(), "{name}");
        }
    }

    #[test]
    fn the_bytes_are_the_same_each_time_and_the_transposed_view_is_stored_row_major() {
        let (_folder, path) = saved();
        let first = std::fs::read(&path).unwrap();
        let (tensors, metadata) = sample();
        save(&path, &tensors, &metadata).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), first);
        let view = Tensor::from_slice(&[1f32, 2., 3., 4., 5., 6.]).reshape([2, 3]).tr();
        save(&path, &[("t".to_owned(), view.shallow_clone())], &BTreeMap::new()).unwrap();
        assert_eq!(Vec::<f32>::try_from(load(&path).unwrap().0[0].1.reshape([-1])).unwrap(), [1., 4., 2., 5., 3., 6.]);
    }

    #[test]
    fn truncated_lengthened_and_altered_files_are_refused_with_the_name_and_what_to_do() {
        let (_folder, path) = saved();
        let whole = std::fs::read(&path).unwrap();
        let mut huge_header = whole.clone();
        huge_header[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        let mut altered_header = whole.clone();
        altered_header[9] = b'}';
        let mut altered_data = whole.clone();
        altered_data[whole.len() - 5] ^= 1;
        let damaged = (0..whole.len()).map(|n| whole[..n].to_vec()).chain([
            huge_header,
            altered_header,
            altered_data,
            [whole.as_slice(), b"x"].concat(),
        ]);
        for bytes in damaged {
            std::fs::write(&path, &bytes).unwrap();
            let error = load(&path).unwrap_err();
            assert!(matches!(error, Error::Format { .. }), "{} bytes: {error}", bytes.len());
            let text = error.to_string();
            assert!(text.contains("checkpoint.safetensors") && text.contains("train again"), "{text}");
        }
    }

    #[test]
    fn a_file_of_another_tool_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other.safetensors");
        let bytes: Vec<u8> = [1f32, 2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        let view = safetensors::tensor::TensorView::new(Dtype::F32, vec![2], &bytes).unwrap();
        safetensors::serialize_to_file([("w", view)], None, &path).unwrap();
        let (tensors, metadata) = load(&path).unwrap();
        assert_eq!((tensors[0].0.as_str(), Vec::<f32>::try_from(&tensors[0].1).unwrap()), ("w", vec![1.0, 2.0]));
        assert!(metadata.is_empty());
    }

    #[test]
    fn a_name_given_twice_and_an_unsupported_type_are_refused_before_the_file_is_touched() {
        let (_folder, path) = saved();
        let before = std::fs::read(&path).unwrap();
        let twice = ["a", "a"].map(|n| (n.to_owned(), Tensor::from(1f32)));
        let double = [("x".to_owned(), Tensor::from_slice(&[1f64]))];
        let reserved = [(METADATA.to_owned(), Tensor::from(1f32))];
        for tensors in [&twice[..], &double, &reserved] {
            assert!(matches!(save(&path, tensors, &BTreeMap::new()), Err(Error::Parameter { .. })));
        }
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}
