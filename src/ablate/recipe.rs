//! A recipe as the subject of a study. Every trial is a process of its own (`caddie train --evaluate`), so that one which
//! fails, or runs out of memory, takes nothing with it.

use std::time::Duration;

use caddie_engine::log::Silent;
use caddie_engine::run::{Job, Phase, State};
use caddie_engine::{Recipe, device};
use caddie_folder::{Fact as _, read_log};
use caddie_format::sha256;
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::choice::Choice;
use super::components;
use super::place;
use super::plan::{Variant, plain};
use super::subject::{
    Goal, Onlooker, Ran, Settings, Subject, SubjectFacts, SubjectKind, Trial, TrialEnd, TrialFailure, TrialNumbers,
    Watching,
};
use crate::render::runs::FinishedRun;
use crate::runner::script::family::Family;
use crate::runner::script::process::{self, Ended, Stopped};
use crate::runner::script::reason;
use crate::{Error, Result};

/// Lines that are shown of a trial that failed.
const LAST_LINES: usize = 8;
/// Time for a process of an earlier start to end.
const GRACE: Duration = Duration::from_secs(5);

/// A recipe with the settings that every variant has.
pub struct RecipeSubject {
    /// The reference.
    base: Recipe,
    base_toml: String,
    /// Changes that make the reference out of the named recipe.
    settings: Vec<Choice>,
    /// Folder that gets `runs/`.
    out: Utf8PathBuf,
    data: Utf8PathBuf,
    machine: RecipeRuns,
    caddie: Utf8PathBuf,
}

/// What the trials of a recipe run on.
#[derive(Debug, Clone)]
pub struct RecipeRuns {
    /// `auto`, `cpu`, `cuda` or `cuda:N`.
    pub device: String,
    /// GPUs that trials side by side are spread over; 0 where one device is meant.
    pub gpus: usize,
    /// Cores of one trial.
    pub threads: usize,
}

/// The file for what the process of a trial prints; it stays where the trial fails.
fn console(folder: &Utf8Path, seed: u64) -> Utf8PathBuf {
    folder.join(format!("console-seed-{seed}.txt"))
}

impl RecipeSubject {
    /// Takes a recipe apart; `settings` are the changes that were made to it already.
    ///
    /// # Errors
    /// When the data folder or caddie's own program is not found.
    pub fn new(
        base: Recipe,
        settings: Vec<Choice>,
        out: &Utf8Path,
        data: &Utf8Path,
        machine: RecipeRuns,
    ) -> Result<RecipeSubject> {
        let data = data.canonicalize_utf8().map_err(caddie_files::Error::io(data, "resolving"))?;
        fs::create_dir_all(out).map_err(caddie_files::Error::io(out, "creating"))?;
        let own = std::env::current_exe().map_err(caddie_files::Error::io("caddie's own program", "finding"))?;
        let caddie = Utf8PathBuf::try_from(own).map_err(|e| {
            Error::usage(format!("{}: not a UTF-8 path; install caddie elsewhere", e.as_path().display()))
        })?;
        let base_toml = base.to_toml();
        Ok(RecipeSubject { base, base_toml, settings, out: out.to_owned(), data, machine, caddie })
    }

    fn recipe(&self, changes: &[Choice]) -> Result<Recipe> {
        let overrides: Vec<String> = changes.iter().map(Choice::to_string).collect();
        Recipe::parse(&self.base_toml, &overrides).map_err(|error| {
            let text = error.to_string();
            // The engine names the option of a single change; here it is one of a list.
            let blamed = overrides.iter().find_map(|change| text.strip_prefix(&format!("--set {change}: ")));
            Error::usage(blamed.map_or_else(|| text.clone(), |reason| format!("{}: {reason}", overrides.join(" "))))
        })
    }

    /// The folder and the whole recipe of a trial.
    fn trial(&self, trial: &Trial<'_>) -> Result<(Utf8PathBuf, Recipe)> {
        let folder = self.folder(trial.variant);
        Ok((folder.join(format!("seed-{}", trial.seed)), self.recipe(&trial.variant.changes)?))
    }

