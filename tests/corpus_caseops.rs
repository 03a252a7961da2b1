//! `caddie caseops` and the data script of a merged record on the same documents: every file is the same to the byte.
//!
//! `CADDIE_UPSTREAM` names a checkout of openai/parameter-golf, `CADDIE_PYTHON` a Python with numpy and a sentencepiece of at most
//! 0.2.1: later ones have lost the function by which the script asks for the text behind a token.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

const FOLDER: &str = "records/track_10min_16mb/2026-04-29_SmearGateBOSFix_3Seed_1.06141";
const SET: &str = "fineweb10B_sp8192_lossless_caps_caseops_v1_reserved";
const IMPORTS: &str = "import numpy, sentencepiece as s; s.SentencePieceProcessor.encode_as_immutable_proto";

/// The texts of the checkout, and made-up ones of characters that normalization rewrites, joins or leaves out.
fn documents(upstream: &Path) -> Vec<String> {
    let mut texts = Vec::new();
    for track in fs::read_dir(upstream.join("records")).unwrap().map(|entry| entry.unwrap().path()) {
        let folders =
            fs::read_dir(&track).map(|folders| folders.map(|entry| entry.unwrap().path()).collect::<Vec<_>>());
        let readme = |folder: &std::path::PathBuf| fs::read_to_string(folder.join("README.md")).ok();
        texts.extend(folders.unwrap_or_default().iter().filter_map(readme));
    }
    texts.sort();
    let mut state = 7u64;
    let mut below = |n: u32| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % u64::from(n)) as u32
    };
    let ranges =
        [(0x20, 0x7f), (0xa0, 0x3000), (0xac00, 0xd7a4), (0xf900, 0xfffe), (0x300, 0x370), (0x1_0000, 0x10_ffff)];
    for _ in 0..3000 {
        let mut text = String::new();
        for _ in 0..below(40) {
            let (from, to) = ranges[below(6) as usize];
            let c = [' ', '\n', '\u{e001}', '\u{e004}', '\u{200b}', '\u{a0}'].get(below(30) as usize).copied();
            text.extend(c.or_else(|| char::from_u32(from + below(to - from))));
        }
        texts.push(text);
    }
    texts
}

#[test]
fn a_merged_records_script_writes_the_same_bytes() {
    let Ok(upstream) = std::env::var("CADDIE_UPSTREAM") else {
        println!("skipped: CADDIE_UPSTREAM names no checkout of openai/parameter-golf");
        return;
    };
    let python = std::env::var("CADDIE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    if !Command::new(&python).args(["-c", IMPORTS]).output().is_ok_and(|output| output.status.success()) {
        println!("skipped: {python} has no numpy, or no sentencepiece that the script can use (at most 0.2.1)");
        return;
    }
    let folder = Path::new(&upstream).join(FOLDER);
    let model = folder.join("tokenizers/fineweb_8192_bpe_lossless_caps_caseops_v1_reserved.model");
    let dir = tempfile::tempdir().unwrap();
    let [docs, theirs, ours] = ["docs.jsonl", "theirs", "ours"].map(|name| dir.path().join(name));
    let texts = documents(Path::new(&upstream));
    let lines: String = texts.iter().map(|text| json!({ "text": text }).to_string() + "\n").collect();
    fs::write(&docs, lines).unwrap();

    let script = Command::new(&python)
        .arg(folder.join("prepare_caseops_data.py"))
        .arg("--docs")
        .arg(&docs)
        .arg("--out")
        .arg(&theirs)
        .arg("--sp")
        .arg(&model)
        .args(["--val-docs", "2000"])
        .output()
        .unwrap();
    assert!(script.status.success(), "{}", String::from_utf8_lossy(&script.stderr));
    let mut caddie = assert_cmd::Command::cargo_bin("caddie").unwrap();
    caddie
        .arg("caseops")
        .arg(&docs)
        .arg("--tokenizer")
        .arg(&model)
        .arg("--out")
        .arg(&ours)
        .args(["--val-docs", "2000"]);
    caddie.assert().success();

    let mut bytes = 0;
    for entry in fs::read_dir(theirs.join("datasets").join(SET)).unwrap() {
        let entry = entry.unwrap();
        let [a, b] =
            [&theirs, &ours].map(|out| fs::read(out.join("datasets").join(SET).join(entry.file_name())).unwrap());
        assert!(a == b, "{} differs", entry.file_name().display());
        bytes += a.len();
    }
    let count = |out: &Path| fs::read_dir(out.join("datasets").join(SET)).unwrap().count();
    assert_eq!((count(&theirs), count(&ours)), (3, 3));
    println!("{} documents, {bytes} bytes of shards: the same", texts.len());
}
