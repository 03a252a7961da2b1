//! Writes the rendered output: all of it, or none.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::facts::{Facts, Meta, Track};
use super::figures::FigureFiles;
use super::payload::Payload;
use super::probe::ProbeOfRecipe;
use super::recipe::RecipeText;
use super::runs::{self, FinishedRun};
use super::submission::{ledger_file, ledgers_json, log_file, submission_json};
use super::{launcher, legality, page};
use crate::artifact::{self, Contents, Limits, Source, Staging, staging, tarball};
use caddie_files::{Error, Result};
use caddie_rulebook::Rulebook;

/// Options for rendering.
#[derive(Debug, Clone)]
pub struct RenderOptions {
    /// Folder with the `seed-<n>` folders of one submission.
    pub runs: Utf8PathBuf,
    /// Folder that gets `records/<track>/<date>_<Name>/`, `PULL_REQUEST.md` and `<Name>.tar.zst`.
    pub out: Utf8PathBuf,
    /// Name of the submission; the recipe's name where `None`.
    pub name: Option<String>,
    pub author: String,
    pub github_id: String,
    pub date: jiff::civil::Date,
    pub track: Track,
    /// Rulebook with the limits that the documents state.
    pub rulebook: Rulebook,
    /// True to pack the artifact as well.
    pub artifact: bool,
    /// The tokenizer's `.model` for the artifact, or the data folder that holds it; `byte260` needs none.
    pub tokenizer: Option<Utf8PathBuf>,
    /// A table of ablations in Markdown, for the README.
    pub ablations: Option<String>,
    /// The probe report of the recipe, for the legality statement.
    pub probe: Option<Utf8PathBuf>,
    /// True to replace the output of an earlier rendering in the same places.
    pub force: bool,
}

/// The places of the output.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered<F = Facts> {
    pub folder: Utf8PathBuf,
    pub pull_request: Utf8PathBuf,
    pub artifact: Option<Utf8PathBuf>,
    pub facts: F,
}

impl RenderOptions {
    /// The limits of the track.
    pub fn limits(&self) -> Limits {
        Limits::of(&self.rulebook, self.rulebook.track(&self.track.name))
    }

    /// Returns the facts that the options state about a submission called `name`.
    pub fn meta(&self, name: String) -> Meta {
        let (author, github_id) = (self.author.clone(), self.github_id.clone());
        Meta { name, author, github_id, date: self.date, track: self.track.clone() }
    }

    /// Returns the paths of the folder, of the text of the pull request, and of the artifact.
    pub fn places(&self, meta: &Meta) -> (Utf8PathBuf, Utf8PathBuf, Option<Utf8PathBuf>) {
        let folder = self.out.join("records").join(&meta.track.folder).join(meta.folder_name());
        let artifact = self.artifact.then(|| self.out.join(format!("{}.tar.zst", meta.file_name())));
        (folder, self.out.join("PULL_REQUEST.md"), artifact)
    }
}

/// Today in the local time zone, or the day of `SOURCE_DATE_EPOCH` in UTC.
///
/// # Errors
/// When the variable is set to something else than a time.
pub fn default_date() -> Result<jiff::civil::Date> {
    if std::env::var_os("SOURCE_DATE_EPOCH").is_none() {
        return Ok(jiff::Zoned::now().date());
    }
    let seconds = tarball::source_date_epoch()?;
    let time = i64::try_from(seconds).ok().and_then(|s| jiff::Timestamp::from_second(s).ok());
    let time =
        time.ok_or_else(|| Error::Usage(format!("SOURCE_DATE_EPOCH is {seconds}; it lies beyond the calendar")))?;
    Ok(time.to_zoned(jiff::tz::TimeZone::UTC).date())
}

/// Renders the runs that [`RenderOptions::runs`] holds.
///
/// # Errors
/// When the runs are not finished or not of one submission ([`runs::find`], [`Facts::of_runs`]), when the tokenizer is not
/// found, or when an output exists and [`RenderOptions::force`] is not given. Nothing is replaced before everything is written.
pub fn render(options: &RenderOptions) -> Result<Rendered> {
    render_runs(&runs::find(&options.runs)?, options)
}

/// Renders as [`render`] does, from runs that are read already.
///
/// # Errors
/// As [`render`].
pub fn render_runs(runs: &[FinishedRun], options: &RenderOptions) -> Result<Rendered> {
    let Some(first) = runs.first() else {
        return Err(Error::Usage(format!("{}: there is no finished run to render", options.runs)));
    };
    let recipe = &first.recipe;
    let name = options.name.clone().or(recipe.text("name").map(str::to_owned)).unwrap_or_default();
    let meta = options.meta(name);
    if meta.file_name().is_empty() {
        return Err(Error::Usage(format!("--name {:?} has no letter or digit to name a folder by", meta.name)));
    }
    let script = launcher::train_gpt_py(&recipe.toml);
    let mut facts = Facts::of_runs(runs, meta, options.limits(), &script)?;
    let models: Vec<Utf8PathBuf> = runs.iter().map(|run| run.model.clone()).collect();
    facts.payload = Payload::read(&models, &data_folders(options, &facts), &options.rulebook);
    let logs = runs.iter().map(|run| (run.seed, run.log.log.as_path()));
    facts.figures = FigureFiles::of(logs, &facts.payload);
    facts.ablations.clone_from(&options.ablations);
    facts.probe = options.probe.as_ref().map(|path| ProbeOfRecipe::read(path, &facts.recipe.toml)).transpose()?;
    let tokenizer = if options.artifact { find_tokenizer(options, recipe)? } else { None };
    let mtime = tarball::source_date_epoch()?;

    let (folder, pull_request, artifact) = options.places(&facts.meta);

    // Everything is written before anything gets its name: an output that exists, a run that cannot be read, or a full
    // disk is met while nothing has changed yet.
    let folder_staging = Staging::folder(&folder, "submission.json", options.force)?;
    let request_staging = Staging::file(&pull_request, options.force)?;
    if let Some(artifact) = &artifact {
        staging::refuse_existing(artifact, options.force)?;
    }
    let text = write_folder(folder_staging.path(), runs, &facts, &script)?;
    fs::write(request_staging.path(), text).map_err(Error::io(&pull_request, "writing"))?;
    if let Some(artifact) = &artifact {
        artifact::pack(&contents(runs, &facts, script, tokenizer), artifact, mtime, options.force)?;
    }
    folder_staging.commit()?;
    request_staging.commit()?;
    Ok(Rendered { folder, pull_request, artifact, facts })
}

