//! `caddie fixture` from outside: the files are what the challenge's tools expect, and nothing of the user's is touched.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use camino::Utf8Path;
use sha2::{Digest, Sha256};

use caddie::fixture::SourceReport;

const SHARDS: [&str; 3] = ["fineweb_train_000000.bin", "fineweb_train_000001.bin", "fineweb_val_000000.bin"];

fn fixture(dir: &Path, extra: &[&str]) -> assert_cmd::assert::Assert {
    let small = if extra.contains(&"--docs") { &[][..] } else { &["--docs", "12"] };
    let mut command = Command::cargo_bin("caddie").unwrap();
    command.arg("fixture").arg(dir).args(["--seed", "7", "--train-tokens", "5000"]).args(small).args(extra).assert()
}

fn report(dir: &Path) -> SourceReport {
    SourceReport::load(Utf8Path::from_path(dir).unwrap()).unwrap().unwrap()
}

/// A reader of shards that shares nothing with the writer.
fn read_shard(path: &Path) -> Vec<u16> {
    let bytes = fs::read(path).unwrap();
    let word = |i: usize| i32::from_le_bytes(bytes[4 * i..4 * i + 4].try_into().unwrap());
    assert_eq!((word(0), word(1)), (20240520, 1));
    assert_eq!(bytes.len(), 1024 + 2 * word(2) as usize);
    assert!((3..256).all(|i| word(i) == 0));
    bytes[1024..].chunks(2).map(|pair| u16::from(pair[0]) + 256 * u16::from(pair[1])).collect()
}

fn shards(dir: &Path) -> [Vec<u16>; 3] {
    SHARDS.map(|name| read_shard(&dir.join("datasets/fineweb10B_sp1024").join(name)))
}

/// One field of a protobuf message: its number, the value of a varint, the bytes of anything else.
type Field = (u64, u64, Vec<u8>);

fn fields(mut bytes: &[u8]) -> Vec<Field> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let (first, rest) = bytes.split_first().unwrap();
            *bytes = rest;
            value |= u64::from(first & 127) << shift;
            if *first < 128 {
                break;
            }
        }
        value
    }
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let (value, len) = match key & 7 {
            0 => (varint(&mut bytes), 0),
            2 => (0, varint(&mut bytes) as usize),
            5 => (0, 4),
            other => panic!("wire type {other}"),
        };
        let (content, rest) = bytes.split_at(len);
        found.push((key >> 3, value, content.to_vec()));
        bytes = rest;
    }
    found
}

/// The pieces of a `.model` file with their types: field 1 of the file, fields 1 and 3 of a piece.
fn read_pieces(path: &Path) -> Vec<(String, u64)> {
    let piece = |bytes: &[u8]| {
        let inner = fields(bytes);
        let field = |number| inner.iter().find(|field| field.0 == number).unwrap();
        (String::from_utf8(field(1).2.clone()).unwrap(), field(3).1)
    };
    let model = fields(&fs::read(path).unwrap());
    model.iter().filter(|field| field.0 == 1).map(|field| piece(&field.2)).collect()
}

#[test]
fn the_files_hold_what_source_json_says() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("a/new/folder");
    fixture(&dir, &[]).success();
    let report = report(&dir);
    let [first, second, val] = shards(&dir);

    assert_eq!(first.len() + second.len(), report.train_tokens);
    assert!(report.train_tokens >= 5000);
    assert_eq!(first.iter().chain(&second).filter(|&&id| id == 1).count(), report.train_documents);
    assert_eq!((first[0], second[0] == 1), (1, false), "a document straddles the training shards");
    assert_eq!(report.val_tokens, val.len() - 1);

    let pieces = read_pieces(&dir.join("tokenizers/fineweb_1024_bpe.model"));
    assert_eq!(pieces.len(), 1024);
    let special = [("<pad>", 3), ("<s>", 3), ("</s>", 3), ("<unk>", 2)];
    assert!(pieces.iter().zip(special).all(|((text, kind), expected)| (text.as_str(), *kind) == expected));
    assert!((4..260).all(|id| pieces[id] == (format!("<0x{:02X}>", id - 4), 6)));
    assert!(pieces.contains(&("▁".to_owned(), 1)));

    let documents: Vec<&[u16]> = val.split(|&id| id == 1).skip(1).collect();
    assert_eq!(documents.len(), 12);
    for (index, document) in documents.iter().enumerate() {
        let text: String = document.iter().map(|&id| pieces[usize::from(id)].0.as_str()).collect();
        let text = text.replace('▁', " ");
        assert_eq!(text.trim_start().len() as u64, report.doc_bytes[index], "{text}");
        assert_eq!(document.len() + usize::from(index + 1 < documents.len()), report.doc_tokens[index]);
    }
    assert_eq!(report.doc_bytes.iter().sum::<u64>(), report.val_bytes);
    let bits = report.doc_nats.iter().sum::<f64>() / std::f64::consts::LN_2;
    assert!((bits / report.val_bytes as f64 - report.val_bits_per_byte).abs() < 1e-12);
}

