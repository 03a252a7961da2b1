//! The files that the engine writes and the toolkit reads, each format in one place: token shards, SentencePiece models, the
//! header of a model file, models of packed symbols, range codes, alone and in groups, score ledgers, text without capitals, and writing a file whole
//! or not at all.
//!
//! No libtorch here. Everything that is read may come from a stranger, so every length is checked before memory is taken.
#![forbid(unsafe_code)]

pub mod atomic;
pub mod caseops;
pub mod grouped;
pub mod ledger;
pub mod model;
pub mod q2;
pub mod range;
pub mod shard;
pub mod tokenizer;

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// SHA-256 in lower-case hexadecimal, as every file of a records folder states it.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // Writing to a String cannot fail.
        text
    })
}
