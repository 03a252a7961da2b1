//! `caddie caseops` from outside: shards that spell the documents, a sidecar that counts their bytes, and refusals that say what to
//! do. `tests/corpus_caseops.rs` compares with the records' own script, `tests/native_caseops.rs` trains on what is written.

#[path = "support/case_model.rs"]
mod case_model;

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use caddie::caseops::{DataSetRequest, SHARD_TOKENS, write};
use caddie_format::{caseops, shard};
use caddie_tokenizer::Tokenizer;
use camino::Utf8Path;
use proptest::prelude::*;
use serde_json::json;

const SET: &str = "lossless_caps_caseops_v1_reserved";

fn run(arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> assert_cmd::assert::Assert {
    let mut command = Command::cargo_bin("caddie").unwrap();
    command.arg("caseops");
    command.args(arguments).assert()
}

/// A folder with `model` and `docs.jsonl`.
fn place(texts: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("model"), case_model::file(false)).unwrap();
    let lines: Vec<String> = texts.iter().map(|text| json!({ "text": text }).to_string() + "\n").collect();
    fs::write(dir.path().join("docs.jsonl"), lines.concat()).unwrap();
    dir
}

fn made(dir: &Path, more: &[&str]) -> assert_cmd::assert::Assert {
    let [docs, model, out] = ["docs.jsonl", "model", "out"].map(|name| dir.join(name));
    let mut arguments: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![&docs, &"--tokenizer", &model, &"--out", &out];
    arguments.extend(more.iter().map(|argument| argument as &dyn AsRef<std::ffi::OsStr>));
    run(&arguments)
}

fn shards(out: &Path) -> PathBuf {
    out.join(format!("datasets/fineweb10B_sp{}_{SET}", case_model::PIECES))
}

/// All values of the shards with this name, in order, and how many shards there are.
fn stream(folder: &Path, name: &str) -> (Vec<u16>, usize) {
    let path = |number: usize| folder.join(format!("{name}_{number:06}.bin"));
    let count = (0..).find(|&number| !path(number).exists()).unwrap();
    let values = (0..count).flat_map(|number| shard::decode(&fs::read(path(number)).unwrap()).unwrap());
    (values.collect(), count)
}

/// The documents of a stream, and of each the sum of the sidecar.
fn documents(tokens: &[u16], bytes: &[u16]) -> Vec<(String, usize)> {
    let tokenizer = Tokenizer::parse(&case_model::file(false)).unwrap();
    let starts: Vec<usize> = (0..tokens.len()).filter(|&at| tokens[at] == 1).collect();
    let ends = starts[1..].iter().copied().chain([tokens.len()]);
    let spelled = starts.iter().zip(ends).map(|(&start, end)| {
        let text = caseops::decode(&tokenizer.decode(&tokens[start..end]).unwrap()).unwrap();
        (text, bytes.get(start..end).unwrap_or_default().iter().map(|&n| usize::from(n)).sum())
    });
    spelled.collect()
}

#[test]
fn documents_become_shards_and_a_sidecar_that_counts_their_bytes() {
    let texts = ["The NASA launch, über!", "macOS \u{e001} A\n\n  2 ", "Last One"];
    let dir = place(&texts);
    let out = String::from_utf8(
        made(dir.path(), &["--val-docs", "2", "--shard-tokens", "16"]).success().get_output().stdout.clone(),
    )
    .unwrap();
    let folder = shards(&dir.path().join("out"));
    let (val, val_shards) = stream(&folder, "fineweb_val");
    let (bytes, bytes_shards) = stream(&folder, "fineweb_val_bytes");
    assert!(val_shards > 2 && val_shards == bytes_shards, "a document straddles shards");
    assert_eq!(val.len(), bytes.len());
    let expected: Vec<(String, usize)> = texts[..2].iter().map(|text| ((*text).to_owned(), text.len())).collect();
    assert_eq!(documents(&val, &bytes), expected);
    let (train, _) = stream(&folder, "fineweb_train");
    assert_eq!(documents(&train, &[])[0].0, "Last One");
    assert!(!folder.join("fineweb_train_bytes_000000.bin").exists(), "only validation is scored");
    let model = dir.path().join(format!("out/tokenizers/fineweb_{}_bpe_{SET}.model", case_model::PIECES));
    assert_eq!(fs::read(model).unwrap(), case_model::file(false));
    let total: usize = texts[..2].iter().map(|text| text.len()).sum();
    assert!(out.contains(&format!("validation  {} tokens in 2 documents, {val_shards} shards", val.len())), "{out}");
    assert!(out.contains(&format!("bytes       {total}, all of the validation texts")), "{out}");
    let names: Vec<_> = fs::read_dir(dir.path().join("out")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "nothing temporary is left: {names:?}");
}

