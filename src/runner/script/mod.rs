//! A participant's own script: run for each seed, watched, kept, rendered and verified, in one command that can be
//! interrupted. The script is not changed, and nothing is stopped that it would not stop itself, unless that is asked for.
//!
//! It runs as whoever starts caddie, without walls: it is the user's own. A stranger's runs behind walls
//! ([`reproduction`]).

pub mod code;
pub mod data;
pub mod entry;
pub mod environment;
pub mod evaluation;
pub mod family;
pub mod launcher;
pub mod lock;
pub mod machine;
mod plan;
pub mod process;
pub mod reading;
pub mod reason;
pub mod record;
pub mod reproduction;
pub mod rerender;
pub mod seed;
pub mod single;
pub mod stranger;

use camino::Utf8PathBuf;

use self::launcher::Launcher;
use self::lock::Lock;
use self::plan::Plan;
use self::process::Watch;
use self::seed::{Failure, Seed};
use super::asked::date_of;
use super::placing::{self, Spot};
use crate::checks::{self, VerifyOptions};
use crate::fixture::SourceReport;
use crate::render::script::{self as page, ScriptEntry, ScriptFacts};
use crate::render::{Rendered, Track};
use crate::report::FolderReport;
use caddie_files::Result;
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
    /// The rules and limits by which the submission is rendered and verified.
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
pub enum SubmitOutcome {
    /// Every seed is finished; the folder is rendered and verified.
    Submitted(Box<SubmittedScript>),
    /// Seeds that failed. The others are kept.
    Failed(Vec<Failure>),
    /// Every seed is finished, and nothing more was asked for: the folder of the runs.
    Ran(Utf8PathBuf),
}

/// The results of a submission.
#[derive(Debug)]
pub struct SubmittedScript {
    pub rendered: Rendered<ScriptFacts>,
    pub report: FolderReport,
    /// The known floor, when the data come from `caddie fixture`.
    pub source: Option<SourceReport>,
}

/// The audience of the runs.
pub trait Audience {
    /// Returns a watch of the run of `seed`, whose training is to take `train_seconds`.
    fn watch(&mut self, seed: u64, train_seconds: f64) -> Box<dyn Watch>;
    /// Hears of a seed that was finished before, and is not run again.
    fn kept(&mut self, seed: u64);
    /// Hears a message that a reader should know at once.
    fn say(&mut self, text: &str);
}

/// Does the rest of the submission.
///
/// # Errors
/// When the command line, the script or the data cannot be used, a run cannot be started or kept, the user interrupts, a log
/// states no score, or rendering fails. Finished runs stay, and the next call goes on from there.
pub fn submit(submission: &ScriptSubmission, audience: &mut dyn Audience) -> Result<SubmitOutcome> {
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
    for seed in &seeds {
        match plan.make(seed, audience)? {
            Ok(run) => runs.push(run),
            Err(failure) => {
                audience.say(&format!("seed {}: failed: {}", failure.seed, failure.reason));
                failures.push(failure);
            }
        }
    }
    if !failures.is_empty() {
        return Ok(SubmitOutcome::Failed(failures));
    }
    let (folder, source) = (plan.runs.clone(), SourceReport::find(&submission.data)?);
    if submission.runs_only {
        return Ok(SubmitOutcome::Ran(folder));
    }
    let entry = entry::of(plan.known(submission)?, runs)?;
    let spot = Spot { out: &submission.out, runs: &folder, force: submission.force };
    Ok(SubmitOutcome::Submitted(Box::new(finish(&entry, &spot, source)?)))
}

/// Renders an entry, packs its artifact and verifies its folder.
///
/// # Errors
/// Those of [`placing::place`] and of rendering.
pub fn finish(entry: &ScriptEntry, spot: &Spot<'_>, source: Option<SourceReport>) -> Result<SubmittedScript> {
    let rendered = placing::place(spot, |out| page::render(entry, out, spot.force))?;
    let folder = Folder::read(&rendered.folder)?;
    let report = checks::verify_read(&folder, &entry.rulebook, &VerifyOptions::default());
    Ok(SubmittedScript { rendered, report, source })
}
