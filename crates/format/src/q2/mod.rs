//! The Q² system's quaternary alphabets without tensors: symbols and their distances, level tables, packing, and the
//! container Q2BN (docs/spec/q2.md).

mod alphabet;
mod crc32c;
mod error;
pub mod file;
mod header;
mod levels;
mod packing;
mod record;
mod v2;

pub use alphabet::{Alphabet, complement, gray, johnson, lee, ordinal, sign_distance};
pub use levels::{CutTable, LevelTable, Z_THREE_QUARTERS};
pub use packing::{PACK_WORD_BITS, PackError, Width, pack_rows, row_bytes, unpack_rows};
