//! Every command that speaks JSON has a published schema, and what it prints is of that form. Commands that need torch or
//! the engine are held to their schemas beside their own tests.

#[path = "support/schema.rs"]
mod schema;

use std::path::Path;

use caddie::cli::Cli;
use caddie::cli::schema::SCHEMAS;
use clap::CommandFactory as _;
use schema::assert_valid;
use serde_json::Value;

/// The commands below `command` that take a format called json, as they are typed.
fn that_speak_json(command: &clap::Command, typed: &str, found: &mut Vec<String>) {
    let json = |argument: &clap::Arg| {
        let long = argument.get_long().is_some_and(|long| long == "format");
        long && argument.get_possible_values().iter().any(|value| value.get_name() == "json")
    };
    if command.get_arguments().any(json) {
        found.push(typed.to_owned());
    }
    for sub in command.get_subcommands() {
        that_speak_json(sub, format!("{typed} {}", sub.get_name()).trim_start(), found);
    }
}

fn caddie(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = assert_cmd::Command::cargo_bin("caddie").expect("the binary");
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("DATA_PATH");
    let output = command.args(arguments).output().expect("runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Holds what a command prints to the schema of that name, and returns it.
#[track_caller]
fn held(name: &str, arguments: &[&str]) -> Value {
    let (_, out, err) = caddie(&[arguments, &["--format", "json"]].concat());
    let document = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {err}"));
    assert_valid(name, &document);
    document
}

fn files(folder: &str, end: &str) -> Vec<String> {
    let entries = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).expect("a folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"));
    let mut names: Vec<String> =
        names.filter(|name| name.ends_with(end)).map(|name| format!("{folder}/{name}")).collect();
    names.sort();
    assert!(!names.is_empty(), "{folder}");
    names
}

#[test]
fn a_command_with_json_has_a_schema_and_a_schema_has_its_command() {
    let mut speak = Vec::new();
    that_speak_json(&Cli::command(), "", &mut speak);
    for command in &speak {
        assert!(
            SCHEMAS.iter().any(|schema| schema.command == command),
            "caddie {command} --format json has no schema: write docs/NAME.schema.json and name it in src/cli/schema.rs"
        );
    }
    // A build without the engine lacks some commands.
    for schema in SCHEMAS.iter().filter(|_| cfg!(feature = "engine")) {
        assert!(speak.iter().any(|command| command == schema.command), "caddie {} speaks no JSON", schema.command);
    }
    let documents = files("docs", ".schema.json");
    for document in &documents {
        let name = document.trim_start_matches("docs/").trim_end_matches(".schema.json");
        assert!(SCHEMAS.iter().any(|schema| schema.name == name), "src/cli/schema.rs does not name {document}");
    }
    for schema in SCHEMAS {
        let (code, out, err) = caddie(&["schema", schema.name]);
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/{}.schema.json", schema.name));
        assert_eq!((code, out), (Some(0), std::fs::read_to_string(path).expect("a schema")), "{err}");
        let parsed: Value = serde_json::from_str(schema.text).expect("JSON");
        let title = parsed["title"].as_str().expect("a title");
        assert!(title.starts_with(&format!("caddie {} ", schema.command)), "{}: {title}", schema.name);
        assert!(jsonschema::meta::is_valid(&parsed), "{} is no schema", schema.name);
    }
}

#[test]
fn folders_and_files_are_sized_in_the_published_form() {
    let good = held("size", &["size", "fixtures/folders/good"]);
    assert_eq!(good[0]["claimed"]["accounting"], "logged_max");
    held("size", &["size", "fixtures/folders"]);
    held("size", &["size", "fixtures/scripts/stand_in.py", "fixtures/checkpoints/int8.zlib.ptz"]);
}

#[test]
fn every_model_file_is_audited_in_the_published_form() {
    let models = files("fixtures/checkpoints", "");
    for model in models.iter().filter(|model| !model.ends_with(".py") && !model.ends_with(".bin")) {
        held("audit", &["audit", model]);
    }
    let several = held("audit", &["audit", "fixtures/checkpoints/state.pt", "fixtures/checkpoints/int8.zlib.ptz"]);
    assert_eq!(several["models"].as_array().map(Vec::len), Some(2));
    held("audit", &["audit", "fixtures/checkpoints/prefix.zlib.ptz", "--val", "fixtures/checkpoints/shard.bin"]);
}

#[test]
fn scripts_are_audited_packed_and_unwrapped_in_the_published_form() {
    let scripts = held("audit", &["audit", "fixtures/scripts/stand_in.py", "fixtures/folders/good"]);
    assert_eq!(scripts["scripts"].as_array().map(Vec::len), Some(2));
    held("audit", &["audit", "fixtures/audit/adapt.bad.two_pass.py"]);
    for wrapper in files("fixtures/wrappers", ".py") {
        let unwrapped = held("unwrap", &["unwrap", &wrapper, "--layers"]);
        assert!(unwrapped["layers"].as_array().is_some_and(|layers| !layers.is_empty()), "{wrapper}");
    }
    held("unwrap", &["unwrap", "fixtures/scripts/stand_in.py", "--layers"]);
    held("pack", &["pack", "fixtures/scripts/stand_in.py", "--minify", "never"]);
}

#[test]
fn rules_records_needs_and_findings_are_told_in_the_published_form() {
    held("rules", &["rules"]);
    held("rules", &["rules", "--coverage"]);
    held("ladder", &["ladder"]);
    held("doctor", &["doctor"]);
    held("verify", &["verify", "fixtures/folders/good"]);
}

#[cfg(feature = "engine")]
#[test]
fn recipes_and_models_are_shown_in_the_published_form() {
    held("recipe", &["recipe", "show", "demo"]);
    held("recipe", &["recipe", "show", "q2-ltc"]);
    held("inspect", &["inspect", "fixtures/checkpoints/state.safetensors"]);
}
