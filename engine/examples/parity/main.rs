//! Compares the engine, number by number, with what an upstream script printed and stored under rehearsal.
//!
//! `scripts/parity/reference.py` runs the script in f32 on a CPU and writes a folder; this program takes its initial
//! weights, batches, calibration data and adapters, does the same work, and writes a table of the largest differences. `make
//! parity` does both.

mod alone;
mod reference;
mod stages;
mod table;
mod training;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use caddie_engine::{Error, Result};
use reference::Reference;
use table::Table;

fn main() -> ExitCode {
    let folders: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if folders.is_empty() {
        eprintln!("usage: parity REFERENCE_DIR…   (as scripts/parity/reference.py writes them)");
        return ExitCode::from(2);
    }
    caddie_engine::parallel::prepare_process();
    let mut agrees = true;
    for folder in &folders {
        match caddie_engine::error::guard(|| compare(folder)) {
            Ok(table) => {
                print!("{table}");
                agrees &= table.agrees();
            }
            Err(error) => {
                eprintln!("error: {}: {error}", folder.display());
                return ExitCode::from(2);
            }
        }
    }
    if agrees { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn compare(folder: &Path) -> Result<Table> {
    let reference = Reference::open(folder)?;
    let mut table = Table::new(&reference);
    stages::parameters(&reference, &mut table)?;
    stages::batches(&reference, &mut table)?;
    let trained = training::training(&reference, &mut table)?;
    let exported = stages::quantization(&reference, &mut table)?;
    stages::scores(&reference, &exported, &mut table)?;
    if reference.has("documents.json") {
        stages::test_time_training(&reference, &mut table)?;
    }
    alone::end_to_end(&reference, &trained, &mut table)?;
    Ok(table)
}

/// An error of a reference folder.
fn unusable(path: &Path, reason: impl Into<String>) -> Error {
    Error::format(path, reason)
}
