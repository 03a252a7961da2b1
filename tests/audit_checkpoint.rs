//! `caddie audit` on model files: written by torch, by hand, and by somebody hostile.

#[path = "audit_checkpoint/hostile.rs"]
mod hostile;

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
    let body = |payload: &[u8]| [(header.len() as u32).to_le_bytes().as_slice(), header.as_bytes(), payload].concat();
    let model = |payload: &[u8]| [b"caddie-model 1 zlib\n".to_vec(), zlib(&body(payload))].concat();
    write(folder.path(), "model.zlib", &model(&payload));
    let audit = json(folder.path(), &["model.zlib"]);
    assert_eq!(audit["findings"], serde_json::json!([]), "{audit}");
    assert!(tensors(&audit).iter().any(|tensor| tensor.starts_with("w int8 [2,3] ")), "{audit}");
    let integers = 4 + header.len()..10 + header.len();
    let ranges = caddie_format::grouped::encode(&body(&payload), std::slice::from_ref(&integers), 22).expect("codes");
    write(folder.path(), "model.range", &[b"caddie-model 2 range\n".to_vec(), ranges].concat());
    let ranged = json(folder.path(), &["model.range"]);
    assert_eq!((&ranged["findings"], &ranged["layers"][0]["codec"]), (&serde_json::json!([]), &"range".into()));
    assert_eq!(tensors(&ranged), tensors(&audit));
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
    write(folder.path(), "model.7z", b"7z\xbc\xaf\x27\x1c\0\x04 and what 7z would unpack");
    for (file, why) in [("noise", "none of the formats"), ("model.7z", "compressed by 7z, which is not read here")] {
        for more in ["--fail-on=never", "--format=plain"] {
            let (code, out, error) = run(folder.path(), &[file, more]);
            assert!(out.contains("unknown (high confidence)") && out.contains(why), "{out}");
            assert_eq!(code, Some(2), "{file}: a file that is not understood is not cleared");
            assert!(error.starts_with(&format!("error: {file}: nothing in it could be read")), "{error}");
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
fn a_folder_of_models_and_an_artifact_are_audited_file_by_file() {
    use caddie::artifact::{Contents, Limits, Source, Versions, pack};
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/checkpoints");
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = place.path().join("models/deep");
    std::fs::create_dir_all(&folder).expect("creates");
    for name in ["state.pt", "hostile.pt"] {
        std::fs::copy(fixtures.join(name), folder.join(name)).expect("copies");
    }
    std::fs::write(folder.join("log.txt"), "x").expect("writes");
    let (code, out, error) = run(place.path(), &["models"]);
    assert_eq!(code, Some(1), "one of them is hostile: {error}");
    assert!(out.contains("models/deep/hostile.pt: ") && out.contains("models/deep/state.pt: "), "{out}");
    let both = json(place.path(), &["models"]);
    assert_eq!(both["models"].as_array().map(Vec::len), Some(2));
    let mixed = run(place.path(), &["models", "train_gpt.py"]);
    assert!(mixed.0 == Some(2) && mixed.2.contains("audit scripts in a command of their own"), "{}", mixed.2);

    let utf8 = |path: std::path::PathBuf| camino::Utf8PathBuf::from_path_buf(path).expect("UTF-8");
    let model = |seed: i64| (seed, format!("seed-{seed}/model.pt"));
    let file = |(_, name): (i64, String)| (name, Source::File(utf8(fixtures.join("state.pt"))));
    let mut members = vec![("train_gpt.py".to_owned(), Source::Bytes(b"pass\n".to_vec()))];
    members.extend([model(1), model(2)].map(file));
    let contents = Contents {
        name: "Mine".to_owned(),
        versions: Versions { caddie: "0".to_owned(), engine: "none".to_owned(), pytorch: None },
        limits: Limits::of(&caddie_rulebook::Rulebook::builtin().expect("loads"), None),
        members,
        models: vec![model(1), model(2)],
    };
    pack(&contents, &utf8(place.path().join("mine.tar.zst")), 0, false).expect("packs");
    let packed = json(place.path(), &["mine.tar.zst"]);
    let names: Vec<&str> =
        packed["models"].as_array().expect("models").iter().filter_map(|model| model["path"].as_str()).collect();
    assert_eq!(names, ["mine.tar.zst/seed-1/model.pt", "mine.tar.zst/seed-2/model.pt"]);

    for (file, words) in
        [("mine.tar.zst", "an artifact, not a folder; caddie reproduce"), ("models/deep/state.pt", "caddie audit")]
    {
        let mut verify = Command::cargo_bin("caddie").expect("the binary");
        let verified = verify.current_dir(place.path()).args(["verify", file]).output().expect("runs");
        let said = String::from_utf8_lossy(&verified.stderr).into_owned();
        assert!(verified.status.code() == Some(2) && said.contains(words), "{said}");
    }
}
