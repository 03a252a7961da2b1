//! A script at toy size, on the CPU and behind walls, as the subject of a study: it shows that every variant runs to its score
//! and that its settings take effect. Its scores say nothing of a real run.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::choice::Choice;
use super::place;
use super::plan::Variant;
use super::script::ScriptText;
use super::subject::{
    Goal, Onlooker, Ran, Settings, Subject, SubjectKind, Trial, TrialEnd, TrialFailure, TrialNumbers,
};
use crate::rehearse::{self, Options, Rehearsal, rehearse};
use crate::runner::script::record::Written;
use crate::{Error, Result};
use caddie_folder::read_log;

/// File in a trial's folder that says what it came to.
const RECORD: &str = "rehearsed.json";

/// How a script is rehearsed.
#[derive(Debug, Clone)]
pub struct RehearsalRuns {
    /// Training steps.
    pub steps: u32,
    /// Processes that train together.
    pub nproc: u32,
    /// A Python with torch; else the one that caddie makes.
    pub python: Option<Utf8PathBuf>,
    /// True for a script behind walls.
    pub walls: bool,
    /// Time for one run.
    pub limit: Duration,
}

/// A script with the settings that every variant has, and how it is rehearsed.
pub struct RehearsalSubject {
    text: ScriptText,
    out: Utf8PathBuf,
    runs: RehearsalRuns,
}

/// What decides a rehearsal: two with the same need not both be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct RehearsalCause {
    caddie: String,
    script_sha256: String,
    /// Files beside the script that it imports.
    modules: Vec<Written>,
    env: Vec<(String, String)>,
    steps: u32,
    nproc: u32,
}

/// [`RECORD`].
#[derive(Debug, Serialize, Deserialize)]
struct RehearsalRecord {
    cause: RehearsalCause,
    numbers: TrialNumbers,
}

impl RehearsalSubject {
    /// Reads the script.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn new(
        script: &Utf8Path,
        settings: Vec<Choice>,
        out: &Utf8Path,
        runs: RehearsalRuns,
    ) -> Result<RehearsalSubject> {
        Ok(RehearsalSubject {
            text: ScriptText::read(script, settings, SubjectKind::Rehearsal)?,
            out: out.to_owned(),
            runs,
        })
    }

    fn cause(&self, trial: &Trial<'_>) -> RehearsalCause {
        RehearsalCause {
            caddie: env!("CARGO_PKG_VERSION").to_owned(),
            script_sha256: self.text.code.sha256(),
            modules: self.text.code.written_modules(),
            env: self.text.environment(&trial.variant.changes),
            steps: self.runs.steps,
            nproc: self.runs.nproc,
        }
    }

    /// The numbers of a rehearsal that ended well before. One that failed is made again.
    fn kept(&self, dir: &Utf8Path, cause: &RehearsalCause) -> Option<TrialNumbers> {
        let text = caddie_files::read_text(&dir.join(RECORD)).ok()?;
        let record: RehearsalRecord = serde_json::from_str(&text).ok()?;
        (record.cause == *cause).then_some(record.numbers)
    }

    fn rehearse(&self, trial: &Trial<'_>, keep: &Utf8Path, onlooker: &dyn Onlooker) -> Result<Rehearsal> {
        let seed = i64::try_from(trial.seed)
            .map_err(|_| Error::usage(format!("--seeds {}: a rehearsal takes seeds up to {}", trial.seed, i64::MAX)))?;
        let options = Options {
            target: self.text.code.path.clone(),
            steps: self.runs.steps,
            seeds: vec![seed],
            nproc: self.runs.nproc,
            env: self.text.environment(&trial.variant.changes),
            keep: Some(keep.to_owned()),
            python: self.runs.python.clone(),
            walls: self.runs.walls,
            limit: self.runs.limit,
        };
        let mut line = onlooker.begin(&trial.name());
        Ok(rehearse(&options, crate::stop::flag(), &mut |text| line.tell(text))?)
    }
}

impl Subject for RehearsalSubject {
    fn settings(&self) -> &dyn Settings {
        &self.text
    }

    fn folder(&self, variant: &Variant) -> Utf8PathBuf {
        self.out.join("rehearsals").join(&variant.folder)
    }

    fn run(&self, trial: &Trial<'_>, _goal: Goal, _slot: usize, onlooker: &dyn Onlooker) -> Result<Ran> {
        let dir = self.folder(trial.variant).join(format!("seed-{}", trial.seed));
        let cause = self.cause(trial);
        if let Some(numbers) = self.kept(&dir, &cause) {
            return Ok(Ran::before(TrialEnd::Finished(numbers)));
        }
        self.text.code.check_unchanged("trials")?;
        if dir.exists() {
            fs::remove_dir_all(&dir).map_err(caddie_files::Error::io(&dir, "removing"))?;
        }
        fs::create_dir_all(&dir).map_err(caddie_files::Error::io(&dir, "creating"))?;
        let (files, log) = (dir.join("files"), dir.join("log.txt"));
        let done = self.rehearse(trial, &files, onlooker)?;
        let end = read(&done, &log)?;
        if let TrialEnd::Finished(numbers) = &end {
            let record = RehearsalRecord { cause, numbers: numbers.clone() };
            let text = serde_json::to_string_pretty(&record)
                .map_err(|error| caddie_files::Error::Internal(format!("{RECORD}: {error}")))?;
            place::write(&dir.join(RECORD), text.as_bytes())?;
            // Its log is kept; the corpus and the checkpoints of a toy are of no use.
            let _ = fs::remove_dir_all(&files);
        }
        Ok(Ran::now(end))
    }
}

/// Reads the first run of a rehearsal, and keeps its log.
fn read(done: &Rehearsal, log: &Utf8Path) -> Result<TrialEnd> {
    let failed =
        |reason: String, tail: Vec<String>| Ok(TrialEnd::Failed(TrialFailure { reason, tail, log: log.to_owned() }));
    let Some(run) = done.runs.first() else { return failed("nothing was run".to_owned(), Vec::new()) };
    let from = run.kept.as_ref().zip(run.read.log.as_ref()).map(|(kept, log)| kept.join(log));
    if let Some(from) = &from {
        fs::copy(from, log).map_err(caddie_files::Error::io(log, "copying"))?;
    }
    if !run.report.reached_its_score() {
        return failed(why(run.report.failure.as_ref()), run.report.output_tail.clone());
    }
    let numbers = from.and_then(|_| read_log(log).ok()).map(|log| TrialNumbers::of(&log)).unwrap_or_default();
    if numbers.val_bpb.is_none() {
        return failed("it came to a score in no line that verify reads".to_owned(), run.report.output_tail.clone());
    }
    Ok(TrialEnd::Finished(numbers))
}

fn why(failure: Option<&rehearse::RehearsalFailure>) -> String {
    let Some(failure) = failure else { return "it ended without a score".to_owned() };
    let place = failure.place.as_ref().map(|place| format!("{}:{}: ", place.file, place.line)).unwrap_or_default();
    let kind = failure.exception.as_ref().map(|kind| format!("{kind}: ")).unwrap_or_default();
    format!("{place}{kind}{} ({})", failure.message, failure.explanation)
}
