//! From finished runs of a participant's own script to a records folder.
//!
//! Every number comes from the logs, as for a native entry; but nothing is known of the script by construction, so what its
//! logs do not show is said to be unknown.

mod documents;
pub mod modules;
mod statements;

pub use documents::quoted;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sha2::{Digest as _, Sha256};

use super::facts::Meta;
use super::figures::FigureFiles;
use super::legality::Statement;
use super::output::{Rendered, copy};
use super::payload::Payload;
use super::results::Results;
use super::submission::log_file;
use crate::artifact::{self, Contents, Limits, Source, Staging, Versions, staging, tarball};
use caddie_files::text::thousands;
use caddie_files::{Error, Result};
use caddie_folder::RunLog;
use caddie_rulebook::Rulebook;

/// A finished run of a script.
#[derive(Debug, Clone)]
pub struct ScriptRun {
    /// The seed that the run was given.
    pub seed: i64,
    /// True if its log states that seed.
    pub states_seed: bool,
    pub log: RunLog,
    /// The compressed model; else why it is not known which file that is.
    pub model: std::result::Result<Utf8PathBuf, String>,
}

/// A file beside the script that it imports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Below the script's folder.
    pub path: Utf8PathBuf,
    pub content: Vec<u8>,
}

/// Versions and machine with which the runs were made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Made {
    pub caddie: String,
    pub python: Option<String>,
    pub torch: Option<String>,
    /// Lines on the GPUs, one per GPU.
    pub gpus: Vec<String>,
}

/// Everything that is rendered.
#[derive(Debug, Clone)]
pub struct ScriptEntry {
    pub meta: Meta,
    pub limits: Limits,
    /// Whose limits these are.
    pub rulebook: Rulebook,
    /// The author's words on the method; may be empty.
    pub blurb: String,
    /// The script, which ships as it is.
    pub script: Vec<u8>,
    /// Files that it imports, which ship beside it.
    pub modules: Vec<Module>,
    /// requirements.txt, where one lies beside it.
    pub requirements: Option<Vec<u8>>,
    /// The command that ran it, as a reader types it inside the folder.
    pub command: String,
    /// Settings that all seeds were given.
    pub settings: Vec<(String, String)>,
    /// File name of the tokenizer that the runs were given.
    pub tokenizer: Option<String>,
    pub made: Made,
    /// The folder of the validation shards, which the models are searched for.
    pub shards: Utf8PathBuf,
    /// A table of ablations in Markdown, for the README.
    pub ablations: Option<String>,
    /// By seed.
    pub runs: Vec<ScriptRun>,
}

/// The facts of a script's entry.
#[derive(Debug, Clone)]
pub struct ScriptFacts {
    pub results: Results,
    pub limits: Limits,
    /// Length of the script that ships.
    pub script_bytes: u64,
    /// Length of the modules that ship beside it.
    pub module_bytes: u64,
    pub script_sha256: String,
    /// The contents of the model files; nothing where they are not known.
    pub payload: Payload,
    /// The figures of the README.
    pub figures: FigureFiles,
    /// Notes for the submitter to read before opening the pull request.
    pub notes: Vec<String>,
}

impl ScriptFacts {
    fn of(entry: &ScriptEntry) -> Result<ScriptFacts> {
        let logs: Vec<(i64, &RunLog)> = entry.runs.iter().map(|run| (run.seed, &run.log)).collect();
        let results = Results::stated(&logs)?;
        let models: Vec<Utf8PathBuf> = entry.runs.iter().filter_map(|run| run.model.clone().ok()).collect();
        let payload = match models.len() == entry.runs.len() {
            true => Payload::read(&models, std::slice::from_ref(&entry.shards), &entry.rulebook),
            false => Payload::default(),
        };
        let script_bytes = entry.script.len() as u64;
        let module_bytes = entry.modules.iter().map(|module| module.content.len() as u64).sum();
        let logs = entry.runs.iter().map(|run| (run.seed, run.log.log.as_path()));
        let figures = FigureFiles::of(logs, &payload);
        let notes = notes(entry, &results, script_bytes, module_bytes);
        Ok(ScriptFacts {
            limits: entry.limits.clone(),
            script_sha256: caddie_files::hex(&Sha256::digest(&entry.script)),
            script_bytes,
            module_bytes,
            results,
            payload,
            figures,
            notes,
        })
    }
}

/// Lists facts that deserve a look.
fn notes(entry: &ScriptEntry, results: &Results, script_bytes: u64, module_bytes: u64) -> Vec<String> {
    let mut notes = Vec::new();
    if !entry.modules.is_empty() {
        let names: Vec<&str> = entry.modules.iter().map(|module| module.path.as_str()).collect();
        notes.push(format!(
            "{} ship beside train_gpt.py, which imports them: {} bytes more, which the size of the submission has to count",
            names.join(", "),
            thousands(module_bytes)
        ));
    }
    let counted = results.bytes_code.filter(|counted| ![script_bytes, script_bytes + module_bytes].contains(counted));
    if let Some(counted) = counted {
        notes.push(format!(
            "the logs count {} bytes of code, and train_gpt.py has {}: what ships is what counts (`caddie size`, `caddie pack`)",
            thousands(counted),
            thousands(script_bytes)
        ));
    }
    if results.bytes_total_max().is_none() {
        notes.push("a log states no size of the submission, which verify cannot make up for".to_owned());
    }
    if entry.runs.iter().any(|run| !run.states_seed) {
        notes.push("a log states no seed; the one that the run was given is taken".to_owned());
    }
    let same = results.runs.windows(2).any(|pair| pair[0].val_bpb == pair[1].val_bpb);
    if same {
        notes.push("two seeds have the same score to the last digit: does the script read SEED?".to_owned());
    }
    if let Some(Err(reason)) = entry.runs.iter().map(|run| &run.model).find(|model| model.is_err()) {
        notes.push(format!("no artifact: {reason}"));
    }
    notes
}

