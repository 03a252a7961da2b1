//! A dress rehearsal: a participant's script runs from its first line to its score, on this machine's CPU, at toy size, and
//! behind walls.
//!
//! What the script expects of eight H100s is emulated by the Python package `rehearsal/`, which is embedded here. It reports
//! how far the script came; this room starts it for each seed, compares the runs, and reads their logs with the reader of
//! `verify`, so that a line that `verify` would miss is seen before the real run. The word is "rehearsed", never "valid":
//! speed, memory, real numerics and sharding over GPUs do not show.

mod interpreter;
mod package;
mod reading;
mod report;
mod run;
mod session;
mod settings;

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use caddie_files::{Error, Result};
use caddie_folder::Folder;

pub use interpreter::Interpreter;
pub use reading::Reading;
pub use report::{Failure, Phase, Report};
pub use session::{EndedTrial, Prepared, Session, Trial, Vocabulary};
pub use settings::Setting;

/// What is rehearsed, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// A script, or a records folder with one.
    pub target: Utf8PathBuf,
    /// Training steps.
    pub steps: u32,
    pub seeds: Vec<i64>,
    /// Processes that train together.
    pub nproc: u32,
    /// Settings over those that the folder gives.
    pub env: Vec<(String, String)>,
    /// A new folder in which everything that the runs write stays.
    pub keep: Option<Utf8PathBuf>,
    /// A Python with torch; else the one that caddie makes.
    pub python: Option<Utf8PathBuf>,
    /// Whether the script runs behind walls.
    pub walls: bool,
    /// Time for one run.
    pub limit: Duration,
}

/// One run of the script.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    pub seed: i64,
    /// The seed of the run before it, once more.
    pub repetition: bool,
    pub report: Report,
    /// What `verify` reads of its log.
    pub read: Reading,
    /// Where what it wrote was kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<Utf8PathBuf>,
}

/// What a rehearsal showed.
#[derive(Debug, Clone, Serialize)]
pub struct Rehearsal {
    pub schema_version: u32,
    pub script: Utf8PathBuf,
    /// The script's length as it ships, decimal bytes.
    pub bytes_code: u64,
    /// Its length packed without a minifier, where that is smaller.
    pub bytes_code_packed: Option<u64>,
    /// Settings that the folder's own commands give.
    pub settings: Vec<Setting>,
    pub runs: Vec<Run>,
    /// Whether another seed gives other losses; `None` where nothing can be compared.
    pub seed_matters: Option<bool>,
    /// Whether the same seed gives the same losses.
    pub repeats: Option<bool>,
    /// What held the script off from this machine.
    pub walls: Vec<&'static str>,
}

impl Rehearsal {
    /// Whether every run came to its score, in a log that `verify` can read.
    pub fn passed(&self) -> bool {
        self.runs.iter().all(|run| run.report.reached_its_score() && run.read.missing.is_empty())
    }
}

/// Runs the script for each seed, and for the first seed once more.
///
/// `tell` hears what is being done. Where `stop` is set, the run that goes on is ended.
///
/// # Errors
/// When the script cannot be read, no Python can be found or made, or a wall cannot be put up. What the script does wrong is
/// in its [`Report`].
pub fn rehearse(options: &Options, stop: &AtomicBool, tell: &mut dyn FnMut(&str)) -> Result<Rehearsal> {
    let (script, folder) = locate(&options.target)?;
    let text = caddie_files::read_bounded(&script)?;
    let settings = folder.as_ref().map(settings::of).unwrap_or_default();
    let interpreter = Interpreter::find(options.python.as_deref(), tell)?;
    let package = package::unpacked()?;
    let room = run::Room::new(options.keep.as_deref())?;
    let mut runs: Vec<Run> = Vec::new();
    let mut seeds: Vec<(i64, bool)> = options.seeds.iter().map(|seed| (*seed, false)).collect();
    if let Some(first) = options.seeds.first() {
        seeds.insert(1, (*first, true));
    }
    for (seed, repetition) in seeds {
        // A script that does not run once need not be run again.
        if runs.first().is_some_and(|run| !run.report.reached_its_score()) {
            break;
        }
        let again = if repetition { ", once more" } else { "" };
        tell(&format!("seed {seed}{again}"));
        let request = run::Request {
            options,
            script: &script,
            settings: &settings,
            interpreter: &interpreter,
            package: &package,
            seed,
            corpus: runs.first().map(|_| room.corpus()),
            extra: &[],
        };
        let name = if repetition { format!("seed-{seed}-again") } else { format!("seed-{seed}") };
        let (report, place) = run::run(&request, &room, &name, stop, tell)?;
        let read = reading::of(&place, &report);
        let kept = options.keep.is_some().then_some(place);
        runs.push(Run { seed, repetition, report, read, kept });
    }
    let packed = caddie_python::pack::estimate(&text);
    Ok(Rehearsal {
        schema_version: 1,
        bytes_code: text.len() as u64,
        bytes_code_packed: packed.filter(|packed| *packed < text.len() as u64),
        seed_matters: compare(&runs, |a, b| a.seed != b.seed).map(|same| !same),
        repeats: compare(&runs, |a, b| a.seed == b.seed && b.repetition),
        walls: if options.walls { caddie_walls::WALLS.iter().map(|(name, _)| *name).collect() } else { Vec::new() },
        script,
        settings,
        runs,
    })
}

/// The script of a target, and the folder around it.
fn locate(target: &Utf8Path) -> Result<(Utf8PathBuf, Option<Folder>)> {
    if !target.is_dir() {
        caddie_files::regular(target)?;
        let parent = target.parent().filter(|parent| !parent.as_str().is_empty()).unwrap_or(Utf8Path::new("."));
        // Any folder will do: what it does not hold gives no settings.
        return Ok((target.to_owned(), Folder::read(parent).ok()));
    }
    let folder = Folder::read(target)?;
    let script = folder.script.as_ref().map(|script| target.join(&script.path));
    let script = script.ok_or_else(|| Error::unreadable(target, "holds no script; name the script itself"))?;
    Ok((script, Some(folder)))
}

/// Whether the losses of the first two runs of this kind are the same.
fn compare(runs: &[Run], pair: impl Fn(&Run, &Run) -> bool) -> Option<bool> {
    let first = runs.first()?;
    let other = runs.iter().skip(1).find(|run| pair(first, run))?;
    let (a, b) = (&first.read.losses, &other.read.losses);
    (!a.is_empty() && !b.is_empty()).then(|| a == b)
}
