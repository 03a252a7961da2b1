//! A participant's own script: run for each seed, watched, kept, rendered and verified, in one command that can be
//! interrupted. The script is not changed, and nothing is stopped that it would not stop itself, unless that is asked for.
//!
//! It runs as whoever starts caddie, without walls: it is the user's own. (`caddie rehearse` is for a stranger's.)

pub mod data;
pub mod entry;
pub mod environment;
pub mod family;
pub mod launcher;
pub mod lock;
pub mod machine;
pub mod process;
pub mod reading;
pub mod reason;
pub mod record;
pub mod seed;

use std::collections::BTreeSet;

use camino::Utf8PathBuf;
use sha2::{Digest as _, Sha256};

use self::data::Data;
use self::environment::Environment;
use self::launcher::Launcher;
use self::lock::Lock;
use self::process::{Cap, Watch};
use self::record::{Cause, Machine, Written};
use self::seed::{Failure, Seed};
use super::asked::{check_seeds, date_of, folder_name};
use super::placing::{self, Spot};
use crate::artifact::Limits;
use crate::checks::{self, VerifyOptions};
use crate::fixture::SourceReport;
use crate::render::script::{self as page, Module, ScriptEntry, ScriptFacts, modules};
use crate::render::{Meta, Rendered, Track};
use crate::report::FolderReport;
use caddie_files::{Error, Result};
use caddie_folder::Folder;
use caddie_rulebook::Rulebook;

/// A submission as it is asked for.
#[derive(Debug, Clone)]
pub struct ScriptSubmission {
    pub script: Utf8PathBuf,
    pub seeds: Vec<u64>,
    /// Processes; as many as GPUs are found where `None`, else 1.
    pub nproc: Option<u32>,
    /// Settings that the script reads from its environment.
    pub env: Vec<(String, String)>,
    pub launcher: Option<Launcher>,
    /// Name of the submission and of its run directory; the script's where `None`.
    pub name: Option<String>,
    /// A sentence on the method, which only its author can write.
    pub blurb: String,
    pub author: String,
    pub github_id: String,
    pub track: Track,
    /// Whose rules and limits the submission is rendered and verified by.
    pub rulebook: Rulebook,
    /// The day of the first start where `None`.
    pub date: Option<jiff::civil::Date>,
    /// Folder that gets `runs/`, `records/`, `PULL_REQUEST.md` and the artifact.
    pub out: Utf8PathBuf,
    pub data: Utf8PathBuf,
    /// Wall-clock seconds after which a run is ended, as is one whose training clock passes the challenge's limit.
    pub enforce: Option<f64>,
    /// Replace a folder of the same name that holds something else.
    pub force: bool,
    /// End with the runs: other machines make the other seeds, and `collect` renders.
    pub runs_only: bool,
}

/// The end of a submission.
#[derive(Debug)]
pub enum Outcome {
    /// Every seed is finished; the folder is rendered and verified.
    Submitted(Box<Submitted>),
    /// Seeds that failed. The others are kept.
    Failed(Vec<Failure>),
    /// Every seed is finished, and nothing more was asked for: the folder of the runs.
    Ran(Utf8PathBuf),
}

/// The outputs of a submission.
#[derive(Debug)]
pub struct Submitted {
    pub rendered: Rendered<ScriptFacts>,
    pub report: FolderReport,
    /// The known floor, when the data come from `caddie fixture`.
    pub source: Option<SourceReport>,
}

/// An audience of the runs.
pub trait Audience {
    /// Returns the watcher of the run of `seed`, whose training is to take `train_seconds`.
    fn watch(&mut self, seed: u64, train_seconds: f64) -> Box<dyn Watch>;
    /// Hears what a reader should know at once.
    fn say(&mut self, text: &str);
}

