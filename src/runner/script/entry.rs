//! The entry that finished runs of a script are rendered as.

use camino::Utf8Path;

use super::launcher;
use super::record::{Cause, Machine};
use crate::artifact::Limits;
use crate::render::Meta;
use crate::render::script::{Made, ScriptEntry, ScriptRun};
use caddie_files::Result;
use caddie_rulebook::Rulebook;

/// Settings that differ from one seed to the next, or name places of this machine: the reader has others.
const OF_THE_MACHINE: [&str; 6] = ["SEED", "RUN_ID", "DATA_PATH", "DATA_DIR", "TOKENIZER_PATH", "PYTHONUNBUFFERED"];

/// The parts of an entry beside its runs.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    pub meta: Meta,
    pub limits: Limits,
    pub rulebook: Rulebook,
    pub blurb: String,
    pub script: &'a Utf8Path,
    pub source: Vec<u8>,
    /// Command and settings of one of the runs, and its seed.
    pub cause: &'a Cause,
    pub seed: u64,
    /// True if the command has the seed as an argument.
    pub takes_seed: bool,
    pub tokenizer: Option<&'a Utf8Path>,
    pub shards: &'a Utf8Path,
}

/// Describes the entry.
///
/// # Errors
/// When requirements.txt beside the script cannot be read.
pub(super) fn of(parts: Parts<'_>, runs: Vec<(ScriptRun, Machine)>) -> Result<ScriptEntry> {
    let (mut runs, machines): (Vec<ScriptRun>, Vec<Machine>) = runs.into_iter().unzip();
    // The machine of the runs need not be the one that renders.
    let Machine { caddie, python, torch, gpus, .. } = machines.into_iter().next().unwrap_or_default();
    runs.sort_by_key(|run| run.seed);
    let requirements = parts.script.with_file_name("requirements.txt");
    let requirements = requirements.is_file().then(|| caddie_files::read_bounded(&requirements)).transpose()?;
    let settings = parts.cause.env.iter().filter(|(name, _)| !OF_THE_MACHINE.contains(&name.as_str()));
    let shown = launcher::shown(&parts.cause.command, parts.script);
    Ok(ScriptEntry {
        meta: parts.meta,
        limits: parts.limits,
        rulebook: parts.rulebook,
        blurb: parts.blurb,
        script: parts.source,
        requirements,
        // A launcher that takes the seed as an argument is shown with the shell's own variable.
        command: if parts.takes_seed { shown.replace(&parts.seed.to_string(), "$SEED") } else { shown },
        settings: settings.map(|(name, value)| (name.clone(), value.clone())).collect(),
        tokenizer: parts.tokenizer.and_then(|path| path.file_name().map(str::to_owned)),
        made: Made { caddie, python, torch, gpus },
        shards: parts.shards.to_owned(),
        runs,
    })
}