/// The bytes of the fixture are those that its report, the engine and `verify` count with the tokenizer of its shards.
#[test]
fn shards_become_shards_whose_bytes_are_those_that_were_counted_before() {
    let dir = place(&[]);
    let data = dir.path().join("data");
    let fixture = ["--seed", "7", "--docs", "12", "--train-tokens", "5000"];
    Command::cargo_bin("caddie").unwrap().arg("fixture").arg(&data).args(fixture).assert().success();
    let [model, out] = ["model", "out"].map(|name| dir.path().join(name));
    run(&[&data, &"--tokenizer", &model, &"--out", &out]).success();
    let folder = shards(&out);
    let ((val, _), (bytes, _)) = (stream(&folder, "fineweb_val"), stream(&folder, "fineweb_val_bytes"));
    let report = caddie::fixture::SourceReport::load(Utf8Path::from_path(&data).unwrap()).unwrap().unwrap();
    let counted: Vec<u64> = documents(&val, &bytes).into_iter().map(|(_, bytes)| bytes as u64).collect();
    assert_eq!(counted, report.doc_bytes);
    let (train, _) = stream(&folder, "fineweb_train");
    assert_eq!(documents(&train, &[]).len(), report.train_documents);

    run(&[&data, &"--tokenizer", &model, &"--out", &dir.path().join("b"), &"--val-docs", &"3"])
        .code(2)
        .stderr(predicates::str::contains("holds shards, which are split already; leave --val-docs out"));
    // A tokenizer of as many pieces, in another order.
    let other = dir.path().join("other.model");
    fs::write(&other, case_model::shuffled(1024)).unwrap();
    run(&[&data, &"--tokenizer", &model, &"--out", &dir.path().join("c"), &"--source-tokenizer", &other])
        .code(2)
        .stderr(predicates::str::contains("do not come back when their text is encoded again"))
        .stderr(predicates::str::contains("--source-tokenizer names another"));
    let small = dir.path().join("small.model");
    fs::write(&small, case_model::file(false)).unwrap();
    run(&[&data, &"--tokenizer", &model, &"--out", &dir.path().join("d"), &"--source-tokenizer", &small])
        .code(2)
        .stderr(predicates::str::contains(format!("and the tokenizer has {} pieces", case_model::PIECES)));
    assert!(!shards(&dir.path().join("d")).exists());
    // A shard whose first document is missing its beginning.
    fs::write(data.join("datasets/fineweb10B_sp1024/fineweb_val_000000.bin"), shard::encode(&[300, 301])).unwrap();
    run(&[&data, &"--tokenizer", &model, &"--out", &dir.path().join("e")])
        .code(2)
        .stderr(predicates::str::contains("begins with token 300, not with the mark of a document"));
}

#[test]
fn white_space_that_the_tokenizer_takes_away_at_the_ends_is_told() {
    let dir = place(&["  A b  ", "c"]);
    fs::write(dir.path().join("model"), case_model::file(true)).unwrap();
    made(dir.path(), &["--val-docs", "1"])
        .success()
        .stdout(predicates::str::contains("bytes       3 of 7 of the validation texts"));
    let (bytes, _) = stream(&shards(&dir.path().join("out")), "fineweb_val_bytes");
    assert_eq!(bytes, [0, 0, 1, 1, 1]);
}

