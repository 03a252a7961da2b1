//! The score ledger of a run: its digest and its sums, compared with those that the log states.

use camino::Utf8Path;
use serde::Serialize;

use caddie_files::{Error, Result};
use caddie_folder::ledger::{self, Ledger};
use caddie_folder::{Fact, RunLog};

/// The totals of a ledger.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LedgerSummary {
    /// SHA-256 of the uncompressed lines.
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
    /// Those of [`ledger::read`].
    pub fn read(path: &Utf8Path) -> Result<LedgerSummary> {
        let Ledger { rows, tokens, bytes, nats, sha256 } = ledger::read(path)?;
        Ok(LedgerSummary { sha256, documents: rows.len() as u64, tokens, bytes, nats })
    }

    /// Nats per token.
    pub fn val_loss(&self) -> f64 {
        self.nats / self.tokens as f64
    }

    /// Bits per byte.
    pub fn val_bpb(&self) -> f64 {
        self.nats / std::f64::consts::LN_2 / self.bytes as f64
    }

    /// Compares the ledger with the log: the digest, and both scores at the log's precision.
    ///
    /// # Errors
    /// When they are not of one run.
    pub fn check(&self, path: &Utf8Path, log: &RunLog) -> Result<()> {
        let differs = |what: &str, here: String, there: String| {
            let reason =
                format!("{what} is {here}, {} says {there}: they are not of one run; evaluate it again", log.log);
            Err(Error::unreadable(path, reason))
        };
        match log.ledger_sha256.text() {
            Some(stated) if stated != self.sha256 => return differs("SHA-256", self.sha256.clone(), stated.to_owned()),
            Some(_) => {}
            None => return Err(Error::unreadable(&log.log, "states no ledger; evaluate the run again")),
        }
        for (what, here, there) in
            [("val_loss", self.val_loss(), log.val_loss.value()), ("val_bpb", self.val_bpb(), log.val_bpb.value())]
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
    use caddie_folder::Logged;
    use camino::Utf8PathBuf;
    use sha2::{Digest, Sha256};

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
            ledger_sha256: Some(Logged::new(format!("{:x}", Sha256::digest(ROWS)), 3)),
            val_loss: Some(Logged::new(2.0, 2)),
            val_bpb: Some(Logged::new(1.154_156_03, 2)),
            ..RunLog::default()
        };
        sum.check(&path, &log).unwrap();
        log.val_bpb = Some(Logged::new(1.154_156_05, 2));
        assert!(sum.check(&path, &log).unwrap_err().to_string().contains("val_bpb is 1.15415603"));
        log.ledger_sha256 = Some(Logged::new("00".to_owned(), 3));
        assert!(sum.check(&path, &log).unwrap_err().to_string().contains("SHA-256"));
        log.ledger_sha256 = None;
        assert!(sum.check(&path, &log).is_err());
    }
}
