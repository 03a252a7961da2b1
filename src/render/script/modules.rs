//! The files beside a script that it imports, and that therefore ship with it.

use camino::Utf8Path;

use super::Module;
use caddie_files::{Error, Result};
use caddie_folder::executed;

/// Reads the modules and native sources that `script` brings in, by path. Data and models that lie there are no code.
///
/// # Errors
/// When one cannot be read.
pub fn beside(script: &Utf8Path) -> Result<Vec<Module>> {
    let folder = script.parent().ok_or_else(|| Error::unreadable(script, "lies in no folder"))?;
    let read = |path: camino::Utf8PathBuf| {
        let content = caddie_files::read_bounded(&folder.join(&path))?;
        Ok(Module { path, content })
    };
    executed::beside(script)?.into_iter().map(read).collect()
}
