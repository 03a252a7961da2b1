//! The score ledgers of a folder.

use camino::Utf8Path;

use caddie_files::{Error, Result};
use caddie_format::ledger::Unreadable;
pub use caddie_format::ledger::{Ledger, LedgerRow};

/// Reads a ledger.
///
/// # Errors
/// When it cannot be opened, and as [`caddie_format::ledger::read`].
pub fn read(path: &Utf8Path) -> Result<Ledger> {
    caddie_format::ledger::read(caddie_files::open(path)?).map_err(|error| match error {
        Unreadable::Io(error) => Error::io(path, "decompressing")(error),
        row @ Unreadable::Row { .. } => Error::unreadable(path, row.to_string()),
    })
}
