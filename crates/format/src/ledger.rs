//! The score ledger: one row per document, as zstd-compressed JSON lines, and its digest.
//!
//! The digest is taken over the uncompressed lines, so that it does not depend on the compressor's version:
//! `zstd -dc ledger.jsonl.zst | sha256sum` shows it.

use std::io::{BufRead, BufReader, Read};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::hex;

/// Most rows that are read: the official validation split has 50,000 documents.
const MAX_ROWS: usize = 2_000_000;
/// Longest line: four numbers and their keys.
const MAX_LINE_BYTES: u64 = 1024;
/// Largest window that a frame may ask for (2^27 bytes, what `zstd --long` uses); keeps a hostile frame small.
const MAX_WINDOW_LOG: u32 = 27;
/// Compression: a ledger of 50,000 rows takes a second.
const LEVEL: i32 = 19;

/// One document's score. The sums over all rows give `val_loss` and `val_bpb` to the last printed digit.
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

/// A ledger read whole: its rows, their sums, and the digest of the uncompressed lines.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
pub struct Ledger {
    pub rows: Vec<LedgerRow>,
    pub tokens: u64,
    pub bytes: u64,
    pub nats: f64,
    /// Lower-case hexadecimal, over the uncompressed JSON lines.
    pub sha256: String,
}

impl Ledger {
    /// Takes the next line.
    fn add(&mut self, line: &[u8]) -> Result<(), String> {
        if line.len() as u64 > MAX_LINE_BYTES {
            return Err(format!("longer than {MAX_LINE_BYTES} bytes; this is not a score ledger"));
        }
        if self.rows.len() == MAX_ROWS {
            return Err(format!("more than {MAX_ROWS} documents"));
        }
        let row: LedgerRow = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        check_row(&row, self.rows.last())?;
        self.tokens = self.tokens.checked_add(row.tokens).ok_or("the sums overflow")?;
        self.bytes = self.bytes.checked_add(row.bytes).ok_or("the sums overflow")?;
        self.nats += row.nats;
        self.rows.push(row);
        Ok(())
    }

    /// Nats per token; `None` without tokens.
    pub fn val_loss(&self) -> Option<f64> {
        (self.tokens > 0).then(|| self.nats / self.tokens as f64)
    }

    /// Bits per byte, `nats / ln 2 / bytes`; `None` without bytes.
    pub fn val_bpb(&self) -> Option<f64> {
        (self.bytes > 0).then(|| self.nats / std::f64::consts::LN_2 / self.bytes as f64)
    }
}

/// The reason why a ledger could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The file or its compression is at fault.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A line (1-based) is at fault.
    #[error("line {line}: {reason}")]
    Row { line: usize, reason: String },
}

/// Reads a ledger within bounds (2,000,000 rows of at most 1,024 bytes).
///
/// # Errors
/// When it cannot be read or decompressed, when a row is malformed, negative or not finite, and when a document is
/// scored twice or out of order.
pub fn read(file: impl Read) -> Result<Ledger, Unreadable> {
    let mut decoder = zstd::Decoder::new(file)?;
    decoder.window_log_max(MAX_WINDOW_LOG)?;
    let mut reader = BufReader::new(decoder);
    let mut hasher = Sha256::new();
    let mut ledger = Ledger::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.by_ref().take(MAX_LINE_BYTES + 1).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        hasher.update(&line);
        ledger.add(&line).map_err(|reason| Unreadable::Row { line: ledger.rows.len() + 1, reason })?;
    }
    ledger.sha256 = hex(&hasher.finalize());
    Ok(ledger)
}

/// Returns the ledger's uncompressed bytes.
pub fn to_lines(rows: &[LedgerRow]) -> Vec<u8> {
    let mut out = Vec::new();
    for row in rows {
        // Serializing four numbers into memory cannot fail.
        let _ = serde_json::to_writer(&mut out, row);
        out.push(b'\n');
    }
    out
}

/// Returns the bytes of a file with these rows.
///
/// # Errors
/// When the compressor cannot be set up.
pub fn compress(rows: &[LedgerRow]) -> std::io::Result<Vec<u8>> {
    zstd::encode_all(to_lines(rows).as_slice(), LEVEL)
}

/// Returns the SHA-256 of the uncompressed lines, in hexadecimal.
pub fn digest(rows: &[LedgerRow]) -> String {
    crate::sha256(&to_lines(rows))
}

/// Rejects an impossible row. Single pass (C4) means every document once, in stream order.
fn check_row(row: &LedgerRow, previous: Option<&LedgerRow>) -> Result<(), String> {
    if !row.nats.is_finite() || row.nats < 0.0 {
        return Err(format!("document {} has {} nats", row.doc, row.nats));
    }
    match previous {
        Some(previous) if previous.doc >= row.doc => {
            Err(format!("document {} follows document {}; each is scored once, in order", row.doc, previous.doc))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(lines: &str) -> Vec<u8> {
        zstd::encode_all(lines.as_bytes(), 3).expect("compresses")
    }

    #[test]
    fn sums_give_the_scores_and_the_digest_is_over_the_lines() {
        let lines =
            "{\"doc\":0,\"tokens\":2,\"bytes\":8,\"nats\":3.0}\n{\"doc\":1,\"tokens\":2,\"bytes\":8,\"nats\":5.0}\n";
        let ledger = read(written(lines).as_slice()).expect("reads");
        assert_eq!((ledger.val_loss(), ledger.rows.len()), (Some(2.0), 2));
        assert_eq!(ledger.val_bpb(), Some(8.0 / std::f64::consts::LN_2 / 16.0));
        assert_eq!(ledger.sha256, hex(&Sha256::digest(lines.as_bytes())));
        assert_eq!(read(compress(&ledger.rows).expect("compresses").as_slice()).expect("reads"), ledger);
    }

    #[test]
    fn impossible_ledgers_are_refused_with_the_line() {
        let refused = |lines: &str| read(written(lines).as_slice()).expect_err("refused").to_string();
        let row = |doc: u64, nats: &str| format!("{{\"doc\":{doc},\"tokens\":1,\"bytes\":1,\"nats\":{nats}}}\n");
        assert!(refused(&(row(3, "1.0") + &row(3, "1.0"))).contains("line 2: document 3 follows document 3"));
        assert!(refused(&row(0, "-1.0")).contains("line 1: document 0 has -1 nats"));
        assert!(refused(&row(0, "NaN")).contains("line 1:"));
        assert!(refused(&" ".repeat(5000)).contains("not a score ledger"));
    }

    #[test]
    fn a_file_that_is_not_zstd_is_an_error() {
        assert!(read(b"{\"doc\":0}".as_slice()).is_err());
    }
}
