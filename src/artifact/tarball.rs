//! Tar entries whose bytes depend on nothing but name, time and content.

use std::io::{Read, Write};

use caddie_files::{Error, Result};

/// The time that every entry carries: `SOURCE_DATE_EPOCH` in seconds, or 0.
///
/// # Errors
/// When the variable is set to something that is not a number of seconds.
pub fn source_date_epoch() -> Result<u64> {
    match std::env::var("SOURCE_DATE_EPOCH") {
        Err(_) => Ok(0),
        Ok(text) => text.trim().parse().map_err(|_| {
            Error::Usage(format!("SOURCE_DATE_EPOCH is {text:?}; it must be a number of seconds since 1970, or unset"))
        }),
    }
}

/// Appends one regular file, mode 644, owned by 0:0, as ustar.
pub fn append<W: Write>(
    tar: &mut tar::Builder<W>,
    path: &str,
    bytes: u64,
    mtime: u64,
    content: impl Read,
) -> std::io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_path(path)?;
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(mtime);
    header.set_size(bytes);
    header.set_cksum();
    tar.append(&header, content)
}
