//! The artifact: packed twice it is the same bytes, and nothing hostile gets past `unpack`.

use std::io::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use caddie::artifact::{Contents, Limits, Source, UnpackLimits, Versions, pack, unpack};

fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
    let temp = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(temp.path().to_owned()).unwrap();
    (temp, path)
}

fn contents(dir: &Utf8Path) -> Contents {
    let model = dir.join("model.bin");
    std::fs::write(&model, [7; 2000]).unwrap();
    let bytes = |text: &str| Source::Bytes(text.as_bytes().to_vec());
    Contents {
        name: "Demo".to_owned(),
        versions: Versions { caddie: "0.1.0".into(), engine: "0.1.0".into(), pytorch: Some("2.11.0".into()) },
        limits: Limits {
            rulebook: "parameter-golf-2026".into(),
            bytes_total: 16_000_000,
            train_seconds: 600.0,
            train_tolerance_seconds: 0.25,
            eval_seconds: 600.0,
            seeds: 3,
        },
        members: vec![
            ("train_gpt.py".into(), bytes("print('hello')\n")),
            ("recipe.toml".into(), bytes("name = \"Demo\"\n")),
            ("seed-42/model.int8.zlib".into(), Source::File(model)),
            ("seed-42/ledger.jsonl.zst".into(), bytes("rows")),
            ("seed-7/model.int8.zlib".into(), bytes("a smaller model")),
        ],
        models: vec![(42, "seed-42/model.int8.zlib".into()), (7, "seed-7/model.int8.zlib".into())],
    }
}

fn packed(dir: &Utf8Path) -> Utf8PathBuf {
    let out = dir.join("demo.tar.zst");
    pack(&contents(dir), &out, 0, false).unwrap();
    out
}

#[test]
fn packed_twice_it_is_the_same_bytes_and_unpacks_to_what_went_in() {
    let (_temp, dir) = folder();
    let first = packed(&dir);
    let mut shuffled = contents(&dir);
    shuffled.members.reverse();
    let manifest = pack(&shuffled, &dir.join("again.tar.zst"), 0, false).unwrap();
    assert_eq!(std::fs::read(&first).unwrap(), std::fs::read(dir.join("again.tar.zst")).unwrap());
    assert_eq!(manifest.counted.bytes_code, 15);
    assert_eq!((manifest.counted.bytes_model_max, manifest.counted.bytes_total_max), (2000, 2015));
    assert_eq!(manifest.counted.runs[1].bytes_total, 30);

    let out = dir.join("unpacked");
    assert_eq!(unpack(&first, &out, &UnpackLimits::default(), false).unwrap(), manifest);
    assert_eq!(std::fs::read(out.join("seed-42/model.int8.zlib")).unwrap(), [7; 2000]);
    assert!(out.join("manifest.json").is_file());
    assert!(unpack(&first, &out, &UnpackLimits::default(), false).unwrap_err().to_string().contains("--force"));
    unpack(&first, &out, &UnpackLimits::default(), true).unwrap();
}

/// One entry of a hand-made archive.
struct Entry<'a> {
    path: &'a [u8],
    kind: tar::EntryType,
    content: &'a [u8],
}

fn file<'a>(path: &'a str, content: &'a [u8]) -> Entry<'a> {
    Entry { path: path.as_bytes(), kind: tar::EntryType::Regular, content }
}

fn tar_of(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for Entry { path, kind, content } in entries {
        let mut header = tar::Header::new_ustar();
        // Past the checks of `set_path`, as a hostile writer would.
        header.as_mut_bytes()[..path.len()].copy_from_slice(path);
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        if kind.is_symlink() || kind.is_hard_link() {
            header.as_mut_bytes()[157..168].copy_from_slice(b"/etc/passwd");
        }
        header.set_cksum();
        tar.append(&header, *content).unwrap();
    }
    tar.into_inner().unwrap()
}

const SCRIPT: &[u8] = b"print('hello')\n";
const MODEL: &[u8] = b"weights";

/// The manifest of an artifact with one model, with further members declared.
fn manifest(more: &[(&str, &[u8])]) -> serde_json::Value {
    let mut members = vec![("train_gpt.py", SCRIPT), ("seed-1/model.int8.zlib", MODEL)];
    members.extend_from_slice(more);
    let members: Vec<_> = members
        .iter()
        .map(|(path, content)| {
            let sha256 = format!("{:x}", Sha256::digest(content));
            serde_json::json!({ "path": path, "bytes": content.len(), "sha256": sha256 })
        })
        .collect();
    serde_json::json!({
        "schema_version": 1, "name": "Demo",
        "versions": { "caddie": "0.1.0", "engine": "0.1.0", "pytorch": null },
        "limits": { "rulebook": "test", "bytes_total": 16000000, "train_seconds": 600.0, "train_tolerance_seconds": 0.25,
                    "eval_seconds": 600.0, "seeds": 3 },
        "counted": { "bytes_code": 15, "bytes_model_max": 7, "bytes_total_max": 22,
                     "runs": [{ "seed": 1, "model": "seed-1/model.int8.zlib", "bytes_model": 7, "bytes_total": 22 }] },
        "members": members,
    })
}

