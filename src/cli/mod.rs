//! The command line: one file a subcommand, each with its clap arguments, one call into the library, and the printing.

pub mod fixture;

use std::process::ExitCode;

use clap::Parser;

#[derive(Parser)]
#[command(name = "caddie", version)]
enum Cli {
    Fixture(fixture::FixtureArgs),
}

/// Runs the command line and returns its exit code.
pub fn main() -> ExitCode {
    let result = match Cli::parse() {
        Cli::Fixture(args) => fixture::run(&args),
    };
    ExitCode::from(result.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        error.exit_code()
    }))
}