    /// What the trial has come to before; `None` where it has still to be run.
    fn kept(&self, dir: &Utf8Path, recipe: &Recipe, seed: u64, goal: Goal) -> Result<Option<TrialEnd>> {
        let until = phase(goal);
        if State::read(dir.as_std_path())?.is_none_or(|state| state.phase < until) {
            return Ok(None);
        }
        // Nothing is left to do, so that the engine only compares recipe, seed and data with those of the directory.
        let job = Job {
            recipe: recipe.clone(),
            seed,
            dir: dir.into(),
            data: self.data.clone().into(),
            device: device::select("cpu")?,
            code_bytes: 0,
            until,
            stop: crate::stop::flag(),
        };
        caddie_engine::run::run(&job, &mut Silent)?;
        // A study that was killed at the end of the trial has not removed it.
        let _ = fs::remove_file(console(dir.parent().unwrap_or(dir), seed));
        Ok(Some(read(dir, goal)))
    }

    /// Runs the process of a trial to its end.
    fn start(
        &self,
        trial: &Trial<'_>,
        dir: &Utf8Path,
        goal: Goal,
        slot: usize,
        onlooker: &dyn Onlooker,
    ) -> Result<Ended> {
        let folder = self.folder(trial.variant);
        let recipe = dir.with_extension("toml");
        let absolute = |path: &Utf8Path| path.canonicalize_utf8().map_err(caddie_files::Error::io(path, "resolving"));
        let folder = absolute(&folder)?;
        let mut command: Vec<String> = [
            self.caddie.as_str(),
            "train",
            absolute(&recipe)?.as_str(),
            "--seed",
            &trial.seed.to_string(),
            "--data",
            self.data.as_str(),
            "--device",
            &self.device_of(slot),
            "--out",
            folder.join(dir.file_name().unwrap_or_default()).as_str(),
        ]
        .map(str::to_owned)
        .into();
        if goal == Goal::Score {
            command.push("--evaluate".to_owned());
        }
        let log = console(&folder, trial.seed);
        let _ = fs::remove_file(&log); // of an earlier start
        let env = [("OMP_NUM_THREADS".to_owned(), self.machine.threads.to_string())];
        let job = process::Job {
            command: &command,
            env: &env,
            cwd: &folder,
            log: &log,
            mark: &mark(&folder.join(dir.file_name().unwrap_or_default())),
            cap: None,
            stop: crate::stop::flag(),
            start: process::Start::AsUser,
        };
        let mut line = onlooker.begin(&trial.name());
        let ended = process::run(&job, &mut Watching(line.as_mut()))?;
        if ended.status.success() {
            let _ = fs::remove_file(&log); // the run's own log says it all
        }
        Ok(ended)
    }

    /// Several trials on GPUs have one each.
    fn device_of(&self, slot: usize) -> String {
        match self.machine.gpus {
            0 => self.machine.device.clone(),
            gpus => format!("cuda:{}", slot % gpus),
        }
    }
}

impl Settings for RecipeSubject {
    fn facts(&self) -> SubjectFacts {
        SubjectFacts {
            kind: SubjectKind::Recipe,
            name: self.base.name.clone(),
            sha256: sha256(self.base_toml.as_bytes()),
            settings: self.settings.clone(),
        }
    }

    fn stem(&self) -> String {
        std::iter::once(self.base.name.clone())
            .chain(self.settings.iter().map(|set| plain(&set.to_string())))
            .collect::<Vec<_>>()
            .join(".")
    }

    fn whole_key(&self, key: &str) -> Result<String> {
        components::whole_key(&self.base_toml, key).map_err(Error::usage)
    }

