//! `run.json`: what a run of a script was made with, how it ended, and what it wrote.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::render::script::Module;
use crate::runner::asked;
use caddie_files::{Error, Result};

/// Name of the file in a run directory.
pub const FILE: &str = "run.json";
/// Version of its layout.
const SCHEMA_VERSION: u32 = 1;

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    pub schema_version: u32,
    pub state: State,
    pub seed: u64,
    pub cause: Cause,
    /// The mark that the processes of the run carry in their environment.
    pub mark: String,
    pub machine: Machine,
    pub started: jiff::Timestamp,
    pub ended: Option<jiff::Timestamp>,
    pub seconds: Option<f64>,
    /// `exit status: 1`, `signal: 9 (SIGKILL)`; `None` while it runs.
    pub status: Option<String>,
    /// The reason for its failure.
    pub reason: Option<String>,
    /// Processes that outlived the first one and were ended.
    pub left_behind: usize,
    /// The files that the script wrote in its folder.
    pub files: Vec<Written>,
    /// The file of its output, beside its folder; `None` while it runs.
    #[serde(default)]
    pub log: Option<Written>,
}

/// The progress of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Running,
    Finished,
    Failed,
}

/// Everything that decides a run: two runs with the same cause need not both be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    pub script: Utf8PathBuf,
    pub script_bytes: u64,
    pub script_sha256: String,
    /// Files beside the script that it imports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modules: Vec<Written>,
    pub command: Vec<String>,
    /// An allow-list; see [`super::environment`].
    pub env: BTreeMap<String, String>,
    /// Names of what the script was given and is not written down.
    pub env_withheld: Vec<String>,
}

/// Settings that change nothing of a run, such as the choice among devices of one kind.
const OF_NO_MATTER: [&str; 2] = ["CUDA_VISIBLE_DEVICES", "NCCL_DEBUG"];

impl Cause {
    /// Tells whether two runs are seeds of one entry: one script with one environment, apart from seed and run id.
    pub fn is_of_one_entry_with(&self, other: &Cause) -> bool {
        let plain = |cause: &Cause| {
            let mut env = cause.env.clone();
            env.retain(|name, _| {
                !["SEED", "RUN_ID"].contains(&name.as_str()) && !OF_NO_MATTER.contains(&name.as_str())
            });
            (cause.script_sha256.clone(), cause.modules.clone(), env, cause.command.first().cloned())
        };
        plain(self) == plain(other)
    }

    /// Tells whether a run of the one need not be made again for the other.
    pub fn is_that_of(&self, other: &Cause) -> bool {
        let plain = |cause: &Cause| {
            let mut cause = cause.clone();
            cause.env.retain(|name, _| !OF_NO_MATTER.contains(&name.as_str()));
            // What is withheld decides nothing that could be compared.
            cause.env_withheld.clear();
            cause
        };
        plain(self) == plain(other)
    }
}

/// The machine and the versions of a run, as far as they could be found out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    pub caddie: String,
    pub python: Option<String>,
    pub torch: Option<String>,
    /// One line a GPU, by nvidia-smi: name, memory, driver.
    pub gpus: Vec<String>,
    /// The commit of the repository that the script lies in.
    pub git_commit: Option<String>,
    /// True if tracked files differed from that commit.
    pub git_dirty: Option<bool>,
}

/// A file that the script wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Below the folder that the script ran in.
    pub path: Utf8PathBuf,
    pub bytes: u64,
    pub sha256: String,
}

impl RunRecord {
    /// The record of a run that begins.
    pub fn begin(seed: u64, cause: Cause, machine: Machine, mark: String) -> RunRecord {
        RunRecord {
            schema_version: SCHEMA_VERSION,
            state: State::Running,
            seed,
            cause,
            mark,
            machine,
            started: jiff::Timestamp::now(),
            ended: None,
            seconds: None,
            status: None,
            reason: None,
            left_behind: 0,
            files: Vec::new(),
            log: None,
        }
    }

    /// The record in a run directory; `None` where there is none that this version can read.
    ///
    /// # Errors
    /// When it is there and cannot be read from disk.
    pub fn read(dir: &Utf8Path) -> Result<Option<RunRecord>> {
        let path = dir.join(FILE);
        if !path.is_file() {
            return Ok(None);
        }
        let record: Option<RunRecord> = serde_json::from_str(&caddie_files::read_text(&path)?).ok();
        Ok(record.filter(|record| record.schema_version == SCHEMA_VERSION))
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&self, dir: &Utf8Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(|error| Error::Internal(format!("{FILE}: {error}")))?;
        asked::keep(&dir.join(FILE), format!("{text}\n").as_bytes())
    }
}

impl Written {
    /// A module as it ships.
    pub fn of_module(module: &Module) -> Written {
        let sha256 = caddie_format::sha256(&module.content);
        Written { path: module.path.clone(), bytes: module.content.len() as u64, sha256 }
    }

    /// The file `path` below `dir`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of_file(dir: &Utf8Path, path: &Utf8Path) -> Result<Written> {
        let whole = dir.join(path);
        let bytes = whole.metadata().map_err(Error::io(&whole, "reading"))?.len();
        Ok(Written { path: path.to_owned(), bytes, sha256: caddie_files::sha256(&whole)? })
    }
}

/// Every file below `dir`, with its hash.
///
/// # Errors
/// When one cannot be read.
pub fn written(dir: &Utf8Path) -> Result<Vec<Written>> {
    let listing = caddie_files::list(dir)?;
    let hashed = |file: caddie_files::FileEntry| {
        let sha256 = caddie_files::sha256(&dir.join(&file.path))?;
        Ok(Written { path: file.path, bytes: file.bytes, sha256 })
    };
    listing.files.into_iter().map(hashed).collect()
}
