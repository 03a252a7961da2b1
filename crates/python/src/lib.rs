//! Python scripts as they are shipped: read within bounds, hashed, unwrapped and parsed; never executed.

mod calls;
pub mod constant;
pub mod decode;
pub mod encoding;
mod eval;
pub mod minify;
mod module;
pub mod pack;
pub mod packings;
pub mod prints;
pub mod proof;
pub mod unwrap;
mod value;
mod zipapp;

use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest, Sha256};

pub use eval::Siblings;
pub use module::{MAX_SOURCE_BYTES, Module, Problem, ast};
pub use unwrap::{Alone, InFolder, Layer, Unwrapped, unwrap};
pub use value::Step;

use caddie_files::Result;

/// A script, as bytes and as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Relative to the folder.
    pub path: Utf8PathBuf,
    /// Length as shipped, decimal bytes.
    pub bytes: u64,
    /// SHA-256 as shipped, lower-case hexadecimal.
    pub sha256: String,
    /// The text as Python reads it: in the encoding that its coding line names, else UTF-8; the rest is replaced.
    pub text: String,
    /// The bytes as shipped, where they are not those of the text in UTF-8.
    raw: Option<Vec<u8>>,
}

impl Script {
    /// Reads `path` below `root`.
    ///
    /// # Errors
    /// When it cannot be read or is too long to be a script.
    pub fn read(root: &Utf8Path, path: &Utf8Path) -> Result<Script> {
        let full = root.join(path);
        let bytes = caddie_files::read_bounded(&full)?;
        let sha256 = caddie_files::hex(&Sha256::digest(&bytes));
        let length = bytes.len() as u64;
        let text = encoding::text_of(&bytes).into_owned();
        let raw = (text.as_bytes() != bytes.as_slice()).then_some(bytes);
        Ok(Script { path: path.to_owned(), bytes: length, sha256, text, raw })
    }

    /// The bytes as shipped.
    pub fn source(&self) -> &[u8] {
        self.raw.as_deref().unwrap_or(self.text.as_bytes())
    }
}
