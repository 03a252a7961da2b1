//! The finished runs of a submission: `runs/<name>/seed-<n>/`.

use camino::{Utf8Path, Utf8PathBuf};

use super::ledgers::LedgerSummary;
use super::recipe::RecipeText;
use caddie_files::{Error, Result};
use caddie_folder::{Fact, RunLog, read_log};

/// One finished run.
#[derive(Debug, Clone, PartialEq)]
pub struct FinishedRun {
    /// The seed from the log, not from the folder's name.
    pub seed: i64,
    pub log: RunLog,
    pub recipe: RecipeText,
    /// Path of the one `model.*` in the folder.
    pub model: Utf8PathBuf,
    pub ledger: Utf8PathBuf,
    pub ledger_summary: LedgerSummary,
}

/// Reads every `seed-*` folder of `runs`, in ascending order of seed.
///
/// # Errors
/// When there is none, when one is not finished or does not agree with itself (see [`FinishedRun::open`]), or when two
/// are not of one recipe and one validation set.
pub fn find(runs: &Utf8Path) -> Result<Vec<FinishedRun>> {
    let mut found = Vec::new();
    for entry in runs.read_dir_utf8().map_err(Error::io(runs, "listing"))? {
        let entry = entry.map_err(Error::io(runs, "listing"))?;
        if entry.file_name().starts_with("seed-") && entry.path().is_dir() {
            let log = read_log(&entry.path().join("log.txt"))?;
            found.push(FinishedRun::open(entry.path(), log)?);
        }
    }
    if found.is_empty() {
        let reason =
            "holds no seed-<n> folder; name the folder of one submission's runs, for example runs/NaiveBaseline";
        return Err(Error::unreadable(runs, reason));
    }
    agree(&mut found)?;
    Ok(found)
}

/// Sorts the runs and checks that they are of one submission.
///
/// # Errors
/// When two differ in their recipe, or in the documents, tokens or bytes that they scored.
pub fn agree(runs: &mut [FinishedRun]) -> Result<()> {
    runs.sort_by_key(|run| run.seed);
    for pair in runs.windows(2) {
        let [a, b] = pair else { continue };
        if a.recipe != b.recipe {
            let reason =
                format!("its recipe is not that of {}; a submission is several seeds of one recipe", a.log.log);
            return Err(Error::unreadable(&b.log.log, reason));
        }
        let scored = |run: &FinishedRun| {
            let LedgerSummary { documents, tokens, bytes, .. } = run.ledger_summary;
            (documents, tokens, bytes)
        };
        if scored(a) != scored(b) {
            let reason = format!("it scores other documents than {}: the validation data differ", a.ledger);
            return Err(Error::unreadable(&b.ledger, reason));
        }
    }
    Ok(())
}

impl FinishedRun {
    /// Reads the run in `dir`, whose `log.txt` was read as `log`.
    ///
    /// # Errors
    /// When a file is missing, the model's size is not the one in the log, or the ledger's digest or scores are not.
    pub fn open(dir: &Utf8Path, log: RunLog) -> Result<FinishedRun> {
        let unfinished = |what: &str| {
            let reason = format!("{what}: the run is not finished; the command that began it continues it");
            Error::unreadable(dir, reason)
        };
        let seed = log.seed.value().ok_or_else(|| unfinished("log.txt states no seed"))?;
        let recipe = RecipeText::from_log(&log.log)?;
        let model = model_file(dir)?.ok_or_else(|| unfinished("holds no model file"))?;
        let bytes = model.metadata().map_err(Error::io(&model, "reading"))?.len();
        if let Some(stated) = log.bytes_model.value().filter(|stated| *stated != bytes) {
            return Err(Error::unreadable(
                &model,
                format!("has {bytes} bytes, {} says {stated}; evaluate it again", log.log),
            ));
        }
        let ledger = dir.join("ledger.jsonl.zst");
        if !ledger.is_file() {
            return Err(unfinished("holds no ledger.jsonl.zst"));
        }
        let ledger_summary = LedgerSummary::read(&ledger)?;
        ledger_summary.check(&ledger, &log)?;
        Ok(FinishedRun { seed, log, recipe, model, ledger, ledger_summary })
    }
}

fn model_file(dir: &Utf8Path) -> Result<Option<Utf8PathBuf>> {
    let mut models = Vec::new();
    for entry in dir.read_dir_utf8().map_err(Error::io(dir, "listing"))? {
        let entry = entry.map_err(Error::io(dir, "listing"))?;
        // `caddie evaluate` puts its ledgers beside the model and names them after it.
        let ledger = entry.file_name().ends_with(".ledger.jsonl.zst");
        if entry.file_name().starts_with("model.") && !ledger && entry.path().is_file() {
            models.push(entry.path().to_owned());
        }
    }
    models.sort();
    match models.as_slice() {
        [] => Ok(None),
        [model] => Ok(Some(model.clone())),
        [a, b, ..] => Err(Error::unreadable(dir, format!("holds two model files, {a} and {b}; keep the scored one"))),
    }
}