/// The same for all seeds.
struct Plan {
    script: Utf8PathBuf,
    source: Vec<u8>,
    data: Data,
    launcher: Launcher,
    nproc: u32,
    asked: BTreeSet<String>,
    /// Files beside the script that it imports.
    modules: Vec<Module>,
    machine: Machine,
    runs: Utf8PathBuf,
    meta: Meta,
    limits: Limits,
}

/// Does what is left of the submission.
///
/// # Errors
/// When the command line, the script or the data cannot be used, a run cannot be started or kept, the user interrupts, a log
/// states no score, or rendering fails. Whatever was finished stays, and the next call goes on from there.
pub fn submit(submission: &ScriptSubmission, audience: &mut dyn Audience) -> Result<Outcome> {
    let mut plan = Plan::of(submission)?;
    let _lock = Lock::of(&plan.runs, submission.runs_only.then_some(submission.seeds.as_slice()))?;
    plan.meta.date = date_of(&plan.runs, submission.date)?;
    let seeds: Vec<Seed<'_>> =
        submission.seeds.iter().map(|seed| plan.seed(*seed, submission)).collect::<Result<_>>()?;
    let finished = seeds.iter().map(Seed::finished).collect::<Result<Vec<_>>>()?;
    if finished.iter().any(Option::is_none) && !submission.runs_only {
        placing::refuse_any(page::places(&submission.out, &plan.meta).into_iter(), submission.force)?;
    }
    let (mut runs, mut failures) = (Vec::new(), Vec::new());
    for (seed, finished) in seeds.iter().zip(finished) {
        let ended = match finished {
            Some(record) => {
                audience.say(&format!("seed {}: finished before, and kept", seed.seed));
                Ok(record)
            }
            None => {
                plan.check_unchanged()?;
                let mut watch = audience.watch(seed.seed, plan.train_seconds(seed));
                seed.run(crate::stop::flag(), watch.as_mut(), &mut |text| audience.say(text))?
            }
        };
        // Read at once: a script that does not take its seed is found before the other seeds cost their time.
        let read = match ended {
            Ok(record) => seed.read(&record)?.map(|run| (run, record)),
            Err(failure) => Err(failure),
        };
        match read {
            Ok(run) => runs.push(run),
            Err(failure) => {
                audience.say(&format!("seed {}: failed: {}", failure.seed, failure.reason));
                failures.push(failure);
            }
        }
    }
    if !failures.is_empty() {
        return Ok(Outcome::Failed(failures));
    }
    let (folder, source) = (plan.runs.clone(), SourceReport::find(&submission.data)?);
    if submission.runs_only {
        return Ok(Outcome::Ran(folder));
    }
    let entry = entry::of(plan.known(submission)?, runs)?;
    let spot = Spot { out: &submission.out, runs: &folder, force: submission.force };
    Ok(Outcome::Submitted(Box::new(finish(&entry, &spot, source)?)))
}

/// Renders an entry, packs its artifact and verifies its folder.
///
/// # Errors
/// Those of [`placing::place`] and of rendering.
pub fn finish(entry: &ScriptEntry, spot: &Spot<'_>, source: Option<SourceReport>) -> Result<Submitted> {
    let rendered = placing::place(spot, |out| page::render(entry, out, spot.force))?;
    let folder = Folder::read(&rendered.folder)?;
    let report = checks::verify_read(&folder, &entry.rulebook, &VerifyOptions::default());
    Ok(Submitted { rendered, report, source })
}