    fn without(&self, component: &str) -> Result<Vec<Choice>> {
        let all = components::of(&self.base)?;
        let found = all.iter().find(|one| one.is_called(component));
        match found.map(|one| &one.off) {
            Some(Ok(changes)) => Ok(changes.clone()),
            Some(Err(reason)) => Err(Error::usage(format!("--drop {component}: {reason}"))),
            None => {
                let names: Vec<&str> = all.iter().filter(|one| one.off.is_ok()).map(|one| one.name.as_str()).collect();
                Err(Error::usage(format!(
                    "--drop {component}: the recipe {} has no such component; it can do without {}",
                    self.base.name,
                    names.join(", ")
                )))
            }
        }
    }

    fn configured(&self, changes: &[Choice]) -> Result<String> {
        Ok(self.recipe(changes)?.to_toml())
    }

    fn value(&self, key: &str) -> Option<String> {
        let table = self.base_toml.parse::<toml::Table>().ok()?;
        let value = key.split('.').try_fold(&toml::Value::Table(table), |value, part| value.get(part)).cloned();
        value.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }
}

impl Subject for RecipeSubject {
    fn settings(&self) -> &dyn Settings {
        self
    }

    fn folder(&self, variant: &Variant) -> Utf8PathBuf {
        self.out.join("runs").join(&variant.folder)
    }

    fn run(&self, trial: &Trial<'_>, goal: Goal, slot: usize, onlooker: &dyn Onlooker) -> Result<Ran> {
        let (dir, recipe) = self.trial(trial)?;
        // What a killed study left running would go on in the same directory.
        if let Ok(dir) = dir.canonicalize_utf8() {
            Family::left_by(&mark(&dir)).end(GRACE);
        }
        if let Some(kept) = self.kept(&dir, &recipe, trial.seed, goal)? {
            return Ok(Ran::before(kept));
        }
        // One file a seed: trials of one variant may begin at the same time.
        place::write(&dir.with_extension("toml"), recipe.to_toml().as_bytes())?;
        let ended = self.start(trial, &dir, goal, slot, onlooker)?;
        if ended.stopped == Some(Stopped::Interrupted) {
            return Err(caddie_files::Error::Interrupted(format!(
                "{}: interrupted; the same command goes on from there and keeps what is finished",
                trial.name()
            ))
            .into());
        }
        Ok(Ran::now(match why(&ended) {
            None => read(&dir, goal),
            Some(reason) => {
                let tail = ended.tail.iter().skip(ended.tail.len().saturating_sub(LAST_LINES)).cloned().collect();
                TrialEnd::Failed(TrialFailure { reason, tail, log: dir.join("log.txt") })
            }
        }))
    }
}

/// The mark of a trial's processes: the same for every start, so that those of a killed study are found by it.
fn mark(dir: &Utf8Path) -> String {
    sha256(dir.as_str().as_bytes()).chars().take(32).collect()
}

fn phase(goal: Goal) -> Phase {
    match goal {
        Goal::Size => Phase::Quantized,
        Goal::Score => Phase::Evaluated,
    }
}

/// Why a trial failed: caddie's own message, where it ended with one.
fn why(ended: &Ended) -> Option<String> {
    let reason = reason::of(ended)?;
    let own = ended.tail.iter().rev().find_map(|line| line.strip_prefix("error: "));
    Some(own.map_or(reason, str::to_owned))
}

/// The numbers of a trial that has gone as far as it had to.
fn read(dir: &Utf8Path, goal: Goal) -> TrialEnd {
    let path = dir.join("log.txt");
    let numbers = || -> caddie_files::Result<TrialNumbers> {
        let log = read_log(&path)?;
        if goal == Goal::Score {
            // Model, ledger and log have to agree, as they have for a records folder.
            let run = FinishedRun::open(dir, log.clone())?;
            if run.log.val_bpb.value().is_none() {
                return Err(caddie_files::Error::unreadable(&path, "states no score; delete the run to make it again"));
            }
        }
        Ok(TrialNumbers::of(&log))
    };
    match numbers() {
        Ok(numbers) => TrialEnd::Finished(numbers),
        Err(error) => TrialEnd::Failed(TrialFailure { reason: error.to_string(), tail: Vec::new(), log: path }),
    }
}
