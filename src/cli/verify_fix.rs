//! `caddie verify --fix`.

use camino::{Utf8Path, Utf8PathBuf};

use crate::checks::find::Found;
use crate::checks::fix::{CorrectedFile, corrections};
use crate::checks::{VerifyOptions, walk};
use crate::runner::asked::keep;
use caddie_files::{Result, exit};
use caddie_folder::Folder;
use caddie_rulebook::Rulebook;

/// Corrects the numbers of some folders and shows the change on standard error, so that the report after it stays alone
/// on standard output.
///
/// # Errors
/// When a folder cannot be read, or a file cannot be written.
pub(super) fn fix(folders: &[Utf8PathBuf], rulebook: &Rulebook, options: &VerifyOptions) -> Result<()> {
    for folder in folders {
        let found = corrections(&Folder::read(folder)?, rulebook, options)?;
        for file in &found.files {
            keep(&folder.join(&file.path), file.after.as_bytes())?;
            eprint!("{}", shown(file, folder));
        }
        left(folder, &found.left);
    }
    Ok(())
}

/// Prints the change that [`fix`] would make, and returns the exit code: 1 where there is one.
///
/// # Errors
/// When a folder cannot be read, or standard output cannot be written.
pub(super) fn show(found: &Found, rulebook: &Rulebook, options: &VerifyOptions) -> Result<u8> {
    let mut code = exit::OK;
    for folder in &found.folders {
        let found = corrections(&Folder::read(folder)?, rulebook, options)?;
        for file in &found.files {
            super::print(&shown(file, folder))?;
            code = exit::FINDINGS;
        }
        left(folder, &found.left);
    }
    for failure in &found.failures {
        eprintln!("error: {}", super::shown(&failure.to_string()));
    }
    Ok(walk::exit_code(&found.failures).unwrap_or(code))
}

/// Says which wrong numbers of a folder were left, and why.
fn left(folder: &Utf8Path, left: &[String]) {
    left.iter().for_each(|line| eprintln!("note: {}", super::shown(folder.join(line).as_str())));
}

fn shown(file: &CorrectedFile, folder: &Utf8Path) -> String {
    super::harmless(&file.diff(folder))
}
