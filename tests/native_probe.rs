//! `caddie probe` of recipes and models: the engine trains and scores on tokens of known probability.
#![cfg(feature = "engine")]

#[path = "support/native.rs"]
mod native;
#[path = "support/schema.rs"]
mod schema;

use camino::Utf8PathBuf;
use native::{Ended, folder, recipe};
use serde_json::Value;

fn probe(arguments: &[&str]) -> Ended {
    let mut command = native::command(&["probe"]);
    Ended::of(command.args(arguments).args(["--device", "cpu"]))
}

fn json(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {}", ended.stdout))
}

/// A model file of the tiny recipe, trained on the source that lies beside it.
fn trained(home: &Utf8PathBuf) -> Utf8PathBuf {
    let keep = home.join("kept");
    let ended = probe(&[
        "entropy",
        recipe().as_str(),
        "--tokens",
        "2048",
        "--steps",
        "12",
        "--keep",
        keep.as_str(),
        "--format",
        "json",
    ]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    keep.join("source-iid/run/model.int8.zlib")
}

#[test]
fn a_recipe_keeps_the_rules_at_every_setting() {
    let (_guard, home) = folder();
    let plot = home.join("e.svg");
    let arguments =
        ["entropy", recipe().as_str(), "--tokens", "2048", "--steps", "12", "--amplify", "--plot", plot.as_str()]
            .map(str::to_owned);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ended = probe(&[&arguments[..], &["--format", "json"]].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let report = json(&ended);
    let schema: Value = serde_json::from_str(caddie::probe::PROBE_SCHEMA).unwrap();
    let schema = jsonschema::draft202012::new(&schema).unwrap();
    assert_eq!(schema.iter_errors(&report).map(|error| error.to_string()).collect::<Vec<_>>(), Vec::<String>::new());
    assert_eq!((report["verdict"].as_str(), report["subject"]["kind"].as_str()), (Some("no_evidence"), Some("recipe")));
    let tries = report["tries"].as_array().unwrap();
    assert_eq!(tries.len(), 3, "{report:#}");
    for tried in tries {
        let outcome = &tried["outcome"];
        assert_eq!(
            (outcome["status"].as_str(), outcome["bytes"].as_str()),
            (Some("scored"), Some("exact")),
            "{outcome:#}"
        );
        let last = tried["running"].as_array().unwrap().last().unwrap().as_f64().unwrap();
        assert!((last - outcome["judged"]["worst"]["log_e"].as_f64().unwrap()).abs() < 1e-6, "{outcome:#}");
    }
    assert_ne!(tries[0]["outcome"]["claim"], tries[2]["outcome"]["claim"], "the learning rate reaches the evaluation");
    assert!(std::fs::read_to_string(plot).unwrap().contains("polyline"));
}

/// A model is as good on its own samples as its evaluation lets it be, and no better than the exact probability.
#[test]
fn a_model_draws_what_it_is_scored_on() {
    let (_guard, home) = folder();
    let model = trained(&home);
    let ended = probe(&["entropy", model.as_str(), "--tokens", "2048", "--format", "json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let report = json(&ended);
    let tried = &report["tries"][0];
    assert_eq!((tried["source"].as_str(), report["subject"]["kind"].as_str()), (Some("model"), Some("model")));
    let log_e = report["log_e"].as_f64().unwrap();
    assert!(log_e < 20.0 && log_e > -200.0, "{report:#}");
    assert_eq!(report["subject"]["sha256"], caddie_format::sha256(&std::fs::read(&model).unwrap()));

    let drawn = home.join("drawn");
    let source = format!("model:{model}");
    let ended = probe(&["source", &source, drawn.as_str(), "--tokens", "600", "--train-tokens", "300"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let stated: Value = serde_json::from_slice(&std::fs::read(drawn.join("source.json")).unwrap()).unwrap();
    assert_eq!((stated["kind"].as_str(), &stated["model_sha256"]), (Some("model"), &report["subject"]["sha256"]));
    for (file, tokens) in [("fineweb_val_000000.bin", 601), ("fineweb_train_000000.bin", 301)] {
        let read = caddie_format::shard::decode(&std::fs::read(drawn.join(file)).unwrap()).unwrap();
        assert!(read.len().abs_diff(tokens) <= 1 && read.iter().all(|token| *token < 506), "{file}: {}", read.len());
    }
}

#[test]
fn nothing_moves_a_score_that_must_not() {
    let arguments =
        ["invariance", recipe().as_str(), "--tokens", "1024", "--steps", "6", "--format", "json"].map(str::to_owned);
    let ended = probe(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(ended.code, Some(0), "{} {}", ended.stdout, ended.stderr);
    let report = json(&ended);
    schema::assert_valid("probe-invariance", &report);
    let names: Vec<&str> =
        report["found"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    let expected = [
        "repetition",
        "later_tokens",
        "swapped_neighbors",
        "other_documents",
        "order",
        "copies",
        "length",
        "bytes",
        "model_file",
    ];
    assert_eq!(names, expected);
    assert_eq!((&report["documents_apart"], &report["compared"]), (&true.into(), &"each_target".into()));
    for one in report["found"].as_array().unwrap() {
        let told = ["order", "copies"].contains(&one["name"].as_str().unwrap());
        assert_eq!(one["holds"], if told { Value::Null } else { Value::Bool(true) }, "{report:#}");
    }
}

#[test]
fn what_cannot_be_probed_says_why() {
    let (_guard, home) = folder();
    let checkpoint = home.join("checkpoint.safetensors");
    std::fs::write(&checkpoint, b"x").unwrap();
    let out = home.join("out");
    let nothing = format!("model:{home}/nothing");
    for (arguments, words) in [
        (vec!["entropy", checkpoint.as_str()], "needs --recipe"),
        (vec!["entropy", recipe().as_str(), "--source", "model"], "draws too slowly"),
        (vec!["source", &nothing, out.as_str()], "neither a model file"),
        (vec!["invariance", home.as_str()], "holds no script"),
    ] {
        let arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
        let ended = probe(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(ended.code == Some(2) && ended.stderr.contains(words), "{arguments:?}: {}", ended.stderr);
    }
}
