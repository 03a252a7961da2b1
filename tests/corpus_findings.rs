//! What logs and files say by themselves, over the merged records that were worked out by hand: every discrepancy of
//! the codes below is found, and no error where there is none.
//!
//! `CADDIE_SHARED` names the corpus (logs and metadata); with `CADDIE_UPSTREAM`, a checkout of openai/parameter-golf,
//! the same folders are read with their scripts and READMEs.

use std::collections::BTreeSet;

use caddie::checks::{VerifyOptions, verify_read};
use caddie::folder::{Folder, RunLog};
use caddie::report::{Code, Finding, Severity};
use caddie::rulebook::Rulebook;
use camino::{Utf8Path, Utf8PathBuf};

/// A code, and whether a run states what it is found by; `None` where the folder's files tell.
type Needs = Option<fn(&RunLog) -> bool>;

const CODES: &[(Code, Needs)] = &[
    (Code::TrainTimeOver600s, Some(|run| run.train_seconds.is_some())),
    (Code::EvalTimeOver600s, Some(|run| run.span.1 > 0)),
    (Code::EvalWallOver600s, Some(|run| run.eval_wall_seconds.is_some())),
    (Code::TrainPlusGptqOver600s, Some(|run| run.gptq_hessian_seconds.is_some())),
    (Code::ConfigDrift, Some(|run| !run.hyperparameters.is_empty())),
    (Code::CodeChangedBetweenSeeds, Some(|run| run.bytes_code.is_some())),
    (Code::CodeChangedDuringRun, Some(|run| run.source.is_some())),
    (Code::CodeCountMethod, Some(|run| run.bytes_code_uncompressed.is_some())),
    (Code::EmbeddedSourceNeLoggedCodeSize, Some(|run| run.source.is_some())),
    (Code::EmbeddedSourceEdited, Some(|run| run.source.is_some())),
    (Code::ScriptIsNotTheRun, Some(|run| run.source.is_some())),
    (Code::Independence, Some(|run| run.bytes_code.is_some())),
    (Code::SameSeedInSeveralLogs, Some(|run| run.seed.is_some())),
    (Code::SeedLabelMismatch, Some(|run| run.span.1 > 0)),
    (Code::FewerThan3SeedLogs, Some(|run| run.span.1 > 0)),
    (Code::WrongWorldSize, Some(|run| run.world_size.is_some())),
    (Code::WrongHardware, Some(|run| run.gpu.is_some())),
    (Code::PartialValidation, Some(|run| run.partial_validation.is_some())),
    (Code::TrainShards, Some(|run| run.train_shards.is_some())),
    (Code::ResumedRun, Some(|run| run.resumed_from.is_some())),
    (Code::MultiRunLog, Some(|run| run.run_index > 0)),
    (Code::DoubleRunInLog, Some(|run| run.reprints > 0)),
    (Code::OfficialScoreInSecondLog, Some(|run| run.score_log.is_some())),
    (Code::LogLabel, Some(|run| run.bytes_model_label.is_some())),
    (Code::LogNameVsContent, Some(|run| run.span.1 > 0)),
    (Code::SizeOnlyInMb, Some(|run| run.megabytes.is_some())),
    (Code::DuplicateLog, None),
    (Code::ExtraFiles, None),
    (Code::ExternalBinary, None),
    (Code::EmptyTrainScript, None),
    (Code::MissingLog, None),
    (Code::MissingReadme, None),
    (Code::MissingSubmissionJson, None),
    (Code::MissingTrainScript, None),
    (Code::NonstandardScriptName, None),
    (Code::NonstandardJsonName, None),
];

/// Codes that need the scripts, the READMEs or the sources in the logs, which the corpus leaves out.
const NEED_CHECKOUT: &[Code] = &[
    Code::CodeChangedDuringRun,
    Code::EmbeddedSourceNeLoggedCodeSize,
    Code::EmbeddedSourceEdited,
    Code::ScriptIsNotTheRun,
    Code::ExtraFiles,
    Code::ExternalBinary,
    Code::EmptyTrainScript,
    Code::MissingReadme,
    Code::MissingTrainScript,
    Code::NonstandardScriptName,
    Code::DoubleRunInLog,
    Code::MultiRunLog,
];

