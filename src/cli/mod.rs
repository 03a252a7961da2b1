//! The command line: one file a subcommand, each with its clap arguments, one call into the library, and the printing.

use std::process::ExitCode;

#[cfg(feature = "engine")]
pub mod inspect;

/// Runs the command line and returns its exit code.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
