//! `caddie audit` on model files: written by torch, by hand, and by somebody hostile.

use std::io::Write;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/checkpoints")
}

fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::cargo_bin("caddie").expect("the binary");
    let output = command.current_dir(folder).arg("audit").args(arguments).output().expect("runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn json(folder: &Path, arguments: &[&str]) -> Value {
    let (_, out, error) = run(folder, &[arguments, &["--format", "json"]].concat());
    serde_json::from_str(&out).unwrap_or_else(|_| panic!("JSON: {out}{error}"))
}

/// The findings of a rule: severity, confidence, message and quoted places.
fn findings<'a>(audit: &'a Value, rule: &str) -> Vec<&'a Value> {
    audit["findings"].as_array().expect("findings").iter().filter(|finding| finding["rule"] == rule).collect()
}

/// Name, type, shape and bits a byte of every tensor.
fn tensors(audit: &Value) -> Vec<String> {
    let tensor = |tensor: &Value| {
        let (name, dtype) = (tensor["name"].as_str().expect("a name"), tensor["dtype"].as_str().expect("a type"));
        format!("{name} {dtype} {} {}", tensor["shape"], tensor["entropy"])
    };
    audit["tensors"].as_array().expect("tensors").iter().map(tensor).collect()
}

fn write(folder: &Path, name: &str, bytes: &[u8]) {
    std::fs::write(folder.join(name), bytes).expect("writes");
}

/// A folder for files made by hand.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("compresses")
}

const RULES: [&str; 2] = ["val-no-payload", "size-no-val-or-train-payload"];

#[test]
fn every_container_of_the_field_holds_the_same_model() {
    every_container(&fixtures());
}

fn every_container(folder: &Path) {
    let state = json(folder, &["state.pt"]);
    assert_eq!(state["formats"], serde_json::json!(["torch_zip"]));
    assert!(tensors(&state).iter().any(|tensor| tensor.starts_with("tok_emb.weight float32 [64,16] 7.")), "{state}");
    assert_eq!(tensors(&state).len(), 5);
    let legacy = json(folder, &["state.legacy.pt"]);
    assert_eq!((tensors(&legacy), &legacy["formats"]), (tensors(&state), &serde_json::json!(["torch_legacy"])));
    // safetensors orders its tensors by their width.
    let mut sorted = [tensors(&state), tensors(&json(folder, &["state.safetensors"]))];
    sorted.iter_mut().for_each(|tensors| tensors.sort());
    assert_eq!(sorted[0], sorted[1]);

    let eight = tensors(&json(folder, &["int8.zlib.ptz"]));
    assert_eq!(tensors(&json(folder, &["int8.legacy.zlib.ptz"])), eight);
    assert_eq!(eight.len(), 8);
    let six = tensors(&json(folder, &["int6.zstd.ptz"]));
    assert!(six.iter().any(|tensor| tensor.starts_with("w/tok_emb.weight.q int8 [64,16] ")), "{six:?}");
    for (file, layers) in [
        ("int6.lzma.ptz", vec!["xz"]),
        ("int6.brotli.ptz", vec!["brotli"]),
        ("int6.bshf.brotli.ptz", vec!["brotli", "byte shuffle (stride 2)"]),
        ("int6.bshf.lzma.ptz", vec!["xz", "byte shuffle (stride 2)"]),
        ("int6.bshf2.brotli.ptz", vec!["brotli", "byte shuffle (stride 2)"]),
    ] {
        let audit = json(folder, &[file]);
        let codecs: Vec<&str> =
            audit["layers"].as_array().expect("layers").iter().filter_map(|layer| layer["codec"].as_str()).collect();
        assert_eq!((tensors(&audit), codecs), (six.clone(), layers), "{file}");
    }
    for file in ["state.pt", "state.legacy.pt", "state.safetensors", "int8.zlib.ptz", "int6.bshf.brotli.ptz"] {
        let (code, out, _) = run(folder, &[file, "--fail-on", "warning", "--val", "shard.bin"]);
        assert!(code == Some(0) && out.ends_with("nothing found\n"), "{file}: {out}");
    }
}

