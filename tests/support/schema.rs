//! The published schemas: docs/<name>.schema.json.

use serde_json::Value;

/// Asserts that a document is of the form that `caddie schema NAME` describes.
#[track_caller]
pub fn assert_valid(name: &str, document: &Value) {
    let path = format!("{}/docs/{name}.schema.json", env!("CARGO_MANIFEST_DIR"));
    let schema = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let schema = serde_json::from_str(&schema).unwrap_or_else(|error| panic!("{path}: {error}"));
    let schema = jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{path}: {error}"));
    let violations: Vec<String> =
        schema.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path)).collect();
    assert!(violations.is_empty(), "not as docs/{name}.schema.json says: {violations:#?}");
}
