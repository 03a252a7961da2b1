//! Rendering finished runs of a script again, from what their run directories record.

use camino::{Utf8Path, Utf8PathBuf};

use super::code::ScriptCode;
use super::entry::{self, Known};
use super::reading;
use super::record::{RunRecord, State};
use crate::artifact::Limits;
use crate::render::script::{self as page, ScriptFacts};
use crate::render::{Meta, Rendered};
use crate::runner::placing::{self, Spot};
use caddie_files::{Error, Result};
use caddie_rulebook::Rulebook;

/// Tells whether `runs` holds runs of a script: they have a `run.json`.
pub fn is_of_a_script(runs: &Utf8Path) -> bool {
    seeds(runs).iter().any(|dir| dir.join(super::record::FILE).is_file())
}

/// Renders the runs in `runs` into `out`; the name of `meta` may be empty, and is then that of `runs`.
///
/// # Errors
/// When a run is not finished, or of another script or environment than the others, or the script was changed since; and
/// as [`page::render`].
pub fn render(
    runs: &Utf8Path,
    meta: Meta,
    blurb: String,
    ablations: Option<String>,
    rulebook: &Rulebook,
    out: &Utf8Path,
    force: bool,
) -> Result<Rendered<ScriptFacts>> {
    let mut records = Vec::new();
    for dir in seeds(runs) {
        let record = RunRecord::read(&dir)?.filter(|record| record.state == State::Finished);
        let record = record.ok_or_else(|| {
            Error::unreadable(&dir, "is no finished run of a script; the command that began it runs it again")
        })?;
        records.push((dir, record));
    }
    let Some((first_dir, first)) = records.first() else {
        return Err(Error::unreadable(runs, "holds no seed-<n> folder; name the folder of one submission's runs"));
    };
    for (dir, other) in &records {
        if !first.cause.is_of_one_entry_with(&other.cause) {
            let reason = format!(
                "is of another script, or of other settings, than {first_dir}; an entry is several seeds of one"
            );
            return Err(Error::unreadable(dir, reason));
        }
    }
    let code = ScriptCode::read(&first.cause.script)?;
    let script = &first.cause.script;
    if code.sha256() != first.cause.script_sha256 {
        let reason = "was changed since the runs; run its seeds again, or put the script that they ran in its place";
        return Err(Error::unreadable(script, reason));
    }
    if code.written_modules() != first.cause.modules {
        let reason = "imports files that were changed since the runs; run its seeds again, or put those files back";
        return Err(Error::unreadable(script, reason));
    }
    let mut made = Vec::new();
    for (dir, record) in &records {
        let run = reading::of(dir, record)?.map_err(|reason| Error::unreadable(dir, reason))?;
        made.push((run, record.clone()));
    }
    let full = runs.canonicalize_utf8().map_err(Error::io(runs, "resolving"))?;
    let name = if meta.name.is_empty() { full.file_name().unwrap_or_default().to_owned() } else { meta.name };
    let known = Known {
        limits: Limits::of(rulebook, rulebook.track(&meta.track.name)),
        meta: Meta { name, ..meta },
        rulebook: rulebook.clone(),
        blurb,
        source: code.source,
        modules: code.modules,
        requirements: entry::requirements(script)?,
        shards: first.cause.env.get("DATA_PATH").map(Utf8PathBuf::from).unwrap_or_default(),
        ablations,
        seed_in_command: records.iter().any(|(_, other)| other.cause.command != first.cause.command),
    };
    let entry = entry::of(known, made)?;
    placing::place(&Spot { out, runs, force }, |out| page::render(&entry, out, force))
}

/// The folders of the seeds, by name.
fn seeds(runs: &Utf8Path) -> Vec<Utf8PathBuf> {
    let entries = runs.read_dir_utf8().into_iter().flatten().flatten();
    let is_one = |entry: &camino::Utf8DirEntry| entry.file_name().starts_with("seed-") && entry.path().is_dir();
    let mut found: Vec<Utf8PathBuf> = entries.filter(is_one).map(|entry| entry.path().to_owned()).collect();
    found.sort();
    found
}
