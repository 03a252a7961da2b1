//! The score ledger: one row a document, as zstd-compressed JSON lines, and its digest.
//!
//! The digest is taken over the uncompressed lines, so that it does not depend on the compressor's version:
//! `zstd -dc ledger.jsonl.zst | sha256sum` shows it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::ValData;
use crate::data::Document;
use crate::recipe::EvalMode;
use crate::{Error, Result, atomic};

/// One document's score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LedgerRow {
    /// Position of the document in the validation stream, from 0.
    pub doc: u64,
    /// Targets scored: every token of the document but its BOS, and the next document's BOS.
    pub tokens: u64,
    /// UTF-8 bytes of those targets.
    pub bytes: u64,
    /// Summed negative log-likelihood: each target's f32 value, added in f64 in stream order.
    pub nats: f64,
}

/// The row of document `d`, given the nats of every target of the stream.
pub fn row(val: &ValData, d: &Document, nll: &[f32]) -> LedgerRow {
    let span = d.start..d.start + d.targets;
    LedgerRow {
        doc: d.index as u64,
        tokens: d.targets as u64,
        bytes: span.clone().map(|k| val.bytes(k)).sum(),
        nats: nll[span].iter().map(|&n| f64::from(n)).sum(),
    }
}

/// The ledger's uncompressed bytes.
pub fn to_lines(rows: &[LedgerRow]) -> Vec<u8> {
    let mut out = Vec::new();
    for row in rows {
        // Serialising four numbers into memory cannot fail.
        let _ = serde_json::to_writer(&mut out, row);
        out.push(b'\n');
    }
    out
}

/// SHA-256 of the uncompressed lines, in hexadecimal.
pub fn digest(rows: &[LedgerRow]) -> String {
    Sha256::digest(to_lines(rows)).iter().map(|b| format!("{b:02x}")).collect()
}

/// Where the ledger of an evaluation of the file `model` goes: `<model>.<mode>.ledger.jsonl.zst` beside it.
pub fn path_beside(model: &Path, mode: EvalMode) -> PathBuf {
    let name = model.file_name().unwrap_or_default().to_string_lossy();
    model.with_file_name(format!("{name}.{}.ledger.jsonl.zst", mode.as_str()))
}

/// Writes the ledger, whole or not at all; returns its digest.
pub fn write(path: &Path, rows: &[LedgerRow]) -> Result<String> {
    let compressed = zstd::encode_all(to_lines(rows).as_slice(), 19).map_err(Error::io(path, "compressing"))?;
    atomic::write(path, |out| out.write_all(&compressed).map_err(Error::io(path, "writing")))?;
    Ok(digest(rows))
}
