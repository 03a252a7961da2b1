//! `caddie reproduce`: the score recomputed from an artifact, and whatever does not agree is found.
#![cfg(feature = "engine")]

#[path = "support/native.rs"]
mod native;
#[path = "support/schema.rs"]
mod schema;

use std::fs;
use std::sync::LazyLock;

use caddie::artifact::{self, Contents, Manifest, Source};
use caddie_folder::ledger;
use camino::{Utf8Path, Utf8PathBuf};
use native::{DOCS, Ended, caddie, data, folder, records};
use serde_json::Value;

/// A submission that no test changes.
static SUBMITTED: LazyLock<Utf8PathBuf> = LazyLock::new(|| {
    let out = native::shared("submitted");
    Ended::of(&mut native::submit_command(&out, &[])).succeeds();
    out
});

fn packed() -> Utf8PathBuf {
    SUBMITTED.join("tiny.tar.zst")
}

fn reproduce(target: &Utf8Path, data: &Utf8Path, extra: &[&str]) -> Ended {
    let mut command = native::command(&["reproduce", target.as_str(), "--data", data.as_str(), "--device", "cpu"]);
    Ended::of(command.args(extra))
}

/// The words of each seed's row: seed, compared/documents, identical, differ, largest, and two scores.
fn rows(stdout: &str) -> Vec<Vec<&str>> {
    let rows = stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|words| words.len() == 7 && words[0].parse::<u64>().is_ok()).collect()
}

#[test]
fn the_artifact_and_the_folder_reproduce_to_the_last_bit() {
    for target in [packed(), records(&SUBMITTED)] {
        let ended = reproduce(&target, &data(), &[]).succeeds();
        let rows = rows(&ended.stdout);
        assert_eq!(rows.iter().map(|row| row[0]).collect::<Vec<_>>(), ["0", "42", "1234"], "{}", ended.stdout);
        for row in rows {
            assert_eq!(row[1..5], ["8/8", "8", "0", "0.00e0"], "{}", ended.stdout);
            assert_eq!(row[5], row[6]);
            let log = fs::read_to_string(SUBMITTED.join(format!("runs/tiny/seed-{}/log.txt", row[0]))).unwrap();
            assert!(log.contains("_exact val_loss:") && log.contains(&format!(" val_bpb:{}", row[5])), "{row:?}");
        }
        assert!(ended.stdout.contains("reproduced: every document agrees with its ledger; "), "{}", ended.stdout);
    }
}

#[test]
fn the_result_is_json_with_the_devices_and_what_they_may_differ_by() {
    let json = reproduce(&packed(), &data(), &["--sample", "3", "--nonce", "x", "--format", "json"]).succeeds();
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    schema::assert_valid("reproduce", &json);
    let seed = &json["seeds"][0];
    assert_eq!(
        (&json["reproduced"], &json["nonce"], &seed["support"]["draws"]),
        (&true.into(), &"x".into(), &3.into())
    );
    // The tests of a binary run on one machine.
    assert_eq!((&json["device"], &seed["tolerance"]["pair"]), (&seed["ledger_device"], &"same_cpu".into()));
    let given = reproduce(&packed(), &data(), &["--sample", "1", "--tolerance", "0.5", "--format", "json"]).succeeds();
    let given: Value = serde_json::from_str(&given.stdout).unwrap();
    schema::assert_valid("reproduce", &given);
    assert_eq!(given["seeds"][0]["tolerance"], serde_json::json!({ "from": "given", "per_token": 0.5 }));
}

/// Another number of threads changes nothing, other kernels a little, and that is no misreported row.
#[test]
fn other_threads_give_identical_nats_and_other_kernels_are_within_the_tolerance() {
    let with = |name: &str, value: &str| {
        let mut command = native::command(&["reproduce", packed().as_str(), "--data", data().as_str()]);
        Ended::of(command.args(["--device", "cpu", "--format", "json"]).env(name, value)).succeeds()
    };
    let json = |ended: &Ended| serde_json::from_str::<Value>(&ended.stdout).unwrap();
    let threads = json(&with("OMP_NUM_THREADS", "1"));
    for seed in threads["seeds"].as_array().unwrap() {
        assert_eq!((&seed["identical"], &seed["mean_difference"]), (&DOCS.into(), &0.0.into()), "{seed:#}");
    }
    // libtorch's kernels for a processor without vectors.
    let kernels = json(&with("ATEN_CPU_CAPABILITY", "default"));
    assert_eq!(kernels["reproduced"], true, "{kernels:#}");
}

/// A comparison with other data would accuse the submission of what is the reviewer's slip.
#[test]
fn other_data_are_refused_before_the_scoring() {
    let (_temp, dir) = folder();
    let other = dir.join("other");
    native::write_data(&other, 2);
    let ended = reproduce(&packed(), &other, &[]);
    ended.refused(2, &[other.as_str(), "not the validation set of this submission", "8 documents", "pass the data"]);
}

