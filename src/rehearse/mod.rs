//! A dress rehearsal: a participant's script runs from its first line to its score, on this machine's CPU, at toy size, and
//! behind walls.
//!
//! The Python package `rehearsal/`, which is embedded here, emulates everything that the script expects of eight H100s. It reports
//! how far the script came; this room starts it for each seed, compares the runs, and reads their logs with the reader of
//! `verify`, so that a line that `verify` would miss is seen before the real run. The word is "rehearsed", never "valid":
//! speed, memory, real numerics and sharding over GPUs do not show.

mod folder;
mod full_size;
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

pub use folder::{ToyFinding, ToyFolder};
pub use full_size::{Class, FullSize};
pub use interpreter::Interpreter;
pub use reading::Reading;
pub use report::{CaughtPass, Phase, RehearsalFailure, RehearsalReport, Stored, Tensor};
pub use session::{EndedTrial, Prepared, ProbeTrial, Session, Vocabulary};
pub use settings::Setting;

/// A rehearsal as it is asked for.
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
    /// True if the script runs behind walls.
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
    pub report: RehearsalReport,
    /// The facts that `verify` reads of its log.
    pub read: Reading,
    /// The folder in which its files were kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<Utf8PathBuf>,
}

/// The results of a rehearsal.
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
    /// The toy runs as a folder, put through `verify`; `None` where one of them has no score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<ToyFolder>,
    /// Sizes of the model at full scale; `None` where no toy run came to its score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_size: Option<FullSize>,
    /// The reason why there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_size_unknown: Option<String>,
    /// The version of the Python that ran the script, `3.11`.
    pub python: String,
    /// True if another seed gives other losses; `None` where nothing can be compared.
    pub seed_matters: Option<bool>,
    /// True if the same seed gives the same losses.
    pub repeats: Option<bool>,
    /// Walls that held the script off from this machine.
    pub walls: Vec<&'static str>,
}

impl Rehearsal {
    /// Tells whether every run came to its score, in a log that `verify` can read, and together they make a folder without an
    /// error that the real one would have.
    pub fn passed(&self) -> bool {
        let scored = self.runs.iter().all(|run| run.report.reached_its_score() && run.read.missing.is_empty());
        scored && self.folder.as_ref().is_none_or(ToyFolder::holds)
    }
}

/// Runs the script for each seed, and for the first seed once more.
///
/// `tell` hears what is being done. Where `stop` is set, the run that goes on is ended.
///
/// # Errors
/// When the script cannot be read, no Python can be found or made, or a wall cannot be put up. What the script does wrong is
/// in its [`RehearsalReport`].
pub fn rehearse(options: &Options, stop: &AtomicBool, tell: &mut dyn FnMut(&str)) -> Result<Rehearsal> {
    let (script, folder) = locate(&options.target)?;
    let text = caddie_files::read_bounded(&script)?;
    let settings = folder.as_ref().map(settings::of).unwrap_or_default();
    let newest = needed_minor(&script, &text);
    let interpreter = Interpreter::find_for(options.python.as_deref(), newest, tell)?;
    let package = package::unpacked()?;
    let room = run::Room::new(options.keep.as_deref())?;
    let (mut runs, mut places): (Vec<Run>, Vec<Utf8PathBuf>) = (Vec::new(), Vec::new());
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
        let request = run::TrialRequest {
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
        let kept = options.keep.is_some().then(|| place.clone());
        runs.push(Run { seed, repetition, report, read, kept });
        places.push(place);
    }
    let (mut folder, mut full_size) = (None, Err(None));
    if let Some(first) = runs.first().filter(|_| runs.iter().all(|run| run.report.reached_its_score())) {
        tell("the folder of these runs");
        let made = runs.iter().zip(&places).filter(|(run, _)| !run.repetition);
        let made: Vec<(i64, &Utf8Path)> = made.map(|(run, place)| (run.seed, place.as_path())).collect();
        folder = Some(folder::verify(&script, &made, &room.rendered())?);
        tell("the model at its own sizes");
        let extra = ["--full-size".to_owned()];
        let alone = Options { nproc: 1, ..options.clone() };
        let request = run::TrialRequest {
            options: &alone,
            script: &script,
            settings: &settings,
            interpreter: &interpreter,
            package: &package,
            seed: first.seed,
            corpus: Some(room.corpus()),
            extra: &extra,
        };
        // A script that cannot be measured so was rehearsed all the same.
        full_size = match run::run(&request, &room, "full-size", stop, tell) {
            Ok((full, _)) => FullSize::of(&full, &first.report).map_err(Some),
            Err(error @ Error::Interrupted(_)) => return Err(error),
            Err(error) => Err(Some(error.to_string())),
        };
    }
    let (full_size, full_size_unknown) = match full_size {
        Ok(sizes) => (Some(sizes), None),
        Err(reason) => (None, reason),
    };
    let packed = caddie_python::pack::estimate(&text);
    Ok(Rehearsal {
        schema_version: 1,
        bytes_code: text.len() as u64,
        bytes_code_packed: packed.filter(|packed| *packed < text.len() as u64),
        seed_matters: compare(&runs, |a, b| a.seed != b.seed).map(|same| !same),
        repeats: compare(&runs, |a, b| a.seed == b.seed && b.repetition),
        python: format!("3.{}", interpreter.minor),
        folder,
        full_size,
        full_size_unknown,
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

/// The first Python that reads the syntax of a script and of what it unpacks: 12 of 3.12. The oldest one that is supported
/// where all of them do.
fn needed_minor(script: &Utf8Path, source: &[u8]) -> u8 {
    let file = script.file_name().unwrap_or("train_gpt.py");
    let unwrapped = caddie_python::unwrap(source, file, &caddie_python::Alone { file, source });
    let newer = unwrapped.module().into_iter().flat_map(caddie_python::Module::newer);
    newer.map(|syntax| syntax.minor).max().unwrap_or(0)
}

/// Tells whether the losses of the first two runs of this kind are the same.
fn compare(runs: &[Run], pair: impl Fn(&Run, &Run) -> bool) -> Option<bool> {
    let first = runs.first()?;
    let other = runs.iter().skip(1).find(|run| pair(first, run))?;
    let (a, b) = (&first.read.losses, &other.read.losses);
    (!a.is_empty() && !b.is_empty()).then(|| a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_python_that_a_script_needs_follows_from_its_syntax() {
        let needed = |source: &str| needed_minor(Utf8Path::new("train_gpt.py"), source.as_bytes());
        assert_eq!(needed("x = f'{1}'\n"), 0);
        assert_eq!(needed("x = f'{d['key']}'\n"), 12);
        assert_eq!(needed("exec(\"x = f'{d['key']}'\")\n"), 12);
        assert_eq!(needed("no python at all ("), 0);
    }
}
