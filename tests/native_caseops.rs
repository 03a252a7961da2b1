//! A recipe with `data.tokenizer = "caseops"` trains and scores on what `caddie caseops` writes, and counts the bytes of the text.
#![cfg(feature = "engine")]

#[path = "support/case_model.rs"]
mod case_model;
#[path = "support/native.rs"]
mod native;

use caddie::fixture::SourceReport;
use caddie_folder::ledger;
use native::{Ended, caddie, folder};

#[test]
fn a_recipe_trains_and_scores_on_what_is_written_and_counts_the_same_bytes() {
    let (_temp, dir) = folder();
    let [model, data, run] = ["model", "data", "run"].map(|name| dir.join(name));
    std::fs::write(&model, case_model::file(false)).unwrap();
    let source = native::data();
    caddie(&["caseops", source.as_str(), "--tokenizer", model.as_str(), "--out", data.as_str()]).succeeds();
    let vocabulary = format!("model.vocab_size={}", case_model::PIECES);
    let settings =
        ["--seed", "5", "--set", "data.tokenizer=caseops", "--set", &vocabulary, "--set", "train.iterations=3"];
    Ended::of(&mut native::train_command(&run, &data, &settings)).succeeds();
    let [artifact, scores] = ["model.int8.zlib", "scores.jsonl"].map(|name| run.join(name));
    let options = ["--data", data.as_str(), "--device", "cpu", "--mode", "full", "--ledger", scores.as_str()];
    caddie(&[&["evaluate", artifact.as_str()][..], &options].concat()).succeeds();
    let report = SourceReport::find(&source).unwrap().unwrap();
    let bytes: Vec<u64> = ledger::read(&scores).unwrap().rows.iter().map(|row| row.bytes).collect();
    assert_eq!(bytes, report.doc_bytes, "each document's bytes are those of its text");
}