#[test]
fn documents_that_cannot_be_read_are_refused_with_their_line() {
    let refused = |file: &[u8], reason: &str| {
        let dir = place(&[]);
        fs::write(dir.path().join("docs.jsonl"), file).unwrap();
        made(dir.path(), &[]).code(2).stderr(predicates::str::contains(reason));
        assert_eq!(fs::read_dir(dir.path().join("out")).unwrap().count(), 0, "nothing is left half made");
    };
    refused(
        b"{\"text\": \"a\"}\n\n{\"text\": \"b",
        "docs.jsonl: line 3: it ends within a document: the file was cut short",
    );
    refused(b"{\"url\": 1}\n", "line 1: no document (missing field `text`");
    refused(b"[1]\n", "line 1: no document");
    refused(b"{\"text\": \"\xff\"}\n", "line 1: not UTF-8");
    refused(b"", "it holds no document");
}

#[test]
fn tokenizers_and_outputs_that_cannot_be_used_are_refused() {
    let dir = place(&["a"]);
    let data = dir.path().join("data");
    Command::cargo_bin("caddie").unwrap().arg("fixture").arg(&data).args(["--docs", "2"]).assert().success();
    let plain = fs::read(data.join("tokenizers/fineweb_1024_bpe.model")).unwrap();
    fs::write(dir.path().join("model"), plain).unwrap();
    made(dir.path(), &[]).code(2).stderr(predicates::str::contains("U+E001 is no user-defined piece"));
    fs::write(dir.path().join("model"), b"\xff\xff").unwrap();
    made(dir.path(), &[]).code(2).stderr(predicates::str::contains("not a SentencePiece model"));
    fs::write(dir.path().join("model"), case_model::file(false)).unwrap();
    made(dir.path(), &["--source-tokenizer", "m"])
        .code(2)
        .stderr(predicates::str::contains("need no --source-tokenizer"));
    made(dir.path(), &[]).success();
    made(dir.path(), &[]).code(2).stderr(predicates::str::contains("is there already; choose another --out"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Nothing of a text is lost between a document and its shard, and each byte is counted once.
    #[test]
    fn every_document_comes_back_from_its_tokens(
        texts in proptest::collection::vec("[A-Za-z .\n\u{e000}-\u{e005}éЖ]{0,40}|\\PC{0,30}", 1..5),
        shard_tokens in 1usize..40,
        train in 0u64..3,
    ) {
        // The model's own sign for a space cannot be told from a space.
        let texts: Vec<String> = texts.iter().map(|text| text.replace('▁', "_")).collect();
        let dir = place(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let count = texts.len() as u64;
        let val = count.saturating_sub(train);
        let request = DataSetRequest {
            source: root.join("docs.jsonl"),
            tokenizer: root.join("model"),
            source_tokenizer: None,
            out: root.join("out"),
            val_docs: Some(val),
            docs: None,
            shard_tokens,
        };
        prop_assert!(shard_tokens < SHARD_TOKENS);
        let report = write(&request).unwrap();
        let folder = shards(&dir.path().join("out"));
        let ((tokens, _), (bytes, _)) = (stream(&folder, "fineweb_val"), stream(&folder, "fineweb_val_bytes"));
        let expected: Vec<(String, usize)> = texts.iter().take(val as usize).map(|text| (text.clone(), text.len())).collect();
        prop_assert_eq!(report.counted_bytes, expected.iter().map(|(_, bytes)| *bytes as u64).sum::<u64>());
        if val > 0 {
            prop_assert_eq!(documents(&tokens, &bytes), expected);
        }
        if val < count {
            let (tokens, _) = stream(&folder, "fineweb_train");
            let train: Vec<String> = documents(&tokens, &[]).into_iter().map(|(text, _)| text).collect();
            prop_assert_eq!(&train, &texts[val as usize..]);
        }
    }
}