/// A sound archive with `more` at its end, declared or not.
fn archive(declared: &serde_json::Value, more: Vec<Entry<'_>>) -> Vec<u8> {
    let json = serde_json::to_vec(declared).unwrap();
    let mut entries = vec![file("manifest.json", &json), file("train_gpt.py", SCRIPT)];
    entries.push(file("seed-1/model.int8.zlib", MODEL));
    entries.extend(more);
    // With a checksum, as caddie packs: one changed byte below it may rename a member in header and manifest alike.
    let mut zstd = zstd::Encoder::new(Vec::new(), 3).unwrap();
    zstd.include_checksum(true).unwrap();
    zstd.write_all(&tar_of(&entries)).unwrap();
    zstd.finish().unwrap()
}

/// Unpacks `bytes`; on refusal nothing may be left beside the archive.
fn attempt(bytes: &[u8], limits: &UnpackLimits) -> Result<(), String> {
    let (_temp, dir) = folder();
    let path = dir.join("hostile.tar.zst");
    std::fs::write(&path, bytes).unwrap();
    let result = unpack(&path, &dir.join("inner/out"), limits, false);
    if result.is_err() {
        assert!(!dir.join("inner/out").exists());
        assert_eq!(dir.join("inner").read_dir().map_or(0, Iterator::count), 0, "something was left behind");
    }
    result.map(drop).map_err(|error| error.to_string())
}

fn refused(bytes: &[u8], reason: &str) {
    let message = attempt(bytes, &UnpackLimits::default()).expect_err(reason);
    assert!(message.contains(reason), "{message:?} does not say {reason:?}");
    assert!(message.contains("hostile.tar.zst"), "{message:?} does not name the archive");
}

#[test]
fn the_sound_archive_that_the_hostile_ones_are_made_of_is_accepted() {
    attempt(&archive(&manifest(&[]), vec![]), &UnpackLimits::default()).unwrap();
    let more = [("a/b.txt", &b"text"[..])];
    attempt(&archive(&manifest(&more), vec![file("a/b.txt", b"text")]), &UnpackLimits::default()).unwrap();
}

#[test]
fn anything_but_a_regular_file_is_refused() {
    use tar::EntryType as T;
    for (kind, reason) in [
        (T::Symlink, "is a link"),
        (T::Link, "is a link"),
        (T::Char, "is a device"),
        (T::Block, "is a device"),
        (T::Fifo, "is a pipe"),
        (T::Directory, "is a folder"),
        (T::GNULongName, "no regular file"),
        (T::GNUSparse, "no regular file"),
        (T::XHeader, "no regular file"),
        (T::XGlobalHeader, "no regular file"),
        (T::Continuous, "no regular file"),
    ] {
        let entry = Entry { path: b"extra", kind, content: b"" };
        refused(&archive(&manifest(&[("extra", b"")]), vec![entry]), reason);
    }
}

#[test]
fn paths_that_leave_the_folder_are_refused_in_the_archive_and_in_the_manifest() {
    for (path, reason) in [
        ("/etc/cron.d/x", "absolute path"),
        ("../x", "leaves its folder"),
        ("a/../../x", "leaves its folder"),
        ("./x", "leaves its folder"),
        ("a//x", "other characters"),
        ("a/", "other characters"),
        ("C:\\x", "other characters"),
        ("a\nb", "other characters"),
        ("", "0 or more than 100"),
    ] {
        let entry = || vec![file(path, b"x")];
        refused(&archive(&manifest(&[]), entry()), reason);
        refused(&archive(&manifest(&[(path, b"x")]), entry()), reason);
    }
    let not_utf8 = Entry { path: b"\xff\xfe", kind: tar::EntryType::Regular, content: b"x" };
    refused(&archive(&manifest(&[]), vec![not_utf8]), "other characters");
}

#[test]
fn members_must_be_exactly_the_declared_ones() {
    refused(&archive(&manifest(&[]), vec![file("extra", b"x")]), "not declared");
    refused(&archive(&manifest(&[("extra", b"x")]), vec![]), "missing");
    refused(&archive(&manifest(&[]), vec![file("train_gpt.py", SCRIPT)]), "there twice");
    refused(&archive(&manifest(&[("extra", b"x")]), vec![file("extra", b"xy")]), "has 2 bytes");
    refused(&archive(&manifest(&[("extra", b"x")]), vec![file("extra", b"y")]), "altered");
    refused(&archive(&manifest(&[]), vec![file("manifest.json", b"{}")]), "not declared");
    refused(&archive(&manifest(&[("TRAIN_GPT.py", b"x")]), vec![]), "declared twice");
    refused(&archive(&manifest(&[("a", b"x"), ("a/b", b"x")]), vec![]), "inside another");
    refused(&archive(&manifest(&[("manifest.json", b"x")]), vec![]), "declared twice");
}