/// Another machine, another compiler, another version of a library: the same bytes, or this fails.
#[test]
fn the_bytes_of_a_seed_are_pinned() {
    let dir = tempfile::tempdir().unwrap();
    fixture(dir.path(), &[]).success();
    let mut hash = Sha256::new();
    for name in SHARDS {
        hash.update(fs::read(dir.path().join("datasets/fineweb10B_sp1024").join(name)).unwrap());
    }
    hash.update(fs::read(dir.path().join("tokenizers/fineweb_1024_bpe.model")).unwrap());
    let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "ff488fa6d3df759d0493b5afb7180dca79a220ddc8386c834bc060faa4290856");
}

#[test]
fn a_folder_that_holds_something_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let notes = dir.path().join("notes.txt");
    fs::write(&notes, "mine").unwrap();
    for extra in [&[][..], &["--force"]] {
        let output = fixture(dir.path(), extra).code(2).get_output().stderr.clone();
        assert!(String::from_utf8(output).unwrap().contains("choose another folder"));
    }
    for below in [notes.clone(), notes.join("new")] {
        let output = fixture(&below, &["--force"]).code(2).get_output().stderr.clone();
        assert!(String::from_utf8(output).unwrap().contains("is a file, or lies below one"));
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(notes).unwrap(), "mine");
}

#[test]
fn force_replaces_a_fixture_and_nothing_else() {
    let outer = tempfile::tempdir().unwrap();
    let dir = outer.path().join("data");
    fs::create_dir(&dir).unwrap(); // an empty folder is as good as none
    fixture(&dir, &[]).success();
    let before = shards(&dir);
    fs::write(dir.join("notes.txt"), "mine").unwrap();
    fixture(&dir, &["--docs", "5"]).code(2);
    assert_eq!(shards(&dir), before);
    fixture(&dir, &["--docs", "5", "--force"]).success();
    assert_eq!(report(&dir).val_documents, 5);
    assert_eq!(shards(&dir)[..2], before[..2]);
    // Bytes of an older fixture do not stay beside the tokens of another.
    fixture(&dir, &["--docs", "5", "--bytes", "--force"]).success();
    assert!(dir.join("datasets/fineweb10B_byte260/fineweb_val_000000.bin").exists());
    fixture(&dir, &["--docs", "6", "--force"]).success();
    assert!(!dir.join("datasets/fineweb10B_byte260").exists());
    assert_eq!(fs::read_to_string(dir.join("notes.txt")).unwrap(), "mine");
    assert_eq!(fs::read_dir(outer.path()).unwrap().count(), 1, "no temporary folder stays behind");
}

#[test]
fn parameters_out_of_range_name_the_flag_and_the_range() {
    let dir = tempfile::tempdir().unwrap();
    let cases: [(&[&str], &str); 4] = [
        (&["--vocab-size", "300"], "--vocab-size is 300; it must be within 506..=6842"),
        (&["--docs", "0"], "--docs is 0; it must be within 1..=100000"),
        (&["--mean-words", "9"], "--mean-words is 9; it must be within 45..=900"),
        (&["--topic-percent", "101"], "--topic-percent is 101; it must be within 0..=100"),
    ];
    for (extra, expected) in cases {
        let output = fixture(&dir.path().join("new"), extra).code(2).get_output().stderr.clone();
        let stderr = String::from_utf8(output).unwrap();
        assert!(stderr.contains(expected), "{stderr}");
    }
    assert!(!dir.path().join("new").exists());
}

#[test]
fn a_foreign_source_json_is_refused_and_its_absence_is_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let dir = Utf8Path::from_path(dir.path()).unwrap();
    let shards = dir.join("datasets/fineweb10B_sp1024");
    fs::create_dir_all(&shards).unwrap();
    assert_eq!(SourceReport::find(&shards).unwrap(), None);
    fs::write(dir.join("source.json"), "{}").unwrap();
    for data in [dir, &shards] {
        let message = SourceReport::find(data).unwrap_err().to_string();
        assert!(message.contains("source.json: not what `caddie fixture` writes"), "{message}");
    }
}

/// The engine, which shares no code with the writer, finds the same documents and counts the same bytes.
#[cfg(feature = "engine")]
#[test]
fn the_engine_reads_the_fixture() {
    use caddie_engine::Recipe;
    use caddie_engine::data::{ByteTable, DataSet, TokenStream, find_documents};

    let dir = tempfile::tempdir().unwrap();
    fixture(dir.path(), &[]).success();
    let report = report(dir.path());
    let recipe = Recipe::default();
    let data = DataSet::locate(dir.path(), &recipe).unwrap();
    assert_eq!(TokenStream::open(&data.train, 1024).unwrap().read_all().unwrap().len(), report.train_tokens);
    let tokens = TokenStream::open(&data.val, 1024).unwrap().read_all().unwrap();
    let documents = find_documents(&tokens, &data.val[0]).unwrap();
    assert_eq!(documents.iter().map(|document| document.targets).collect::<Vec<_>>(), report.doc_tokens);
    let table = ByteTable::load(&recipe, &data).unwrap();
    let bytes = documents.iter().map(|document| {
        let span = &tokens[document.start..=document.start + document.targets];
        span.windows(2).map(|pair| u64::from(table.bytes(pair[0], pair[1]))).sum()
    });
    assert_eq!(bytes.collect::<Vec<u64>>(), report.doc_bytes);
}