#[test]
fn an_int6_model_has_at_most_63_levels_and_its_parts_are_the_file() {
    let audit = json(&fixtures(), &["int6.lzma.ptz", "--cap", "10000"]);
    let tensors = audit["tensors"].as_array().expect("tensors");
    let weights: Vec<u64> = tensors.iter().filter_map(|tensor| tensor["levels"].as_u64()).collect();
    assert!(weights.len() == 3 && weights.iter().all(|levels| (32..=63).contains(levels)), "{weights:?}");
    let parts: u64 = tensors.iter().filter_map(|tensor| tensor["file_bytes"].as_u64()).sum();
    let bytes = audit["bytes"].as_u64().expect("bytes");
    assert!(parts.abs_diff(bytes) <= 8, "{parts} of {bytes}");
    assert_eq!(audit["share"].as_f64(), Some(bytes as f64 / 10_000.0));
    let (code, out, _) = run(&fixtures(), &["int6.lzma.ptz", "--cap", "2000"]);
    assert!(code == Some(1) && out.contains("error (high confidence) size-cap-decimal"), "{out}");
    let (code, ..) = run(&fixtures(), &["state.pt", "--cap", "2000"]);
    assert_eq!(code, Some(0), "a checkpoint that is not compressed is not what is submitted");
}

#[test]
fn a_paid_prefix_is_found_in_every_form() {
    paid_prefix(&fixtures());
}

fn paid_prefix(folder: &Path) {
    for (file, tokens, owner) in [
        ("prefix.zlib.ptz", 800, "tensor prefix"),
        ("prefix.uint16.zlib.ptz", 800, "tensor p"),
        ("prefix.halves.zlib.ptz", 800, "tensor p"),
        ("prefix.list.zlib.ptz", 300, "p"),
        ("bytes.zlib.ptz", 800, "p"),
    ] {
        let audit = json(folder, &[file, "--val", "shard.bin"]);
        let found = findings(&audit, "val-no-payload");
        assert_eq!(found.len(), 1, "{file}: {audit}");
        assert_eq!((&found[0]["severity"], &found[0]["confidence"]), (&"error".into(), &"high".into()));
        assert_eq!(found[0]["measured"], tokens, "{file}");
        let run = &audit["searches"][0]["longest"];
        assert_eq!((&run["shard_at"], &run["owner"]), (&700.into(), &owner.into()), "{file}");
        assert!(audit["searches"][0]["log10_expected"].as_f64().is_some_and(|expected| expected < -100.0));
        // Without the shard the payload is still no part of a state dict.
        let blind = json(folder, &[file]);
        assert!(findings(&blind, "val-no-payload").is_empty());
        let seen = findings(&blind, "size-no-val-or-train-payload");
        assert!(seen.iter().any(|finding| finding["severity"] == "warning"), "{file}: {blind}");
        assert_eq!(run_code(folder, &[file, "--fail-on", "warning"]), Some(1));
    }
    let (code, out, _) = run(folder, &["prefix.zlib.ptz", "--train", "shard.bin"]);
    assert!(
        code == Some(0) && out.contains("800 training tokens") && out.contains("allowed inside the 16 MB"),
        "{out}"
    );
}

fn run_code(folder: &Path, arguments: &[&str]) -> Option<i32> {
    run(folder, arguments).0
}

#[test]
fn what_a_state_dict_would_not_hold_is_named() {
    oddities(&fixtures());
}