/// Lists the folders where the runs' validation shards may lie: the data folder, or the data set's place in the
/// official layout.
fn data_folders(options: &RenderOptions, facts: &Facts) -> Vec<Utf8PathBuf> {
    let Some(data) = options.tokenizer.as_ref().filter(|place| place.is_dir()) else { return Vec::new() };
    let sets = facts.results.datasets.iter();
    std::iter::once(data.clone()).chain(sets.map(|set| data.join("datasets").join(set))).collect()
}

/// Writes the files of the folder and returns the text of the pull request.
fn write_folder(dir: &Utf8Path, runs: &[FinishedRun], facts: &Facts, script: &[u8]) -> Result<String> {
    let statements = legality::statements(facts);
    let pages = page::pages(facts, &statements)?;
    let write = |name: &str, content: &[u8]| {
        let path = dir.join(name);
        fs::write(&path, content).map_err(Error::io(&path, "writing"))
    };
    write("README.md", pages.readme.as_bytes())?;
    write("submission.json", submission_json(facts, &statements).as_bytes())?;
    write("ledgers.json", ledgers_json(facts).as_bytes())?;
    write("train_gpt.py", script)?;
    write("recipe.toml", facts.recipe.toml.as_bytes())?;
    if let Some(probe) = &facts.probe {
        write("probe.json", probe.json.as_bytes())?;
    }
    write("requirements.txt", pages.requirements.as_bytes())?;
    facts.figures.write(dir)?;
    for run in runs {
        copy(&run.log.log, &dir.join(log_file(run.seed)))?;
        copy(&run.ledger, &dir.join(ledger_file(run.seed)))?;
    }
    Ok(pages.pull_request)
}

/// Copies content alone: the permissions of a run directory are no part of a submission.
pub(super) fn copy(from: &Utf8Path, to: &Utf8Path) -> Result<()> {
    let mut source = fs::File::open(from).map_err(Error::io(from, "opening"))?;
    let mut target = fs::File::create(to).map_err(Error::io(to, "creating"))?;
    io::copy(&mut source, &mut target).map_err(Error::io(to, "copying to it"))?;
    Ok(())
}

/// Collects the artifact's contents; see [`crate::artifact`].
fn contents(runs: &[FinishedRun], facts: &Facts, script: Vec<u8>, tokenizer: Option<Utf8PathBuf>) -> Contents {
    let bytes = |name: &str, content: Vec<u8>| (name.to_owned(), Source::Bytes(content));
    let mut members = vec![
        bytes("train_gpt.py", script),
        bytes("recipe.toml", facts.recipe.toml.clone().into_bytes()),
        bytes("ledgers.json", ledgers_json(facts).into_bytes()),
    ];
    if let Some(path) = tokenizer {
        members.push((format!("tokenizer/{}", path.file_name().unwrap_or("tokenizer.model")), Source::File(path)));
    }
    let mut models = Vec::new();
    for run in runs {
        let model = format!("seed-{}/{}", run.seed, run.model.file_name().unwrap_or("model"));
        members.push((model.clone(), Source::File(run.model.clone())));
        members.push((format!("seed-{}/ledger.jsonl.zst", run.seed), Source::File(run.ledger.clone())));
        models.push((run.seed, model));
    }
    let name = facts.meta.name.clone();
    Contents { name, versions: facts.versions.clone(), limits: facts.limits.clone(), members, models }
}

/// Finds the tokenizer's `.model`: [`RenderOptions::tokenizer`] itself, a file in it beside the shards, or the one in the
/// official layout.
fn find_tokenizer(options: &RenderOptions, recipe: &RecipeText) -> Result<Option<Utf8PathBuf>> {
    let Some(name) = recipe.tokenizer_file() else { return Ok(None) };
    let other_ways = "name it with --tokenizer FILE, or render without an artifact with --no-artifact";
    let Some(place) = &options.tokenizer else {
        return Err(Error::Usage(format!("the artifact carries the tokenizer {name}; pass --data DIR, {other_ways}")));
    };
    let official = Utf8Path::new("tokenizers").join(&name);
    [place.clone(), place.join(&name), place.join(&official), place.join("../..").join(&official)]
        .into_iter()
        .find(|path| path.is_file())
        .map(Some)
        .ok_or_else(|| Error::unreadable(place, format!("holds no {name} for the artifact; {other_ways}")))
}
