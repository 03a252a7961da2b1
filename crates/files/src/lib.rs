//! Files that come from strangers, read within bounds: listed, opened, decoded, and turned into text that a terminal can show.
//!
//! Every size is checked before memory is taken for it, no link is followed, nothing is waited for, and every error names
//! the file, the reason and the next step. The toolkit reads nothing except through this crate.

pub mod base85;
pub mod decompress;
pub mod encoding;
mod error;
pub mod pointer;
mod reading;
pub mod text;

pub use caddie_format::hex;
pub use encoding::Encoding;
pub use error::{Error, Result, exit, named, no_room};
pub use pointer::Pointer;
pub use reading::{
    FileEntry, Listing, MAX_FILES, MAX_TEXT_BYTES, Skipped, keep_most_telling, list, metadata, open, read_bounded,
    read_encoded, read_text, regular, sha256,
};
