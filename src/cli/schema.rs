//! `caddie schema`

use clap::{Args, ValueEnum};

use crate::ablate::ABLATE_SCHEMA;
use crate::probe::PROBE_SCHEMA;
use crate::report::VERIFY_SCHEMA;
use caddie_files::Result;
use caddie_files::exit;

/// JSON Schema of `caddie ladder --format json`.
const LADDER_SCHEMA: &str = include_str!("../../docs/ladder.schema.json");
/// JSON Schema of `caddie doctor --format json`.
const DOCTOR_SCHEMA: &str = include_str!("../../docs/doctor.schema.json");

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
    Ablate,
    Ladder,
    Doctor,
    /// caddie probe entropy
    Probe,
}

/// Prints the schema.
///
/// # Errors
/// When standard output cannot be written.
pub fn run(args: &SchemaArgs) -> Result<u8> {
    super::print(match args.command {
        SchemaOf::Verify => VERIFY_SCHEMA,
        SchemaOf::Ablate => ABLATE_SCHEMA,
        SchemaOf::Ladder => LADDER_SCHEMA,
        SchemaOf::Doctor => DOCTOR_SCHEMA,
        SchemaOf::Probe => PROBE_SCHEMA,
    })?;
    Ok(exit::OK)
}