impl Plan {
    fn of(submission: &ScriptSubmission) -> Result<Plan> {
        check_seeds(&submission.seeds)?;
        caddie_files::regular(&submission.script)?;
        let script = submission.script.canonicalize_utf8().map_err(Error::io(&submission.script, "resolving"))?;
        let source = caddie_files::read_bounded(&script)?;
        let name = submission.name.clone().unwrap_or_else(|| script.file_stem().unwrap_or_default().to_owned());
        let runs = submission.out.join("runs").join(folder_name(&name)?);
        let vocab = submission.env.iter().find(|(name, _)| name == "VOCAB_SIZE");
        let vocab = vocab.map(|(_, size)| {
            size.parse().map_err(|_| Error::Usage(format!("--env VOCAB_SIZE={size}: give a number of tokens")))
        });
        let data = Data::locate(&submission.data, vocab.transpose()?)?;
        let launcher = Launcher::or_found(submission.launcher.as_ref());
        let machine = machine::look(&script, &launcher);
        let gpus = u32::try_from(machine.gpus.len()).unwrap_or(1).max(1);
        let several = !matches!(launcher, Launcher::Python);
        let meta = Meta {
            name,
            author: submission.author.clone(),
            github_id: submission.github_id.clone(),
            date: jiff::civil::Date::default(),
            track: submission.track.clone(),
        };
        if meta.file_name().is_empty() {
            return Err(Error::Usage(format!("--name {:?} has no letter or digit to name a folder by", meta.name)));
        }
        Ok(Plan {
            asked: environment::asked_for(&source),
            nproc: submission.nproc.unwrap_or(if several { gpus } else { 1 }),
            modules: modules::beside(&script)?,
            limits: Limits::of(&submission.rulebook, submission.rulebook.track(&submission.track.name)),
            script,
            source,
            data,
            launcher,
            machine,
            runs,
            meta,
        })
    }

    fn seed(&self, seed: u64, submission: &ScriptSubmission) -> Result<Seed<'_>> {
        let run_id = format!("{}_seed{seed}", self.meta.file_name());
        let inherited = |name: &str| std::env::var(name).ok();
        let environment = Environment::of(seed, &run_id, &self.data, &submission.env, &self.asked, inherited);
        let cause = Cause {
            script: self.script.clone(),
            script_bytes: self.source.len() as u64,
            script_sha256: caddie_files::hex(&Sha256::digest(&self.source)),
            modules: self.modules.iter().map(Written::of_module).collect(),
            command: self.launcher.command(&self.script, self.nproc, seed)?,
            env: environment.recorded.clone(),
            env_withheld: environment.withheld.clone(),
        };
        let train_seconds = self.limits.train_seconds + self.limits.train_tolerance_seconds;
        Ok(Seed {
            seed,
            dir: self.runs.join(format!("seed-{seed}")),
            cause,
            environment,
            machine: &self.machine,
            cap: submission.enforce.map(|wall_seconds| Cap { wall_seconds, train_seconds }),
        })
    }

    /// The budget of the training: the script's own setting, else the challenge's.
    fn train_seconds(&self, seed: &Seed<'_>) -> f64 {
        let own = seed.environment.recorded.get("MAX_WALLCLOCK_SECONDS").and_then(|text| text.parse().ok());
        own.filter(|seconds| *seconds > 0.0).unwrap_or(self.limits.train_seconds)
    }

    /// Every seed runs the same script, however long the first one takes.
    fn check_unchanged(&self) -> Result<()> {
        if caddie_files::read_bounded(&self.script)? == self.source && modules::beside(&self.script)? == self.modules {
            return Ok(());
        }
        Err(Error::Usage(format!(
            "{}, or a file that it imports, was changed while its seeds were being run; run the command again, and every seed is made with the new script",
            self.script
        )))
    }

    /// The parts of the entry that no run tells.
    fn known(self, submission: &ScriptSubmission) -> Result<entry::Known> {
        let takes_seed = |words: &[String]| words.iter().any(|word| word.contains("{seed}"));
        Ok(entry::Known {
            requirements: entry::requirements(&self.script)?,
            seed_in_command: matches!(&self.launcher, Launcher::Custom(words) if takes_seed(words)),
            meta: self.meta,
            limits: self.limits,
            rulebook: submission.rulebook.clone(),
            blurb: submission.blurb.clone(),
            source: self.source,
            modules: self.modules,
            shards: self.data.shards,
        })
    }
}