/// What is known to be missed, and why.
const MISSED: &[(&str, Code, &str)] = &[(
    "2026-04-05_118M_XNOR-Net_FP8_1024D_10L",
    Code::LogNameVsContent,
    "which layers a log's name means is in words that no setting of the log spells",
)];

/// The corpus, and the records to read: a checkout where there is one.
fn places() -> Option<(Utf8PathBuf, Utf8PathBuf, bool)> {
    let shared =
        std::env::var("CADDIE_SHARED").unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../shared").into());
    let corpus = Utf8PathBuf::from(shared).join("corpus");
    if !corpus.join("truth.json").is_file() {
        eprintln!("skipped: no corpus at {corpus}");
        return None;
    }
    match std::env::var("CADDIE_UPSTREAM") {
        Ok(checkout) => Some((corpus, Utf8Path::new(&checkout).join("records"), true)),
        Err(_) => Some((corpus.clone(), corpus.join("records"), false)),
    }
}

struct Checked {
    name: String,
    runs: Vec<RunLog>,
    findings: Vec<Finding>,
    expected: Vec<(String, String)>,
}

fn check(records: &Utf8Path, key: &str, truth: &serde_json::Value, book: &Rulebook) -> Checked {
    let folder = Folder::read(&records.join(key)).unwrap_or_else(|error| panic!("{key}: {error}"));
    let findings = verify_read(&folder, book, &VerifyOptions::default()).findings;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let expected = truth["discrepancies"].as_array().into_iter().flatten();
    let expected = expected.map(|found| (text(&found["code"]), text(&found["severity"]))).collect();
    let others = folder.runs.others.into_iter().map(|other| other.run);
    let runs = folder.runs.official.into_iter().chain(others).collect();
    Checked { name: key.rsplit('/').next().unwrap_or(key).to_owned(), runs, findings, expected }
}

#[test]
fn what_was_found_by_hand_is_found_and_no_error_beside_it() {
    let Some((corpus, records, whole)) = places() else { return };
    let truth = std::fs::read_to_string(corpus.join("truth.json")).expect("reads");
    let truth: serde_json::Value = serde_json::from_str(&truth).expect("JSON");
    let book = Rulebook::builtin().expect("loads");
    let folders: Vec<Checked> =
        truth.as_object().expect("folders").iter().map(|(key, truth)| check(&records, key, truth, &book)).collect();
    let mut waiting = BTreeSet::new();
    let (mut sought, mut found, mut wrong) = (0, 0, Vec::new());
    for (code, needs) in CODES {
        if !whole && NEED_CHECKOUT.contains(code) {
            continue;
        }
        let read = needs.is_none_or(|needs| folders.iter().any(|folder| folder.runs.iter().any(needs)));
        for folder in &folders {
            let expected: Vec<&str> =
                folder.expected.iter().filter(|(name, _)| name == code.name()).map(|(_, how)| how.as_str()).collect();
            let ours: Vec<&Finding> = folder.findings.iter().filter(|finding| finding.code == Some(*code)).collect();
            let is_error = ours.iter().any(|finding| finding.severity == Severity::Error);
            let should_be = expected.contains(&"error");
            if is_error && !should_be {
                wrong.push(format!("{}: {} is an error of ours alone", folder.name, code.name()));
            }
            if expected.is_empty() {
                continue;
            }
            sought += 1;
            found += usize::from(!ours.is_empty());
            let known = MISSED.iter().any(|(name, missed, _)| *name == folder.name && missed == code);
            if !ours.is_empty() && (is_error || !should_be) || known {
                continue;
            }
            if read {
                wrong.push(format!("{}: {} ({}) is not found", folder.name, code.name(), expected.join(", ")));
            } else {
                waiting.insert(code.name());
            }
        }
    }
    eprintln!("{found} of {sought} discrepancies found");
    if !waiting.is_empty() {
        eprintln!("waiting for the log reader: {}", waiting.into_iter().collect::<Vec<_>>().join(", "));
    }
    assert!(sought > 0 && wrong.is_empty(), "{}", wrong.join("\n"));
}