/// The folder's ledger is what was claimed in public: it must be the artifact's.
#[test]
fn a_folder_with_another_ledger_does_not_reproduce() {
    let (_temp, dir) = folder();
    let out = dir.join("out");
    native::copy_folder(&SUBMITTED, &out);
    let path = records(&out).join("ledger_seed42.jsonl.zst");
    let mut rows = ledger::read(&path).unwrap().rows;
    rows[3].nats -= 0.5;
    let lines: String = rows.iter().map(|row| serde_json::to_string(row).unwrap() + "\n").collect();
    fs::write(&path, zstd::encode_all(lines.as_bytes(), 3).unwrap()).unwrap();
    let ended = reproduce(&records(&out), &data(), &["--sample", "1", "--nonce", "x"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stdout.contains("seed 42: the folder's ledger is not the artifact's"), "{}", ended.stdout);
    assert!(ended.stdout.contains("not reproduced"), "{}", ended.stdout);

    fs::write(&path, "no ledger").unwrap();
    reproduce(&records(&out), &data(), &[]).refused(2, &[path.as_str()]);
}

/// The artifact packed again, with `change` applied to what it holds.
fn repacked(dir: &Utf8Path, change: impl Fn(&mut Vec<(String, Source)>)) -> Utf8PathBuf {
    let unpacked = dir.join("unpacked");
    let Manifest { name, versions, limits, counted, members, .. } =
        artifact::unpack(&packed(), &unpacked, &artifact::UnpackLimits::default(), false).unwrap();
    let mut members: Vec<_> =
        members.into_iter().map(|member| (member.path.clone(), Source::File(unpacked.join(member.path)))).collect();
    change(&mut members);
    let models = counted.runs.into_iter().map(|run| (run.seed, run.model)).collect();
    let out = dir.join("repacked.tar.zst");
    artifact::pack(&Contents { name, versions, limits, members, models }, &out, 0, false).unwrap();
    out
}

/// An artifact whose hashes are in order, but whose model is not the one that was scored.
#[test]
fn another_model_does_not_reproduce() {
    let (_temp, dir) = folder();
    let other = SUBMITTED.join("runs/tiny/seed-42/model.int8.zlib");
    let artifact = repacked(&dir, |members| {
        let model = members.iter_mut().find(|(path, _)| path == "seed-0/model.int8.zlib").unwrap();
        model.1 = Source::File(other.clone());
    });
    let ended = reproduce(&artifact, &data(), &[]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stdout.contains("seed 0: documents 0, 1, 2, 3, 4, 5, 6, 7 differ"), "{}", ended.stdout);
    let rows = rows(&ended.stdout);
    assert_eq!((rows[0][3], rows[1][3], rows[2][3]), ("8", "0", "0"), "{}", ended.stdout);
    assert_eq!(rows[0][6], rows[1][5], "the score of the model that is there");
}

/// The artifact with one row of the first seed's ledger lower by so many nats.
fn altered(dir: &Utf8Path, by: f64) -> Utf8PathBuf {
    repacked(dir, |members| {
        let row = |row: &ledger::LedgerRow| {
            let nats = if row.doc == 5 { row.nats - by } else { row.nats };
            serde_json::to_string(&ledger::LedgerRow { nats, ..*row }).unwrap() + "\n"
        };
        let (_, source) = members.iter_mut().find(|(path, _)| path == "seed-0/ledger.jsonl.zst").unwrap();
        let Source::File(path) = &*source else { panic!() };
        let lines: String = ledger::read(path).unwrap().rows.iter().map(row).collect();
        *source = Source::Bytes(zstd::encode_all(lines.as_bytes(), 3).unwrap());
    })
}

/// One document of eight, less than a thousandth nat a token better: found, and named.
#[test]
fn one_altered_row_is_named() {
    let (_temp, dir) = folder();
    let artifact = altered(&dir, 0.1);
    let ended = reproduce(&artifact, &data(), &[]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stdout.contains("seed 0: documents 5 differ"), "{}", ended.stdout);
    assert_eq!(rows(&ended.stdout)[0][1..4], ["8/8".to_owned(), (DOCS - 1).to_string(), "1".to_owned()]);
    assert!(ended.stdout.contains("seed 0: recomputed less claimed is +"), "{}", ended.stdout);
    reproduce(&artifact, &data(), &["--tolerance", "0.01"]).succeeds();
}

/// Where nobody states the machine, or it was a GPU, a small difference is rounding, and a large one is to be looked at there.
#[test]
fn a_ledger_of_another_machine_may_differ_by_what_its_arithmetic_does() {
    let (_temp, dir) = folder();
    let of_a_gpu = |name: &str, by: f64, hardware: Value| {
        let place = dir.join(name);
        fs::create_dir(&place).unwrap();
        let base = altered(&place, by);
        let unpacked = place.join("again");
        let Manifest { name, versions, limits, counted, members, .. } =
            artifact::unpack(&base, &unpacked, &artifact::UnpackLimits::default(), false).unwrap();
        let member = |member: artifact::Member| {
            let file = unpacked.join(&member.path);
            if member.path != "ledgers.json" {
                return (member.path, Source::File(file));
            }
            let mut json: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
            json["hardware"] = hardware.clone();
            (member.path, Source::Bytes(json.to_string().into_bytes()))
        };
        let members = members.into_iter().map(member).collect();
        let models = counted.runs.into_iter().map(|run| (run.seed, run.model)).collect();
        let out = place.join("gpu.tar.zst");
        artifact::pack(&Contents { name, versions, limits, members, models }, &out, 0, false).unwrap();
        reproduce(&out, &data(), &[])
    };
    let gpu = serde_json::json!(["cuda:0 NVIDIA H200"]);
    let small = of_a_gpu("small", 0.1, gpu.clone()).succeeds();
    assert!(small.stdout.contains("devices    cuda:0 NVIDIA H200 (as the ledger's author states)"), "{}", small.stdout);
    assert!(small.stdout.contains("never measured"), "{}", small.stdout);
    of_a_gpu("unnamed", 0.1, Value::Null).succeeds();
    let large = of_a_gpu("large", 20.0, gpu);
    assert_eq!(large.code, Some(1), "{}", large.stdout);
    assert!(large.stdout.contains("compare on a device of the ledger's kind"), "{}", large.stdout);
}

#[test]
fn what_cannot_be_reproduced_says_why() {
    let (_temp, dir) = folder();
    let alone = dir.join("2026-05-01_tiny");
    native::copy_folder(&records(&SUBMITTED), &alone);
    reproduce(&alone, &data(), &[])
        .refused(2, &[alone.as_str(), "tiny.tar.zst", "beside it", "above it", "pass the artifact"]);
    let none = dir.join("none.tar.zst");
    reproduce(&none, &data(), &[]).refused(2, &[none.as_str(), "no such artifact or records folder"]);
    let bytes = fs::read(packed()).unwrap();
    let spoiled = dir.join("spoiled.tar.zst");
    for half in [&bytes[..bytes.len() / 2], b"no artifact"] {
        fs::write(&spoiled, half).unwrap();
        reproduce(&spoiled, &data(), &[]).refused(2, &[spoiled.as_str()]);
    }
    let nowhere = dir.join("nowhere");
    reproduce(&packed(), &nowhere, &[]).refused(2, &[nowhere.as_str(), "there is no such folder"]);
    reproduce(&packed(), &data(), &["--sample", "0"]).refused(2, &["--sample"]);
    reproduce(&packed(), &data(), &["--nonce", "x"]).refused(2, &["--sample"]);
    let verified = caddie(&["verify", records(&SUBMITTED).as_str()]);
    assert_eq!(verified.code, Some(0), "{}", verified.stdout);
}

/// The draw follows from the ledger's digest and the reviewer's word, and the report says what it supports.
#[test]
fn a_nonce_draws_and_the_report_says_what_that_supports() {
    let sample = |nonce: &str| reproduce(&packed(), &data(), &["--sample", "20", "--nonce", nonce]);
    let one = sample("my word").succeeds();
    assert_eq!(sample("my word").succeeds().stdout, one.stdout);
    assert!(one.stdout.contains("(--sample 20 --nonce 'my word')"), "{}", one.stdout);
    // 1 − 0.05^(1/20), and 7 · ln 40 / (3 · 19) where nothing differs.
    assert!(one.stdout.contains("a share of 13.91 % or more"), "{}", one.stdout);
    assert!(one.stdout.contains("20 draws of 8 documents") && one.stdout.contains("at most 45.30 %"), "{}", one.stdout);
    let few = |nonce: &str| {
        let ended = reproduce(&packed(), &data(), &["--sample", "2", "--nonce", nonce]).succeeds();
        rows(&ended.stdout).iter().map(|row| row[5].to_owned()).collect::<Vec<_>>()
    };
    assert!(["a", "b", "c"].iter().any(|nonce| few(nonce) != few("d")), "another word draws other documents");
    let drawn = reproduce(&packed(), &data(), &["--sample", "1"]).succeeds();
    assert!(drawn.stdout.contains("(--sample 1 --nonce '"), "a random draw says how to repeat it: {}", drawn.stdout);
    assert!(rows(&drawn.stdout).iter().all(|row| row[1] == "1/8"), "{}", drawn.stdout);
}
