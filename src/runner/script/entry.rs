//! From finished runs and their records to what is rendered, wherever the runs were made.

use camino::{Utf8Path, Utf8PathBuf};

use super::launcher;
use super::record::RunRecord;
use crate::artifact::Limits;
use crate::render::Meta;
use crate::render::script::{Made, Module, ScriptEntry, ScriptRun};
use caddie_files::{Error, Result};
use caddie_rulebook::Rulebook;

/// Variables that differ from one seed to the next, or name places of one machine.
const OWN: [&str; 6] = ["SEED", "RUN_ID", "DATA_PATH", "DATA_DIR", "TOKENIZER_PATH", "PYTHONUNBUFFERED"];

/// The parts of an entry that no run tells.
#[derive(Debug)]
pub struct Known {
    pub meta: Meta,
    pub limits: Limits,
    pub rulebook: Rulebook,
    pub blurb: String,
    /// The script, which every run was made with.
    pub source: Vec<u8>,
    pub modules: Vec<Module>,
    pub requirements: Option<Vec<u8>>,
    /// The folder of the validation shards.
    pub shards: Utf8PathBuf,
    /// True if the launcher takes the seed as an argument.
    pub seed_in_command: bool,
    /// A table of ablations in Markdown, for the README.
    pub ablations: Option<String>,
}

/// Reads `requirements.txt` beside the script, where there is one.
///
/// # Errors
/// When it cannot be read.
pub fn requirements(script: &Utf8Path) -> Result<Option<Vec<u8>>> {
    let path = script.with_file_name("requirements.txt");
    path.is_file().then(|| caddie_files::read_bounded(&path)).transpose()
}

/// Puts the entry together.
///
/// # Errors
/// When there is no run.
pub fn of(known: Known, mut runs: Vec<(ScriptRun, RunRecord)>) -> Result<ScriptEntry> {
    let nothing = || Error::Usage("there is no finished run to render".to_owned());
    // The machine and the command of the run that was made first, which need not be this machine's.
    let record = runs.first().map(|(_, record)| record.clone()).ok_or_else(nothing)?;
    runs.sort_by_key(|(run, _)| run.seed);
    let env = &record.cause.env;
    let settings = env.iter().filter(|(name, _)| !OWN.contains(&name.as_str()));
    let settings = settings.map(|(name, value)| (name.clone(), value.clone())).collect();
    let tokenizer = env.get("TOKENIZER_PATH").and_then(|path| Utf8Path::new(path).file_name()).map(str::to_owned);
    let shown = launcher::shown(&record.cause.command, &record.cause.script);
    // A launcher that takes the seed as an argument is shown with the shell's own variable.
    let command = if known.seed_in_command { shown.replace(&record.seed.to_string(), "$SEED") } else { shown };
    let machine = record.machine;
    Ok(ScriptEntry {
        meta: known.meta,
        limits: known.limits,
        rulebook: known.rulebook,
        blurb: known.blurb,
        script: known.source,
        modules: known.modules,
        requirements: known.requirements,
        command,
        settings,
        tokenizer,
        made: Made { caddie: machine.caddie, python: machine.python, torch: machine.torch, gpus: machine.gpus },
        shards: known.shards,
        ablations: known.ablations,
        runs: runs.into_iter().map(|(run, _)| run).collect(),
    })
}