#[test]
fn a_manifest_that_contradicts_itself_or_is_not_first_is_refused() {
    let with = |pointer: &str, value: serde_json::Value| {
        let mut declared = manifest(&[]);
        *declared.pointer_mut(pointer).unwrap() = value;
        archive(&declared, vec![])
    };
    refused(&with("/counted/bytes_code", 14.into()), "counted.bytes_code 14");
    refused(&with("/counted/runs/0/bytes_model", 6.into()), "counted.bytes_model 6");
    refused(&with("/counted/runs/0/bytes_total", 21.into()), "do not add up");
    refused(&with("/counted/bytes_total_max", 16.into()), "not those of any seed");
    refused(&with("/counted/runs", serde_json::json!([])), "not those of any seed");
    refused(&with("/schema_version", 2.into()), "schema_version is 2");
    refused(&with("/members/0/sha256", "00".into()), "no SHA-256");
    refused(&with("/members/0/bytes", (-1).into()), "cannot be read");
    refused(&zstd::encode_all(&tar_of(&[file("train_gpt.py", SCRIPT)])[..], 3).unwrap(), "first member");
    refused(&zstd::encode_all(&tar_of(&[])[..], 3).unwrap(), "empty");
    refused(&zstd::encode_all(&b""[..], 3).unwrap(), "empty");
}

#[test]
fn limits_are_kept() {
    let limits = UnpackLimits::default();
    let bytes = archive(&manifest(&[("big", &[0; 5000])]), vec![file("big", &[0; 5000])]);
    attempt(&bytes, &limits).unwrap();
    for (limits, reason) in [
        (UnpackLimits { members: 2, ..limits }, "3 members, the limit is 2"),
        (UnpackLimits { total_bytes: 4000, ..limits }, "more than the limit of 4000"),
        (UnpackLimits { total_bytes: 7000, ..limits }, "unpacks to more than 7000"),
        (UnpackLimits { manifest_bytes: 100, ratio: 1000, ..limits }, "the limit is 100"),
        (UnpackLimits { manifest_bytes: 1200, ratio: 2, ..limits }, "limit for its size"),
    ] {
        let message = attempt(&bytes, &limits).expect_err(reason);
        assert!(message.contains(reason), "{message:?} does not say {reason:?}");
    }
}

#[test]
fn a_bomb_is_refused_before_it_fills_the_disk() {
    let zeros = vec![0; 64 << 20];
    refused(&archive(&manifest(&[("zeros", &zeros)]), vec![file("zeros", &zeros)]), "limit for its size");
}

#[test]
fn data_after_the_archive_are_refused() {
    let mut tail = archive(&manifest(&[]), vec![]);
    tail.extend_from_slice(b"payload");
    refused(&tail, "follow the last member");
    let mut frame = archive(&manifest(&[]), vec![]);
    frame.extend(zstd::encode_all(&b"payload"[..], 3).unwrap());
    refused(&frame, "follow the last member");
    let mut tar = zstd::decode_all(&archive(&manifest(&[]), vec![])[..]).unwrap();
    tar.extend_from_slice(&[1; 512]);
    refused(&zstd::encode_all(&tar[..], 3).unwrap(), "follow the last member");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Cut anywhere, or with any byte changed, an artifact is refused or unpacks to what was packed.
    #[test]
    fn a_damaged_archive_never_unpacks_to_something_else(at in 0usize..4096, change in 1u8..=255, cut: bool) {
        let good = archive(&manifest(&[]), vec![]);
        let at = at % good.len();
        let mut bytes = good;
        if cut { bytes.truncate(at) } else { bytes[at] ^= change }
        let (_temp, dir) = folder();
        let path = dir.join("damaged.tar.zst");
        std::fs::write(&path, &bytes).unwrap();
        let out = dir.join("out");
        if unpack(&path, &out, &UnpackLimits::default(), false).is_ok() {
            prop_assert_eq!(std::fs::read(out.join("train_gpt.py")).unwrap(), SCRIPT);
            prop_assert_eq!(std::fs::read(out.join("seed-1/model.int8.zlib")).unwrap(), MODEL);
        } else {
            prop_assert!(!out.exists());
        }
    }

    /// The same below the compressor, where headers are in reach.
    #[test]
    fn a_damaged_tar_never_unpacks_to_something_else(at in 0usize..1 << 16, change in 1u8..=255) {
        let mut tar = zstd::decode_all(&archive(&manifest(&[]), vec![])[..]).unwrap();
        let at = at % tar.len();
        tar[at] ^= change;
        let (_temp, dir) = folder();
        let path = dir.join("damaged.tar.zst");
        std::fs::write(&path, zstd::encode_all(&tar[..], 1).unwrap()).unwrap();
        let out = dir.join("out");
        if unpack(&path, &out, &UnpackLimits::default(), false).is_ok() {
            prop_assert_eq!(std::fs::read(out.join("train_gpt.py")).unwrap(), SCRIPT);
            prop_assert_eq!(std::fs::read(out.join("seed-1/model.int8.zlib")).unwrap(), MODEL);
        }
    }
}