/// Returns the paths of the folder, of the text of the pull request, and of the artifact.
pub fn places(out: &Utf8Path, meta: &Meta) -> [Utf8PathBuf; 3] {
    let folder = out.join("records").join(&meta.track.folder).join(meta.folder_name());
    [folder, out.join("PULL_REQUEST.md"), out.join(format!("{}.tar.zst", meta.file_name()))]
}

/// Renders `entry` into `out`. The artifact is packed where every seed's model is known.
///
/// # Errors
/// When the logs are not of one configuration, or an output cannot be written, or exists and `force` is not given.
pub fn render(entry: &ScriptEntry, out: &Utf8Path, force: bool) -> Result<Rendered<ScriptFacts>> {
    let facts = ScriptFacts::of(entry)?;
    let statements = statements::statements(entry, &facts);
    let [folder, pull_request, artifact] = places(out, &entry.meta);
    let mtime = tarball::source_date_epoch()?;
    let models: Option<Vec<(i64, Utf8PathBuf)>> =
        entry.runs.iter().map(|run| Some((run.seed, run.model.clone().ok()?))).collect();
    let folder_staging = Staging::folder(&folder, "submission.json", force)?;
    let request_staging = Staging::file(&pull_request, force)?;
    if models.is_some() {
        staging::refuse_existing(&artifact, force)?;
    }
    let text = write_folder(folder_staging.path(), entry, &facts, &statements)?;
    fs::write(request_staging.path(), text).map_err(Error::io(&pull_request, "writing"))?;
    if let Some(models) = &models {
        artifact::pack(&contents(entry, &facts, models), &artifact, mtime, force)?;
    }
    folder_staging.commit()?;
    request_staging.commit()?;
    Ok(Rendered { folder, pull_request, artifact: models.map(|_| artifact), facts })
}

/// Writes the files of the folder and returns the text of the pull request.
fn write_folder(dir: &Utf8Path, entry: &ScriptEntry, facts: &ScriptFacts, said: &[Statement]) -> Result<String> {
    let write = |name: &str, content: &[u8]| {
        let path = dir.join(name);
        fs::write(&path, content).map_err(Error::io(&path, "writing"))
    };
    let pages = documents::pages(entry, facts, said)?;
    write("README.md", pages.readme.as_bytes())?;
    write("submission.json", documents::submission_json(entry, facts, said).as_bytes())?;
    write("train_gpt.py", &entry.script)?;
    for module in &entry.modules {
        let folder = module.path.parent().map_or_else(|| dir.to_owned(), |parent| dir.join(parent));
        fs::create_dir_all(&folder).map_err(Error::io(&folder, "creating"))?;
        write(module.path.as_str(), &module.content)?;
    }
    if let Some(requirements) = &entry.requirements {
        write("requirements.txt", requirements)?;
    }
    facts.figures.write(dir)?;
    for run in &entry.runs {
        copy(&run.log.log, &dir.join(log_file(run.seed)))?;
    }
    Ok(pages.pull_request)
}

/// Collects the artifact's contents: the counted code and every seed's model and log.
fn contents(entry: &ScriptEntry, facts: &ScriptFacts, models: &[(i64, Utf8PathBuf)]) -> Contents {
    let mut members = vec![("train_gpt.py".to_owned(), Source::Bytes(entry.script.clone()))];
    let modules = entry.modules.iter();
    members.extend(modules.map(|module| (module.path.to_string(), Source::Bytes(module.content.clone()))));
    if let Some(requirements) = &entry.requirements {
        members.push(("requirements.txt".to_owned(), Source::Bytes(requirements.clone())));
    }
    for run in &entry.runs {
        members.push((format!("seed-{}/train.log", run.seed), Source::File(run.log.log.clone())));
    }
    let named: Vec<(i64, String)> = models
        .iter()
        .map(|(seed, path)| (*seed, format!("seed-{seed}/{}", path.file_name().unwrap_or("model"))))
        .collect();
    let files = named.iter().zip(models).map(|((_, name), (_, path))| (name.clone(), Source::File(path.clone())));
    members.extend(files);
    let versions = Versions {
        caddie: env!("CARGO_PKG_VERSION").to_owned(),
        engine: "none: a script".to_owned(),
        pytorch: documents::torch(entry, facts),
    };
    Contents { name: entry.meta.name.clone(), versions, limits: entry.limits.clone(), members, models: named }
}
