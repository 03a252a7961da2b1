//! The score ledger as it lies in a folder: zstd-compressed JSON lines, one a document.

use std::io::{BufRead, BufReader, Read};

use camino::Utf8Path;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use caddie_files::hex;
use caddie_files::{Error, Result};

/// Most rows that are read: the official validation split has 50,000 documents.
const MAX_ROWS: usize = 2_000_000;
/// Longest line: four numbers and their keys.
const MAX_LINE_BYTES: u64 = 1024;
/// Largest window that a frame may ask for (2^27 bytes, what `zstd --long` uses); keeps a hostile frame small.
const MAX_WINDOW_LOG: u32 = 27;

/// One document's score. The sums over all rows give `val_loss` and `val_bpb` to the last printed digit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LedgerRow {
    /// Position of the document in the validation stream, from 0.
    pub doc: u64,
    /// Targets scored: every token of the document but its BOS, and the next document's BOS.
    pub tokens: u64,
    /// UTF-8 bytes of those targets.
    pub bytes: u64,
    /// Summed negative log-likelihood.
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
    /// Nats per token; `None` without tokens.
    pub fn val_loss(&self) -> Option<f64> {
        (self.tokens > 0).then(|| self.nats / self.tokens as f64)
    }

    /// Bits per byte, `nats / ln 2 / bytes`; `None` without bytes.
    pub fn val_bpb(&self) -> Option<f64> {
        (self.bytes > 0).then(|| self.nats / std::f64::consts::LN_2 / self.bytes as f64)
    }
}

/// Reads a ledger within bounds (2,000,000 rows of at most 1,024 bytes).
///
/// # Errors
/// When it cannot be read or decompressed, when a row is malformed, negative or not finite, and when a document is
/// scored twice or out of order.
pub fn read(path: &Utf8Path) -> Result<Ledger> {
    let file = caddie_files::open(path)?;
    let mut decoder = zstd::Decoder::new(file).map_err(Error::io(path, "decompressing"))?;
    decoder.window_log_max(MAX_WINDOW_LOG).map_err(Error::io(path, "decompressing"))?;
    let mut reader = BufReader::new(decoder);
    let mut hasher = Sha256::new();
    let mut ledger = Ledger { rows: Vec::new(), tokens: 0, bytes: 0, nats: 0.0, sha256: String::new() };
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader.by_ref().take(MAX_LINE_BYTES + 1).read_until(b'\n', &mut line);
        if read.map_err(Error::io(path, "decompressing"))? == 0 {
            break;
        }
        hasher.update(&line);
        let refuse = |reason: String| Error::unreadable(path, format!("line {}: {reason}", ledger.rows.len() + 1));
        if line.len() as u64 > MAX_LINE_BYTES {
            return Err(refuse(format!("longer than {MAX_LINE_BYTES} bytes; this is no score ledger")));
        }
        if ledger.rows.len() == MAX_ROWS {
            return Err(refuse(format!("more than {MAX_ROWS} documents")));
        }
        let row: LedgerRow = serde_json::from_slice(&line).map_err(|error| refuse(error.to_string()))?;
        check_row(&row, ledger.rows.last()).map_err(refuse)?;
        let overflow = || refuse("the sums overflow".to_owned());
        ledger.tokens = ledger.tokens.checked_add(row.tokens).ok_or_else(overflow)?;
        ledger.bytes = ledger.bytes.checked_add(row.bytes).ok_or_else(overflow)?;
        ledger.nats += row.nats;
        ledger.rows.push(row);
    }
    ledger.sha256 = hex(&hasher.finalize());
    Ok(ledger)
}

/// What makes a row impossible. Single pass (C4) means every document once, in stream order.
fn check_row(row: &LedgerRow, previous: Option<&LedgerRow>) -> std::result::Result<(), String> {
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

    fn written(lines: &str) -> (tempfile::TempDir, camino::Utf8PathBuf) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = camino::Utf8PathBuf::from_path_buf(dir.path().join("ledger.jsonl.zst")).expect("UTF-8");
        std::fs::write(&path, zstd::encode_all(lines.as_bytes(), 3).expect("compresses")).expect("writes");
        (dir, path)
    }

    #[test]
    fn sums_give_the_scores_and_the_digest_is_over_the_lines() {
        let lines =
            "{\"doc\":0,\"tokens\":2,\"bytes\":8,\"nats\":3.0}\n{\"doc\":1,\"tokens\":2,\"bytes\":8,\"nats\":5.0}\n";
        let (_dir, path) = written(lines);
        let ledger = read(&path).expect("reads");
        assert_eq!((ledger.val_loss(), ledger.rows.len()), (Some(2.0), 2));
        assert_eq!(ledger.val_bpb(), Some(8.0 / std::f64::consts::LN_2 / 16.0));
        assert_eq!(ledger.sha256, hex(&Sha256::digest(lines.as_bytes())));
    }

    #[test]
    fn impossible_ledgers_are_refused_with_the_line() {
        let refused = |lines: &str| {
            let (_dir, path) = written(lines);
            read(&path).expect_err("refused").to_string()
        };
        let row = |doc: u64, nats: &str| format!("{{\"doc\":{doc},\"tokens\":1,\"bytes\":1,\"nats\":{nats}}}\n");
        assert!(refused(&(row(3, "1.0") + &row(3, "1.0"))).contains("line 2: document 3 follows document 3"));
        assert!(refused(&row(0, "-1.0")).contains("line 1: document 0 has -1 nats"));
        assert!(refused(&row(0, "NaN")).contains("line 1:"));
        assert!(refused(&" ".repeat(5000)).contains("no score ledger"));
    }

    #[test]
    fn a_file_that_is_not_zstd_is_an_error() {
        let (_dir, path) = written("");
        std::fs::write(&path, "{\"doc\":0}").expect("writes");
        assert!(read(&path).is_err());
    }
}
