//! `caddie schema`

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::ablate::ABLATE_SCHEMA;
use crate::probe::PROBE_SCHEMA;
use crate::report::VERIFY_SCHEMA;
use caddie_files::Result;
use caddie_files::exit;

/// Print the JSON Schema of a command's --format json.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// The command
    #[arg(value_parser = names(), value_name = "COMMAND")]
    pub command: &'static Schema,
}

/// The published schema of one command's JSON.
#[derive(Debug)]
pub struct Schema {
    /// The name that `caddie schema` takes; docs/<name>.schema.json holds the text.
    pub name: &'static str,
    /// The command whose JSON it describes, as it is typed.
    pub command: &'static str,
    pub text: &'static str,
}

macro_rules! document {
    ($name:literal, $command:literal) => {
        Schema { name: $name, command: $command, text: include_str!(concat!("../../docs/", $name, ".schema.json")) }
    };
}

/// Every command that speaks JSON. tests/json_schemas.rs fails for one that is not here.
pub const SCHEMAS: &[Schema] = &[
    Schema { name: "verify", command: "verify", text: VERIFY_SCHEMA },
    document!("audit", "audit"),
    document!("size", "size"),
    document!("rules", "rules"),
    document!("ladder", "ladder"),
    document!("reproduce", "reproduce"),
    document!("rehearse", "rehearse"),
    document!("doctor", "doctor"),
    document!("inspect", "inspect"),
    document!("recipe", "recipe show"),
    document!("pack", "pack"),
    document!("unwrap", "unwrap"),
    Schema { name: "ablate", command: "ablate", text: ABLATE_SCHEMA },
    Schema { name: "probe", command: "probe entropy", text: PROBE_SCHEMA },
    document!("probe-artifact", "probe artifact"),
    document!("probe-ledger", "probe ledger"),
    document!("probe-invariance", "probe invariance"),
];

/// Returns the names, each with its command.
fn names() -> impl TypedValueParser<Value = &'static Schema> {
    let value = |schema: &Schema| PossibleValue::new(schema.name).help(format!("caddie {}", schema.command));
    PossibleValuesParser::new(SCHEMAS.iter().map(value)).try_map(|name| {
        SCHEMAS.iter().find(|schema| schema.name == name).ok_or_else(|| format!("{name} has no schema"))
    })
}

/// Prints the schema.
///
/// # Errors
/// When standard output cannot be written.
pub fn run(args: &SchemaArgs) -> Result<u8> {
    super::print(args.command.text)?;
    Ok(exit::OK)
}
