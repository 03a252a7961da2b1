//! The score ledger of an evaluation; its format is [`caddie_format::ledger`].

use std::path::{Path, PathBuf};

pub use caddie_format::ledger::{LedgerRow, digest, to_lines};
use caddie_format::{atomic, ledger};

use super::ValData;
use crate::data::Document;
use crate::recipe::EvalMode;
use crate::{Error, Result};

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

/// Returns the path of the ledger for an evaluation of the file `model`: `<model>.<mode>.ledger.jsonl.zst` beside it.
pub fn path_beside(model: &Path, mode: EvalMode) -> PathBuf {
    let name = model.file_name().unwrap_or_default().to_string_lossy();
    model.with_file_name(format!("{name}.{}.ledger.jsonl.zst", mode.as_str()))
}

/// Writes the ledger, whole or not at all; returns its digest.
pub fn write(path: &Path, rows: &[LedgerRow]) -> Result<String> {
    let compressed = ledger::compress(rows).map_err(Error::io(path, "compressing"))?;
    atomic::write(path, |out| out.write_all(&compressed).map_err(Error::io(path, "writing")))?;
    Ok(ledger::digest(rows))
}
