//! `caddie schema`

use clap::{Args, ValueEnum};

use crate::report::VERIFY_SCHEMA;
use caddie_files::Result;
use caddie_files::exit;

/// Print the JSON Schema of a command's --format json.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// The command
    #[arg(value_enum, value_name = "COMMAND")]
    pub command: SchemaOf,
}

/// Commands with a published schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    Verify,
}

/// Prints the schema.
///
/// # Errors
/// When standard output cannot be written.
pub fn run(args: &SchemaArgs) -> Result<u8> {
    let SchemaOf::Verify = args.command;
    super::print(VERIFY_SCHEMA)?;
    Ok(exit::OK)
}