fn oddities(folder: &Path) {
    for (file, message, place) in [
        ("prefix.zlib.ptz", "tensor prefix is int32 and its values look like token ids", "tensor prefix"),
        ("prefix.list.zlib.ptz", "a list of integers that look like token ids", "p"),
        ("prefix.halves.zlib.ptz", "100 % of the values of tensor p are subnormal", "tensor p"),
        ("bytes.zlib.ptz", "1,600 bytes as a value of their own", "p"),
        ("table.zlib.ptz", "a table of 300 entries whose keys name no tensors", "ngrams"),
        ("slice.pt", "1,792 bytes of storages belong to no tensor", "storage 5 at 0"),
        ("trailing.zlib.ptz", "400 bytes lie behind the end", "after the compressed stream"),
        (
            "member.pt",
            "600 bytes lie in members of the zip that no pickle refers to",
            "the member archive/data/cache.bin",
        ),
        ("numpy.pt", "800 bytes as a value of their own", "rng/"),
    ] {
        let audit = json(folder, &[file]);
        let found = findings(&audit, "size-no-val-or-train-payload");
        let found = found.iter().find(|finding| finding["message"].as_str().is_some_and(|text| text.contains(message)));
        let found = found.unwrap_or_else(|| panic!("{file}: {audit}"));
        assert_eq!(found["severity"], "warning", "{file}");
        assert!(found["evidence"][0]["text"].as_str().is_some_and(|text| text.starts_with(place)), "{file}: {found}");
        assert!(found["citations"].as_array().is_some_and(|citations| !citations.is_empty()));
    }
    let bundle = json(folder, &["bundle.pgrp.ptz"]);
    assert_eq!(tensors(&bundle).len(), 8, "{bundle}");
    assert!(findings(&bundle, RULES[1]).iter().any(|finding| {
        finding["severity"] == "unknown" && finding["message"].as_str().is_some_and(|text| text.contains("lrzip"))
    }));
}

#[test]
fn a_name_beyond_tensors_is_an_error_and_is_never_called() {
    hostile(&fixtures());
    let folder = scratch();
    let touched = folder.path().join("ran");
    let pickle = format!("cos\nsystem\n(S'touch {}'\ntR.", touched.display());
    write(folder.path(), "model.pt", pickle.as_bytes());
    let audit = json(folder.path(), &["model.pt"]);
    let found = findings(&audit, "size-code-one-file");
    assert_eq!((&found[0]["severity"], &found[0]["confidence"]), (&"error".into(), &"high".into()));
    assert_eq!(found[0]["evidence"][0]["text"], "the pickle at byte 0: os.system");
    assert!(!touched.exists(), "it was run");
}

fn hostile(folder: &Path) {
    for (file, name, member) in [
        ("hostile.pt", "__builtin__.print", "archive/data.pkl at byte "),
        ("hostile.shell.pt", "posix.system", "archive/data.pkl at byte "),
        ("hostile.legacy.pt", "__builtin__.print", "pickle 3 at byte "),
    ] {
        let (code, out, error) = run(folder, &[file]);
        assert_eq!(code, Some(1), "{out}{error}");
        assert!(out.contains(&format!("the pickle calls {name}")) && out.contains(member), "{out}");
        assert!(!out.contains("this file was run"), "its text is no output of ours");
        assert_eq!(tensors(&json(folder, &[file])).len(), 5, "its tensors are listed all the same");
    }
    let audit = json(folder, &["numpy.pt"]);
    let found = findings(&audit, "size-code-one-file");
    assert!(found.len() == 3 && found.iter().all(|finding| finding["severity"] == "warning"), "{audit}");
}

