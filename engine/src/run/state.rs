//! The contents of a run directory, and the run to which it belongs.

use caddie_format::{atomic, hex, sha256};
use std::fs::{File, TryLockError};
use std::io::Read as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Job, files};
use crate::data::DataSet;
use crate::recipe::EvalMode;
use crate::{Error, Result};

/// Advice about a run directory that holds something else.
pub(super) const ANOTHER_PLACE: &str = "choose another --out (or --name), or delete the directory";

/// The last finished phase of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    Started,
    Trained,
    Quantized,
    Evaluated,
}

/// `state.json`: the contents of a run directory, and the run to which it belongs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub phase: Phase,
    pub seed: u64,
    /// SHA-256 of the resolved recipe, in hexadecimal.
    pub recipe_sha256: String,
    /// Name and shard sizes of the data, so that a run is not continued on other data.
    pub data: String,
    /// Milliseconds of training on the training clock; a quantizer's calibration has the rest of the cap.
    #[serde(default)]
    pub train_time_ms: f64,
    /// Name of the model file, once there is one.
    #[serde(default)]
    pub model: Option<String>,
    /// Modes whose scores are in the log.
    #[serde(default)]
    pub scored: Vec<EvalMode>,
    /// Length of the log when the phase ended; later lines belong to the next phase.
    pub log_bytes: u64,
}

impl State {
    /// The state in `dir`, if there is one.
    pub fn read(dir: &Path) -> Result<Option<State>> {
        let path = dir.join(files::STATE);
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|e| Error::format(&path, format!("{e}; delete the run directory to start over"))),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::io(path, "reading")(e)),
        }
    }

    /// The directory's state, after checking that it belongs to `job`; a fresh one when there is none.
    pub(super) fn open(job: &Job, data: &DataSet) -> Result<State> {
        let fresh = State {
            phase: Phase::Started,
            seed: job.seed,
            recipe_sha256: sha256(job.recipe.to_toml().as_bytes()),
            data: fingerprint(data)?,
            train_time_ms: 0.0,
            model: None,
            scored: Vec::new(),
            log_bytes: 0,
        };
        let Some(found) = State::read(&job.dir)? else { return Ok(fresh) };
        let differs = [
            (found.recipe_sha256 != fresh.recipe_sha256, "recipe"),
            (found.seed != fresh.seed, "seed"),
            (found.data != fresh.data, "data set"),
        ];
        match differs.iter().find(|(differs, _)| *differs) {
            None => Ok(found),
            Some((_, what)) => {
                Err(Error::format(&job.dir, format!("this run directory belongs to another {what}; {ANOTHER_PLACE}")))
            }
        }
    }

    pub(super) fn write(&self, dir: &Path) -> Result<()> {
        let path = dir.join(files::STATE);
        let json = serde_json::to_vec_pretty(self).map_err(|e| Error::format(&path, e.to_string()))?;
        atomic::write(&path, |out| out.write_all(&json).map_err(Error::io(&path, "writing"))).map(|_| ())
    }
}

/// Returns name, shard sizes, the beginning of every shard, and the tokenizer: quick to read, and different for any two
/// data sets that a run could confuse.
fn fingerprint(data: &DataSet) -> Result<String> {
    const BEGINNING: u64 = 64 << 10;
    let mut hash = Sha256::new();
    for path in data.train.iter().chain(&data.val).chain(&data.tokenizer) {
        let file = File::open(path).map_err(Error::io(path, "opening"))?;
        hash.update(file.metadata().map_err(Error::io(path, "measuring"))?.len().to_le_bytes());
        let mut beginning = Vec::new();
        file.take(BEGINNING).read_to_end(&mut beginning).map_err(Error::io(path, "reading"))?;
        hash.update(&beginning);
    }
    Ok(format!("{} {}", data.name, &hex(&hash.finalize())[..16]))
}

/// Creates the run directory, or refuses one that holds somebody's other files, because a run would overwrite its
/// log.txt.
pub(super) fn check_folder(dir: &Path) -> Result<()> {
    if dir.exists() && !dir.is_dir() {
        return Err(Error::format(dir, "is a file, so it cannot be a run directory; name a folder"));
    }
    std::fs::create_dir_all(dir).map_err(Error::io(dir, "creating"))?;
    let empty = std::fs::read_dir(dir).map_err(Error::io(dir, "listing"))?.next().is_none();
    let ours = [files::LOCK, files::STATE].iter().any(|name| dir.join(name).exists());
    if empty || ours {
        return Ok(());
    }
    Err(Error::format(dir, "holds files but no run, and is left alone; name a new or empty folder for the run"))
}

/// Locks `dir` for this process; the system releases the lock when the process ends, however it ends.
///
/// # Errors
/// When another process holds it, and when the lock file cannot be created.
pub fn lock(dir: &Path) -> Result<File> {
    let path = dir.join(files::LOCK);
    let file = File::create(&path).map_err(Error::io(&path, "creating"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::format(
            dir,
            "another caddie is working in this run directory; wait until it ends, or choose another --out",
        )),
        Err(TryLockError::Error(source)) => Err(Error::io(path, "locking")(source)),
    }
}
