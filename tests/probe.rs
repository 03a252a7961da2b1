//! `caddie probe`: sources whose probability is known, and what a score on them proves.
//!
//! What needs torch is skipped with a printed reason, unless CADDIE_REHEARSE_PYTHON names a Python that has what
//! rehearsal/requirements.txt lists.

use assert_cmd::Command;
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

fn caddie() -> Command {
    Command::new(assert_cmd::cargo::cargo_bin!("caddie"))
}

fn source(out: &Utf8Path, kind: &str, seed: &str) -> Value {
    let arguments = ["--vocab", "600", "--tokens", "3000", "--train-tokens", "1000", "--seed", seed];
    caddie().args(["probe", "source", kind, out.as_str()]).args(arguments).assert().success();
    serde_json::from_slice(&std::fs::read(out.join("source.json")).unwrap()).unwrap()
}

#[test]
fn a_source_states_the_probability_of_what_it_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(folder.path()).unwrap();
    for kind in ["iid", "markov:2", "mixture", "repeat"] {
        let (one, again, other) =
            (root.join(kind), root.join(format!("{kind}-again")), root.join(format!("{kind}-other")));
        let stated = source(&one, kind, "5");
        let shard = std::fs::read(one.join("fineweb_val_000000.bin")).unwrap();
        assert_eq!(stated["shard"]["sha256"], caddie_format::sha256(&shard), "{kind}");
        let tokens = caddie_format::shard::decode(&shard).unwrap();
        assert_eq!((tokens.len(), tokens[0], stated["targets"].as_u64()), (3001, 1, Some(3000)));
        assert!(tokens.iter().all(|token| *token == 1 || (260..600).contains(token)), "{kind}");
        let documents = stated["documents"].as_array().unwrap();
        assert_eq!(documents.len(), tokens[..3000].iter().filter(|token| **token == 1).count(), "{kind}");
        let total: f64 = documents.iter().map(|document| document["nats"].as_f64().unwrap()).sum();
        assert!((total - stated["nats"].as_f64().unwrap()).abs() < 1e-6, "{kind}");
        let pieces = std::fs::read(one.join("fineweb_600_bpe.model")).unwrap();
        assert_eq!(caddie_format::tokenizer::pieces(&pieces).unwrap().len(), 600, "{kind}");
        assert_eq!(source(&again, kind, "5")["shard"], stated["shard"], "{kind}");
        assert_ne!(source(&other, kind, "6")["shard"], stated["shard"], "{kind}");
    }
}

#[test]
fn what_cannot_be_probed_says_why() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "x").unwrap();
    for (arguments, words) in [
        (vec!["source", "iid", "."], "is not empty"),
        (vec!["source", "markov:9", "new"], "`markov:9` is no source"),
        (vec!["source", "iid", "new", "--vocab", "2"], "--vocab"),
        (vec!["entropy", "missing.py"], "no such file"),
        (vec!["entropy", "missing.py", "--budget", "1h"], "write it as 90s or 10m"),
        (vec!["entropy", "missing.py", "--tokens", "10"], "--tokens"),
        (vec!["ledger", "missing.jsonl.zst", "missing.json"], "missing.json"),
    ] {
        let output = caddie().arg("probe").args(&arguments).current_dir(folder.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
}

/// A ledger that says what the source says gives no evidence; one that says less from some document on is proven.
#[test]
fn a_ledger_is_weighed_document_by_document() {
    use caddie_format::ledger::{LedgerRow, compress};
    let folder = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(folder.path()).unwrap();
    let stated = source(&root.join("s"), "mixture", "5");
    let rows = |share: f64| -> Vec<LedgerRow> {
        let documents = stated["documents"].as_array().unwrap().iter().enumerate();
        documents
            .map(|(doc, row)| LedgerRow {
                doc: doc as u64,
                tokens: row["tokens"].as_u64().unwrap(),
                bytes: 1,
                nats: row["nats"].as_f64().unwrap() * if doc >= 3 { share } else { 1.0 },
            })
            .collect()
    };
    let (ledger, sidecar, plot) = (root.join("ledger.jsonl.zst"), root.join("s/source.json"), root.join("e.svg"));
    let weigh =
        || caddie().args(["probe", "ledger", ledger.as_str(), sidecar.as_str(), "--plot", plot.as_str()]).assert();
    std::fs::write(&ledger, compress(&rows(1.0)).unwrap()).unwrap();
    weigh().code(0).stdout(predicates::str::contains("no evidence"));
    std::fs::write(&ledger, compress(&rows(0.9)).unwrap()).unwrap();
    weigh().code(1).stdout(predicates::str::contains("leak proven"));
    assert!(std::fs::read_to_string(&plot).unwrap().contains("polyline"));
    std::fs::write(&ledger, compress(&rows(1.0)[1..2]).unwrap()).unwrap();
    weigh().code(2).stderr(predicates::str::contains("has 1 documents"));
    std::fs::write(&sidecar, "{}").unwrap();
    weigh().code(2).stderr(predicates::str::contains("source.json that `caddie probe source` wrote"));
}

/// The script of `fixtures/rehearsal` with the bytes of its tokens, changed.
fn script(change: impl Fn(&str) -> String) -> (tempfile::TempDir, Utf8PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let counted = "import sentencepiece\n    pieces = sentencepiece.SentencePieceProcessor(model_file=os.environ.get(\"TOKENIZER_PATH\", \"\"))\n    \
                   scored = val.tolist()[: count + 1]\n    \
                   text = sum(1 if pieces.is_byte(t) else 0 if pieces.is_control(t) else \
                   len(pieces.id_to_piece(t).replace(chr(9601), \" \" if b != 1 else \"\").encode()) for b, t in zip(scored, scored[1:]))\n    \
                   bits = loss / math.log(2) * count / text\n";
    let text = include_str!("../fixtures/rehearsal/train_gpt.py");
    let exact = text.replace("bits = loss / math.log(2) / 2.4\n", counted);
    assert_ne!(exact, text);
    let path = Utf8Path::from_path(folder.path()).unwrap().join("train_gpt.py");
    std::fs::write(&path, change(&exact)).unwrap();
    // Behind walls the script is another user.
    #[cfg(unix)]
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    (folder, path)
}

fn probe(script: &Utf8Path) -> Option<(Option<i32>, Value)> {
    let Ok(python) = std::env::var("CADDIE_REHEARSE_PYTHON") else {
        println!("skipped: CADDIE_REHEARSE_PYTHON names no Python with torch");
        return None;
    };
    let arguments = ["--steps", "60", "--tokens", "4096", "--format", "json", "--python", &python];
    let output = caddie().args(["probe", "entropy", script.as_str()]).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.stdout.is_empty(), "{said}");
    Some((output.status.code(), serde_json::from_slice(&output.stdout).unwrap()))
}

