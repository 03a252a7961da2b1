//! The statements of a finished run: the log that says most, and the model among the files.

use camino::{Utf8Path, Utf8PathBuf};

use super::record::RunRecord;
use super::seed::{FILES, LOG};
use crate::artifact::manifest::path_fault;
use crate::render::script::ScriptRun;
use caddie_files::text::thousands;
use caddie_files::{Error, Result};
use caddie_folder::{Fact as _, RunLog, read_log};

/// Texts that are looked through for a log; a script writes one or two.
const MAX_LOGS: usize = 50;

/// Reads the run in `dir`; where no log of it states a score that `verify` reads, says so.
///
/// # Errors
/// When its log cannot be read, or is of another seed than the run: then no seed of this script is what it should be.
pub fn of(dir: &Utf8Path, record: &RunRecord) -> Result<std::result::Result<ScriptRun, String>> {
    let log = best_log(dir, record)?;
    if log.val_bpb.is_none() {
        return Ok(Err(format!(
            "it ended well, but no log of it states a score that verify reads, in a line like \
             `final_int8_zlib_roundtrip_exact val_loss:2.07 val_bpb:1.22`; mend the script, or delete {dir} to run it again"
        )));
    }
    let stated = log.seed.value();
    if let Some(seed) = stated.filter(|seed| u64::try_from(*seed) != Ok(record.seed)) {
        let reason = format!(
            "states seed {seed}, and the run was given SEED={}: the script does not take its seed from the environment, so \
             these would not be runs of different seeds",
            record.seed
        );
        return Err(Error::unreadable(&log.log, reason));
    }
    let model = model(dir, record, &log);
    let seed = i64::try_from(record.seed).unwrap_or(i64::MAX);
    Ok(Ok(ScriptRun { seed, states_seed: stated.is_some(), log, model }))
}

/// The log of the run that states most; of two that state the same, what the script printed.
fn best_log(dir: &Utf8Path, record: &RunRecord) -> Result<RunLog> {
    let mut best = read_log(&dir.join(LOG))?;
    let is_log = |path: &&Utf8PathBuf| matches!(path.extension(), Some("txt" | "log"));
    for path in record.files.iter().map(|file| &file.path).filter(is_log).take(MAX_LOGS) {
        // What cannot be read is no log.
        let Ok(log) = read_log(&dir.join(FILES).join(path)) else { continue };
        if richness(&log) > richness(&best) {
            best = log;
        }
    }
    Ok(best)
}

/// Tells whether there is a score, and counts the facts.
fn richness(log: &RunLog) -> (bool, usize) {
    let facts = [
        log.val_loss.is_some(),
        log.seed.is_some(),
        log.bytes_model.is_some(),
        log.bytes_code.is_some(),
        log.bytes_total.is_some(),
        log.train_seconds.is_some(),
        log.eval_seconds.is_some(),
        log.steps.is_some(),
        log.step_avg_ms.is_some(),
        log.world_size.is_some(),
        log.gpu.is_some(),
        log.torch_version.is_some(),
        log.val_tokens.is_some(),
        log.peak_memory_mib.is_some(),
        log.source.is_some(),
        log.tokenizer.is_some(),
        log.dataset.is_some(),
    ];
    (log.val_bpb.is_some(), facts.iter().filter(|fact| **fact).count() + log.hyperparameters.len())
}

/// The file that has the length that the log counts as the model; else why it is not known.
fn model(dir: &Utf8Path, record: &RunRecord, log: &RunLog) -> std::result::Result<Utf8PathBuf, String> {
    let seed = record.seed;
    let Some(bytes) = log.bytes_model.value() else {
        return Err(format!("the log of seed {seed} states no size of the model, so it is not clear which file it is"));
    };
    let mut found = record.files.iter().filter(|file| file.bytes == bytes);
    let shown = thousands(bytes);
    let Some(first) = found.next() else {
        return Err(format!("seed {seed} wrote no file of the {shown} bytes that its log counts as the model"));
    };
    if found.any(|other| other.sha256 != first.sha256) {
        return Err(format!("seed {seed} wrote several files of the {shown} bytes that its log counts as the model"));
    }
    let name = first.path.file_name().unwrap_or_default();
    match path_fault(name) {
        None => Ok(dir.join(FILES).join(&first.path)),
        Some(fault) => Err(format!("the model of seed {seed}, {name:?}, {fault}")),
    }
}
