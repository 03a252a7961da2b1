//! The command line: one file a subcommand, each with its clap arguments, one call into the library, and the printing.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub mod render;
pub mod unpack;

#[derive(Debug, Parser)]
#[command(name = "caddie", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Render(render::RenderArgs),
    Unpack(unpack::UnpackArgs),
}

/// Runs the command line and returns its exit code.
pub fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Render(args) => render::run(args),
        Command::Unpack(args) => unpack::run(args),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
