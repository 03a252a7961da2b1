//! The score ledger of a run: its digest, its sums, and that they are the ones the log states.

use std::io::{BufRead, BufReader, Read};

use camino::Utf8Path;
use fs_err as fs;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::folder::RunLog;
use crate::folder::ledger::LedgerRow;
use crate::{Error, Result};

/// Uncompressed bytes that are read at most: the whole validation set needs a hundredth of it.
const MAX_BYTES: u64 = 1 << 28;
const MAX_LINE: u64 = 1 << 12;

/// What a ledger says in sum.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LedgerSummary {
    /// Over the uncompressed lines.
    pub sha256: String,
    pub documents: u64,
    /// Targets scored.
    pub tokens: u64,
    /// UTF-8 bytes of those targets.
    pub bytes: u64,
    #[serde(skip)]
    pub nats: f64,
}

impl LedgerSummary {
    /// Reads `ledger.jsonl.zst`.
    ///
    /// # Errors
    /// When the file cannot be read, a line is not a row, or the ledger is larger than any that can be.
    pub fn read(path: &Utf8Path) -> Result<LedgerSummary> {
        let unreadable = |e: std::io::Error| Error::unreadable(path, format!("cannot be read as a ledger: {e}"));
        let file = fs::File::open(path).map_err(Error::io(path, "opening"))?;
        let mut lines = BufReader::new(zstd::Decoder::new(file).map_err(unreadable)?.take(MAX_BYTES));
        let mut sha256 = Sha256::new();
        let mut sum = LedgerSummary { sha256: String::new(), documents: 0, tokens: 0, bytes: 0, nats: 0.0 };
        let mut line = Vec::new();
        while lines.by_ref().take(MAX_LINE).read_until(b'\n', &mut line).map_err(unreadable)? > 0 {
            let number = sum.documents + 1;
            let bad = |reason: String| Error::unreadable(path, format!("line {number}: {reason}"));
            if line.last() != Some(&b'\n') {
                return Err(bad(format!(
                    "does not end within {MAX_LINE} bytes of its start or {MAX_BYTES} of the file's"
                )));
            }
            let row: LedgerRow =
                serde_json::from_slice(&line).map_err(|e| bad(format!("not a row of a ledger: {e}")))?;
            let add = |a: u64, b: u64| a.checked_add(b).ok_or_else(|| bad("its counts overflow".to_owned()));
            sum.documents += 1;
            sum.tokens = add(sum.tokens, row.tokens)?;
            sum.bytes = add(sum.bytes, row.bytes)?;
            sum.nats += row.nats;
            sha256.update(&line);
            line.clear();
        }
        sum.sha256 = format!("{:x}", sha256.finalize());
        Ok(sum)
    }

    /// Nats per token.
    pub fn val_loss(&self) -> f64 {
        self.nats / self.tokens as f64
    }

    /// Bits per byte.
    pub fn val_bpb(&self) -> f64 {
        self.nats / std::f64::consts::LN_2 / self.bytes as f64
    }

    /// Compares the ledger with what the log states: the digest, and both scores at the log's precision.
    ///
    /// # Errors
    /// When they are not of one run.
    pub fn check(&self, path: &Utf8Path, log: &RunLog) -> Result<()> {
        let differs = |what: &str, here: String, there: String| {
            let reason =
                format!("{what} is {here}, {} says {there}: they are not of one run; evaluate it again", log.log);
            Err(Error::unreadable(path, reason))
        };
        match &log.ledger_sha256 {
            Some(stated) if *stated != self.sha256 => return differs("SHA-256", self.sha256.clone(), stated.clone()),
            Some(_) => {}
            None => return Err(Error::unreadable(&log.log, "states no ledger; evaluate the run again")),
        }
        for (what, here, there) in
            [("val_loss", self.val_loss(), log.val_loss), ("val_bpb", self.val_bpb(), log.val_bpb)]
        {
            match there {
                // Half a unit of the eighth decimal, and as much again for the order of summation.
                Some(stated) if (here - stated).abs() <= 1e-8 => {}
                Some(stated) => return differs(what, format!("{here:.8}"), format!("{stated:.8}")),
                None => return Err(Error::unreadable(&log.log, format!("states no {what}"))),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use camino::Utf8PathBuf;

    fn ledger(lines: &str) -> (tempfile::TempDir, Utf8PathBuf) {
        let temp = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(temp.path().join("ledger.jsonl.zst")).unwrap();
        std::fs::write(&path, zstd::encode_all(lines.as_bytes(), 3).unwrap()).unwrap();
        (temp, path)
    }

    const ROWS: &str =
        "{\"doc\":0,\"tokens\":3,\"bytes\":8,\"nats\":6.0}\n{\"doc\":1,\"tokens\":1,\"bytes\":2,\"nats\":2.0}\n";

    #[test]
    fn the_sums_give_the_scores_and_the_log_must_state_them() {
        let (_temp, path) = ledger(ROWS);
        let sum = LedgerSummary::read(&path).unwrap();
        assert_eq!((sum.documents, sum.tokens, sum.bytes, sum.val_loss()), (2, 4, 10, 2.0));
        let mut log = RunLog {
            ledger_sha256: Some(format!("{:x}", Sha256::digest(ROWS))),
            val_loss: Some(2.0),
            val_bpb: Some(1.154_156_03),
            ..RunLog::default()
        };
        sum.check(&path, &log).unwrap();
        log.val_bpb = Some(1.154_156_05);
        assert!(sum.check(&path, &log).unwrap_err().to_string().contains("val_bpb is 1.15415603"));
        log.ledger_sha256 = Some("00".to_owned());
        assert!(sum.check(&path, &log).unwrap_err().to_string().contains("SHA-256"));
        log.ledger_sha256 = None;
        assert!(sum.check(&path, &log).is_err());
    }

    #[test]
    fn what_is_not_a_ledger_is_refused_with_its_line() {
        for (lines, reason) in [
            ("{\"doc\":0,\"tokens\":3,\"bytes\":8,\"nats\":6.0}\nnonsense\n".to_owned(), "line 2: not a row"),
            ("{\"doc\":0,\"tokens\":3,\"bytes\":8,\"nats\":6.0}".to_owned(), "line 1: does not end"),
            (" ".repeat(5000), "line 1: does not end"),
        ] {
            let (_temp, path) = ledger(&lines);
            let message = LedgerSummary::read(&path).unwrap_err().to_string();
            assert!(message.contains(reason), "{message}");
        }
        let (_temp, path) = ledger("");
        std::fs::write(&path, "no zstd").unwrap();
        assert!(LedgerSummary::read(&path).is_err());
    }
}