#[test]
fn hostile_pickles_end_at_a_bound() {
    let folder = scratch();
    for (name, bytes) in [
        ("counts", b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.".to_vec()),
        ("lists", [b"\x80\x02".to_vec(), b"]".repeat(9_000_000)].concat()),
        ("nested", [b"\x80\x02".to_vec(), b"]".repeat(300_000), b"a".repeat(299_999), b".".to_vec()].concat()),
        ("frame", b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xff.".to_vec()),
        ("memo", b"\x80\x02h\x07.".to_vec()),
        ("cycle", b"\x80\x02]q\0h\0a.".to_vec()),
        // A list of two references to a list of two references …
        ("laughs", [b"\x80\x02]".to_vec(), b"q\0](h\0h\0e".repeat(100_000), b".".to_vec()].concat()),
    ] {
        write(folder.path(), name, &bytes);
        let (code, out, error) = run(folder.path(), &[name]);
        assert_eq!(code, Some(0), "{name}: {out}{error}");
        let whole = ["nested", "cycle", "laughs"].contains(&name);
        assert_eq!(out.contains("could not be read to its end"), !whole, "{name}: {out}");
    }
}

/// A zip whose directory names one deflated member many times.
fn bomb(copies: u32) -> Vec<u8> {
    let zeros = vec![0u8; 8 << 20];
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    let packed = encoder.write_all(&zeros).and_then(|()| encoder.finish()).expect("compresses");
    let mut crc = flate2::Crc::new();
    crc.update(&zeros);
    let sizes =
        [crc.sum().to_le_bytes(), (packed.len() as u32).to_le_bytes(), (zeros.len() as u32).to_le_bytes()].concat();
    let name = b"archive/data/0";
    let common = [&[20, 0, 0, 0, 8, 0, 0, 0, 0, 0], sizes.as_slice(), &[name.len() as u8, 0]].concat();
    let mut zip = [b"PK\x03\x04".as_slice(), &common, &[0, 0], name, &packed].concat();
    let directory_at = zip.len() as u32;
    for _ in 0..copies {
        zip.extend([b"PK\x01\x02".as_slice(), &[20, 0], &common, &[0; 16], name].concat());
    }
    let directory = zip.len() as u32 - directory_at;
    let count = (copies as u16).to_le_bytes();
    zip.extend([b"PK\x05\x06".as_slice(), &[0; 4], &count, &count].concat());
    zip.extend([directory.to_le_bytes(), directory_at.to_le_bytes()].concat());
    zip.extend([0, 0]);
    zip
}

#[test]
fn a_zip_bomb_is_cut_and_said() {
    let folder = scratch();
    write(folder.path(), "model.pt", &bomb(1000));
    let (code, out, error) = run(folder.path(), &["model.pt"]);
    assert_eq!(code, Some(0), "{error}");
    assert!(out.contains("declared to be more than the file, many times over"), "{out}");
    assert!(out.contains("lie over others"), "{out}");
    // One member alone, with more inside than any model has.
    let limited = caddie_checkpoint::parse_within(bomb(3), 20 << 20);
    assert!(limited.problems.iter().any(|problem| problem.contains("unpacks to more than is read")), "{limited:?}");
    assert_eq!(out.matches("is there twice").count(), 1, "said once: {out}");
    // A stream that unpacks to more than any model has.
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("an encoder");
    let zeros = vec![0; 1 << 20];
    (0..300).for_each(|_| encoder.write_all(&zeros).expect("compresses"));
    write(folder.path(), "model.ptz", &encoder.finish().expect("compresses"));
    let (code, out, _) = run(folder.path(), &["model.ptz", "--fail-on", "warning"]);
    assert_eq!(code, Some(1));
    assert!(out.contains("begins as zstd, but does not unpack: it unpacks to more than is read"), "{out}");
}

#[test]
fn a_zip_is_accounted_for_to_the_byte() {
    let folder = scratch();
    let whole = std::fs::read(fixtures().join("state.pt")).expect("reads");
    let at = |bytes: &[u8], mark: &[u8]| bytes.windows(mark.len()).position(|window| window == mark).expect("the mark");
    // A byte of a weight changed, bytes behind the end, a storage cut off.
    let data = at(&whole, b"archive/data/0") + 100;
    let mut altered = whole.clone();
    altered[data] ^= 1;
    write(folder.path(), "altered.pt", &altered);
    write(folder.path(), "behind.pt", &[whole.as_slice(), b"these forty bytes lie behind the archive"].concat());
    write(folder.path(), "cut.pt", &whole[..whole.len() - 100]);
    for (file, words) in [
        ("altered.pt", "the member archive/data/0 differs from its checksum"),
        ("behind.pt", "40 bytes lie behind the end of the part that a reader reads"),
        ("cut.pt", "a zip without its end record; it is cut off"),
    ] {
        let (_, out, _) = run(folder.path(), &[file]);
        assert!(out.contains(words), "{file}: {out}");
    }
}

#[test]
fn safetensors_and_caddies_own_models_are_accounted_for() {
    let folder = scratch();
    let header = br#"{"a":{"dtype":"I64","shape":[2],"data_offsets":[0,16]},"b":{"dtype":"F32","shape":[1],"data_offsets":[48,52]},"c":{"dtype":"F32","shape":[9],"data_offsets":[0,16]}}"#;
    let data: Vec<u8> = (0..90).collect();
    let file = [(header.len() as u64).to_le_bytes().as_slice(), header, &data].concat();
    write(folder.path(), "model.safetensors", &file);
    let (_, out, _) = run(folder.path(), &["model.safetensors"]);
    for words in
        ["32 bytes of storages belong to no tensor", "38 bytes lie behind", "tensor c: its shape takes 36 bytes"]
    {
        assert!(out.contains(words), "{words}: {out}");
    }
    let payload: Vec<u8> = [&[1u8, 255, 3, 252, 5, 250], [0x00u8, 0x3c, 0x00, 0x3c].as_slice()].concat();
    let digest = {
        use sha2::Digest;
        sha2::Sha256::digest(&payload)
    };
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let header = format!(
        r#"{{"tensors":[{{"name":"w","shape":[2,3],"scheme":"int8_per_row","bits":8,"offset":0,"bytes":6,"scale_offset":6,"scale_bytes":4}}],"recipe":"","payload_sha256":"{hex}"}}"#
    );
    let model = |payload: &[u8]| {
        let body = [(header.len() as u32).to_le_bytes().as_slice(), header.as_bytes(), payload].concat();
        [b"caddie-model 1 zlib\n".to_vec(), zlib(&body)].concat()
    };
    write(folder.path(), "model.zlib", &model(&payload));
    let audit = json(folder.path(), &["model.zlib"]);
    assert_eq!(audit["findings"], serde_json::json!([]), "{audit}");
    assert!(tensors(&audit).iter().any(|tensor| tensor.starts_with("w int8 [2,3] ")), "{audit}");
    write(folder.path(), "model.zlib", &model(&[payload.as_slice(), &[7; 20]].concat()));
    let (_, out, _) = run(folder.path(), &["model.zlib"]);
    assert!(out.contains("differ from the SHA-256") && out.contains("20 bytes of storages"), "{out}");
}

#[test]
fn what_cannot_be_audited_says_why() {
    let folder = scratch();
    write(folder.path(), "script", b"import torch\nprint(1)\n");
    write(folder.path(), "short.bin", &[1; 600]);
    let fixture = fixtures().join("state.pt");
    let model = fixture.to_str().expect("UTF-8");
    for (arguments, words) in [
        (vec!["script"], "a script"),
        (vec!["missing.pt"], "no such file"),
        (vec!["."], "no script in it; give a records folder, a .py file or a model file"),
        (vec![model, "--val", "short.bin"], "600 bytes are too few for the 1024-byte header of a shard"),
        (vec![model, "--val", "missing.bin"], "no such shard"),
        (vec![model, "--cap", "0"], "--cap"),
    ] {
        let (code, out, error) = run(folder.path(), &arguments);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}: {error}");
        assert!(error.contains(words), "{arguments:?}: {error}");
    }
    write(folder.path(), "noise", &(0..2000u32).map(|i| (i * i / 7) as u8).collect::<Vec<_>>());
    let (code, out, _) = run(folder.path(), &["noise"]);
    assert!(
        code == Some(0) && out.contains("unknown (high confidence)") && out.contains("none of the formats"),
        "{out}"
    );
}

#[test]
fn damaged_files_are_read_or_refused_without_a_panic() {
    let mut state = 1u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as usize % below
    };
    for entry in std::fs::read_dir(fixtures()).expect("the fixtures") {
        let bytes = std::fs::read(entry.expect("an entry").path()).expect("reads");
        for _ in 0..20 {
            let mut damaged = bytes.clone();
            for _ in 0..1 + random(4) {
                let at = random(damaged.len());
                damaged[at] = random(256) as u8;
            }
            damaged.truncate(damaged.len() - random(damaged.len().min(300)));
            let contents = caddie_checkpoint::parse(damaged);
            let whole: usize = contents.buffers.iter().map(|buffer| buffer.bytes.len()).sum();
            assert!(whole < 64 << 20);
        }
    }
}

