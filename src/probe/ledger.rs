//! A score ledger against a source: the running e-value, document by document.

use camino::Utf8Path;
use serde::Serialize;

use caddie_files::{Error, Result};
use caddie_format::ledger::{self, LedgerRow};
use caddie_probe::evalue::{self, SLACK_PER_TARGET, Verdict};
use caddie_probe::sidecar::{Document, SCHEMA_VERSION, Sidecar};
use caddie_probe::source::Kind;

/// Largest sidecar that is read, bytes.
const MAX_SIDECAR_BYTES: u64 = 256 << 20;

/// What a ledger proves.
#[derive(Debug, Clone, Serialize)]
pub struct LedgerProbe {
    pub schema_version: u32,
    pub source: Kind,
    /// SHA-256 of the uncompressed ledger, and of the shard that the sidecar is of.
    pub ledger_sha256: String,
    pub shard_sha256: String,
    pub targets: usize,
    /// L_P and L, nats.
    pub source_nats: f64,
    pub claimed_nats: f64,
    /// ln E after each document, slack subtracted. By Ville's inequality its largest value counts like its last.
    pub running: Vec<f64>,
    /// The largest of them, and the document after which it stood.
    pub log_e: f64,
    pub document: usize,
    /// Upper bound on ln p.
    pub log_p: f64,
    pub verdict: Verdict,
    /// Nats a target.
    pub smallest_provable_leak: f64,
}

/// Weighs a ledger (`ledger.jsonl.zst`) against a source's sidecar.
///
/// # Errors
/// When one of them cannot be read, or they are not of the same documents.
pub fn of_ledger(ledger: &Utf8Path, sidecar: &Utf8Path) -> Result<LedgerProbe> {
    let stated = read_sidecar(sidecar)?;
    let scored =
        ledger::read(caddie_files::open(ledger)?).map_err(|error| Error::unreadable(ledger, error.to_string()))?;
    let running = running(&scored.rows, &stated.documents).map_err(|reason| {
        Error::unreadable(ledger, format!("{reason} in {sidecar}; they are not of the same shard"))
    })?;
    let best = running.iter().copied().enumerate().reduce(|a, b| if b.1 > a.1 { b } else { a });
    let (document, log_e) = best.unwrap_or((0, f64::NEG_INFINITY));
    let targets = stated.targets as f64;
    Ok(LedgerProbe {
        schema_version: 1,
        source: stated.kind,
        ledger_sha256: scored.sha256,
        shard_sha256: stated.shard.sha256,
        targets: stated.targets,
        source_nats: stated.nats,
        claimed_nats: scored.nats,
        smallest_provable_leak: evalue::smallest_provable(
            stated.nats,
            scored.nats,
            SLACK_PER_TARGET * targets,
            targets,
        ),
        running,
        log_e,
        document,
        log_p: evalue::log_p_bound(log_e),
        verdict: Verdict::of(log_e),
    })
}

/// ln E after each document, slack subtracted.
///
/// # Errors
/// When the rows are not of these documents: the reason, which the name of the sidecar follows.
pub(super) fn running(rows: &[LedgerRow], stated: &[Document]) -> std::result::Result<Vec<f64>, String> {
    if rows.len() != stated.len() {
        return Err(format!("has {} documents, but there are {}", rows.len(), stated.len()));
    }
    let mut log_e = 0.0;
    let weigh = |(row, document): (&LedgerRow, &Document)| {
        if row.tokens != document.tokens as u64 {
            return Err(format!("document {} has {} targets, but {}", row.doc, row.tokens, document.tokens));
        }
        log_e += evalue::log_e(document.nats, row.nats, SLACK_PER_TARGET * row.tokens as f64);
        Ok(log_e)
    };
    rows.iter().zip(stated).map(weigh).collect()
}

fn read_sidecar(path: &Utf8Path) -> Result<Sidecar> {
    let size = fs_err::metadata(path).map_err(Error::io(path, "reading"))?.len();
    if size > MAX_SIDECAR_BYTES {
        return Err(Error::unreadable(path, format!("{size} bytes are too many for a source's sidecar")));
    }
    let bytes = fs_err::read(path).map_err(Error::io(path, "reading"))?;
    let sidecar: Sidecar = serde_json::from_slice(&bytes).map_err(|error| {
        Error::unreadable(path, format!("{error}; give the source.json that `caddie probe source` wrote"))
    })?;
    if sidecar.schema_version != SCHEMA_VERSION {
        return Err(Error::unreadable(
            path,
            format!("is of version {}; this caddie reads version {SCHEMA_VERSION}", sidecar.schema_version),
        ));
    }
    Ok(sidecar)
}