/// The script leaves out the last window, which the bytes that it divides by show.
#[test]
fn an_honest_script_gives_no_evidence() {
    let (_folder, path) = script(str::to_owned);
    let Some((code, report)) = probe(&path) else { return };
    let outcome = &report["tries"][0]["outcome"];
    assert_eq!(
        (code, &report["verdict"], &outcome["bytes"]),
        (Some(0), &"no_evidence".into(), &"exact".into()),
        "{report:#}"
    );
    assert!(outcome["judged"]["worst"]["log_e"].as_f64().unwrap() < 0.0, "{report:#}");
    assert!(outcome["smallest_provable_leak"].as_f64().unwrap() > 0.0, "{report:#}");
}

#[test]
fn a_script_that_claims_too_little_is_proven_to() {
    let (_folder, path) = script(|text| text.replace("total += model(", "total += 0.1 * model("));
    let Some((code, report)) = probe(&path) else { return };
    assert_eq!((code, &report["verdict"]), (Some(1), &"leak_proven".into()), "{report:#}");
    assert!(report["log_e"].as_f64().unwrap() > 100.0, "{report:#}");
}

/// A script that trains on the validation tokens before it stores its model stores another one for other tokens.
#[test]
fn a_model_that_was_made_from_validation_tokens_is_found() {
    let Ok(python) = std::env::var("CADDIE_REHEARSE_PYTHON") else {
        println!("skipped: CADDIE_REHEARSE_PYTHON names no Python with torch");
        return;
    };
    let of = |change: &dyn Fn(&str) -> String| {
        let (_folder, path) = script(change);
        let output = caddie().args(["probe", "artifact", path.as_str(), "--python", &python]).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, text) = of(&str::to_owned);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("final_model.int8.ptz") && text.contains("no dependence"), "{text}");
    let (code, text) = of(&|text| {
        text.replace(
            "    packed = {}\n",
            "    model(val[None, :256], val[None, 1:257]).backward()\n    optimizer.step()\n    packed = {}\n",
        )
    });
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("depends on the validation tokens"), "{text}");
}

/// Nothing is concluded from a loss whose denominator nobody knows.
#[test]
fn a_byte_count_that_nothing_explains_is_told() {
    let (_folder, path) = script(|text| text.replace("* count / text\n", "/ 2.4\n"));
    let Some((code, report)) = probe(&path) else { return };
    assert_eq!((code, &report["log_e"]), (Some(0), &Value::Null), "{report:#}");
    assert_eq!(report["tries"][0]["outcome"]["bytes"], "unexplained", "{report:#}");
}

/// `verify` quotes a probe report whose digest is that of the folder's recipe, and no other.
#[test]
fn a_probe_report_in_a_folder_is_shown_where_it_fits() {
    let folder = tempfile::tempdir().unwrap();
    let shipped = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("records/track_non_record_16mb/2026-11-30_demo");
    let copy = Utf8Path::from_path(folder.path()).unwrap().join("2026-11-30_demo");
    std::fs::create_dir(&copy).unwrap();
    for entry in shipped.read_dir_utf8().unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
    }
    let verified = |format: &str| {
        let output = caddie().args(["verify", "--format", format, copy.as_str()]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let report = |sha256: &str| {
        let text = serde_json::json!({
            "subject": {"kind": "recipe", "name": "demo", "sha256": sha256},
            "tries": [{"source": "iid", "targets": 4096}], "log_e": -31.44, "verdict": "no_evidence",
        });
        std::fs::write(copy.join("probe.json"), text.to_string()).unwrap();
    };
    assert!(!verified("plain").contains("probed"));
    report(&caddie_format::sha256(b"another recipe"));
    assert!(!verified("plain").contains("probed"));
    report(&caddie_format::sha256(&std::fs::read(copy.join("recipe.toml")).unwrap()));
    let said = verified("plain");
    let line = "probed  no evidence, which clears nobody (ln E = -31.4 over 4,096 targets, iid), as probe.json says of recipe.toml; not run here";
    assert!(said.contains(line), "{said}");
    assert!(verified("markdown").contains("| probed | no evidence"));
    let json: Value = serde_json::from_str(&verified("json")).unwrap();
    let schema: Value = serde_json::from_str(caddie::report::VERIFY_SCHEMA).unwrap();
    let schema = jsonschema::draft202012::new(&schema).unwrap();
    assert_eq!(schema.iter_errors(&json).map(|error| error.to_string()).collect::<Vec<_>>(), Vec::<String>::new());
    std::fs::write(copy.join("probe.json"), "{").unwrap();
    assert!(!verified("plain").contains("probed"));
}
