//! The score ledger as it lies in a folder: zstd-compressed JSON lines, one a document.

use serde::{Deserialize, Serialize};

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