/// The committed files are of one torch; where another is installed, it writes them again.
#[test]
fn the_torch_of_this_machine_writes_files_that_are_read_alike() {
    let python = std::env::var("CADDIE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let imports = "import torch, numpy, brotli, zstandard, safetensors";
    let has = std::process::Command::new(&python).args(["-c", imports]).output();
    if !has.is_ok_and(|output| output.status.success()) {
        println!("skipped: {python} cannot import torch, numpy, brotli, zstandard and safetensors");
        return;
    }
    let folder = scratch();
    let made = std::process::Command::new(&python).arg(fixtures().join("make.py")).arg(folder.path()).output();
    let made = made.expect("runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    every_container(folder.path());
    paid_prefix(folder.path());
    oddities(folder.path());
    hostile(folder.path());
}

#[test]
fn names_members_and_checksums_are_taken_as_torch_takes_them() {
    let (code, out, _) = run(&fixtures(), &["python2_set.pt"]);
    assert!(code == Some(0) && out.contains("nothing found"), "__builtin__.set of protocol 2 is a set: {out}");
    let (code, out, _) = run(&fixtures(), &["case.pt"]);
    assert!(code == Some(1) && out.contains("the pickle calls os.getenv"), "torch finds DATA.PKL: {out}");
    let (code, out, _) = run(&fixtures(), &["nocrc.pt"]);
    assert!(code == Some(0) && out.contains("checksums of the zip were not computed"), "{out}");
    assert!(!out.contains("unknown"), "a checksum that was never computed is no damage: {out}");
}

#[test]
fn one_checksum_of_zero_among_others_is_damage() {
    let folder = scratch();
    let mut bytes = std::fs::read(fixtures().join("state.pt")).expect("reads");
    // The checksum of the first entry in the directory.
    let entry = bytes.windows(4).position(|window| window == b"PK\x01\x02").expect("a directory");
    bytes[entry + 16..entry + 20].fill(0);
    write(folder.path(), "one.pt", &bytes);
    let (_, out, _) = run(folder.path(), &["one.pt"]);
    assert!(out.contains("unknown") && out.contains("differs from its checksum"), "{out}");
}

/// A safetensors file of this header and so many bytes of data.
fn safetensors(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend((0..data).map(|index| (index * 37 % 251) as u8));
    bytes
}

#[test]
fn a_header_holds_what_its_tensors_need() {
    let folder = scratch();
    let tensor = r#""k": {"dtype": "F16", "shape": [8], "data_offsets": [0, 16]"#;
    let texts: String = (0..1000).map(|index| format!(r#""n{index:05}": "{}","#, "0a1b".repeat(20))).collect();
    let texts = texts.trim_end_matches(',');
    for (what, header, reason) in [
        ("metadata", format!(r#"{{"__metadata__": {{{texts}}}, {tensor}}}}}"#), "of the header are more"),
        ("a key", format!(r#"{{{tensor}, "note": "{}"}}}}"#, "0a".repeat(20_000)), "further key"),
        ("filling", format!("{{{tensor}}}}}{}", " \t\n".repeat(20_000)), "of the header are more"),
        ("twice", format!(r#"{{{tensor}}}, {tensor}}}}}"#), "twice"),
        ("offsets", r#"{"k": {"dtype": "F16", "shape": [8], "data_offsets": [0, 16, 9]}}"#.to_owned(), "3 offsets"),
        (
            "overlap",
            format!(r#"{{{tensor}}}, "l": {{"dtype": "F16", "shape": [8], "data_offsets": [0, 16]}}}}"#),
            "lie over one another",
        ),
    ] {
        write(folder.path(), "x.safetensors", &safetensors(&header, 16));
        let (_, out, _) = run(folder.path(), &["x.safetensors"]);
        assert!(out.contains(reason), "{what}: {out}");
    }
    let many: Vec<String> = (0..2000)
        .map(|index| {
            let at = index * 3;
            format!(r#""model.layers.{index}.attention.weight":{{"dtype":"F6_E2M3","shape":[2,2],"data_offsets":[{at},{}]}}"#, at + 3)
        })
        .collect();
    let header = format!(r#"{{"__metadata__":{{"format":"pt"}},{}}}  "#, many.join(","));
    write(folder.path(), "many.safetensors", &safetensors(&header, 6000));
    let (code, out, _) = run(folder.path(), &["many.safetensors"]);
    assert!(code == Some(0) && out.contains("nothing found") && out.contains("float6"), "{out}");
    let four = r#"{"k":{"dtype":"F4","shape":[3,2],"data_offsets":[0,3]}}"#;
    write(folder.path(), "four.safetensors", &safetensors(four, 3));
    assert!(run(folder.path(), &["four.safetensors"]).1.contains("nothing found"));
}

/// A zip of stored members, in this order.
fn stored(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut zip, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in members {
        let mut crc = flate2::Crc::new();
        crc.update(content);
        let (at, length) = (zip.len() as u32, (content.len() as u32).to_le_bytes());
        let name_length = (name.len() as u16).to_le_bytes();
        let common =
            [&[20, 0, 0, 0, 0, 0, 0, 0, 0, 0], &crc.sum().to_le_bytes()[..], &length, &length, &name_length, &[0, 0]];
        let common = common.concat();
        zip.extend([b"PK\x03\x04", common.as_slice(), name.as_bytes(), content].concat());
        directory
            .extend([b"PK\x01\x02\x14\x03", common.as_slice(), &[0; 10], &at.to_le_bytes(), name.as_bytes()].concat());
    }
    let (start, count) = ((zip.len() as u32).to_le_bytes(), (members.len() as u16).to_le_bytes());
    let size = (directory.len() as u32).to_le_bytes();
    zip.extend(directory);
    zip.extend([b"PK\x05\x06\0\0\0\0".as_slice(), &count, &count, &size, &start, &[0, 0]].concat());
    zip
}

/// Which of two members of one name is read depends on the reader, and a pickle is one under any name.
#[test]
fn every_pickle_of_a_zip_is_read_whatever_its_name_and_place() {
    let folder = scratch();
    let (harmless, hostile): (&[u8], &[u8]) = (b"\x80\x02}.", b"\x80\x02cos\nsystem\nX\x02\0\0\0lsR.");
    for members in [
        vec![("a/data.pkl", harmless), ("a/data.pkl", hostile)],
        vec![("a/data.pkl", hostile), ("a/data.pkl", harmless)],
        vec![("a/data.pkl", harmless), ("A/DATA.PKL", hostile)],
        vec![("a/data.pkl", harmless), ("b/data.pkl", hostile)],
        vec![("a/data.pkl", harmless), ("a/extra/weights.bin", hostile)],
        vec![("a/constants.Pkl", hostile), ("a/data.pkl", harmless)],
    ] {
        write(folder.path(), "x.pt", &stored(&members));
        let (code, out, _) = run(folder.path(), &["x.pt"]);
        assert!(code == Some(1) && out.contains("the pickle calls os.system"), "{members:?}: {out}");
    }
    write(folder.path(), "good.pt", &stored(&[("a/data.pkl", harmless), ("a/version", b"3\n")]));
    assert_eq!(run(folder.path(), &["good.pt"]).0, Some(0));
}

/// A bare pickle may push and drop anything before it calls.
#[test]
fn a_pickle_is_known_by_whatever_it_begins_with() {
    let folder = scratch();
    for before in ["K\u{1}0", "N0", "I5\n0", "S'a'\n0", "(", "]0", "V\u{e9}\n0", "X\u{1}\0\0\0a0"] {
        let pickle = format!("{before}cos\nsystem\n(S'ls'\ntR.");
        write(folder.path(), "x.pkl", pickle.as_bytes());
        let (code, out, _) = run(folder.path(), &["x.pkl"]);
        assert!(code == Some(1) && out.contains("os.system"), "{before:?}: {out}");
    }
}
