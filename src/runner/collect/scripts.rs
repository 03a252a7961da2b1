//! Collected runs of a script: compared with one another and with the script, then rendered.

use camino::{Utf8Path, Utf8PathBuf};

use super::Placed;
use crate::artifact::Limits;
use crate::fixture::SourceReport;
use crate::render::Meta;
use crate::render::script::modules;
use crate::runner::asked::date_of;
use crate::runner::placing::Spot;
use crate::runner::script::data::Data;
use crate::runner::script::record::{Cause, RunRecord, Written};
use crate::runner::script::{SubmittedScript, entry, finish as render, reading};
use caddie_files::{Error, Result};

/// Variables that may differ between runs of one submission: seed, names and places.
const APART: [&str; 7] =
    ["SEED", "RUN_ID", "DATA_PATH", "DATA_DIR", "TOKENIZER_PATH", "CUDA_VISIBLE_DEVICES", "NCCL_DEBUG"];

pub fn finish(placed: &Placed<'_>) -> Result<SubmittedScript> {
    let asked = placed.collection;
    let mut runs = Vec::new();
    for dir in placed.dirs() {
        let record = RunRecord::read(&dir)?.ok_or_else(|| Error::unreadable(&dir, "holds no run any more"))?;
        let run = reading::of(&dir, &record)?.map_err(|reason| Error::unreadable(&dir, reason))?;
        runs.push((run, record));
    }
    let Some((_, first)) = runs.first() else {
        return Err(Error::Usage("there is no finished run to render".to_owned()));
    };
    for ((_, record), dir) in runs.iter().zip(placed.dirs()) {
        if let Some(what) = difference(&first.cause, &record.cause) {
            let reason =
                format!("its {what} is not that of seed {}: a submission is several seeds of one script", first.seed);
            return Err(Error::unreadable(dir, reason));
        }
    }
    let script = asked.script.clone().unwrap_or_else(|| first.cause.script.clone());
    let source = the_script(&script, &first.cause)?;
    let seed_in_command = takes_seed(&runs);
    let known = entry::Known {
        meta: Meta {
            name: placed.name.clone(),
            author: asked.author.clone(),
            github_id: asked.github_id.clone(),
            date: date_of(placed.runs, asked.date)?,
            track: asked.track.clone(),
        },
        limits: Limits::of(&asked.rulebook, asked.rulebook.track(&asked.track.name)),
        rulebook: asked.rulebook.clone(),
        blurb: asked.blurb.clone(),
        modules: modules::beside(&script)?,
        requirements: entry::requirements(&script)?,
        source,
        ablations: None,
        shards: shards(asked.data.as_deref(), &first.cause)?,
        seed_in_command,
    };
    let found = asked.data.as_deref().map_or(Ok(None), SourceReport::find)?;
    let entry = entry::of(known, runs)?;
    render(&entry, &Spot { out: &asked.out, runs: placed.runs, force: asked.force }, found)
}

/// Names what two runs differ in that makes them runs of two submissions.
fn difference(a: &Cause, b: &Cause) -> Option<&'static str> {
    let env = |cause: &Cause| {
        let mut env = cause.env.clone();
        env.retain(|name, _| !APART.contains(&name.as_str()));
        env
    };
    if a.script_sha256 != b.script_sha256 || a.modules != b.modules {
        Some("script")
    } else if env(a) != env(b) {
        Some("environment")
    } else {
        None
    }
}

/// Reads the script, and makes sure that it is the one that was run.
fn the_script(script: &Utf8Path, cause: &Cause) -> Result<Vec<u8>> {
    let pass = "pass the one that was run with --script";
    if !script.is_file() {
        return Err(Error::unreadable(script, format!("the script of the runs is not here; {pass}")));
    }
    let source = caddie_files::read_bounded(script)?;
    if caddie_format::sha256(&source) != cause.script_sha256 {
        return Err(Error::unreadable(script, format!("is not the script that the runs were made with; {pass}")));
    }
    let modules: Vec<Written> = modules::beside(script)?.iter().map(Written::of_module).collect();
    match cause.modules.iter().find(|module| !modules.contains(module)) {
        None => Ok(source),
        Some(module) => Err(Error::unreadable(
            script.with_file_name(module.path.as_str()),
            "is not the file that the runs were made with; put that one beside the script",
        )),
    }
}

/// The folder of the shards, which the models are searched for.
fn shards(data: Option<&Utf8Path>, cause: &Cause) -> Result<Utf8PathBuf> {
    let vocab = cause.env.get("VOCAB_SIZE").and_then(|size| size.parse().ok());
    match data {
        Some(data) => Ok(Data::locate(data, vocab)?.shards),
        None => Ok(cause.env.get("DATA_PATH").map(Utf8PathBuf::from).unwrap_or_default()),
    }
}

/// Tells whether the launcher got each seed as an argument: then the commands differ, and each holds its own.
fn takes_seed(runs: &[(crate::render::script::ScriptRun, RunRecord)]) -> bool {
    let words = |record: &RunRecord| record.cause.command.clone();
    let has = |record: &RunRecord| record.cause.command.iter().any(|word| word.contains(&record.seed.to_string()));
    let mut records = runs.iter().map(|(_, record)| record);
    let Some(first) = records.next() else { return false };
    has(first) && records.all(|other| has(other) && words(other) != words(first))
}
