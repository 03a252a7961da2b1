//! The command line: one file a subcommand, each with its clap arguments, one call into the library, and the printing.

pub mod size;
pub mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Carries a Parameter Golf entry from a recipe to a records folder, and checks any other.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Verify(verify::VerifyArgs),
    Size(size::SizeArgs),
}

/// Runs the command line and returns its exit code.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Verify(args) => verify::run(&args),
        Command::Size(args) => size::run(&args),
    };
    ExitCode::from(result.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        error.exit_code()
    }))
}
