//! Model files of any kind, read without torch and without running anything: their contents, byte by byte.
//!
//! A file is peeled (compressors, byte shuffles, bundles of streams) down to a format that is understood: the zip and
//! the older form of `torch.save`, a bare pickle, safetensors, caddie's own two. [`Contents`] then says where every tensor
//! lies, what the pickles would look up and call, and which bytes belong to nothing. Files come from strangers: every
//! size is checked before memory is taken for it, and all unpacking together is bounded.

mod caddie_model;
mod contents;
mod dtype;
mod entropy;
mod layers;
mod legacy;
mod npy;
pub mod pickle;
mod q2bn;
mod rebuild;
mod safetensors;
mod tree;
mod walk;
mod zip;
mod zipped;

use std::io::Read;

use camino::Utf8Path;
use sha2::{Digest, Sha256};

use caddie_files::{Error, Result};
pub use contents::{
    Buffer, Contents, Format, Literal, LiteralKind, Payload, PickleFacts, Place, Region, RegionKind, Tensor,
};
pub use dtype::{Class, Dtype};
pub use entropy::{Histogram, bits_per_byte};
use layers::Budget;
pub use layers::Layer;

/// Longest file that is read. The challenge's are below 16 MB; a training checkpoint with its optimizer has gigabytes.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// The depth to which compressors and bundles may lie in one another.
const MAX_DEPTH: usize = 8;

/// A file as it lies on disk, with its contents.
#[derive(Debug)]
pub struct Checkpoint {
    pub bytes: u64,
    pub sha256: String,
    pub contents: Contents,
}

/// Reads a file.
///
/// # Errors
/// When it cannot be opened, is no regular file, is longer than a gigabyte, or is a Python script. What is wrong inside
/// is in [`Contents::problems`].
pub fn read(path: &Utf8Path) -> Result<Checkpoint> {
    caddie_files::metadata(path, "no such file; give a checkpoint or a model file")?;
    // A link that the user names is followed; one inside a stranger's folder would not be.
    let real = path.canonicalize_utf8().unwrap_or_else(|_| path.to_owned());
    let mut bytes = Vec::new();
    // Named as the user named it, not as the link resolves.
    let open = caddie_files::open(&real).map_err(|error| error.renamed(&real, path))?;
    open.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(Error::io(path, "reading"))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(Error::unreadable(path, format!("longer than {MAX_FILE_BYTES} bytes, the most that is read")));
    }
    if is_script(&bytes) {
        return Err(Error::unreadable(
            path,
            "a script, not a model file; `caddie audit` follows scripts whose names end in .py, `caddie verify` reads folders",
        ));
    }
    let sha256 = caddie_files::hex(&Sha256::digest(&bytes));
    Ok(Checkpoint { bytes: bytes.len() as u64, sha256, contents: parse(bytes) })
}

/// Reads the bytes of a file.
pub fn parse(bytes: Vec<u8>) -> Contents {
    parse_within(bytes, layers::MAX_OUTPUT)
}

/// Reads the bytes of a file whose unpacking may produce so many bytes.
pub fn parse_within(bytes: Vec<u8>, unpacked: u64) -> Contents {
    let mut contents = Contents::default();
    let mut budget = Budget::of(unpacked);
    open(bytes, "", 0, &mut contents, &mut budget);
    contents
}

/// Tells whether the bytes are text with the words of a Python script. A pickle of protocol 0 is text as well, but has
/// none.
fn is_script(bytes: &[u8]) -> bool {
    let start = bytes.get(..bytes.len().min(1 << 16)).unwrap_or_default();
    let text = String::from_utf8_lossy(start);
    let words = ["import ", "from ", "def ", "class ", "exec(", "#!", "\"\"\""];
    let is_text = !start.contains(&0) && !text.contains('\u{fffd}');
    is_text && text.lines().any(|line| words.iter().any(|word| line.trim_start().starts_with(word)))
}

/// Peels `bytes` until a format is reached, and reads that. `name` is the stream's, empty for the file itself.
fn open(mut bytes: Vec<u8>, name: &str, depth: usize, contents: &mut Contents, budget: &mut Budget) {
    for _ in depth..MAX_DEPTH {
        let peeled = match layers::peel(&bytes, budget) {
            None => return read_format(bytes, name, contents, budget),
            Some(Err(problem)) => {
                contents.problem(name, problem);
                contents.opaque(bytes, name);
                return;
            }
            Some(Ok(peeled)) => peeled,
        };
        contents.layers.push(Layer { stream: name.to_owned(), ..peeled.layer });
        if peeled.rest > 0 {
            let rest = bytes.split_off(bytes.len() - peeled.rest);
            contents.trailing(rest, name, "after the compressed stream");
        }
        match peeled.inside {
            layers::Inside::One(inside) => bytes = inside,
            layers::Inside::Many(ranges) => {
                for (index, range) in ranges.into_iter().enumerate() {
                    let stream = bytes.get(range).unwrap_or_default().to_vec();
                    if !stream.is_empty() {
                        open(stream, &contents::join(name, &format!("stream {index}")), depth + 1, contents, budget);
                    }
                }
                return;
            }
        }
    }
    contents.problem(name, format!("more than {MAX_DEPTH} layers lie in one another; the rest was not unpacked"));
    contents.opaque(bytes, name);
}

/// Reads bytes from which every layer was taken off.
fn read_format(bytes: Vec<u8>, name: &str, contents: &mut Contents, budget: &mut Budget) {
    if q2bn::is(&bytes) {
        q2bn::read(bytes, name, contents, budget);
    } else if caddie_model::is(&bytes) {
        caddie_model::read(bytes, name, contents, budget);
    } else if zip::is(&bytes) {
        zipped::read(bytes, name, contents, budget);
    } else if pickle::is_pickle(&bytes) {
        legacy::read(bytes, name, contents);
    } else if npy::is(&bytes) {
        npy::read(bytes, name, contents);
    } else if safetensors::is(&bytes) {
        safetensors::read(bytes, name, contents);
    } else {
        contents.formats.push(Format::Unknown);
        contents.problem(
            name,
            "none of the formats that are read: torch.save, pickle, safetensors, NumPy, caddie's own".into(),
        );
        contents.opaque(bytes, name);
    }
}
